"""The end of a subscription. One step, however it is asked for: a button, a mailbox's own button, or a mail.

RFC 8058 for the mailbox's button; RFC 3834 for the answer to a mail. The step is immediate and may be repeated; a link
that ends a subscription works for ever, also when the subscription is long gone.
"""

from __future__ import annotations

import enum
from dataclasses import replace
from datetime import timedelta

import structlog

from digest.due import local_day
from digest.models import Profile, Subscriber
from digest.store import Letter
from digest.store.readers import ALIVE
from digest.subscription import signup
from digest.subscription.desk import Desk

log = structlog.get_logger(__name__)

GOODBYES = (2, 12 * 3600.0)
"""Answers to one reader: so many at once, then one each so many seconds."""
REGRET = timedelta(hours=1)
"""So long may the page that somebody left by bring them back. The link alone may not: mails get forwarded."""


class Fewer(enum.StrEnum):
    """What is offered to somebody who left, after they did."""

    SAME = "same"
    WEEKLY = "weekly"
    SHORT = "short"


def leave(desk: Desk, token: str) -> str:
    """End it; gives back the receipt that lets the same page undo it for an hour, empty where there was nothing to end.

    Who left long ago is not brought back by whoever holds one of their mails and leaves once more in their name.
    """
    before = desk.parts.store.subscribers.by_token(token)
    desk.parts.store.readers.leave(token, desk.now)
    log.info("unsubscribed", subscriber=token, known=before is not None)
    return desk.seal.stamp(f"left {token}", desk.now) if before and before.state in ALIVE else ""


def leave_by_mail(desk: Desk, token: str, message_id: str) -> None:
    """End it because a person wrote so, and answer their mail, as a page would: once, to the subscriber's own address.

    Args:
        desk: where it is done.
        token: whose subscription it is.
        message_id: of the mail that is answered; empty where it has none.
    """

    def goodbye(person: Subscriber) -> Letter:
        language = person.profile.language
        return Letter("goodbye", token, person.email, desk.now, language, {"answers": message_id})

    answered = signup.allow(desk, "goodbye", token, *GOODBYES)
    person = desk.parts.store.readers.leave(token, desk.now, goodbye if answered else None)
    log.info("unsubscribed by mail", subscriber=token, known=person is not None)


def come_back(desk: Desk, token: str, receipt: str, choice: Fewer) -> Subscriber | None:
    """Undo it, perhaps with fewer mails or papers; None when the receipt is not good any more."""
    age = desk.seal.age(f"left {token}", receipt, desk.now)
    if age is None or not timedelta(0) <= age <= REGRET or desk.parts.store.suppressions.any([token]):
        return None
    person = desk.parts.store.readers.come_back(token, desk.now)
    if person is None or choice is Fewer.SAME:
        return person
    weekday = local_day(person.schedule, desk.now).weekday()
    return desk.parts.store.readers.edit(token, lambda profile: _fewer(profile, choice, weekday), desk.now)


def _fewer(profile: Profile, choice: Fewer, weekday: int) -> Profile:
    if choice is Fewer.WEEKLY:
        return replace(profile, schedule=replace(profile.schedule, days=frozenset({weekday})))
    return replace(profile, papers=min(profile.papers, 5))
