"""Delivery: hands a message to the next hop, and understands what comes back.

A transport promises one thing: `send` returns only if the next hop took responsibility for the message. Everything
else is raised, sorted by what the caller should do (`digest.errors`).

* `smtp` the envelope exchange with a relay; `outgoing` a message in the form of the wire; `session` opens, secures and
  logs in; `relay` reads `smtp_url`
* `mailbox` the local Maildir that stands in while no relay is set
* `replies` what an SMTP reply means, and when to try again
* `bounces` what comes back later by mail, and when to stop writing to an address
* `dkim` signs, where the relay does not
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parseaddr
from functools import partial
from typing import Protocol

from digest.delivery.mailbox import Mailbox
from digest.delivery.outgoing import Outgoing
from digest.delivery.relay import Relay, hello_name
from digest.delivery.session import verifying_context
from digest.delivery.smtp import SmtpTransport
from digest.models import Message
from digest.settings import Settings


class Transport(Protocol):
    """Hands messages to the next hop, one at a time, over a connection it keeps."""

    def send(
        self, message: Message, before_body: Callable[[], None], upcoming: Callable[[], Message | None] = ...
    ) -> str:
        """Return the next hop's answer only if it took responsibility for *message*.

        Calls *before_body* once at most: after the hop is ready for the body and before its first byte. If it raises,
        nothing of the body was sent and the exception goes on. May call *upcoming*, more than once perhaps, for the
        message that the next call will bring, and announce it to the hop.

        Raises:
            Deferred: try the same message again later.
            Refused: this message will never be taken.
            SenderAtFault: nothing will leave until the operator acts.
            Ambiguous: the body went out and no answer came.
        """

    def close(self) -> None:
        """End the connection, if there is one."""


prepare = Outgoing.prepare
"""Does ahead what `send` does first, for many messages one after the other."""


def connect(settings: Settings) -> Callable[[], Transport]:
    """A factory of transports, one for each thread: SMTP where `smtp_url` is set, else the local mailbox.

    Raises:
        SettingsError: `smtp_url` contradicts itself.
    """
    if settings.smtp_url is None:
        return partial(Mailbox, settings.path(settings.mailbox))
    return partial(
        SmtpTransport,
        Relay.from_settings(settings),
        hello=_hello(settings),
        messages_per_connection=settings.smtp_messages_per_connection,
        context=verifying_context(),  # one for all: reading the authorities costs more than a dozen messages
    )


def _hello(settings: Settings) -> str | None:
    return hello_name(parseaddr(settings.sender)[1])
