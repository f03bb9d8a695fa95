"""How often strangers may do something, shared by all processes on this database.

The generic cell rate algorithm (ITU-T I.371): one row a limit holds the theoretical arrival time of the next event.
Unlike a reservation, a refused event moves nothing, so that a flood delays nobody once it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from digest.store import schema
from digest.store.engine import Database

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


class _Full(Exception):
    """Rolls the transaction back."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit.name)
        self.limit = limit


class Limits:
    """The limits of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, limits: Sequence[Limit], now: datetime) -> Limit | None:
        """Take a place under each of *limits* and give back None; or under none of them, and give back the full one."""
        moment = now.timestamp()
        if full := self._full(limits, moment):  # a flood costs reads only
            return full
        try:
            with self._database.writing() as connection:
                for limit in sorted(limits, key=lambda each: each.name):  # one order, so that nobody waits in a circle
                    self._take(connection, limit, moment)
        except _Full as error:
            return error.limit
        return None

    def forget(self, now: datetime) -> int:
        """Drop the limits that hold nobody back any more."""
        r = schema.rates.c
        idle = sa.and_(r.name.startswith(PREFIX), r.tat < now.timestamp())
        with self._database.writing() as connection:
            return connection.execute(schema.rates.delete().where(idle)).rowcount

    def _full(self, limits: Sequence[Limit], moment: float) -> Limit | None:
        r = schema.rates.c
        names = {PREFIX + limit.name for limit in limits}
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(r.name, r.tat).where(r.name.in_(names)))
            arrival = {row.name: row.tat for row in rows}
        return next(
            (each for each in limits if arrival.get(PREFIX + each.name, 0.0) > moment + _tolerance(each)),
            None,
        )

    def _take(self, connection: sa.Connection, limit: Limit, moment: float) -> None:
        r = schema.rates
        latest = sa.case((r.c.tat > moment, r.c.tat), else_=moment)
        upsert = (
            self._database.insert(r)
            .values(name=PREFIX + limit.name, tat=moment + limit.interval)
            .on_conflict_do_update(
                index_elements=["name"],
                set_={"tat": latest + limit.interval},
                where=r.c.tat <= moment + _tolerance(limit),
            )
            .returning(r.c.tat)
        )
        if connection.execute(upsert).first() is None:
            raise _Full(limit)


def _tolerance(limit: Limit) -> float:
    return (limit.burst - 1) * limit.interval
