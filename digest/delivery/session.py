"""A connection to the relay, opened, secured and logged in.

RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 8314 (implicit TLS), RFC 4954 (login). smtplib speaks; what it leaves open is
closed here: a reply must arrive whole within its time, however slowly it trickles, and within bounds of size; TLS is
verified; a password never crosses a wire in the clear.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TypeVar

from digest.delivery.relay import Relay, Tls, is_loopback
from digest.delivery.replies import Phase, classify, one_line
from digest.errors import Deferred, SenderAtFault
from digest.strands import wait_for


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; the defaults are the least that RFC 5321, section 4.5.3.2, grants a server."""

    connect: float = 30
    """Per address of the relay; the RFC leaves it to the operating system."""
    greeting: float = 300
    command: float = 300
    """The answer to EHLO, STARTTLS, login, MAIL, RCPT, RSET."""
    data: float = 120
    """The answer to DATA."""
    body: float = 180
    """For the relay to take the body off our hands."""
    end: float = 600
    """The answer to the final dot."""
    quit: float = 5
    """The answer to QUIT, on which nothing depends."""


_Found = TypeVar("_Found")
_MARKS = (b" ", b"-", b"")
"""Behind the code of a reply's line: it is the last, others follow, the code is all."""
_LONGEST_LINE = 4096
"""RFC 5321, section 4.5.3.1.5, allows 512; some servers explain themselves at more length."""
_MOST_LINES = 100


class Session(smtplib.SMTP):
    """smtplib's client, with replies bounded in time, size and form.

    Whatever makes the connection useless (closed, silent, nonsense) is raised as `smtplib.SMTPServerDisconnected`, with
    the reason as its text.
    """

    def __init__(self, relay: Relay, hello: str | None, timeouts: Timeouts, context: ssl.SSLContext) -> None:
        self.patience = timeouts.greeting
        """Seconds for the next write or reply as a whole."""
        self._buffer = bytearray()
        self._implicit = context if relay.tls is Tls.IMPLICIT else None
        super().__init__(relay.host, relay.port, hello, timeouts.connect)
        self.patience = timeouts.command

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((host, port), timeout)
        # The end of the envelope must not wait for the acknowledgement of its beginning.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ready = self._implicit.wrap_socket(plain, server_hostname=host) if self._implicit else plain
        ready.setblocking(False)
        return ready

    def send(self, s: object) -> None:
        """Write all of *s* within `patience`."""
        data = memoryview(s.encode(self.command_encoding) if isinstance(s, str) else s)  # type: ignore[arg-type]
        deadline = monotonic() + self.patience
        while data:
            data = data[self._in_time(deadline, partial(_send, data), writing=True) :]

    def getreply(self) -> tuple[int, bytes]:
        """The next reply, whole: its code, and its lines joined by newlines."""
        deadline = monotonic() + self.patience
        lines: list[bytes] = []
        code = b""
        while len(lines) < _MOST_LINES:
            line = self._line(deadline)
            said, mark = line[:3], line[3:4]
            if not (said.isdigit() and b"2" <= said[:1] <= b"5" and mark in _MARKS and code in {b"", said}):
                raise self._useless(f"answered nonsense: {one_line(line.decode('utf-8', 'replace'))!r}")
            code = said
            lines.append(line[4:].strip())
            if mark != b"-":
                return int(code), b"\n".join(lines)
        raise self._useless("answered without end")

    @property
    def unread(self) -> bool:
        """Whether bytes arrived that nobody asked for."""
        return bool(self._buffer)

    def _line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _LONGEST_LINE:
                raise self._useless("answered without end")
            self._buffer += self._receive(deadline)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    def _receive(self, deadline: float) -> bytes:
        chunk = self._in_time(deadline, _receive)
        if not chunk:
            raise self._useless("connection closed by the server")
        return chunk

    def _in_time(self, deadline: float, call: Callable[[socket.socket], _Found], *, writing: bool = False) -> _Found:
        """What *call* returns once the socket is ready for it; other strands go on meanwhile."""
        while self.sock is not None:
            try:
                return call(self.sock)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                blocked = isinstance(error, ssl.SSLWantWriteError) or (writing and isinstance(error, BlockingIOError))
            except OSError as error:
                raise self._useless(f"connection lost: {error}") from error
            try:
                wait_for(self.sock, deadline, writing=blocked)
            except TimeoutError as error:
                raise self._useless(f"no answer within {self.patience:g} seconds") from error
        raise smtplib.SMTPServerDisconnected("not connected")

    def secure(self, context: ssl.SSLContext) -> tuple[int, bytes]:
        """STARTTLS; the handshake is the socket's own affair, and has the whole of the time."""
        self._set_timeout(self.patience)
        answer = self.starttls(context=context)
        self._set_timeout(0)
        return answer

    def _set_timeout(self, seconds: float) -> None:
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def _useless(self, why: str) -> smtplib.SMTPServerDisconnected:
        self.close()
        return smtplib.SMTPServerDisconnected(why)


def _send(data: memoryview, sock: socket.socket) -> int:
    return sock.send(data)


def _receive(sock: socket.socket) -> bytes:
    return sock.recv(4096)


def verifying_context() -> ssl.SSLContext:
    """TLS 1.2 or later, chain and host name verified against the system's authorities."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def open_session(relay: Relay, hello: str | None, timeouts: Timeouts, context: ssl.SSLContext) -> Session:
    """Connect, secure and log in.

    Args:
        relay: the next hop.
        hello: our name in EHLO; None: our address.
        timeouts: how patient to be.
        context: verifies the relay where TLS is required or implicit.

    Raises:
        Deferred: the relay is away or says "later".
        SenderAtFault: it refuses us, its certificate is wrong, or it offers no TLS or login where we need it.
    """
    with faults(Phase.CONNECT, relay):
        session = Session(relay, hello, timeouts, context)
    try:
        _greet(session, relay)
        if _starts_tls(session, relay):
            _secure(session, relay, context)
            _greet(session, relay)
        if relay.user:
            _log_in(session, relay)
    except BaseException:
        session.close()
        raise
    return session


@contextmanager
def faults(phase: Phase, relay: Relay) -> Iterator[None]:
    """What smtplib, ssl and the socket raise while a session opens, as what the caller should do about it."""
    where = f"{phase} ({relay})"
    try:
        yield
    except smtplib.SMTPResponseException as error:
        raise classify(phase, error.smtp_code, _text(error.smtp_error)) from error
    except smtplib.SMTPServerDisconnected as error:
        raise Deferred(f"{where}: {error}", close=True) from error
    except smtplib.SMTPException as error:
        raise SenderAtFault(f"{where}: {error}") from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise Deferred(f"{where}: connection closed by the server", close=True) from error
    except ssl.SSLError as error:
        raise SenderAtFault(f"{where}: TLS failed: {error}") from error
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            raise SenderAtFault(f"{where}: {error.strerror}") from error
        raise Deferred(f"{where}: {error.strerror}", close=True) from error
    except OSError as error:
        raise Deferred(f"{where}: {error.strerror or error}", close=True) from error


def _greet(session: Session, relay: Relay) -> None:
    with faults(Phase.EHLO, relay):
        code, text = session.ehlo()
        if code != 250:
            raise smtplib.SMTPHeloError(code, text)


def _starts_tls(session: Session, relay: Relay) -> bool:
    if relay.tls in {Tls.NONE, Tls.IMPLICIT}:
        return False
    offered = session.has_extn("starttls")
    if relay.tls is Tls.REQUIRED and not offered:
        raise SenderAtFault(f"{Phase.TLS} ({relay}): TLS is required, and the server does not offer it")
    return offered


def _secure(session: Session, relay: Relay, context: ssl.SSLContext) -> None:
    with faults(Phase.TLS, relay):
        code, text = session.secure(context if relay.tls is Tls.REQUIRED else _encrypting_context())
        if code != 220:
            raise smtplib.SMTPResponseException(code, text)
    if session.unread:
        # Said in the clear but read as if under TLS: how commands were injected into many clients (CVE-2011-0411).
        raise SenderAtFault(f"{Phase.TLS} ({relay}): the server, or someone between, spoke before TLS began")


def _encrypting_context() -> ssl.SSLContext:
    context = verifying_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _log_in(session: Session, relay: Relay) -> None:
    if not isinstance(session.sock, ssl.SSLSocket) and not is_loopback(relay.host):
        raise SenderAtFault(f"{Phase.LOGIN} ({relay}): no password without TLS")
    with faults(Phase.LOGIN, relay):
        if (relay.user + relay.password).isascii():
            session.login(relay.user, relay.password)
            return
        # RFC 4616 is UTF-8; smtplib encodes as ASCII and fails.
        secret = b64encode(f"\0{relay.user}\0{relay.password}".encode()).decode()
        code, text = session.docmd("AUTH", f"PLAIN {secret}")
        if code != 235:
            raise smtplib.SMTPAuthenticationError(code, text)


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
