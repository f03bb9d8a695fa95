"""What comes back, and when to stop: bounces and complaints are remembered, scored, and end in a suppression.

*Who* is known from the envelope, which names the subscriber (VERP); *what*, from `digest.delivery.bounces`. A reader
never loses the digest because of us: what was refused on our account is shown to the operator, and counts for nothing.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from digest.delivery.bounces import Bounce, BounceKind, Event, parse, score
from digest.delivery.mailbox import Mailbox
from digest.models import Message
from digest.pipeline.parts import Parts
from digest.store import Returned, key_of

log = structlog.get_logger(__name__)

FOLDER = Path("var/inbound")
"""A Maildir of what a person has to read, because no program understood it."""

GIVEN_UP = (BounceKind.HARD.value, BounceKind.SOFT.value)
"""Reasons of a suppression that are no reader's wish, so that the operator may lift it."""

_GRAVEST_FIRST = (
    BounceKind.COMPLAINT,
    BounceKind.HARD,
    BounceKind.OURS,
    BounceKind.SOFT,
    BounceKind.IGNORED,
    BounceKind.UNKNOWN,
)


def returned(parts: Parts, token: str, message: Message) -> BounceKind:
    """Take a mail that came back to the envelope sender of the subscriber *token*; what it meant."""
    found = min(parse(message.data), key=lambda bounce: _GRAVEST_FIRST.index(bounce.kind))
    if found.kind is BounceKind.UNKNOWN:
        keep(parts, message)
    elif found.kind is BounceKind.IGNORED:
        log.info("returned mail ignored", subscriber=token, said=found.text)
    else:
        bounced(parts, token, found)
    return found.kind


def complaint(parts: Parts, token: str | None, message: Message) -> bool:
    """Take a mail to a role address: True when it passes on a reader's complaint; any other is kept for the operator.

    Args:
        parts: the corridor's.
        token: whose mail the report shows, proved by a signed address in it; None where there is none.
        message: the report. The address that it names proves nothing: anybody can write one.
    """
    kinds = {bounce.kind for bounce in parse(message.data)}
    if token is None or BounceKind.COMPLAINT not in kinds:
        keep(parts, message)
        return False
    bounced(parts, token, Bounce(BounceKind.COMPLAINT))
    return True


def bounced(parts: Parts, token: str, bounce: Bounce) -> BounceKind | None:
    """Remember *bounce*; why the subscriber is suppressed now, None when they are not."""
    store, now = parts.store, parts.clock()
    kind = _of_this_address(parts, token, bounce)
    history = store.bounces.add(token, Returned(now, kind.value, bounce.status, bounce.text))
    why = score([Event(each.at, BounceKind(each.kind)) for each in history], now)
    level = log.error if kind is BounceKind.OURS else log.info
    level("bounced", subscriber=token, kind=kind.value, status=bounce.status, said=bounce.text)
    if kind is BounceKind.COMPLAINT:  # also of somebody who is not in the store any more
        why = kind
    if why:
        store.suppressions.add(token, why.value, now)
        log.warning("suppressed", subscriber=token, reason=why.value)
    return why


def keep(parts: Parts, message: Message) -> None:
    """Put *message* where the operator finds it, with its envelope."""
    envelope = f"Return-Path: <{message.sender}>\r\nDelivered-To: {message.recipient}\r\n"
    data = envelope.encode("utf-8", "backslashreplace") + message.data
    Mailbox(parts.settings.path(FOLDER)).send(Message(message.sender, message.recipient, data), lambda: None)
    log.warning("a mail waits for you", folder=str(parts.settings.path(FOLDER)))


def _of_this_address(parts: Parts, token: str, bounce: Bounce) -> BounceKind:
    """A dead address behind the subscriber's own, where theirs forwards to it, says less: theirs may reach others."""
    if bounce.kind is not BounceKind.HARD or not bounce.recipient:
        return bounce.kind
    person = parts.store.subscribers.by_token(token)
    same = person is None or key_of(person.email) == key_of(bounce.recipient)
    return BounceKind.HARD if same else BounceKind.SOFT
