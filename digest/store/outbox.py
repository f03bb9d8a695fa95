"""Deliveries as values and as rows: what a worker claims, begins and finishes, and the two marks of the outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from digest.models import Delivery, DeliveryState, Digest, Origin, Paper, Subscriber, SubscriberState
from digest.store import codec

LIFE = timedelta(hours=20)
"""A digest older than this is superseded, not sent late."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this worker may send now."""

    id: int
    digest: Digest
    allowed: bool
    """False when the subscriber left or paused after planning."""
    suppressed: bool
    """Whether the address must not be written to any more."""
    attempts: int
    resends: int
    """How often it was sent again after an unknown end."""
    sha256: str
    """Of the bytes of an earlier attempt, or empty."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended."""

    id: int
    state: DeliveryState
    at: datetime
    reply: str = ""
    ready_at: datetime | None = None
    """When to try again; only for DEFERRED, PLANNED and UNKNOWN."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The body of a message is about to go out."""

    id: int
    sha256: str
    message_id: str
    until: datetime
    """When somebody else may take it for lost: a lease for the body and the answer to it."""


def memory_of(edition: Callable[[Paper], str]) -> Callable[[Paper], str]:
    """*edition*, asked once for each paper object, which the digests of a block share; it costs 25 microseconds."""
    known: dict[int, tuple[Paper, str]] = {}  # holds the paper too, so that its id() is nobody else's

    def remembered(paper: Paper) -> str:
        if id(paper) not in known:
            known[id(paper)] = paper, edition(paper)
        return known[id(paper)][1]

    return remembered


def planned(digest: Digest, numbers: Mapping[str, int], edition: Callable[[Paper], str]) -> dict[str, Any]:
    """The row of a digest that was just chosen."""
    state = DeliveryState.PLANNED if digest.worth_mailing else DeliveryState.EMPTY
    interests = replace(digest.subscriber.interests, liked=(), disliked=())
    content = codec.Content(
        profile=replace(digest.subscriber.profile, interests=interests),
        picks=tuple(codec.Kept.of(pick, edition(pick.paper)) for pick in digest.picks),
        considered=digest.considered,
        sources=digest.sources,
        since=digest.since.isoformat() if digest.since else "",
    )
    return {
        "subscriber_id": digest.subscriber.id,
        "issue": digest.issue,
        "state": state.value,
        "planned_at": digest.planned_at,
        "expires_at": digest.planned_at + LIFE,
        "ready_at": digest.planned_at if digest.worth_mailing else None,
        "papers": codec.pack(numbers[pick.paper.id] for pick in digest.picks),
        "content": codec.contents.dump_json(content),
    }


def digest_of(row: Mapping[str, Any], content: codec.Content, person: Any, papers: Mapping[str, Paper]) -> Digest:
    """The digest of a row again; *person* is a row of its subscriber, *papers* are editions by id."""
    return Digest(
        subscriber=Subscriber(
            person.id, person.token, content.profile, SubscriberState(person.state), Origin(person.origin)
        ),
        issue=row["issue"],
        planned_at=row["planned_at"],
        picks=tuple(kept.pick(papers[kept.paper.id]) for kept in content.picks),
        considered=content.considered,
        sources=content.sources,
        since=date.fromisoformat(content.since) if content.since else None,
    )


def delivery_of(row: Mapping[str, Any]) -> Delivery:
    """The record of a row, without its content."""
    names = ("id", "subscriber_id", "issue", "planned_at", "attempts", "ready_at", "sent_at", "message_id", "reply")
    return Delivery(**{name: row[name] for name in names}, state=DeliveryState(row["state"]), sha256=row["sha256"])
