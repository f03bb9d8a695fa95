"""SMTP servers to send to: a real one that keeps what it gets, one that follows a script, and Postfix's smtp-sink."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session

# ---- a real server ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Received:
    """A message as a server got it."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    options: tuple[str, ...]
    """Parameters of MAIL FROM, such as SIZE=…"""
    connection: int
    """Which of the server's connections it came over; the first is 1."""


@dataclass
class Sink:
    """An aiosmtpd server that keeps every message; `answers` overrides what it says, by stage and recipient."""

    messages: list[Received] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """"MAIL", "RCPT", "DATA" or a recipient's address -> the reply."""
    extensions: tuple[str, ...] = ()
    """Offered in EHLO besides aiosmtpd's own."""
    port: int = 0
    _peers: list[object] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_EHLO(
        self, server: Any, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        if session.peer not in self._peers:
            self._peers.append(session.peer)
        return [*responses[:-1], *(f"250-{extension}" for extension in self.extensions), responses[-1]]

    async def handle_MAIL(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.answers.get("MAIL", "250 2.1.0 ok")

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answers.get(address) or self.answers.get("RCPT", "250 2.1.5 ok")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        answer = self.answers.get("DATA", f"250 2.0.0 kept as {len(self.messages) + 1}")
        if answer.startswith("2"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.messages.append(
                Received(
                    envelope.mail_from or "",
                    tuple(envelope.rcpt_tos),
                    content,
                    tuple(envelope.mail_options),
                    self._peers.index(session.peer) + 1,
                )
            )
        return answer


class _Controller(Controller):
    """On a port of the system's choice."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd's


@contextmanager
def sink(
    *,
    answers: dict[str, str] | None = None,
    extensions: Sequence[str] = (),
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    login: tuple[str, str] | None = None,
    login_without_tls: bool = False,
    **options: Any,
) -> Iterator[Sink]:
    """A running sink.

    Args:
        answers: see `Sink.answers`.
        extensions: see `Sink.extensions`; PIPELINING is honest, since aiosmtpd reads line by line.
        tls: TLS from the first byte, with this server context.
        starttls: offer STARTTLS with this server context.
        login: demand this user and password.
        login_without_tls: offer AUTH in the clear.
        options: for aiosmtpd's `SMTP`.
    """
    kept = Sink(answers=dict(answers or {}), extensions=tuple(extensions))

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login.decode(), data.password.decode()) == login, handled=False)

    if login:
        options |= {"authenticator": authenticate, "auth_required": True}
    controller = _Controller(
        kept,
        hostname="127.0.0.1",
        port=0,
        ssl_context=tls,
        tls_context=starttls,
        auth_require_tls=not login_without_tls,
        **options,
    )
    controller.start()
    kept.port = controller.port
    try:
        yield kept
    finally:
        controller.stop()


# ---- a server that follows a script ----------------------------------------------------------------------------------

Answer = str | bytes | Callable[[socket.socket], None]


def hang_up(connection: socket.socket) -> None:
    """Close without a word."""
    connection.shutdown(socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    """Close with a TCP reset, as a crashed machine or a firewall does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.close()


def stay_silent(connection: socket.socket) -> None:
    """Say nothing until the client leaves."""
    with suppress(OSError):
        while connection.recv(65536):
            pass


def trickle(connection: socket.socket) -> None:
    """An answer that never gets whole, a byte at a time, until the client leaves."""
    with suppress(OSError):
        while True:
            connection.sendall(b"2")
            time.sleep(0.02)


def babble(connection: socket.socket) -> None:
    """Continuation lines without end, until the client leaves."""
    with suppress(OSError):
        while True:
            connection.sendall(b"250-and another thing\r\n" * 100)


@dataclass
class Peer:
    """Says its answers in turn: one on connect, then one for every line; after a 354 the whole body is one line."""

    port: int = 0
    heard: list[list[bytes]] = field(default_factory=list)
    """For every connection, the lines (or bodies) it heard."""
    writes: list[list[bytes]] = field(default_factory=list)
    """For every connection, what arrived in one read."""

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def serve(self, listener: socket.socket, conversations: Sequence[Sequence[Answer]]) -> None:
        for answers in conversations:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self._converse(connection, answers)

    def _converse(self, connection: socket.socket, answers: Sequence[Answer]) -> None:
        self.heard.append([])
        self.writes.append([])
        reader = _Reader(connection, self.writes[-1])
        in_body = False
        for number, answer in enumerate(answers):
            if number:
                self.heard[-1].append(reader.body() if in_body else reader.line())
            if callable(answer):
                answer(connection)
                return
            said = answer.encode() + b"\r\n" if isinstance(answer, str) else answer
            connection.sendall(said)
            in_body = said.startswith(b"354")
        while self.heard[-1][-1:] != [b"quit"]:
            self.heard[-1].append(reader.line())
        connection.sendall(b"221 2.0.0 bye\r\n")


class _Reader:
    def __init__(self, connection: socket.socket, writes: list[bytes]) -> None:
        self._connection = connection
        self._writes = writes
        self._buffer = b""

    def line(self) -> bytes:
        return self._until(b"\r\n")

    def body(self) -> bytes:
        self._buffer = b"\r\n" + self._buffer  # a body may be nothing but its dot
        return self._until(b"\r\n.\r\n").removeprefix(b"\r\n")

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            chunk = self._connection.recv(65536)
            if not chunk:
                raise ConnectionResetError("the client hung up")
            self._writes.append(chunk)
            self._buffer += chunk
        found, _, self._buffer = self._buffer.partition(end)
        return found


@contextmanager
def peer(*conversations: Sequence[Answer]) -> Iterator[Peer]:
    """A running peer; each connection follows the next of *conversations*."""
    with _listening(scripted := Peer(), conversations):
        yield scripted


@contextmanager
def moody(moods: Sequence[str], *, pipelining: bool) -> Iterator[Moody]:
    """A running server with moods."""
    with _listening(server := Moody(moods=list(moods), pipelining=pipelining), ()):
        yield server


@contextmanager
def _listening(server: Peer, conversations: Sequence[Sequence[Answer]]) -> Iterator[None]:
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]
    thread = threading.Thread(target=server.serve, args=(listener, conversations))
    thread.start()
    try:
        yield
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        listener.close()
        thread.join(10)
        assert not thread.is_alive(), "the client never hung up"


GREETING = "220 peer.example ESMTP"
EHLO = "250-peer.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES"
EHLO_PLAIN = "250 peer.example"


# ---- a server with moods ---------------------------------------------------------------------------------------------

MOODS = ("well", "later", "never", "421", "hangs up", "nonsense", "later and hangs up")


@dataclass
class Moody(Peer):
    """Answers MAIL, RCPT, DATA and bodies by the next of its moods, and all the rest as it should."""

    moods: list[str] = field(default_factory=list)
    pipelining: bool = True
    taken: list[bytes] = field(default_factory=list)
    """Bodies for which it took responsibility and said so."""
    taken_in_silence: list[bytes] = field(default_factory=list)
    """Bodies that it got whole, and answered not at all or unreadably."""

    def serve(self, listener: socket.socket, conversations: object = ()) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                # Its answers to pipelined commands must not wait for each other's acknowledgement.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._converse_moodily(connection)

    def _converse_moodily(self, connection: socket.socket) -> None:
        reader = _Reader(connection, [])
        connection.sendall(b"220 moody\r\n")
        valid = {"MAIL": False, "RCPT": False}
        while True:
            line = reader.line()
            verb = line[:4].upper().decode()
            if verb == "EHLO":
                connection.sendall(
                    b"250-moody\r\n250-PIPELINING\r\n250 SIZE\r\n" if self.pipelining else b"250 moody\r\n"
                )
            elif verb in {"RSET", "MAIL"}:
                valid = dict.fromkeys(valid, False)
            if verb == "RSET":
                connection.sendall(b"250 reset\r\n")
            elif verb == "QUIT":
                connection.sendall(b"221 bye\r\n")
                return
            elif verb in valid:
                before = verb == "MAIL" or valid["MAIL"]
                valid[verb] = before and self._answer(connection, b"250 ok")
                if not before:
                    connection.sendall(b"503 MAIL first\r\n")
            elif verb == "DATA" and not all(valid.values()):
                connection.sendall(b"503 RCPT first\r\n")
            elif verb == "DATA" and self._answer(connection, b"354 go"):
                self._take(connection, reader.body())
                valid = dict.fromkeys(valid, False)

    def _take(self, connection: socket.socket, body: bytes) -> None:
        mood = self.moods[0] if self.moods else "well"
        if mood in {"hangs up", "nonsense"}:
            self.taken_in_silence.append(body)
        if self._answer(connection, b"250 taken"):
            self.taken.append(body)

    def _answer(self, connection: socket.socket, well: bytes) -> bool:
        mood = self.moods.pop(0) if self.moods else "well"
        answers = {"well": well, "later": b"451 4.3.0 later", "never": b"550 5.3.0 never", "nonsense": b"?!"}
        if mood in answers:
            connection.sendall(answers[mood] + b"\r\n")
            return mood == "well"
        if mood != "hangs up":
            connection.sendall(b"421 4.3.2 closing\r\n" if mood == "421" else b"451 4.3.0 later\r\n")
        hang_up(connection)
        raise ConnectionAbortedError


# ---- Postfix's -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PostfixSink:
    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def got(self, text: bytes) -> bool:
        """Whether *text* arrived, taken or not: it writes down what comes before it answers."""
        return any(text in file.read_bytes() for file in self.folder.iterdir())


@contextmanager
def postfix_sink(*options: str, keep: bool = True) -> Iterator[PostfixSink]:
    """A running smtp-sink; *keep* has it put every message it took into a folder."""
    program = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program, "mark the test with `sink`"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with TemporaryDirectory() as name:
        # Run by root, it insists on being somebody else.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        folder = Path(name)
        folder.chmod(0o777)
        kept = ["-d", f"{folder}/m."] if keep else []
        command = [program, "-4", *user, *kept, *options, f"127.0.0.1:{port}", "100"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield PostfixSink(port, folder)
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on {port}")
