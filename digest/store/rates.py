"""How often something may happen, shared by all processes on this database.

The generic cell rate algorithm (ITU-T I.371): one row a limit holds the theoretical arrival time of the next event, and
one UPDATE takes a place and moves it on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from digest.store import schema
from digest.store.engine import Database, patient

HORIZON = 86400.0
"""Seconds; see `Pace.horizon`."""


@dataclass(frozen=True, slots=True)
class Pace:
    """A limit, and which of its places would do. Moments are seconds since 1970."""

    name: str
    interval: float
    """Seconds between two places."""
    start: float
    """No place lies before this: now for even spacing, earlier for a burst."""
    latest: float | None = None
    """A place after this is of no use; None takes any."""
    horizon: float = HORIZON
    """Seconds after `latest`, or after `start`. A place beyond was taken while a clock was ahead, and binds nobody."""

    @property
    def furthest(self) -> float:
        """The last place that may have been taken in good faith."""
        return (self.start if self.latest is None else self.latest) + self.interval + self.horizon


class Rates:
    """The paces of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, name: str, interval: float, now: float, burst: float = 0.0, horizon: float = HORIZON) -> float:
        """Take the next place under the limit *name*, however far away.

        Args:
            name: of the limit, such as "arxiv".
            interval: seconds between two events.
            now: seconds since 1970.
            burst: seconds' worth of events that may come at once.
            horizon: seconds; no place further away is believed to be taken.

        Returns:
            Seconds to wait before the event may happen; 0 for at once.
        """
        [place] = self._all([Pace(name, interval, now - burst, horizon=horizon)])
        return max(0.0, place - now)

    def take(self, paces: Sequence[Pace]) -> list[float] | Pace:
        """Take a place under each of *paces*: the places; or none at all, and give back the pace that has none."""
        try:
            return self._all(paces)
        except _Full as error:
            return error.pace

    @patient
    def _all(self, paces: Sequence[Pace]) -> list[float]:
        with self._database.writing() as connection:
            # in one order for everybody, so that nobody waits in a circle
            taken = {pace: self._advance(connection, pace) for pace in sorted(paces, key=lambda pace: pace.name)}
        return [taken[pace] for pace in paces]

    def _advance(self, connection: sa.Connection, pace: Pace) -> float:
        r = schema.rates
        next_place = sa.case((r.c.tat.between(pace.start, pace.furthest), r.c.tat), else_=pace.start)
        upsert = (
            self._database.insert(r)
            .values(name=pace.name, tat=pace.start + pace.interval)
            .on_conflict_do_update(
                index_elements=["name"],
                set_={"tat": next_place + pace.interval},
                where=None if pace.latest is None else sa.or_(r.c.tat <= pace.latest, r.c.tat > pace.furthest),
            )
            .returning(r.c.tat)
        )
        tat: float | None = connection.execute(upsert).scalar()
        if tat is None:
            raise _Full(pace)
        return tat - pace.interval


class _Full(Exception):
    """There is no place; raised to roll the transaction back."""

    def __init__(self, pace: Pace) -> None:
        super().__init__(pace.name)
        self.pace = pace
