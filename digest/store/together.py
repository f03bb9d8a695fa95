"""Many rows in one statement.

PostgreSQL takes all of them as one parameter, a JSON text: a parameter for each value would cost more than all else,
because the driver looks for each in the statement, and converts each by itself. SQLite, in the same process, takes a
prepared statement for each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.dialects import postgresql, sqlite

from digest.store.schema import Packed

Rows = Sequence[Mapping[str, Any]]
Kinds = Mapping[str, sa.types.TypeEngine[Any]]
"""Column -> type."""
Values = Mapping[str, sa.ColumnElement[Any]]
"""Column -> what stands for its value in a statement."""
ROWS = "rows"
"""The parameter of `insert`."""


def one_by_one(kinds: Kinds) -> Values:
    """A parameter for each value: `b_` and its name."""
    return {name: sa.bindparam(f"b_{name}", type_=kind) for name, kind in kinds.items()}


def parameters(rows: Iterable[Mapping[str, Any]], **others: Any) -> list[dict[str, Any]]:
    """What a statement with `one_by_one` takes, with the same *others* for each row."""
    return [{f"b_{name}": value for name, value in row.items()} | others for row in rows]


def all_at_once(parameter: str, kinds: Kinds) -> Values:
    """The rows of a JSON text, in their order."""
    binary = {name for name, kind in kinds.items() if isinstance(kind, sa.LargeBinary | Packed)}
    columns = [sa.column(name, sa.Text() if name in binary else kind) for name, kind in kinds.items()]
    text = sa.cast(sa.bindparam(parameter, type_=sa.Text), sa.JSON)
    rows = sa.func.json_to_recordset(text).table_valued(*columns).render_derived(name=parameter, with_types=True)
    return {name: sa.func.decode(rows.c[name], "hex") if name in binary else rows.c[name] for name in kinds}


def as_json(rows: Rows) -> str:
    """The text that `all_at_once` takes."""
    return to_json(rows, bytes_mode="hex").decode()


def among(connection: sa.Connection, column: sa.ColumnElement[Any], values: Iterable[Any]) -> sa.ColumnElement[bool]:
    """Whether *column* is one of *values*: many, and in PostgreSQL one parameter all the same."""
    given = sorted(set(values))
    if connection.dialect.name == "postgresql":
        return column == sa.any_(sa.literal(given, sa.ARRAY(column.type)))
    return column.in_(given)


def insert(
    connection: sa.Connection, table: sa.Table, rows: Rows, returned: Sequence[str] = ()
) -> Sequence[sa.Row[Any]]:
    """Insert those of *rows* that are new, in their order; all have the same columns.

    Returns:
        Columns *returned* of the new ones, in any order.
    """
    if not rows:
        return []
    columns = [table.c[name] for name in returned]
    statement: sa.Insert
    given: Any = rows
    if connection.dialect.name == "postgresql":
        kinds: Kinds = {name: table.c[name].type for name in rows[0]}
        chosen = sa.select(*all_at_once(ROWS, kinds).values())
        statement = postgresql.insert(table).from_select([*kinds], chosen).on_conflict_do_nothing()
        given = {ROWS: as_json(_packed(rows, kinds, connection.dialect))}
    else:
        statement = sqlite.insert(table).on_conflict_do_nothing()
    if not columns:
        connection.execute(statement, given)
        return []
    return connection.execute(statement.returning(*columns), given).all()


def _packed(rows: Rows, kinds: Kinds, dialect: sa.Dialect) -> Rows:
    packed = {name: kind for name, kind in kinds.items() if isinstance(kind, Packed)}
    if not packed:
        return rows
    return [{**row, **{n: kind.process_bind_param(row[n], dialect) for n, kind in packed.items()}} for row in rows]
