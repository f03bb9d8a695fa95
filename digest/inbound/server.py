"""The receiver: SMTP (RFC 5321) or LMTP (RFC 2033) from the mail server in front of it.

It is no mail server for the open internet: it has neither TLS nor a queue, and must not stand on port 25. A mail has
one recipient; further ones are put off (452, RFC 5321, section 4.5.3.1.10), so that an answer is always about one mail
to one address, and LMTP's answer for each recipient is SMTP's single one. The answer 250 is given when everything is
done and durable; where something of ours fails, 451 makes the mail server keep the mail and try again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from digest import app
from digest.errors import SettingsError
from digest.inbound.addresses import look_up
from digest.inbound.taking import take
from digest.models import Message
from digest.settings import Settings
from digest.subscription import Desk, signup

log = structlog.get_logger(__name__)

TIMEOUT = 300.0
"""Seconds for a command, and for a whole mail (RFC 5321, section 4.5.3.2.7)."""
LONGEST_LINE = 100_000
"""Bounces of broken servers have lines beyond the 998 letters of RFC 5322; we want to read those, too."""
BURST, INTERVAL = 300, 0.2
"""So many mails at once from all connections and processes, then one each so many seconds; the others wait outside."""
CLOSING = 0.01
COMMANDS = {"*": 2000, "VRFY": 5, "AUTH": 1}
"""Of one connection, each."""


@contextmanager
def serving(settings: Settings, clock: Callable[[], datetime] = app.system_clock) -> Iterator[int | None]:
    """Take mail until the block is left, where a mail domain is set; the port, or None.

    Raises:
        SettingsError: it cannot listen there.
    """
    if not settings.mail_domain:
        yield None
        return
    with app.desk(settings, clock) as desk, receiving(desk) as port:
        yield port


@contextmanager
def receiving(desk: Desk, *, timeout: float = TIMEOUT) -> Iterator[int]:
    """A running receiver, in a thread of its own; the port it listens on.

    Raises:
        SettingsError: it cannot listen there.
    """
    receiver = _Receiver(desk, timeout)
    thread = threading.Thread(target=lambda: asyncio.run(receiver.serve()), name="inbound", daemon=True)
    thread.start()
    port = receiver.port.result()
    log.info("taking mail", domain=desk.site.mail_domain, port=port)
    try:
        yield port
    finally:
        receiver.stop()
        thread.join()


class _Receiver:
    """Listens, and answers what aiosmtpd asks."""

    def __init__(self, desk: Desk, timeout: float) -> None:
        self.port: Future[int] = Future()
        self.connections: set[_Connection] = set()
        self._desk, self._timeout = desk, timeout
        self._settings = desk.parts.settings

    async def serve(self) -> None:
        """Until `stop`; what is being taken then is finished first."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        host, port = self._settings.inbound_host, self._settings.inbound_port
        try:
            server = await self._loop.create_server(self._protocol, host, port)
        except OSError as error:
            why = f"DIGEST_INBOUND_PORT: cannot listen on {host}:{port}: {error.strerror or error}"
            self.port.set_exception(SettingsError(why))
            return
        self.port.set_result(server.sockets[0].getsockname()[1])
        await self._stopped.wait()
        server.close()
        while self.connections:
            for connection in tuple(self.connections):
                connection.hang_up()
            await asyncio.sleep(CLOSING)

    def stop(self) -> None:
        """From another thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    def _protocol(self) -> asyncio.BaseProtocol:
        if len(self.connections) >= self._settings.inbound_connections:
            return _Busy()
        return _Connection(
            self,
            data_size_limit=self._settings.inbound_size,
            enable_SMTPUTF8=True,
            hostname=self._desk.site.mail_domain,
            ident="digest",
            timeout=self._timeout,
            command_call_limit=COMMANDS,
            loop=self._loop,
        )

    # -- aiosmtpd's hooks

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a place under the limit."""
        if not await asyncio.to_thread(signup.allow, self._desk, "inbound", "", BURST, INTERVAL):
            return "451 4.3.2 too much mail at once, try again in 1 minute"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 ok"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Know the address, or refuse the mail before its body is sent."""
        if look_up(self._desk, address) is None:
            return "550 5.1.1 no such address here"
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient at a time"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """See to the mail, then answer."""
        [recipient] = envelope.rcpt_tos
        address, content = look_up(self._desk, recipient), envelope.content
        if address is None or not isinstance(content, bytes):
            return "550 5.1.1 no such address here"
        sender = "" if envelope.mail_from in {None, "<>"} else str(envelope.mail_from)
        try:
            await asyncio.to_thread(take, self._desk, address, Message(sender, recipient, content))
        except Exception as error:  # noqa: BLE001 - whatever it is, the mail must not be lost
            return await self.handle_exception(error)
        return "250 2.0.0 done"

    async def handle_exception(self, error: Exception) -> str:
        """Have the mail server keep it and try again."""
        log.error("mail not taken", exc_info=error)
        return "451 4.3.0 something is wrong here, try again in 10 minutes"


class _Connection(SMTP):
    """aiosmtpd's server, which counts itself and understands the greeting of LMTP, too."""

    line_length_limit = LONGEST_LINE

    def __init__(self, receiver: _Receiver, **options: Any) -> None:
        super().__init__(receiver, **options)
        self._all = receiver.connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._all.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._all.discard(self)
        super().connection_lost(error)

    async def smtp_LHLO(self, name: str) -> None:  # noqa: N802 - aiosmtpd's name
        """RFC 2033, section 4.1: like EHLO."""
        await self.smtp_EHLO(name)

    def hang_up(self) -> None:
        """Close after what was written."""
        if self.transport:
            self.transport.close()


class _Busy(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say so and close (RFC 5321, section 3.8)."""
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(b"421 4.3.2 too many connections, try again in 1 minute\r\n")
        transport.close()
