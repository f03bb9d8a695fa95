"""Copy a whole database into an empty one, table by table: from SQLite to PostgreSQL, or a backup of one in use.

The copy is of one moment: a snapshot of SQLite, whose readers and writers wait for each other, or one transaction of
PostgreSQL. The target is written in one transaction, so that it is whole or empty.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from digest.errors import UsageError
from digest.store import schema
from digest.store.engine import connect, parse
from digest.store.snapshot import snapshot

BLOCK = 1000
"""Rows on their way at once."""

Progress = Callable[[str, int, int | None], None]


def copy(source: str, target: str, password: str, progress: Progress) -> dict[str, int]:
    """Copy everything from the database at *source* to that at *target*; how many rows of each table.

    Both are brought up to date first, so that they have the same tables; of SQLite, only the copy is. *password* is
    that of a server.

    Raises:
        SettingsError: one of them cannot be used.
        UsageError: there is no *source*, or *target* is not empty.
    """
    _refuse_missing(source)
    with ExitStack() as stack:
        new = stack.enter_context(closing(connect(target, password)))
        writer = stack.enter_context(new.writing())
        _refuse_inhabited(writer, target)
        old = stack.enter_context(closing(connect(_at_rest(source, stack), password)))
        reader = stack.enter_context(old.reading())
        if old.dialect == "postgresql":
            reader.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        return {table.name: _table(table, reader, writer, progress) for table in schema.metadata.sorted_tables}


def _at_rest(source: str, stack: ExitStack) -> str:
    """Where nobody writes: a snapshot of an SQLite file, which lies in a temporary folder meanwhile."""
    where = parse(source)
    if where.get_backend_name() != "sqlite":
        return source
    copied = Path(stack.enter_context(TemporaryDirectory(prefix="digest-"))) / "snapshot.sqlite"
    snapshot(Path(where.database or ""), copied)
    return f"sqlite:///{copied}"


def _refuse_missing(source: str) -> None:
    """SQLite would make an empty database of a name that is misspelt, and the backup be empty, too."""
    where = parse(source)
    if where.get_backend_name() == "sqlite" and not Path(where.database or "").is_file():
        raise UsageError(f"there is no database {where}; nothing was copied")


def _refuse_inhabited(connection: sa.Connection, target: str) -> None:
    for table in schema.metadata.sorted_tables:
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
            raise UsageError(f"{sa.make_url(target)} is not empty: it has {table.name}; nothing was copied")


def _table(table: sa.Table, reader: sa.Connection, writer: sa.Connection, progress: Progress) -> int:
    total = reader.scalar(sa.select(sa.func.count()).select_from(table)) or 0
    rows = reader.execution_options(yield_per=BLOCK).execute(sa.select(table).order_by(*table.primary_key.columns))
    done = 0
    for block in rows.mappings().partitions():
        writer.execute(table.insert(), [dict(row) for row in block])
        done += len(block)
        progress(f"copying {table.name}", done, total)
    if writer.dialect.name == "postgresql" and done:
        _continue_counting(table, writer)
    return done


def _continue_counting(table: sa.Table, connection: sa.Connection) -> None:
    """Have PostgreSQL number new rows after the copied ones."""
    key = next(iter(table.primary_key.columns))
    if len(table.primary_key.columns) == 1 and isinstance(key.type, sa.BigInteger):
        highest = sa.select(sa.func.max(key)).scalar_subquery()
        connection.execute(sa.select(sa.func.setval(sa.func.pg_get_serial_sequence(table.name, key.name), highest)))
