"""Everything about me, nothing about me, and what is forgotten by itself.

GDPR articles 15 and 20 (a copy, in a form that programs read), 17 (erasure) and 5 (no longer than needed). What
outlives an erasure is a keyed hash, and only where the person asks never to be written to again, or where the
operator's roster would enter them anew.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog

from digest.models import Origin, Subscriber
from digest.pipeline import Parts
from digest.store.census import KEEP_DIGESTS, KEEP_NETWORKS, Forgotten
from digest.store.signups import LIFE
from digest.subscription.desk import Desk

KEPT = {
    "signup": LIFE.days,
    "networks": KEEP_NETWORKS.days,
    "digests": KEEP_DIGESTS.days,
}
"""For how many days what is kept, for the page that says so."""

log = structlog.get_logger(__name__)


def export(desk: Desk, person: Subscriber) -> dict[str, Any]:
    """All that is stored about *person*, as JSON values."""
    store = desk.parts.store
    profile = asdict(person.profile)
    profile["schedule"] = {
        "zone": person.schedule.zone,
        "at": person.schedule.at.isoformat("minutes"),
        "days": sorted(person.schedule.days),
    }
    found: dict[str, Any] = _json(
        {
            "exported_at": desk.now,
            "profile": profile,
            "state": person.state.value,
            "entered_by": person.origin.value,
            "next_due_at": person.next_due_at,
            "paused_until": person.paused_until,
            "consents": [
                {k: v for k, v in consent.items() if k not in {"id", "subscriber_id"}}
                for consent in store.readers.consents(person.id)
            ],
            "returned": [asdict(returned) for returned in store.bounces.of(person.id)],
            "saved": [said.paper.id for said in store.shelf.saved(person.id)],
            **store.shelf.records(person.id),
        }
    )
    return found


def erase(desk: Desk, person: Subscriber, *, never_again: bool) -> None:
    """Delete all of it, for good."""
    if never_again or person.origin is Origin.FILE:
        desk.parts.store.suppressions.add(person.token, "erased", desk.now)
    desk.parts.store.readers.erase(person.token)
    log.info("erased", never_again=never_again)


def forget(parts: Parts) -> Forgotten:
    """Drop what has been kept for long enough; once an hour is plenty."""
    store, now = parts.store, parts.clock()
    store.signups.expire(now)
    store.limits.forget(now)
    store.bounces.forget(now)
    store.census.take(now.date())
    return store.census.forget(now)


def _json(value: Any) -> Any:
    match value:
        case dict():
            return {key: _json(item) for key, item in value.items()}
        case list() | tuple():
            return [_json(item) for item in value]
        case datetime():
            return value.isoformat()
        case None | bool() | int() | float() | str():
            return value
    return str(value)
