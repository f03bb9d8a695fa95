"""What the operator changes by command: people, deliveries, the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from digest import pipeline
from digest.app.build import opened, synchronised, token_maker
from digest.errors import SettingsError, UsageError
from digest.models import DeliveryState, Subscriber, SubscriberState
from digest.pipeline import Progress, no_progress
from digest.settings import Settings, secret_keys
from digest.store import copy, key_of
from digest.store import roster as rosters
from digest.store import upgrade as upgrade_database


def people(settings: Settings) -> list[dict[str, Any]]:
    """Everybody, as JSON values, after taking over the roster."""
    with synchronised(settings) as parts:
        return [
            {
                "email": p.email,
                "name": p.profile.name,
                "state": p.state.value,
                "origin": p.origin.value,
                "next_due_at": p.next_due_at.isoformat() if p.next_due_at else None,
                "last_issue": p.last_issue.isoformat() if p.last_issue else None,
                "interests": "; ".join(
                    [*(t.phrase for t in p.interests.topics), *p.interests.authors, *p.interests.categories]
                ),
            }
            for p in parts.store.subscribers.everyone()
        ]


def add_person(settings: Settings, entry: dict[str, Any]) -> bool:
    """Enter or change the person of one roster *entry*; True when they are new."""
    try:
        profile = rosters.entry(entry)
    except SettingsError as error:
        raise UsageError(str(error)) from error
    with synchronised(settings) as parts:
        return parts.store.subscribers.add(profile, parts.clock())


def import_people(settings: Settings, file: Path) -> tuple[int, int]:
    """Enter everybody in a roster-like *file*, all or nobody; how many are new, and how many were known."""
    profiles = rosters.read(file).profiles
    with synchronised(settings) as parts:
        new = parts.store.subscribers.add_all(profiles, parts.clock())
    return new, len(profiles) - new


def export_people(settings: Settings) -> str:
    """Everybody who is active or paused, in the form of a roster."""
    kept = {SubscriberState.ACTIVE, SubscriberState.PAUSED}
    with synchronised(settings) as parts:
        return rosters.dump([p.profile for p in parts.store.subscribers.everyone() if p.state in kept])


def set_state(settings: Settings, email: str, state: str, until: date | None = None) -> Subscriber:
    """Pause, resume or remove somebody."""
    with synchronised(settings) as parts:
        return parts.store.subscribers.set_state(email, SubscriberState(state), parts.clock(), until)


def remove_person(settings: Settings, email: str) -> None:
    """Stop sending to somebody.

    Raises:
        UsageError: they stand in the roster, which would bring them back.
    """
    read = rosters.read(file) if (file := settings.path(settings.roster)).exists() else None
    line = read.lines.get(email.casefold()) if read else None
    if line:
        raise UsageError(f"{email} stands in {file} on line {line}; delete the entry there")
    set_state(settings, email, "removed")


def allow_person(settings: Settings, email: str) -> None:
    """Write to an address again that was given up because mail came back.

    Raises:
        UsageError: it was not given up for that; what a reader asked for themselves stands.
    """
    key = key_of(email)
    with opened(settings) as parts:
        person = parts.store.subscribers.get(email)
        tokens = [token_maker((each,))(key) for each in secret_keys(settings)] + ([person.token] if person else [])
        if not parts.store.suppressions.lift(tokens, pipeline.GIVEN_UP):
            raise UsageError(f"{email} was not given up because of bounces")
        if person:
            parts.store.bounces.clear(person.token)
        if person and person.state is SubscriberState.ACTIVE:
            parts.store.subscribers.set_state(email, person.state, parts.clock())


def settle(settings: Settings, ids: Sequence[int], state: str) -> int:
    """Have deliveries sent again, or say what became of them; how many that applied to."""
    with opened(settings) as parts:
        return parts.store.deliveries.settle(ids, DeliveryState(state), parts.clock())


def upgrade(settings: Settings) -> tuple[str, str]:
    """Bring the database's schema up to date; its revision before ("" for a new one) and now."""
    return upgrade_database(settings.resolved_database_url, settings.database_password)


def copy_database(settings: Settings, source: str, target: str, progress: Progress = no_progress) -> dict[str, int]:
    """Copy all of *source* into the empty database *target*; how many rows of each table.

    Raises:
        UsageError: *target* is not empty.
    """
    return copy(source, target, settings.database_password, progress)
