"""When the next issue of many people is due, in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import sqlalchemy as sa

from digest.store import schema
from digest.store.together import Kinds, Values, all_at_once, as_json, one_by_one, parameters

_s = schema.subscribers.c
_KINDS: Kinds = {"id": sa.BigInteger(), "due": schema.Moment(), "issue": sa.Date()}


def advance(connection: sa.Connection, due: Mapping[int, datetime], issues: Mapping[int, date]) -> None:
    """Set when each subscriber is *due* next, and the last of their *issues* where one was made now.

    Not of those who left meanwhile. Rows are locked in the order of their ids, so that two who do this wait for each
    other and never in a circle.
    """
    rows = [{"id": id_, "due": moment, "issue": issues.get(id_)} for id_, moment in sorted(due.items())]
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(_TOGETHER, {"given": as_json(rows)})
    else:
        connection.execute(_advance(one_by_one(_KINDS)), parameters(rows))


def _advance(given: Values) -> sa.Update:
    values = {"next_due_at": given["due"], "last_issue": sa.func.coalesce(given["issue"], _s.last_issue)}
    return schema.subscribers.update().where(_s.id == given["id"], _s.next_due_at.is_not(None)).values(values)


def _in_order() -> sa.Update:
    given = sa.select(*[value.label(name) for name, value in all_at_once("given", _KINDS).items()]).cte("rows")
    locked = sa.select(_s.id).where(_s.id.in_(sa.select(given.c.id))).order_by(_s.id).with_for_update().cte("locked")
    return _advance(dict(given.c)).where(_s.id.in_(sa.select(locked.c.id)))


_TOGETHER = _in_order()
