"""Look, change nothing: a preview, why a paper was picked, how things stand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digest import pipeline, ranking
from digest.app.build import (
    links,
    opened,
    roster,
    system_clock,
    writer,
)
from digest.compose import Written
from digest.due import local_day
from digest.errors import UsageError
from digest.models import Delivery, DeliveryState, Digest, Subscriber
from digest.pipeline import Parts, Progress, no_progress
from digest.ranking import Explanation, Verdict
from digest.settings import Settings
from digest.store import JOURNAL


@dataclass(frozen=True, slots=True)
class Preview:
    """The message that would go, or that went."""

    digest: Digest
    written: Written
    delivery: Delivery | None
    """Set when this issue is planned or sent already: then this is that very message."""


def preview(
    settings: Settings,
    email: str | None,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = no_progress,
) -> Preview:
    """Exactly the message that a pass would send to *email* (the first subscriber for None), with no side effect.

    Raises:
        UsageError: nobody has that address, or there is nothing to show.
    """
    digest, delivery = picked(settings, email, clock, progress)
    return Preview(digest, writer(settings, links(settings, rehearse=True)).write(digest), delivery)


def picked(
    settings: Settings,
    email: str | None,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = no_progress,
) -> tuple[Digest, Delivery | None]:
    """What a preview shows, before it is written; raises what `preview` does."""
    with _rehearsed_day(settings, email, clock, progress) as (parts, person, issue):
        found = parts.store.deliveries.find(person.id, issue)
        if found and found[1]:
            return found[1], found[0]
        digest = pipeline.digest_for(pipeline.read_day(parts), person, issue)
    if not digest.worth_mailing:
        raise UsageError(f"there is nothing for {person.email} on {issue}: no mail would go out")
    return digest, None


def why(
    settings: Settings,
    email: str,
    paper_id: str,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = no_progress,
) -> Explanation:
    """How a paper scores for a reader, term by term, and why it is picked or not.

    Raises:
        UsageError: the reader or the paper is not known.
    """
    with _rehearsed_day(settings, email, clock, progress) as (parts, person, _):
        reading = pipeline.read_day(parts)
        window = pipeline.window_of(person, reading.now)
        reader = reading.readers([person], window)[0]
        explanation = ranking.explain(reading.pool(window), reader, paper_id)
        if explanation.verdict is Verdict.UNKNOWN:
            known = parts.store.papers.by_id([paper_id])
            what = "was listed too long ago to be considered" if known else "is not known here"
            raise UsageError(f"paper {paper_id} {what}")
        return explanation


def status(settings: Settings, clock: Callable[[], datetime] = system_clock) -> dict[str, Any]:
    """How things stand, as JSON values; looks at a copy, so that looking migrates and changes nothing."""
    with opened(settings, clock, rehearse=True) as parts:
        last, due = parts.store.runs.latest(), parts.store.subscribers.next_due_at()
        return {
            "sources": {name: _plain(record) for name, record in parts.store.sources.records().items()},
            "last_run": f"{last.finished_at:%Y-%m-%d %H:%M} UTC: {last.report['line']}" if last else None,
            "last_report": last.report if last else None,
            "alive_at": parts.store.facts.get("last_pass"),
            "deliveries": parts.store.deliveries.counts(),
            "returned": parts.store.bounces.counts(parts.clock() - timedelta(days=30)),
            "suppressed": parts.store.suppressions.count(),
            "subscribers": parts.store.subscribers.counts(),
            "next_due_at": due.isoformat() if due else None,
            "roster": _roster_status(settings, parts),
            "store": {
                "database": str(sa.make_url(settings.resolved_database_url)),
                "papers": parts.store.papers.count(),
                "sizes": parts.store.attic.sizes(),
                **({"journal": JOURNAL} if settings.resolved_database_url.startswith("sqlite") else {}),
            },
        }


def outbox(settings: Settings, limit: int, state: str | None) -> list[dict[str, Any]]:
    """The latest deliveries as JSON values."""
    with opened(settings, rehearse=True) as parts:
        wanted = DeliveryState(state) if state else None
        found = parts.store.deliveries.recent(limit, wanted)
        return [_plain(delivery) | {"email": email} for delivery, email in found]


def digests(settings: Settings, limit: int = 50) -> list[tuple[Digest, Delivery]]:
    """The latest digests that are still kept, and what became of them, newest first."""
    with opened(settings, rehearse=True) as parts:
        deliveries = parts.store.deliveries
        found = (deliveries.find(each.subscriber_id, each.issue) for each, _ in deliveries.recent(limit))
        return [(digest, delivery) for delivery, digest in filter(None, found) if digest]


def _plain(value: Any) -> dict[str, Any]:
    return {
        name: item.isoformat() if isinstance(item, date) else item for name, item in dataclasses.asdict(value).items()
    }


def _roster_status(settings: Settings, parts: Parts) -> list[str]:
    """What a pass would make of the roster."""
    found = roster(settings)
    if found is None:
        return [f"no file {settings.path(settings.roster)}"]
    sync = parts.store.subscribers.sync(found.profiles, parts.clock())
    lines = [f"{len(found.profiles)} people in {settings.path(settings.roster)}"]
    for words, addresses in (
        ("not taken over yet", (*sync.added, *sync.changed)),
        ("no longer in it", sync.removed),
        ("unsubscribed, though it still names them", sync.left),
        ("signed up on the web, entry ignored", sync.elsewhere),
    ):
        if addresses:
            lines.append(f"{words}: {', '.join(addresses)}")
    return lines


@contextmanager
def _rehearsed_day(
    settings: Settings, email: str | None, clock: Callable[[], datetime], progress: Progress
) -> Iterator[tuple[Parts, Subscriber, date]]:
    """A copy of the store after today's pull, and whom to look at in it, and their issue."""
    everybody = roster(settings)
    with opened(settings, clock, progress, rehearse=True) as parts:
        pipeline.synchronise(parts, everybody)
        person, issue = _person(parts, email)  # before the pull: nobody waits for it to hear of a typing mistake
        pipeline.pull(parts)
        yield parts, person, issue


def _person(parts: Parts, email: str | None) -> tuple[Subscriber, date]:
    """Somebody, and the issue that a preview shows them."""
    if email is None:
        person = next(iter(parts.store.subscribers.everyone()), None)
        if person is None:
            raise UsageError("nobody subscribes yet; put somebody into subscribers.yaml")
    else:
        person = parts.store.subscribers.get(email)
        if person is None:
            raise UsageError(f"nobody with the address {email!r}; `digest subscribers list` shows who there is")
    return person, local_day(person.schedule, parts.clock())
