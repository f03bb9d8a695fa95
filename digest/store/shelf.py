"""What one reader can look back on: past issues, saved papers, what they said of papers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from digest.models import DeliveryState, Paper
from digest.store import codec, schema
from digest.store.engine import Database

KEPT_VERBS = ("save", "unsave")
OPINION_VERBS = ("more", "less", "none")


@dataclass(frozen=True, slots=True)
class Said:
    """The latest word of a reader on a paper."""

    paper: Paper
    verb: str
    at: datetime


class Shelf:
    """The readers' shelves of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def saved(self, subscriber_id: int) -> list[Said]:
        """The papers on the reading list, the latest first."""
        return [said for said in self._latest(subscriber_id, KEPT_VERBS) if said.verb == "save"]

    def opinions(self, subscriber_id: int) -> list[Said]:
        """The papers they want more or less of, the latest first."""
        return [said for said in self._latest(subscriber_id, OPINION_VERBS) if said.verb != "none"]

    def issues(self, subscriber_id: int, limit: int = 400) -> list[tuple[date, int]]:
        """The issues that were sent and are still kept, the latest first, each with its number of papers."""
        d = schema.deliveries.c
        shown = (DeliveryState.SENT, DeliveryState.UNKNOWN)
        query = (
            sa.select(d.issue, sa.func.length(d.papers).label("size"))
            .where(d.subscriber_id == subscriber_id, d.state.in_([s.value for s in shown]), d.content.is_not(None))
            .order_by(d.issue.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [(row.issue, row.size // 4) for row in connection.execute(query)]

    def records(self, subscriber_id: int) -> dict[str, list[dict[str, Any]]]:
        """Every event and every delivery of a reader, as values, oldest first."""
        d, e, p = schema.deliveries.c, schema.events.c, schema.papers.c
        deliveries = sa.select(d.issue, d.state, d.planned_at, d.sent_at, d.papers)
        events = sa.select(p.id, e.verb, e.at).join(schema.papers, p.no == e.paper_no)
        with self._database.reading() as connection:
            sent = connection.execute(deliveries.where(d.subscriber_id == subscriber_id).order_by(d.issue)).all()
            said = connection.execute(events.where(e.subscriber_id == subscriber_id).order_by(e.at, e.id)).all()
            names = self._names(connection, {no for row in sent for no in codec.unpack(row.papers)})
        return {
            "deliveries": [
                {
                    "issue": row.issue,
                    "state": row.state,
                    "planned_at": row.planned_at,
                    "sent_at": row.sent_at,
                    "papers": [names[no] for no in codec.unpack(row.papers) if no in names],
                }
                for row in sent
            ],
            "feedback": [{"paper": row.id, "verb": row.verb, "at": row.at} for row in said],
        }

    def _names(self, connection: sa.Connection, numbers: set[int]) -> dict[int, str]:
        p, ordered = schema.papers.c, sorted(numbers)
        names: dict[int, str] = {}
        for start in range(0, len(ordered), 500):
            rows = connection.execute(sa.select(p.no, p.id).where(p.no.in_(ordered[start : start + 500])))
            names |= {row.no: row.id for row in rows}
        return names

    def _latest(self, subscriber_id: int, verbs: tuple[str, ...]) -> list[Said]:
        e, p = schema.events.c, schema.papers.c
        query = (
            sa.select(p.id, p.data, e.verb, e.at)
            .join(schema.papers, p.no == e.paper_no)
            .where(e.subscriber_id == subscriber_id, e.verb.in_(verbs))
            .order_by(e.at.desc(), e.id.desc())
        )
        latest: dict[str, Said] = {}
        with self._database.reading() as connection:
            for row in connection.execute(query):
                latest.setdefault(row.id, Said(codec.papers.load(row.data), row.verb, row.at))
        return list(latest.values())
