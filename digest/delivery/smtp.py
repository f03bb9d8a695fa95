"""Messages to the relay over one connection, the phase known at every moment.

RFC 5321 (SMTP), RFC 2920 (PIPELINING). Where the server allows it, MAIL, RCPT and DATA leave in one write, and those of
the next message right behind a body: one round trip a message where `smtplib.sendmail` takes four. `smtplib.sendmail`
also raises the same exception whether the connection died before the body (send again) or after the final dot (perhaps
delivered); here they are `Deferred` and `Ambiguous`.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from digest.delivery.outgoing import Outgoing
from digest.delivery.relay import Relay
from digest.delivery.replies import Phase, classify, one_line
from digest.delivery.session import Session, Timeouts, open_session, verifying_context
from digest.errors import Ambiguous, Deferred, DeliveryError
from digest.models import Message
from digest.strands import aside

SAID: Sequence[tuple[Phase, bytes]] = [(Phase.MAIL, b""), (Phase.RCPT, b""), (Phase.DATA, b"")]
"""Commands that are on their way already: their answers are all that is left to come."""


class SmtpTransport:
    """Hands messages to a relay over a connection that it keeps; for one thread or strand."""

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
        self._announced: Outgoing | None = None
        """Its envelope went out behind the last body, and is not answered yet."""

    def send(
        self, message: Message, before_body: Callable[[], None], upcoming: Callable[[], Message | None] = lambda: None
    ) -> str:
        """Return the relay's answer only if it took responsibility for *message*.

        Calls *before_body* once the relay has asked for the body and before its first byte leaves; if that raises, the
        connection is dropped, so that the relay forgets the message, and the exception goes on. Asks for the *upcoming*
        message while the relay thinks, to announce it behind this one's body (RFC 2920, section 3.1).

        Raises:
            Deferred, Refused, SenderAtFault: nothing was delivered.
            Ambiguous: the body and its final dot went out and no answer came.
        """
        if self._announced and not self._announced.speaks_of(message):
            self._drop()  # after 354, only hanging up leads to another message
        outgoing = self._announced or Outgoing.prepare(message)
        reused = self._session is not None
        try:
            return self._attempt(outgoing, before_body, upcoming)
        except Deferred as deferred:
            # A server may close an idle connection whenever it likes; that says nothing of this message.
            if not (reused and deferred.close and self._phase is Phase.MAIL):
                raise
        return self._attempt(outgoing, before_body, upcoming)

    def close(self) -> None:
        """Say QUIT, if there is anyone to say it to."""
        if self._announced:
            self._drop()
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

    def _attempt(
        self, outgoing: Outgoing, before_body: Callable[[], None], upcoming: Callable[[], Message | None]
    ) -> str:
        session = self._session or self._open()
        with self._kept(session):
            following = self._envelope(session, outgoing, upcoming)
        try:
            before_body()
        except BaseException:
            self._drop()  # after 354, hanging up is the only way to take the message back
            raise
        with self._kept(session):
            answer = self._body(session, outgoing.body, following)
        self._used += 1
        if self._used >= self._most:
            self.close()
        return answer

    def _open(self) -> Session:
        self._phase = Phase.CONNECT
        self._session = aside(partial(open_session, self._relay, self._hello, self._timeouts, self._context))
        self._used = 0
        self._announced = None
        return self._session

    def _envelope(self, session: Session, outgoing: Outgoing, upcoming: Callable[[], Message | None]) -> Message | None:
        """Bring the relay to "354, go ahead", or raise what kept it from there; returns the *upcoming* message."""
        announced, self._announced = self._announced is not None, None
        commands = SAID if announced else outgoing.commands(session.esmtp_features)
        refusals: list[DeliveryError] = []
        asked = False
        following = None
        try:
            if session.has_extn("pipelining"):
                if not announced:
                    self._say(session, b"".join(command for _, command in commands))
                following = upcoming() if self._used + 1 < self._most else None
                commands = SAID
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
        return following

    def _say(self, session: Session, commands: bytes) -> None:
        self._phase = Phase.MAIL
        session.patience = self._timeouts.command
        try:
            session.send(commands)
        except smtplib.SMTPServerDisconnected as error:
            raise Deferred(f"{self._phase}: {error}", close=True) from error

    def _replies(self, session: Session, commands: Sequence[tuple[Phase, bytes]]) -> Iterator[tuple[Phase, int, str]]:
        """Say what is left to say of *commands*, one by one, and yield the answers."""
        for phase, command in commands:
            self._phase = phase
            patience = self._timeouts.data if phase is Phase.DATA else self._timeouts.command
            yield phase, *self._exchange(session, command, patience)

    def _body(self, session: Session, body: bytes, following: Message | None) -> str:
        self._phase = Phase.END
        session.patience = self._timeouts.body
        try:
            session.send(body)
        except smtplib.SMTPServerDisconnected as error:
            # Not all of it left, and the dot is last: without it the server must forget the rest (RFC 5321, 3.8).
            raise Deferred(f"body: {error}", close=True) from error
        self._announce(session, following)
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

    def _announce(self, session: Session, following: Message | None) -> None:
        """Send the envelope of the *following* message behind the body.

        Never in one write with it: of a write that fails, nobody could say whether the dot had left.
        """
        if following is None:
            return
        try:
            outgoing = Outgoing.prepare(following)
            session.send(b"".join(command for _, command in outgoing.commands(session.esmtp_features)))
        except (DeliveryError, smtplib.SMTPServerDisconnected):
            return  # its own turn will tell why
        self._announced = outgoing

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
            # Behind a body that was refused, the next envelope is under way already, and takes the place of RSET.
            lost = isinstance(error, Ambiguous) or _closes(error)
            if lost or not (self._announced or self._reset(session)):
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
        self._session = self._announced = None


def _closes(error: DeliveryError) -> bool:
    return isinstance(error, Deferred) and error.close
