"""People as rows: addresses in normal form, and subscribers to columns and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from email_validator import EmailNotValidError, validate_email

from digest.errors import UsageError
from digest.models import Origin, Profile, Schedule, Subscriber, SubscriberState, WhenQuiet
from digest.store import codec


def address(text: str) -> str:
    """*text* as a deliverable address in normal form.

    Raises:
        UsageError: it is none; the text says why.
    """
    try:
        return validate_email(text, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError as error:
        raise UsageError(f"{text!r} is not an e-mail address: {error}") from error


def key_of(email: str) -> str:
    """What two spellings of one address have in common."""
    return email.casefold()


def rows_of(connection: sa.Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """What *query* finds, as dictionaries."""
    return [dict(row) for row in connection.execute(query).mappings()]


def values_of(profile: Profile) -> dict[str, Any]:
    """The columns that a profile fills."""
    return {
        "email": profile.email,
        "name": profile.name,
        "language": profile.language,
        "papers": profile.papers,
        "when_quiet": profile.when_quiet.value,
        "again": profile.again,
        "zone": profile.schedule.zone,
        "at": profile.schedule.at.isoformat("minutes"),
        "days": "".join(str(day) for day in sorted(profile.schedule.days)),
        "interests": codec.interests.dump(profile.interests),
    }


def profile_of(row: Mapping[str, Any]) -> Profile:
    """The profile of a row again."""
    return Profile(
        email=row["email"],
        name=row["name"],
        interests=codec.interests.load(row["interests"]),
        schedule=_schedule(row["zone"], row["at"], row["days"]),
        papers=row["papers"],
        language=row["language"],
        when_quiet=WhenQuiet(row["when_quiet"]),
        again=row["again"],
    )


@lru_cache(1024)
def _schedule(zone: str, at: str, days: str) -> Schedule:
    return Schedule(zone, time.fromisoformat(at), frozenset(map(int, days)))


def subscriber_of(row: Mapping[str, Any]) -> Subscriber:
    """The subscriber of a row."""
    return Subscriber(
        id=row["id"],
        token=row["token"],
        profile=profile_of(row),
        state=SubscriberState(row["state"]),
        origin=Origin(row["origin"]),
        next_due_at=row["next_due_at"],
        last_issue=row["last_issue"],
        paused_until=row["paused_until"],
    )
