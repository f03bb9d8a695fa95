"""How often strangers may do something, shared by all processes on this database.

See `rates` for the algorithm. A refused event moves nothing, so that a flood delays nobody once it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from digest.store import schema
from digest.store.engine import Database
from digest.store.rates import Pace, Rates

PREFIX = "limit:"
"""Tells these rows of `rates` from the paces of the sources."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many at once, and then one each interval."""

    name: str
    """Holds no address of any kind in the clear."""
    burst: int
    interval: float
    """Seconds."""


class Limits:
    """The limits of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rates = Rates(database)

    def take(self, limits: Sequence[Limit], now: datetime) -> Limit | None:
        """Take a place under each of *limits* and give back None; or under none of them, and give back the full one."""
        moment = now.timestamp()
        if full := self.full(limits, now):  # a flood costs reads only
            return full
        paces = {_pace(limit, moment): limit for limit in limits}
        taken = self._rates.take([*paces])
        return paces[taken] if isinstance(taken, Pace) else None

    def forget(self, now: datetime) -> int:
        """Drop the limits that hold nobody back any more."""
        r = schema.rates.c
        idle = sa.and_(r.name.startswith(PREFIX), r.tat < now.timestamp())
        with self._database.writing() as connection:
            return connection.execute(schema.rates.delete().where(idle)).rowcount

    def full(self, limits: Sequence[Limit], now: datetime) -> Limit | None:
        """The first of *limits* that has no place now; takes none."""
        r, moment = schema.rates.c, now.timestamp()
        names = {PREFIX + limit.name for limit in limits}
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(r.name, r.tat).where(r.name.in_(names)))
            arrival = {row.name: row.tat for row in rows}
        return next(
            (each for each in limits if arrival.get(PREFIX + each.name, 0.0) > moment + _tolerance(each)),
            None,
        )


def _pace(limit: Limit, moment: float) -> Pace:
    return Pace(PREFIX + limit.name, limit.interval, moment, moment + _tolerance(limit))


def _tolerance(limit: Limit) -> float:
    return (limit.burst - 1) * limit.interval
