"""Write what is in the outbox and hand it to the next hop, each digest at most once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from digest.delivery import Transport, prepare
from digest.delivery.bounces import Bounce, BounceKind
from digest.delivery.replies import retry_delay
from digest.errors import Ambiguous, Deferred, DeliveryError, Refused, SenderAtFault, SettingsError
from digest.models import DeliveryState, Message
from digest.pipeline.incoming import bounced
from digest.pipeline.ledger import Ledger, LostClaim
from digest.pipeline.parts import Parts
from digest.store import Beginning, Claim, Outcome
from digest.strands import Strands

log = structlog.get_logger(__name__)

BATCH = 50
"""Deliveries claimed at once, for all connections together."""

AT_ONCE = 32
"""Digests that are written one right after the other, in 0.7 of the time that each takes between other work: that
drives code and data from the processor's caches."""

BODY_LEASE = timedelta(minutes=30)
"""For a body on its way and the answer to it: RFC 5321, 4.5.3.2 allows 3 minutes a block and 10 for the answer."""

IN_A_ROW = 3
"""So many lost connections, or refusals on our account, one after the other, stop the run: it is not the reader."""

WAIT_AFTER_POLICY = timedelta(minutes=30)
"""Before a message is tried again that was refused on our account, while others passed."""


@dataclass(slots=True)
class Delivered:
    """What delivering did, by the state that deliveries are in now."""

    states: Counter[DeliveryState] = field(default_factory=Counter)
    stopped: str = ""
    """Why nothing more was tried: the sender's own fault, for the operator to mend."""

    def __getitem__(self, state: DeliveryState) -> int:
        return self.states[state]

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(self.states + other.states, self.stopped or other.stopped)


def deliver(parts: Parts, more: Iterable[Sequence[Claim]] = (), *, alone: bool = False) -> Delivered:
    """Send what is ready, over `smtp_connections` connections at once.

    Args:
        parts: the rooms' things.
        more: claims, asked for whenever nothing else is ready.
        alone: a lock proves that nobody else delivers from this store, so that what a dead process left is taken over
            at once.
    """
    report = Delivered()
    parts.store.deliveries.recover(parts.clock(), parts.settings.unknown, alone=alone)
    parts.progress("sending", 0, None)
    strands = Strands()
    with Ledger(parts.store, parts.owner, strands) as ledger:
        strands.run([_Run(parts, more, ledger, report).work] * parts.settings.smtp_connections)
    return report


@dataclass(frozen=True, slots=True)
class _Ready:
    """A message that can go out."""

    claim: Claim
    message: Message
    message_id: str
    sha256: str = ""


class _Line:
    """What one connection sends, each written when it is asked for: at the earliest while the one before is sent."""

    def __init__(self, messages: Iterator[_Ready]) -> None:
        self._messages = messages
        self._first: _Ready | None = None

    def take(self) -> _Ready | None:
        """The next one; None at the end."""
        first, self._first = self._first or next(self._messages, None), None
        return first

    def upcoming(self) -> Message | None:
        """What `take` will return, while it stays in line."""
        self._first = self._first or next(self._messages, None)
        return self._first.message if self._first else None


class _Run:
    """One pass over the outbox, shared by its connections."""

    def __init__(self, parts: Parts, more: Iterable[Sequence[Claim]], ledger: Ledger, report: Delivered) -> None:
        self._parts, self._more, self._ledger, self._report = parts, iter(more), ledger, report
        self._log = log.bind()  # once: it is asked for each message
        self._supply = self._ready()
        self._stop = False
        self._trouble = 0
        """Lost connections and refusals on our account since the last message that went out."""
        self._open = parts.settings.smtp_connections
        self._too_many = 0
        """Connections that the relay has closed on us and that are not opened again in this run."""

    @property
    def _stopping(self) -> bool:
        return self._stop or self._parts.stop.is_set()

    def work(self) -> None:
        """One connection's share."""
        transport: Transport | None = None
        line = _Line(self._for_one_connection())
        try:
            with self._ledger.connection():
                while ready := line.take():
                    if self._stopping:
                        self._finish(self._not_tried(ready.claim))
                        continue
                    transport = transport or self._parts.transports()
                    self._finish(self._hand_over(transport, ready, line.upcoming))
        except BaseException:
            self._stop = True
            raise
        finally:
            if transport:
                transport.close()

    def _for_one_connection(self) -> Iterator[_Ready]:
        while not self._one_too_many() and (ready := next(self._supply, None)):
            yield ready

    def _ready(self) -> Iterator[_Ready]:
        """What is to be sent, written; whatever cannot be sent is settled on the way."""
        at_once = 1 if self._parts.turns.spaced else AT_ONCE  # whose turn has come, is sent at once
        for claims in self._claims():
            for start in range(0, len(claims), at_once):
                for found in self._made(claims[start : start + at_once]):
                    if isinstance(found, _Ready):
                        yield found
                    else:
                        self._finish(found)

    def _claims(self) -> Iterator[Sequence[Claim]]:
        while not self._stopping:
            waiting = self._parts.store.deliveries.claim(self._parts.clock(), self._parts.owner, BATCH)
            claims: Sequence[Claim] | None = waiting or next(self._more, None)
            if claims is None:
                return
            yield claims

    def _made(self, claims: Sequence[Claim]) -> list[_Ready | Outcome]:
        """What becomes of each, step by step for all of them."""
        written = [self._held_back(claim) or self._written(claim) for claim in claims]
        return [self._prepared(each) if isinstance(each, _Ready) else each for each in written]

    def _held_back(self, claim: Claim) -> Outcome | None:
        now = self._parts.clock()
        if self._stopping:
            return self._not_tried(claim)
        if claim.suppressed:
            return Outcome(claim.id, DeliveryState.SUPPRESSED, now, "the address must not be written to")
        if not claim.allowed:
            return Outcome(claim.id, DeliveryState.CANCELLED, now, "the subscriber left or paused")
        if wait := self._parts.turns.wait(claim.digest.subscriber.email):
            ready = now + timedelta(seconds=wait)
            return Outcome(claim.id, DeliveryState.DEFERRED, now, "waits for its turn", ready_at=ready)
        return None

    def _not_tried(self, claim: Claim) -> Outcome:
        now = self._parts.clock()
        return Outcome(claim.id, DeliveryState.PLANNED, now, "not tried", ready_at=now)

    def _finish(self, outcome: Outcome) -> None:
        self._ledger.finish(outcome)
        self._report.states[outcome.state] += 1
        self._parts.progress("sending", self._report.states.total(), None)

    def _written(self, claim: Claim) -> _Ready | Outcome:
        try:
            written = self._parts.writer.write(claim.digest)
        except SettingsError as error:  # a broken template: everybody's digest waits for the operator
            self._stop_run(str(error))
            now = self._parts.clock()
            return Outcome(claim.id, DeliveryState.PLANNED, now, str(error), ready_at=now)
        except Exception as error:
            log.exception("composing failed", delivery=claim.id)
            return Outcome(claim.id, DeliveryState.FAILED, self._parts.clock(), f"composing failed: {error!r}")
        return _Ready(claim, self._signed(written.message, claim), written.message_id)

    def _prepared(self, ready: _Ready) -> _Ready | Outcome:
        """All that need not wait until its turn comes."""
        try:
            message = prepare(ready.message)
        except DeliveryError as error:
            return self._not_sent(ready.claim, error)
        return _Ready(ready.claim, message, ready.message_id, hashlib.sha256(message.data).hexdigest())

    def _hand_over(self, transport: Transport, ready: _Ready, upcoming: Callable[[], Message | None]) -> Outcome:
        """Every ending is an outcome."""
        claim = ready.claim
        try:
            reply = transport.send(ready.message, lambda: self._ledger.begin(self._beginning(ready)), upcoming)
        except LostClaim:
            return Outcome(claim.id, DeliveryState.CANCELLED, self._parts.clock(), "left, paused, or taken over")
        except DeliveryError as error:
            return self._not_sent(claim, error)
        self._trouble = 0
        self._log.info("sent", delivery=claim.id, issue=claim.digest.issue.isoformat(), reply=reply)
        return Outcome(claim.id, DeliveryState.SENT, self._parts.clock(), reply)

    def _signed(self, message: Message, claim: Claim) -> Message:
        sign = self._parts.sign
        return replace(message, data=sign(message.data, claim.digest.planned_at)) if sign else message

    def _beginning(self, ready: _Ready) -> Beginning:
        claim = ready.claim
        if claim.sha256 and claim.sha256 != ready.sha256:
            log.warning("a retry differs from the first attempt; were templates changed?", delivery=claim.id)
        return Beginning(claim.id, ready.sha256, ready.message_id, self._parts.clock() + BODY_LEASE)

    def _not_sent(self, claim: Claim, error: DeliveryError) -> Outcome:
        now = self._parts.clock()
        match error:
            case Refused():
                state, ready = DeliveryState.FAILED, None
                if error.address_is_dead:
                    said = Bounce(BounceKind.HARD, status=error.enhanced, text=str(error))
                    bounced(self._parts, claim.digest.subscriber.token, said)
            case Ambiguous():
                again = self._parts.settings.unknown == "resend" and claim.resends == 0
                state, ready = DeliveryState.UNKNOWN, _later(now, claim, None) if again else None
            case SenderAtFault(about_recipient=True):
                state, ready = DeliveryState.DEFERRED, now + WAIT_AFTER_POLICY
                self._count_trouble(str(error))
            case SenderAtFault():
                state, ready = DeliveryState.PLANNED, now  # waits for the operator, not for the clock
                self._stop_run(str(error))
            case Deferred():
                state, ready = DeliveryState.DEFERRED, _later(now, claim, error.retry_after)
                if error.close:
                    self._slow_down()
                    self._count_trouble(str(error))
            case _:
                raise error
        log.warning("not sent", delivery=claim.id, state=state.value, reply=str(error), attempt=claim.attempts)
        return Outcome(claim.id, state, now, str(error), ready_at=ready)

    def _slow_down(self) -> None:
        """RFC 5321, 3.8: a 421 says that the relay has had enough; it gets one connection less."""
        self._too_many += 1

    def _one_too_many(self) -> bool:
        """Whether the connection that asks is to end; the last one stays."""
        if not self._too_many or self._open == 1:
            return False
        self._too_many -= 1
        self._open -= 1
        return True

    def _count_trouble(self, why: str) -> None:
        self._trouble += 1
        if self._trouble >= IN_A_ROW:
            self._stop_run(f"{IN_A_ROW} times in a row: {why}")

    def _stop_run(self, why: str) -> None:
        """No reader is to blame; what waits goes out when this is mended."""
        self._report.stopped = self._report.stopped or why
        self._stop = True


def _later(now: datetime, claim: Claim, retry_after: float | None) -> datetime:
    return now + timedelta(seconds=retry_delay(claim.attempts, str(claim.id), retry_after))
