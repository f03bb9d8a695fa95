"""The two marks of the outbox: a body is about to go out, and how an attempt ended.

Many at once, because a commit is dear and the connections of a process are many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from digest.models import DeliveryState, SubscriberState
from digest.store import schema
from digest.store.outbox import Beginning, Outcome
from digest.store.together import Kinds, Values, all_at_once, as_json, one_by_one, parameters

_d, _s = schema.deliveries.c, schema.subscribers.c

SUPPRESSED = sa.exists().where(schema.suppressions.c.token == _s.token)

_BEGINNING: Kinds = {
    "id": sa.BigInteger(),
    "until": schema.Moment(),
    "sha256": sa.Text(),
    "message_id": sa.Text(),
}
_OUTCOME: Kinds = {
    "id": sa.BigInteger(),
    "state": sa.Text(),
    "ready_at": schema.Moment(),
    "sent_at": schema.Moment(),
    "reply": sa.Text(),
    "resend": sa.Integer(),
}


def mark(
    connection: sa.Connection, beginnings: Sequence[Beginning], outcomes: Sequence[Outcome], owner: str
) -> set[int]:
    """Write all of them; returns the ids of those *beginnings* that may go on."""
    begun, finished = [_begun(beginning) for beginning in beginnings], [_finished(outcome) for outcome in outcomes]
    if connection.dialect.name == "postgresql":
        marks = {
            "begun": as_json(begun),
            "finished": as_json(finished),
            "beginning": [beginning.id for beginning in beginnings],
            "ending": [outcome.id for outcome in outcomes],
            "b_owner": owner,
        }
        return set(connection.scalars(_TOGETHER, marks))
    if finished:
        connection.execute(_FINISH, parameters(finished, b_owner=owner))
    if not begun:
        return set()
    connection.execute(_BEGIN, parameters(begun, b_owner=owner))
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


def _together(update: sa.Update, ids: str) -> sa.Update:
    """*update*, whose rows PostgreSQL looks up by the parameter *ids*, whatever it thought of the table's size once."""
    return update.where(_d.id == sa.any_(sa.bindparam(ids, type_=sa.ARRAY(sa.BigInteger))))


_BEGIN, _FINISH = _begin(one_by_one(_BEGINNING)), _finish(one_by_one(_OUTCOME))
_BEGAN = _together(_begin(all_at_once("begun", _BEGINNING)), "beginning").returning(_d.id).cte("began")
_ENDED = _together(_finish(all_at_once("finished", _OUTCOME)), "ending").cte("ended")
# both are done, for different rows, whatever is selected of them
_TOGETHER = sa.select(_BEGAN.c.id).add_cte(_ENDED)
