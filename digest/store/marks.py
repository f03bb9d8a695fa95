"""The two marks of the outbox: a body is about to go out, and how an attempt ended.

Many at once, because a commit is dear and the connections of a process are many. SQLite takes a prepared statement for
each; in PostgreSQL one statement takes all of them as arrays, at a third of the price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from digest.models import DeliveryState, SubscriberState
from digest.store import schema
from digest.store.outbox import Beginning, Outcome

_d, _s = schema.deliveries.c, schema.subscribers.c

SUPPRESSED = sa.exists().where(schema.suppressions.c.token == _s.token)

_BEGINNING: Mapping[str, sa.types.TypeEngine[Any]] = {
    "id": sa.BigInteger(),
    "until": schema.Moment(),
    "sha256": sa.Text(),
    "message_id": sa.Text(),
}
_OUTCOME: Mapping[str, sa.types.TypeEngine[Any]] = {
    "id": sa.BigInteger(),
    "state": sa.Text(),
    "ready_at": schema.Moment(),
    "sent_at": schema.Moment(),
    "reply": sa.Text(),
    "resend": sa.Integer(),
}
Values = Mapping[str, sa.ColumnElement[Any]]


def mark(
    connection: sa.Connection, beginnings: Sequence[Beginning], outcomes: Sequence[Outcome], owner: str
) -> set[int]:
    """Write all of them; returns the ids of those *beginnings* that may go on."""
    if outcomes:
        _write(connection, _FINISH, _OUTCOME, [_finished(outcome) for outcome in outcomes], owner)
    if not beginnings:
        return set()
    result = _write(connection, _BEGIN, _BEGINNING, [_begun(beginning) for beginning in beginnings], owner)
    if result.returns_rows:
        return set(result.scalars())
    ids = [beginning.id for beginning in beginnings]
    began = sa.select(_d.id).where(_d.id.in_(ids), _d.owner == owner, _d.state == DeliveryState.IN_DATA.value)
    return set(connection.scalars(began))


def _begin(mark: Values) -> sa.Update:
    # in_data too: should the database's answer be lost, the same mark is made once more
    ours = sa.or_(_d.state == DeliveryState.CLAIMED.value, _d.state == DeliveryState.IN_DATA.value)
    active = sa.exists().where(_s.id == _d.subscriber_id, _s.state == SubscriberState.ACTIVE.value, ~SUPPRESSED)
    return (
        schema.deliveries.update()
        .where(_d.id == mark["id"], _d.owner == sa.bindparam("b_owner"), ours, active)
        .values(
            state=DeliveryState.IN_DATA.value,
            ready_at=mark["until"],
            sha256=mark["sha256"],
            message_id=mark["message_id"],
        )
    )


def _finish(mark: Values) -> sa.Update:
    return (
        schema.deliveries.update()
        .where(_d.id == mark["id"], _d.owner == sa.bindparam("b_owner"))
        .values(
            state=mark["state"],
            ready_at=mark["ready_at"],
            sent_at=mark["sent_at"],
            reply=mark["reply"],
            resends=_d.resends + mark["resend"],
            owner="",
        )
    )


def _begun(beginning: Beginning) -> dict[str, Any]:
    return {
        "id": beginning.id,
        "until": beginning.until,
        "sha256": beginning.sha256,
        "message_id": beginning.message_id,
    }


def _finished(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "state": outcome.state.value,
        "ready_at": outcome.ready_at,
        "sent_at": outcome.at if outcome.state == DeliveryState.SENT else None,
        "reply": outcome.reply[:500],
        "resend": int(outcome.state == DeliveryState.UNKNOWN and outcome.ready_at is not None),
    }


def _one_by_one(kinds: Mapping[str, sa.types.TypeEngine[Any]]) -> Values:
    return {name: sa.bindparam(f"b_{name}", type_=kind) for name, kind in kinds.items()}


def _together(kinds: Mapping[str, sa.types.TypeEngine[Any]]) -> Values:
    arrays = [sa.bindparam(f"b_{name}", type_=ARRAY(kind)) for name, kind in kinds.items()]
    columns = [sa.column(name, kind) for name, kind in kinds.items()]
    return dict(sa.func.unnest(*arrays).table_valued(*columns).render_derived(name="mark").c)


_BEGIN = {
    "sqlite": _begin(_one_by_one(_BEGINNING)),
    "postgresql": _begin(_together(_BEGINNING)).returning(_d.id),
}
_FINISH = {"sqlite": _finish(_one_by_one(_OUTCOME)), "postgresql": _finish(_together(_OUTCOME))}


def _write(
    connection: sa.Connection,
    statements: Mapping[str, sa.Executable],
    kinds: Mapping[str, sa.types.TypeEngine[Any]],
    rows: Sequence[Mapping[str, Any]],
    owner: str,
) -> sa.CursorResult[Any]:
    dialect = connection.dialect.name
    if dialect == "postgresql":
        columns = {f"b_{name}": [row[name] for row in rows] for name in kinds}
        return connection.execute(statements[dialect], columns | {"b_owner": owner})
    marks = [{f"b_{name}": row[name] for name in kinds} | {"b_owner": owner} for row in rows]
    return connection.execute(statements[dialect], marks)
