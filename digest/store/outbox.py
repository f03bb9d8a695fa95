"""Deliveries as values and as rows: what a worker claims, begins and finishes, and the two marks of the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from digest.models import Delivery, DeliveryState, Digest, Origin, Subscriber, SubscriberState
from digest.store import codec
from digest.store.content import Content, Contents, bare

LEASE = timedelta(minutes=10)
"""How long a claim holds; many times what a batch takes. A body that has begun gets a longer one of its own."""

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


@dataclass(frozen=True, slots=True)
class Lease:
    """Whose a claim is, and until when."""

    owner: str
    until: datetime


def planned(digest: Digest, numbers: Mapping[str, int], contents: Contents, lease: Lease | None) -> dict[str, Any]:
    """The row of a digest that was just chosen; with *lease* it is claimed as well, if there is anything to mail."""
    if digest.worth_mailing:
        state, ready = (DeliveryState.CLAIMED, lease.until) if lease else (DeliveryState.PLANNED, digest.planned_at)
    else:
        state, ready, lease = DeliveryState.EMPTY, None, None
    return {
        "subscriber_id": digest.subscriber.id,
        "issue": digest.issue,
        "state": state.value,
        "planned_at": digest.planned_at,
        "expires_at": digest.planned_at + LIFE,
        "ready_at": ready,
        "owner": lease.owner if lease else "",
        "attempts": 1 if lease else 0,
        "papers": codec.pack([numbers[pick.paper.id] for pick in digest.picks]),
        "content": contents.write(digest),
    }


def claim_of(id_: int, digest: Digest) -> Claim:
    """The claim of a digest that was planned for its claimant: what `digest_of` would read is in memory still."""
    person = digest.subscriber
    profile = bare(person.profile)
    if profile is not person.profile:
        digest = replace(digest, subscriber=replace(person, profile=profile))
    return Claim(
        id=id_,
        digest=digest,
        allowed=person.state == SubscriberState.ACTIVE,
        suppressed=False,
        attempts=1,
        resends=0,
        sha256="",
    )


def digest_of(row: Any, content: Content, person: Any) -> Digest:
    """The digest of a row again; *person* is the row of its subscriber."""
    return Digest(
        subscriber=Subscriber(
            person.id, person.token, content.profile, SubscriberState(person.state), Origin(person.origin)
        ),
        issue=row.issue,
        planned_at=row.planned_at,
        picks=content.picks,
        considered=content.day.considered,
        sources=content.day.sources,
        since=content.day.since,
    )


def delivery_of(row: Mapping[str, Any]) -> Delivery:
    """The record of a row, without its content."""
    names = ("id", "subscriber_id", "issue", "planned_at", "attempts", "ready_at", "sent_at", "message_id", "reply")
    return Delivery(**{name: row[name] for name in names}, state=DeliveryState(row["state"]), sha256=row["sha256"])
