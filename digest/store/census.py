"""What the operator can look at over time, and what is forgotten after a while."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digest.store import schema
from digest.store.engine import Database

KEEP_NETWORKS = timedelta(days=30)
KEEP_DIGESTS = timedelta(days=90)
"""The content of a delivery; that it happened, and which papers it had, is kept as long as the subscriber."""
KEEP_RUNS = timedelta(days=90)
_COUNTED = 10_000
"""Subscribers whose topics are counted at most."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What `Census.forget` dropped."""

    networks: int
    digests: int
    runs: int


class Census:
    """The numbers of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, day: date) -> None:
        """Count the subscribers as of today; later counts of the same day replace earlier ones."""
        c, s = schema.census, schema.subscribers.c
        query = sa.select(s.state, sa.func.count().label("number")).group_by(s.state)
        with self._database.writing() as connection:
            rows = [{"day": day, "state": row.state, "number": row.number} for row in connection.execute(query)]
            connection.execute(c.delete().where(c.c.day == day))
            if rows:
                connection.execute(c.insert(), rows)

    def subscribers(self, since: date) -> dict[date, dict[str, int]]:
        """How many were in each state, by day."""
        c = schema.census.c
        return self._by_day(sa.select(c.day, c.state, c.number).where(c.day >= since).order_by(c.day))

    def deliveries(self, since: date) -> dict[date, dict[str, int]]:
        """How many are in each state, by issue."""
        d = schema.deliveries.c
        query = sa.select(d.issue, d.state, sa.func.count()).where(d.issue >= since)
        return self._by_day(query.group_by(d.issue, d.state).order_by(d.issue))

    def listings(self, since: datetime) -> dict[date, dict[str, int]]:
        """How many papers each source listed, by day."""
        x = schema.listings.c
        day = sa.func.date(x.listed_at)
        query = sa.select(day, x.source, sa.func.count()).where(x.listed_at >= since)
        return self._by_day(query.group_by(day, x.source).order_by(day))

    def bounces(self, since: datetime) -> dict[date, dict[str, int]]:
        """How much of each kind came back, by day."""
        b = schema.bounces.c
        day = sa.func.date(b.at)
        query = sa.select(day, b.kind, sa.func.count()).where(b.at >= since)
        return self._by_day(query.group_by(day, b.kind).order_by(day))

    def news(self, since: datetime) -> dict[date, int]:
        """How many papers became known as news, by day."""
        day = sa.func.date(schema.papers.c.fresh_at)
        query = sa.select(day, sa.literal("papers"), sa.func.count()).where(schema.papers.c.fresh_at >= since)
        return {found: numbers["papers"] for found, numbers in self._by_day(query.group_by(day)).items()}

    def topics(self, most: int) -> list[tuple[str, int]]:
        """The phrases that most active subscribers follow, with how many do."""
        s = schema.subscribers.c
        query = sa.select(s.interests).where(s.next_due_at.is_not(None)).order_by(s.id.desc()).limit(_COUNTED)
        with self._database.reading() as connection:
            found = [row.get("topics", ()) for row in connection.scalars(query)]
        return Counter(topic["phrase"].casefold() for topics in found for topic in topics).most_common(most)

    def forget(self, now: datetime) -> Forgotten:
        """Drop networks of consent, contents of old digests, and reports of old runs."""
        c, d, r = schema.consents, schema.deliveries, schema.runs
        old_networks = sa.and_(c.c.confirmed_at < now - KEEP_NETWORKS, c.c.confirmed_from != "")
        old_digests = sa.and_(d.c.planned_at < now - KEEP_DIGESTS, d.c.content.is_not(None), d.c.ready_at.is_(None))
        with self._database.writing() as connection:
            networks = connection.execute(c.update().where(old_networks).values(asked_from="", confirmed_from=""))
            digests = connection.execute(d.update().where(old_digests).values(content=sa.null()))
            runs = connection.execute(r.delete().where(r.c.started_at < now - KEEP_RUNS))
        return Forgotten(networks.rowcount, digests.rowcount, runs.rowcount)

    def _by_day(self, query: sa.Select[Any]) -> dict[date, dict[str, int]]:
        found: dict[date, dict[str, int]] = {}
        with self._database.reading() as connection:
            for day, name, number in connection.execute(query):
                found.setdefault(date.fromisoformat(str(day)), {})[name] = number
        return found
