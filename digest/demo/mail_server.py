"""A mail server on loopback that keeps what it gets: the other side of the demo's SMTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from digest.models import Message


@contextmanager
def mail_server(keep: Callable[[Message], str]) -> Iterator[str]:
    """Take mail for anybody until the block is left.

    Args:
        keep: takes responsibility for one message, and returns the reply that says so; called in threads.

    Yields:
        The server's URL, for the setting `smtp_url`.
    """
    controller = _Controller(_Keeper(keep), hostname="127.0.0.1", port=0, enable_SMTPUTF8=True)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{controller.port}"
    finally:
        controller.stop()


class _Keeper:
    def __init__(self, keep: Callable[[Message], str]) -> None:
        self._keep = keep

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """One message came, for one or more recipients."""
        sender, content = envelope.mail_from or "", envelope.content
        data = content if isinstance(content, bytes) else str(content).encode()
        replies = [
            await asyncio.to_thread(self._keep, Message(sender, recipient, data)) for recipient in envelope.rcpt_tos
        ]
        return replies[-1]


class _Controller(Controller):
    """On a port of the system's choice, which is known once the server listens."""

    def _trigger_server(self) -> None:
        if isinstance(self.server, asyncio.Server):
            self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]
