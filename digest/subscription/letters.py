"""Mails that are no digests: written and sent apart from the step that asked for them.

Answering a form must not wait for SMTP, and must take as long for a known address as for an unknown one. So the steps
queue letters, and a thread of the daemon sends them within a second or so.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import structlog

from digest.delivery import Transport
from digest.delivery.replies import retry_delay
from digest.errors import Ambiguous, Deferred, DeliveryError, Refused, SenderAtFault, SettingsError
from digest.models import Origin, Profile, Subscriber, SubscriberState
from digest.store import Letter
from digest.subscription.desk import Desk

log = structlog.get_logger(__name__)

BATCH = 20
ASK_OPERATOR = timedelta(minutes=5)


def send(desk: Desk, stop: threading.Event | None = None) -> int:
    """Send what waits, until nothing does or *stop* is set; how many were sent."""
    sent, transport = 0, None
    try:
        while not (stop and stop.is_set()) and (letters := desk.parts.store.letters.claim(desk.now, BATCH)):
            transport = transport or desk.parts.transports()
            sent += sum([_send(desk, transport, letter) for letter in letters])
    finally:
        if transport:
            transport.close()
    return sent


def _send(desk: Desk, transport: Transport, letter: Letter) -> bool:
    store = desk.parts.store
    if store.suppressions.any([letter.token]):
        store.letters.done(letter)
        return False
    try:
        message = desk.parts.writer.mail(letter.kind, _reader(desk, letter), at=letter.at, **letter.details)
        transport.send(message, lambda: None)
    except (SenderAtFault, SettingsError) as error:
        log.error("letter not sent", kind=letter.kind, reason=str(error))  # noqa: TRY400 - for the operator to mend
        store.letters.later(letter, desk.now + ASK_OPERATOR)
        return False
    except Deferred as error:
        wait = retry_delay(letter.attempts, str(letter.id), error.retry_after)
        store.letters.later(letter, desk.now + timedelta(seconds=wait))
        return False
    except (Refused, Ambiguous, DeliveryError) as error:
        log.warning("letter refused", kind=letter.kind, reply=str(error))
    store.letters.done(letter)
    return True


def _reader(desk: Desk, letter: Letter) -> Subscriber:
    """Whom it is about; who has not confirmed is no subscriber yet, and gets letters all the same."""
    person = desk.parts.store.subscribers.by_token(letter.token)
    if person is None:
        profile = Profile(letter.email, language=letter.language)
        return Subscriber(0, letter.token, profile, SubscriberState.PENDING, Origin.WEB)
    return replace(person, profile=replace(person.profile, email=letter.email, language=letter.language))
