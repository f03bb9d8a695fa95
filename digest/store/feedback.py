"""What readers said of papers, and what the operator can look back on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.models import Paper
from digest.store import codec, schema
from digest.store.engine import Database
from digest.store.together import among


@dataclass(frozen=True, slots=True)
class Opinions:
    """The papers a reader wanted more and less of, the latest word on each, oldest first."""

    more: tuple[Paper, ...] = ()
    less: tuple[Paper, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """What a reader said of a paper, once."""

    subscriber_id: int
    paper_id: str
    verb: str
    at: datetime


class Feedback:
    """The events of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, subscriber_id: int, paper_id: str, verb: str, now: datetime) -> bool:
        """Record what a reader said of a paper; False when the paper is not known."""
        with self._database.writing() as connection:
            no = connection.scalar(sa.select(schema.papers.c.no).where(schema.papers.c.id == paper_id))
            if no is None:
                return False
            values = {"subscriber_id": subscriber_id, "paper_no": no, "verb": verb, "at": now}
            connection.execute(schema.events.insert().values(values))
        return True

    def events(self, since: datetime) -> list[Event]:
        """What readers said from *since* on, oldest first."""
        e, p = schema.events.c, schema.papers.c
        query = (
            sa.select(e.subscriber_id, p.id, e.verb, e.at)
            .join(schema.papers, p.no == e.paper_no)
            .where(e.at >= since)
            .order_by(e.at, e.id)
        )
        with self._database.reading() as connection:
            return [Event(row.subscriber_id, row.id, row.verb, row.at) for row in connection.execute(query)]

    def opinions(self, subscriber_ids: Iterable[int], until: datetime | None = None) -> dict[int, Opinions]:
        """What each of these subscribers wants more and less of, or wanted before *until*."""
        e, p = schema.events.c, schema.papers.c
        query = (
            sa.select(e.subscriber_id, e.verb, p.id, p.data)
            .join(schema.papers, p.no == e.paper_no)
            .where(e.verb.in_(["more", "less", "none"]))
            .order_by(e.at, e.id)
        )
        if until is not None:
            query = query.where(e.at < until)
        latest: dict[int, dict[str, tuple[str, Any]]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(query.where(among(connection, e.subscriber_id, subscriber_ids))):
                said = latest.setdefault(row.subscriber_id, {})
                said.pop(row.id, None)
                said[row.id] = (row.verb, row.data)
        return {i: Opinions(_papers(said, "more"), _papers(said, "less")) for i, said in latest.items()}


def _papers(said: dict[str, tuple[str, Any]], verb: str) -> tuple[Paper, ...]:
    return tuple(codec.papers.load(data) for v, data in said.values() if v == verb)
