"""The database: how it is opened, how a transaction begins, and how its schema is brought up to date.

SQLite runs with `synchronous=FULL` (a lost "sent" mark is a second mail) and with WAL only from 3.51.3 on: earlier
versions can corrupt a WAL file when two connections write and checkpoint at the same instant (sqlite.org/wal.html,
"the WAL-reset bug"). Writers take the lock when they begin, so that they wait instead of failing half way.

A PostgreSQL may restart, or its network be cut. Whoever holds mail in hand then waits for it (`patient`), and notices a
line that is dead without a word (`LINE`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite

from digest.errors import SettingsError, StoreError

log = structlog.get_logger(__name__)

HEAD = "0006"
"""The newest revision in migrations/versions."""

WHERE = "DIGEST_DATABASE_URL"
"""Where the operator mends what is wrong with the database."""

LINE = {
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""For libpq: after half a minute without a sign of life a connection is lost, instead of after two hours."""

PATIENCE = 300.0
"""Seconds for a database to come back: more than a restart or a failover takes, and half of a claim's lease."""

LONGEST_PAUSE = 5.0
"""Seconds between two attempts; the first comes after a tenth of one."""

_P = ParamSpec("_P")
_Self = TypeVar("_Self")
_Result = TypeVar("_Result")

JOURNAL = "WAL" if sqlite3.sqlite_version_info >= (3, 51, 3) else "TRUNCATE"


class Database:
    """Transactions on one database, SQLite or PostgreSQL."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self._hasty: sa.Engine | None = None
        if self.dialect == "postgresql":
            self._hasty = sa.create_engine(
                engine.url, isolation_level="AUTOCOMMIT", pool_use_lifo=True, hide_parameters=True
            )

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A consistent view; changes nothing."""
        with self.engine.connect() as connection:
            yield connection.execution_options(reading=True)

    @contextmanager
    def writing(self, alone_in: sa.Table | None = None, *, forgettable: bool = False) -> Iterator[sa.Connection]:
        """All or nothing; SQLite's write lock is held from the start, as is that of *alone_in* in PostgreSQL.

        The lock is for those who read a table, and write what they found missing. What is *forgettable* does not wait
        for PostgreSQL's disk: a crash of the server may undo it, but never without all that was committed later.
        """
        with self.engine.begin() as connection:
            if forgettable and self.dialect == "postgresql":
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            if alone_in is not None and self.dialect == "postgresql":
                connection.exec_driver_sql(f"LOCK TABLE {alone_in.name} IN SHARE ROW EXCLUSIVE MODE")
            yield connection

    @contextmanager
    def stating(self) -> Iterator[sa.Connection]:
        """For one statement that is a transaction by itself; in PostgreSQL one round trip instead of four.

        Nobody has asked the connection before whether it is alive still: see `patient`.
        """
        if self._hasty is None:
            with self.writing() as connection:
                yield connection
        else:
            with self._hasty.connect() as connection:
                yield connection

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that knows `on_conflict_do_…` in this database's dialect."""
        return postgresql.insert(table) if self.dialect == "postgresql" else sqlite.insert(table)

    def acquaint(self, table: sa.Table, rows: int) -> None:
        """Have PostgreSQL look at *table*, to which so many *rows* were just added, if it believes that it has fewer.

        Its own look comes a minute after the first rows at best. Until then it guesses what is where, and may read all
        of a table for a few of its rows.
        """
        if self.dialect != "postgresql":
            return
        believed = sa.text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)")
        with self.writing(forgettable=True) as connection:
            if connection.scalar(believed, {"name": table.name}) < rows:
                connection.exec_driver_sql(f"ANALYZE {table.name}")

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
        if self._hasty is not None:
            self._hasty.dispose()


def patient(
    method: Callable[Concatenate[_Self, _P], _Result],
) -> Callable[Concatenate[_Self, _P], _Result]:
    """Repeat *method* while the server is away; for a transaction that does no harm when it is done twice.

    A connection that is lost at the commit does not tell whether that came about.
    """

    @wraps(method)
    def until_back(self: _Self, /, *args: _P.args, **kwargs: _P.kwargs) -> _Result:
        deadline, pause = time.monotonic() + PATIENCE, 0.1
        while True:
            try:
                return method(self, *args, **kwargs)
            except sa.exc.DBAPIError as error:
                if not is_away(error) or time.monotonic() > deadline:
                    raise
                log.warning("the database is away", waiting_to=method.__name__, reason=str(error.orig).strip())
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    return until_back


def is_away(error: Exception) -> bool:
    """Whether a connection was lost, or could not be made: such an error of psycopg has no SQLSTATE; or class 57P."""
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    state: str | None = getattr(error.orig, "sqlstate", "")
    refused = isinstance(error, sa.exc.OperationalError) and (state is None or state.startswith("57P"))
    return refused or error.connection_invalidated


def connect(url: str, password: str = "") -> Database:
    """Open the database at *url* and bring its schema up to date.

    Raises:
        SettingsError: the URL, the driver or the server is not usable.
    """
    engine = create_engine(url, password)
    database = Database(engine)
    try:
        with explained(engine):
            with database.reading() as connection:
                current = is_current(connection)
            if not current:
                with database.writing() as connection:
                    migrate(connection)
    except SettingsError:
        database.close()
        raise
    return database


def upgrade(url: str, password: str = "") -> tuple[str, str]:
    """Bring the schema of the database at *url* up to date; its revision before ("" for a new one) and now.

    Raises:
        SettingsError: it is not usable, or was made by a newer program.
    """
    engine = create_engine(url, password)
    try:
        with explained(engine), engine.connect() as connection:
            known = sa.inspect(connection).has_table("alembic_version")
            before = connection.scalar(sa.text("SELECT version_num FROM alembic_version")) if known else ""
    finally:
        engine.dispose()
    connect(url, password).close()
    return str(before), HEAD


def parse(url: str, password: str = "") -> sa.URL:
    """*url* with its driver, and with *password* for a server.

    Raises:
        SettingsError: it names no database that this program can use.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:  # ValueError: of a port that is no number
        raise SettingsError(f"{WHERE}: {error}") from error
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        line = {name: value for name, value in LINE.items() if name not in parsed.query}
        return parsed.set(drivername="postgresql+psycopg", password=password or None).update_query_dict(line)
    if backend != "sqlite":
        raise SettingsError(f"{WHERE}: {backend} is neither sqlite nor postgresql")
    if parsed.host:
        raise SettingsError(f"{WHERE}: a file has three slashes before its name: sqlite:///var/digest.sqlite")
    return parsed


def create_engine(url: str, password: str = "") -> sa.Engine:
    """An engine with the settings that this program relies on; makes the folder of an SQLite file.

    Raises:
        SettingsError: the URL, the folder or the driver is not usable.
    """
    parsed = parse(url, password)
    if parsed.get_backend_name() == "postgresql":
        try:
            # an error's text goes into logs, and parameters hold addresses
            return sa.create_engine(parsed, pool_pre_ping=True, pool_use_lifo=True, hide_parameters=True)
        except ModuleNotFoundError as error:
            raise SettingsError(f"{WHERE}: PostgreSQL needs the extra: pip install 'digest[cluster]'") from error
    if parsed.database and parsed.database != ":memory:":
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"{WHERE}: {error}") from error
    engine = sa.create_engine(parsed, hide_parameters=True)  # an error's text goes into logs, and they hold addresses
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def explained(engine: sa.Engine) -> Iterator[None]:
    """What goes wrong on the way to a usable database is the operator's to mend."""
    try:
        yield
    except sa.exc.DatabaseError as error:
        raise SettingsError(f"{WHERE}: cannot use {engine.url!r}: {error.orig or error}") from error


@contextmanager
def told_plainly() -> Iterator[None]:
    """A full disk, a damaged file or a server that went away is no mistake of the program, and needs no traceback.

    Raises:
        StoreError: instead of what SQLAlchemy raises for them.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        if not _failed(error):
            raise
        raise StoreError(f"the database failed: {str(error.orig).strip()}") from error


def _failed(error: sa.exc.DBAPIError) -> bool:
    """Whether the database is to blame, and not the statement: sqlite.org/rescode.html, and SQLSTATE's classes."""
    code: int | None = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _FAILURES
    return is_away(error) or str(getattr(error.orig, "sqlstate", ""))[:2] in {"53", "58", "XX"}


_FAILURES = {
    *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR),
    *(sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB),
}


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, below
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute(f"PRAGMA journal_mode={JOURNAL}")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def is_current(connection: sa.Connection) -> bool:
    """Whether the schema is today's; known without the time to import Alembic."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return False
    return bool(connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == HEAD)


def migrate(connection: sa.Connection) -> None:
    """Bring the schema up to date, within the transaction of *connection*.

    Raises:
        SettingsError: it is newer than this program.
    """
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":  # two workers that start at once migrate one after the other
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7421)"))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise SettingsError(f"{WHERE}: the database was made by a newer version of digest: {error}") from error
