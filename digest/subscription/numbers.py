"""How things stand, in numbers: for a monitor, and for the operator's page. Counted from the store when asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from digest.store import SourceRecord
from digest.subscription.desk import Desk


@dataclass(frozen=True, slots=True)
class Numbers:
    """At one moment."""

    subscribers: dict[str, int]
    deliveries: dict[str, int]
    waiting_since: datetime | None
    """When the longest waiting delivery could have gone out."""
    next_due_at: datetime | None
    letters: int
    suppressions: int
    papers: int
    sources: dict[str, SourceRecord]


@dataclass(frozen=True, slots=True)
class History:
    """Over some weeks, by day."""

    subscribers: dict[date, dict[str, int]]
    deliveries: dict[date, dict[str, int]]
    bounces: dict[date, dict[str, int]]
    listings: dict[date, dict[str, int]]
    topics: list[tuple[str, int]]


def now(desk: Desk) -> Numbers:
    """The present."""
    store = desk.parts.store
    return Numbers(
        subscribers=store.subscribers.counts(),
        deliveries=store.deliveries.counts(),
        waiting_since=store.deliveries.oldest_ready(),
        next_due_at=store.subscribers.next_due_at(),
        letters=store.letters.count(),
        suppressions=store.suppressions.count(),
        papers=store.papers.count(),
        sources=store.sources.records(),
    )


def history(desk: Desk, days: int = 42) -> History:
    """The last weeks."""
    since = desk.now.date() - timedelta(days=days)
    midnight = datetime.combine(since, time(), UTC)
    census = desk.parts.store.census
    return History(
        subscribers=census.subscribers(since),
        deliveries=census.deliveries(since),
        bounces=census.bounces(midnight),
        listings=census.listings(midnight),
        topics=census.topics(20),
    )


def answers(desk: Desk) -> bool:
    """Whether the database does."""
    desk.parts.store.facts.get("roster")
    return True
