"""Messages to the relay over one connection, the phase known at every moment.

RFC 5321 (SMTP), RFC 2920 (PIPELINING), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8). MAIL, RCPT and DATA
leave in one write where the server allows it: two round trips a message where `smtplib.sendmail` takes four.
`smtplib.sendmail` also raises the same exception whether the connection died before the body (send again) or after the
final dot (perhaps delivered); here they are `Deferred` and `Ambiguous`.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from digest.delivery.relay import Relay
from digest.delivery.replies import Phase, classify, one_line
from digest.delivery.session import Session, Timeouts, open_session, verifying_context
from digest.errors import Ambiguous, Deferred, DeliveryError, Refused, SenderAtFault
from digest.models import Message

LONGEST_LINE = 998
"""RFC 5322, section 2.1.1, without CRLF."""
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>]")


class SmtpTransport:
    """Hands messages to a relay over a connection that it keeps; for one thread."""

    def __init__(
        self,
        relay: Relay,
        *,
        hello: str | None = None,
        messages_per_connection: int = 100,
        timeouts: Timeouts | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._relay = relay
        self._hello = hello
        self._most = messages_per_connection
        self._timeouts = timeouts or Timeouts()
        self._context = context or verifying_context()
        self._session: Session | None = None
        self._used = 0
        self._phase = Phase.CONNECT

    def send(self, message: Message, before_body: Callable[[], None]) -> str:
        """Return the relay's answer only if it took responsibility for *message*.

        Calls *before_body* once the relay has asked for the body and before its first byte leaves; if that raises, the
        connection is dropped, so that the relay forgets the message, and the exception goes on.

        Raises:
            Deferred, Refused, SenderAtFault: nothing was delivered.
            Ambiguous: the body and its final dot went out and no answer came.
        """
        outgoing = Outgoing.prepare(message)
        reused = self._session is not None
        try:
            return self._attempt(outgoing, before_body)
        except Deferred as deferred:
            # A server may close an idle connection whenever it likes; that says nothing of this message.
            if not (reused and deferred.close and self._phase is Phase.MAIL):
                raise
        return self._attempt(outgoing, before_body)

    def close(self) -> None:
        """Say QUIT, if there is anyone to say it to."""
        session, self._session = self._session, None
        if session is None:
            return
        session.patience = self._timeouts.quit
        try:
            session.quit()
        except smtplib.SMTPServerDisconnected:
            pass  # it left first
        finally:
            session.close()

    def _attempt(self, outgoing: Outgoing, before_body: Callable[[], None]) -> str:
        session = self._session or self._open()
        commands = outgoing.commands(session.esmtp_features)
        with self._kept(session):
            self._envelope(session, commands)
        try:
            before_body()
        except BaseException:
            self._drop()  # after 354, hanging up is the only way to take the message back
            raise
        with self._kept(session):
            answer = self._body(session, outgoing.body)
        self._used += 1
        if self._used >= self._most:
            self.close()
        return answer

    def _open(self) -> Session:
        self._phase = Phase.CONNECT
        self._session = open_session(self._relay, self._hello, self._timeouts, self._context)
        self._used = 0
        return self._session

    def _envelope(self, session: Session, commands: list[tuple[Phase, bytes]]) -> None:
        """Bring the relay to "354, go ahead", or raise what kept it from there."""
        refusals: list[DeliveryError] = []
        asked = False
        try:
            for phase, code, text in self._replies(session, commands):
                asked = phase is Phase.DATA and code == 354
                if not asked and (phase is Phase.DATA or code // 100 != 2):
                    refusals.append(classify(phase, code, text))
                    if not session.has_extn("pipelining") or _closes(refusals[-1]):
                        break
        except Deferred as lost:
            refusals.append(lost)
        if refusals and asked:
            # RFC 2920, section 3.1: DATA was accepted although no recipient was; only a dot leads out of it.
            with suppress(Deferred):
                self._exchange(session, b".\r\n", self._timeouts.end)
        if refusals:
            raise refusals[0]  # the others follow from it

    def _replies(self, session: Session, commands: list[tuple[Phase, bytes]]) -> Iterator[tuple[Phase, int, str]]:
        """Say *commands*, all at once where the server allows that, and yield its answers."""
        pipelined = session.has_extn("pipelining")
        together = b"".join(command for _, command in commands)
        for number, (phase, command) in enumerate(commands):
            self._phase = phase
            patience = self._timeouts.data if phase is Phase.DATA else self._timeouts.command
            unsaid = command if not pipelined else b"" if number else together
            yield phase, *self._exchange(session, unsaid, patience)

    def _body(self, session: Session, body: bytes) -> str:
        self._phase = Phase.END
        session.patience = self._timeouts.body
        try:
            session.send(body)
        except smtplib.SMTPServerDisconnected as error:
            # Not all of it left, and the dot is last: without it the server must forget the rest (RFC 5321, 3.8).
            raise Deferred(f"body: {error}", close=True) from error
        session.patience = self._timeouts.end
        try:
            code, text = session.getreply()
        except smtplib.SMTPServerDisconnected as error:
            raise Ambiguous(f"{Phase.END}: {error}") from error
        said = text.decode("utf-8", "replace")
        if code // 100 == 2:
            return f"{code} {one_line(said)}"
        if code // 100 == 3:
            raise Ambiguous(f"{Phase.END}: {code} {one_line(said)}", code=code)
        raise classify(Phase.END, code, said)

    def _exchange(self, session: Session, command: bytes, patience: float) -> tuple[int, str]:
        """Write *command*, if any, and return the next reply; nothing has been delivered if that fails."""
        session.patience = patience
        try:
            if command:
                session.send(command)
            code, text = session.getreply()
        except smtplib.SMTPServerDisconnected as error:
            raise Deferred(f"{self._phase}: {error}", close=True) from error
        return code, text.decode("utf-8", "replace")

    @contextmanager
    def _kept(self, session: Session) -> Iterator[None]:
        """After a failure, make the connection fit for the next message or give it up."""
        try:
            yield
        except DeliveryError as error:
            if isinstance(error, Ambiguous) or _closes(error) or not self._reset(session):
                self._drop()
            raise
        except BaseException:
            self._drop()
            raise

    def _reset(self, session: Session) -> bool:
        try:
            return self._exchange(session, b"RSET\r\n", self._timeouts.command)[0] == 250
        except Deferred:
            return False

    def _drop(self) -> None:
        """Hang up without a word: in the middle of a body, that is how to take it back."""
        if self._session is not None:
            self._session.close()
        self._session = None


def _closes(error: DeliveryError) -> bool:
    return isinstance(error, Deferred) and error.close


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message in the form of the wire."""

    sender: str
    recipient: str
    """Addresses with their domains as A-labels."""
    size: int
    seven_bit: bool
    body: bytes
    """Dot-stuffed and ended by the lone dot."""

    @classmethod
    def prepare(cls, message: Message) -> Outgoing:
        """Check *message* and put it into form.

        Raises:
            Refused: a recipient or a line that SMTP cannot carry.
            SenderAtFault: a sender that it cannot carry.
        """
        data = crlf(message.data)
        if has_long_line(data):
            raise Refused(f"a line of the message is longer than {LONGEST_LINE} bytes", enhanced="5.6.0")
        try:
            sender = ascii_domain(message.sender) if message.sender else ""
        except ValueError as error:
            raise SenderAtFault(f"sender: {error}", enhanced="5.1.7") from error
        try:
            recipient = ascii_domain(message.recipient)
        except ValueError as error:
            raise Refused(f"recipient: {error}", enhanced="5.1.3", address_is_dead=True) from error
        return cls(sender, recipient, len(data), data.isascii(), stuff(data))

    def commands(self, offered: dict[str, str]) -> list[tuple[Phase, bytes]]:
        """MAIL, RCPT and DATA for a server that *offered* these extensions (lower case -> parameters).

        Raises:
            Refused: the message needs an extension that the server lacks, or is longer than it takes.
        """
        options = ""
        if "size" in offered:
            limit = offered["size"]
            if limit.isdecimal() and 0 < int(limit) < self.size:
                raise Refused(f"the message has {self.size} bytes, the server takes {limit}", enhanced="5.3.4")
            options += f" SIZE={self.size}"
        if not self.seven_bit:
            if "8bitmime" not in offered:
                raise Refused("the message is 8-bit, the server takes 7-bit only", enhanced="5.6.3")
            options += " BODY=8BITMIME"
        if not (self.sender + self.recipient).isascii():
            if "smtputf8" not in offered:
                raise Refused(
                    "the address has letters beyond ASCII before the @, and the server does not offer SMTPUTF8",
                    enhanced="5.6.7",
                )
            options += " SMTPUTF8"
        return [
            (Phase.MAIL, f"MAIL FROM:<{self.sender}>{options}\r\n".encode()),
            (Phase.RCPT, f"RCPT TO:<{self.recipient}>\r\n".encode()),
            (Phase.DATA, b"DATA\r\n"),
        ]


def ascii_domain(address: str) -> str:
    """*address* with its domain as A-labels (RFC 5890); the part before the @ stays as it is.

    Raises:
        ValueError: it could break out of its command, or its domain is none.
    """
    local, _, domain = address.rpartition("@")
    if not (local and domain) or _FORBIDDEN.search(address):
        raise ValueError(f"not an address: {address!r}")
    if domain.isascii():
        return address
    try:
        found = validate_email(f"x@{domain}", check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise ValueError(f"not an address: {address!r}: {error}") from error
    return f"{local}@{found.ascii_domain}"


def crlf(data: bytes) -> bytes:
    """*data* with every line, the last one too, ended by CRLF; a bare CR or LF ends a line (and smuggles nothing)."""
    if not data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
        data = b"\r\n".join(data.splitlines()) + b"\r\n"
    return data if data.endswith(b"\r\n") or not data else data + b"\r\n"


def has_long_line(data: bytes) -> bool:
    """Whether a line of *data* has more than 998 bytes; looks at one line end in each thousand bytes."""
    start = 0
    while len(data) - start > LONGEST_LINE + 2:
        start = data.rfind(b"\n", start, start + LONGEST_LINE + 2) + 1
        if start == 0:
            return True
    return False


def stuff(data: bytes) -> bytes:
    """The body of RFC 5321, section 4.5.2: leading dots doubled, a lone dot at the end; *data* has CRLF line ends."""
    doubled = data.replace(b"\n.", b"\n..")
    return (b"." if data.startswith(b".") else b"") + doubled + b".\r\n"
