"""Write what is in the outbox and hand it to the next hop, each digest at most once."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from digest.delivery import Transport
from digest.delivery.replies import retry_delay
from digest.errors import Ambiguous, Deferred, DeliveryError, Refused, SenderAtFault, SettingsError
from digest.models import DeliveryState
from digest.pipeline.ledger import Ledger, LostClaim
from digest.pipeline.parts import Parts
from digest.store import Beginning, Claim, Outcome

log = structlog.get_logger(__name__)

BATCH = 20
"""Deliveries claimed at once by a connection."""

ASK_OPERATOR = timedelta(minutes=5)
"""How long a digest waits that we ourselves could not send: login, TLS, templates."""


@dataclass(slots=True)
class Delivered:
    """What delivering did, by the state that deliveries are in now."""

    states: Counter[DeliveryState] = field(default_factory=Counter)
    stopped: str = ""
    """Why nothing more was tried: the sender's own fault, for the operator to mend."""

    def __getitem__(self, state: DeliveryState) -> int:
        return self.states[state]


def deliver(parts: Parts, *, alone: bool = False) -> Delivered:
    """Send what is ready, over `smtp_connections` connections at once.

    Args:
        parts: the rooms' things.
        alone: a lock proves that nobody else delivers from this store, so that what a dead process left is taken over
            at once.
    """
    report = Delivered()
    parts.store.deliveries.recover(parts.clock(), parts.settings.unknown, alone=alone)
    with Ledger(parts.store, parts.owner) as ledger:
        run = _Run(parts, ledger, report)
        workers = parts.settings.smtp_connections
        with ThreadPoolExecutor(workers, thread_name_prefix="deliver") as pool:
            for future in [pool.submit(run.work) for _ in range(workers)]:
                future.result()
    return report


class _Run:
    """One pass over the outbox, shared by its connections."""

    def __init__(self, parts: Parts, ledger: Ledger, report: Delivered) -> None:
        self._parts, self._ledger, self._report = parts, ledger, report
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def work(self) -> None:
        """One connection's share."""
        transport: Transport | None = None
        try:
            while not self._stop.is_set():
                claims = self._parts.store.deliveries.claim(self._parts.clock(), self._parts.owner, BATCH)
                if not claims:
                    return
                transport = transport or self._parts.transports()
                for claim in claims:
                    self._attempt(transport, claim)
        except BaseException:
            self._stop.set()
            raise
        finally:
            if transport:
                transport.close()

    def _attempt(self, transport: Transport, claim: Claim) -> None:
        now = self._parts.clock()
        if self._stop.is_set():
            outcome = Outcome(claim.id, DeliveryState.PLANNED, now, "not tried", ready_at=now)
        elif not claim.allowed:
            outcome = Outcome(claim.id, DeliveryState.CANCELLED, now, "the subscriber left or paused")
        elif wait := self._parts.turns.wait(claim.digest.subscriber.email):
            ready = now + timedelta(seconds=wait)
            outcome = Outcome(claim.id, DeliveryState.DEFERRED, now, "waits for its turn", ready_at=ready)
        else:
            outcome = self._send(transport, claim)
        self._ledger.finish(outcome)
        with self._lock:
            self._report.states[outcome.state] += 1
            self._parts.progress("sending", self._report.states.total(), None)

    def _send(self, transport: Transport, claim: Claim) -> Outcome:
        """Compose and hand over; every ending is an outcome."""
        try:
            written = self._parts.writer.write(claim.digest)
        except SettingsError as error:  # a broken template: everybody's digest waits for the operator
            return self._our_fault(claim, str(error))
        except Exception as error:
            log.exception("composing failed", delivery=claim.id)
            return Outcome(claim.id, DeliveryState.FAILED, self._parts.clock(), f"composing failed: {error!r}")
        sha256 = hashlib.sha256(written.message.data).hexdigest()
        if claim.sha256 and claim.sha256 != sha256:
            log.warning("a retry differs from the first attempt; were templates changed?", delivery=claim.id)
        beginning = Beginning(claim.id, sha256, written.message_id)
        try:
            reply = transport.send(written.message, lambda: self._ledger.begin(beginning))
        except LostClaim:
            return Outcome(claim.id, DeliveryState.CANCELLED, self._parts.clock(), "left, paused, or taken over")
        except SenderAtFault as error:
            return self._our_fault(claim, str(error))
        except DeliveryError as error:
            return self._refused(claim, error)
        log.info("sent", delivery=claim.id, issue=claim.digest.issue.isoformat(), reply=reply)
        return Outcome(claim.id, DeliveryState.SENT, self._parts.clock(), reply)

    def _refused(self, claim: Claim, error: DeliveryError) -> Outcome:
        now = self._parts.clock()
        match error:
            case Refused():
                state, ready = DeliveryState.FAILED, None
            case Ambiguous():
                again = self._parts.settings.unknown == "resend" and claim.resends == 0
                state, ready = DeliveryState.UNKNOWN, _later(now, claim, None) if again else None
            case Deferred():
                state, ready = DeliveryState.DEFERRED, _later(now, claim, error.retry_after)
            case _:
                raise error
        log.warning("not sent", delivery=claim.id, state=state.value, reply=str(error), attempt=claim.attempts)
        return Outcome(claim.id, state, now, str(error), ready_at=ready)

    def _our_fault(self, claim: Claim, why: str) -> Outcome:
        """Stop the run: no reader is to blame, and what waits is sent as soon as the operator has mended it."""
        with self._lock:
            self._report.stopped = self._report.stopped or why
        self._stop.set()
        now = self._parts.clock()
        return Outcome(claim.id, DeliveryState.PLANNED, now, why, ready_at=now)


def _later(now: datetime, claim: Claim, retry_after: float | None) -> datetime:
    return now + timedelta(seconds=retry_delay(claim.attempts, str(claim.id), retry_after))
