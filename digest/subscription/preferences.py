"""Tuning: what a signed link to the preferences may change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

from digest.due import local_day
from digest.models import Paper, Profile, Subscriber
from digest.store import Said
from digest.subscription.desk import Desk

LONGEST_PAUSE = timedelta(days=366)
DATED_LIFE = timedelta(hours=1)
"""A dated link opens export and deletion for so long. Digests get forwarded, and with them the links without a date."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """Everything that the page of preferences shows."""

    person: Subscriber
    liked: tuple[tuple[str, str], ...]
    """Id and title of the papers named in the form; the id again while the title is not known."""
    disliked: tuple[tuple[str, str], ...]
    opinions: tuple[Said, ...]
    """What was said by "more" and "less"."""
    saved: int


def look(desk: Desk, token: str) -> Preferences | None:
    """The preferences of somebody; None when nobody has that token."""
    store = desk.parts.store
    person = store.subscribers.by_token(token)
    if person is None:
        return None
    interests = person.interests
    known = store.papers.by_id([*interests.liked, *interests.disliked])
    return Preferences(
        person=person,
        liked=_titled(interests.liked, known),
        disliked=_titled(interests.disliked, known),
        opinions=tuple(store.shelf.opinions(person.id)),
        saved=len(store.shelf.saved(person.id)),
    )


def change(desk: Desk, token: str, wanted: Profile) -> Subscriber | None:
    """Take over the form, but for the address and the name, which a link does not change."""

    def changed(profile: Profile) -> Profile:
        return replace(wanted, email=profile.email, name=profile.name)

    return desk.parts.store.readers.edit(token, changed, desk.now)


def pause(desk: Desk, token: str, until: date | None) -> Subscriber | None:
    """Send nothing until *until*, at most for a year; a day that is not in the future changes nothing."""
    person = desk.parts.store.subscribers.by_token(token)
    if person is None:
        return None
    today = local_day(person.schedule, desk.now)
    if until is not None and not today < until <= today + LONGEST_PAUSE:
        return person
    return desk.parts.store.readers.pause(token, until, desk.now)


def resume(desk: Desk, token: str) -> Subscriber | None:
    """End a pause."""
    return desk.parts.store.readers.resume(token, desk.now)


def _titled(ids: tuple[str, ...], known: dict[str, Paper]) -> tuple[tuple[str, str], ...]:
    return tuple((id_, known[id_].title if id_ in known else id_) for id_ in ids)
