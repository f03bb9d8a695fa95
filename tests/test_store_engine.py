"""The database: made by migrations, opened by many at once, and honest about what is wrong with it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import digest.store
from digest.errors import SettingsError, StoreError
from digest.models import Listing, Profile
from digest.store import JOURNAL, Store, open_store, schema, told_plainly
from digest.store.engine import HEAD, is_current
from tests.lines import Line, line, unix
from tests.make import NOON, a_digest, token_of

if TYPE_CHECKING:
    from tests.databases import PostgreSQL

MIGRATIONS = Path(digest.store.__file__).parent / "migrations"


# -- the schema


def test_migrations_make_exactly_the_schema(store: Store) -> None:
    with store.database.reading() as connection:
        # Alembic mistakes SQLite's '' for another default than ''
        opts = {"compare_server_default": store.database.dialect == "postgresql"}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, schema.metadata) == []


def test_migrations_name_every_key_and_index(store: Store) -> None:
    """`compare_metadata` does not look at names of keys, nor at the condition of a partial index."""
    found, wanted = sa.inspect(store.database.engine), schema.metadata
    for table in wanted.tables.values():
        assert found.get_pk_constraint(table.name)["name"] == table.primary_key.name
        indexes = {index["name"]: index for index in found.get_indexes(table.name)}
        for index in table.indexes:
            dialect = store.database.dialect
            where = index.dialect_options[dialect]["where"]
            options = indexes[index.name].get("dialect_options", {})
            stored = str(options.get(f"{dialect}_where", ""))
            assert stored.strip("()") == ("" if where is None else str(where))


def test_the_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_new_database_is_brought_up_to_date(empty_url: str) -> None:
    with closing(open_store(empty_url, token_of)) as store:
        with store.database.reading() as connection:
            assert is_current(connection)
        assert store.papers.count() == 0


def test_a_second_start_does_not_wait_for_alembic(store: Store, database_url: str) -> None:
    """Alembic takes a third of a second to import."""
    program = (
        "import sys; from digest.store import open_store; "
        f"open_store({database_url!r}, str).close(); "
        "sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[1])


def start(url: str) -> bool:
    with closing(open_store(url, token_of)) as store:
        return store.subscribers.add(Profile("ada@example.org"), NOON)


def test_two_programs_may_start_at_once_on_an_empty_database(empty_url: str) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        assert sorted(processes.map(start, [empty_url] * 2)) == [False, True]


def test_a_database_of_a_newer_program_is_left_alone(store: Store, database_url: str) -> None:
    with store.database.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match=r"DIGEST_DATABASE_URL: .*newer version of digest.*9999"):
        open_store(database_url, token_of)


# -- transactions


def test_all_or_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.database.writing() as connection:  # noqa: PT012
        connection.execute(schema.facts.insert().values(name="a", value="b"))
        _ = 1 / 0
    assert store.facts.get("a") is None


def test_sqlite_keeps_what_it_promised(tmp_path: Path) -> None:
    with (
        closing(open_store(f"sqlite:///{tmp_path / 'd.sqlite'}", token_of)) as store,
        store.database.reading() as connection,
    ):
        said = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "foreign_keys", "busy_timeout", "journal_mode")
        }
    full = 2
    assert said == {
        "synchronous": full,
        "foreign_keys": 1,
        "busy_timeout": 30000,
        "journal_mode": JOURNAL.lower(),
    }


def test_wal_only_where_it_cannot_corrupt() -> None:
    """sqlite.org/wal.html: the WAL-reset bug is mended in 3.51.3."""
    assert ("WAL" if sqlite3.sqlite_version_info >= (3, 51, 3) else "TRUNCATE") == JOURNAL


def test_who_is_forgotten_is_forgotten_everywhere(store: Store) -> None:
    store.subscribers.sync([Profile("ada@example.org")], NOON)
    [ada] = store.subscribers.everyone()
    store.deliveries.plan([replace(a_digest(subscriber=ada), picks=())], {})
    assert store.deliveries.counts() == {"empty": 1}
    with store.database.writing() as connection:
        connection.execute(schema.subscribers.delete())
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.deliveries)) == 0


# -- what is wrong with it


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://me:secret@example.org/digest", "mysql is neither sqlite nor postgresql"),
        ("postgres://me:secret@example.org/digest", "postgres is neither sqlite nor postgresql"),
        ("digest.sqlite", "Could not parse"),
        ("", "Could not parse"),
        ("postgresql://me:secret@127.0.0.1:1/digest", "refused"),
        ("postgresql://me:secret@127.0.0.1:99999/digest", "99999"),
        ("sqlite://example.org/digest.sqlite", "three slashes"),
        ("postgresql://me:secret@127.0.0.1:port/digest", "port"),
    ],
)
def test_a_url_that_cannot_be_used_says_why(url: str, why: str) -> None:
    with pytest.raises(SettingsError, match=r"^DIGEST_DATABASE_URL: ") as caught:
        open_store(url, token_of)
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("Dear diary, this is not a database. " * 100)
    with pytest.raises(SettingsError, match=r"DIGEST_DATABASE_URL: .*notes\.txt.*file is not a database"):
        open_store(f"sqlite:///{file}", token_of)
    assert file.read_text().startswith("Dear diary")


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"DIGEST_DATABASE_URL: .*file"):
        open_store(f"sqlite:///{tmp_path / 'file' / 'sub' / 'digest.sqlite'}", token_of)


def test_a_folder_in_place_of_the_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"DIGEST_DATABASE_URL: .*unable to open database file"):
        open_store(f"sqlite:///{tmp_path}", token_of)


@pytest.mark.pg
def test_a_database_that_the_server_does_not_have_says_so(postgres: PostgreSQL) -> None:
    with pytest.raises(SettingsError, match=r'DIGEST_DATABASE_URL: .*"nowhere" does not exist'):
        open_store(postgres.url("nowhere"), token_of)


@pytest.fixture
def cuttable(postgres: PostgreSQL) -> Iterator[tuple[Store, Line]]:
    """A store, and the line over which it reaches its database."""
    with line(unix(postgres.socket)) as way, postgres.fresh() as direct:
        name = direct.partition("@/")[2].partition("?")[0]
        with closing(open_store(f"postgresql://postgres@127.0.0.1:{way.port}/{name}", token_of)) as opened:
            yield opened, way


@pytest.mark.pg
def test_whoever_sends_waits_for_a_database_that_comes_back(cuttable: tuple[Store, Line]) -> None:
    store, way = cuttable
    store.subscribers.sync([Profile("ada@example.org")], NOON)
    [ada] = store.subscribers.everyone()
    issue = a_digest(subscriber=ada)
    store.papers.add([Listing("arxiv", pick.paper, NOON) for pick in issue.picks], NOON)
    store.deliveries.plan([issue], {})
    way.cut()
    with ThreadPoolExecutor(1) as pool:
        claiming = pool.submit(store.deliveries.claim, NOON, "worker 1", 10)
        time.sleep(0.5)
        assert not claiming.done()
        way.mend()
        assert len(claiming.result(30)) == 1


@pytest.mark.pg
def test_an_error_holds_no_address(store: Store) -> None:
    """Its text stands in logs."""
    wrong = sa.text("SELECT nothing FROM subscribers WHERE email_key = :email")
    with pytest.raises(sa.exc.DatabaseError) as raised, store.database.reading() as connection:
        connection.execute(wrong, {"email": "ada@example.org"})
    assert "ada@example.org" not in str(raised.value)


def test_a_file_that_is_damaged_in_the_middle_says_so(tmp_path: Path) -> None:
    file = tmp_path / "digest.sqlite"
    with closing(open_store(f"sqlite:///{file}", token_of)) as store:
        store.facts.put({f"fact {number}": "x" * 500 for number in range(2000)})
    with file.open("r+b") as pages:
        pages.seek(-500_000, os.SEEK_END)
        pages.write(b"\xff" * 500_000)
    with (
        closing(open_store(f"sqlite:///{file}", token_of)) as store,
        pytest.raises(StoreError, match="the database failed: database disk image is malformed"),
        told_plainly(),
    ):
        store.facts.get("fact 1999")


def test_a_mistake_in_a_statement_is_not_the_databases(store: Store) -> None:
    with pytest.raises(sa.exc.DatabaseError), told_plainly(), store.database.reading() as connection:
        connection.execute(sa.text("SELECT nothing FROM subscribers"))


def test_nobody_waits_for_ever(cuttable: tuple[Store, Line], monkeypatch: pytest.MonkeyPatch) -> None:
    store, way = cuttable
    monkeypatch.setattr("digest.store.engine.PATIENCE", 0.5)
    way.cut()
    with pytest.raises(sa.exc.OperationalError):
        store.deliveries.claim(NOON, "worker 1", 10)


@pytest.mark.pg
def test_a_mistake_is_not_waited_for(postgres: PostgreSQL) -> None:
    """Only a database that is away may come back."""
    with postgres.fresh() as url, closing(open_store(url, token_of)) as store:
        with store.database.writing() as connection:
            connection.exec_driver_sql("DROP TABLE deliveries CASCADE")
        with pytest.raises(sa.exc.ProgrammingError):
            store.deliveries.claim(NOON, "worker 1", 10)
