"""One pass, as cron and the daemon make it: pull what is new, plan whoever is due, deliver what waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import structlog

from digest import zones
from digest.due import FURTHEST_ZONES, believable, next_due
from digest.models import DeliveryState, Profile, Subscriber
from digest.pipeline import meaning
from digest.pipeline.deliver import Delivered, deliver
from digest.pipeline.parts import Parts
from digest.pipeline.plan import WINDOW, Planned, plan, plan_and_claim
from digest.pipeline.pull import REFRESH, Pulled, is_stale, pull
from digest.store import EVERYBODY, Run, Share, Sync

log = structlog.get_logger(__name__)

TOLERATED = timedelta(hours=2)
"""So much later a digest may be made where cron calls once an hour and the machine was asleep."""

MARK_EVERY = timedelta(minutes=30)
"""A pass is made every minute, but leaves its mark only so often: a mark is a commit to disk."""


@dataclass(frozen=True)
class Roster:
    """A roster file, and what tells it from the one before."""

    fingerprint: str
    read: Callable[[], tuple[Profile, ...]]
    """Reads and checks it; raises SettingsError with every mistake in it."""

    @cached_property
    def profiles(self) -> tuple[Profile, ...]:
        """Who stands in it; a file that was taken over before need not be read for that again."""
        return self.read()


@dataclass(frozen=True, slots=True)
class Worked:
    """What choosing and sending came to, in one process."""

    planned: Planned
    delivered: Delivered
    died: bool = False
    """The process was killed, or crashed: what it had in hand is still to be done."""


@dataclass(slots=True)
class Report:
    """What one pass did, per stage and per source."""

    started_at: datetime
    sync: Sync | None = None
    pulled: list[Pulled] = field(default_factory=list)
    planned: Planned = field(default_factory=Planned)
    delivered: Delivered = field(default_factory=Delivered)
    next_due_at: datetime | None = None
    missed: datetime | None = None
    """Since when digests were due that nothing made in time, because no pass was made."""
    taken: bool = False
    """Another process is at work on this store, and does what is due."""

    @property
    def failed(self) -> bool:
        """Whether somebody should look: a person's digest failed, or the sender is at fault."""
        return bool(self.delivered.stopped or self.planned.failed or self.delivered[DeliveryState.FAILED])

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.pulled or self.planned.issues or self.planned.empty or self.delivered.states)

    def add(self, worked: Worked) -> None:
        """Count in what one process did."""
        self.planned += worked.planned
        self.delivered += worked.delivered

    def line(self) -> str:
        """The whole pass in one line."""
        if self.taken:
            return "another digest is at work on this store; it does what is due"
        sources = [
            f"{p.source}: {'read just now' if p.skipped else f'{p.listings} in, {p.new} new, {p.merged} merged'}"
            + (f", FAILED ({p.failure})" if p.failure else "")
            for p in self.pulled
        ]
        states = self.delivered.states
        names = {DeliveryState.PLANNED: "not tried"}  # what was planned is counted before
        counts = [f"{states[state]} {names.get(state, state.value)}" for state in DeliveryState if states[state]]
        planned = f"{self.planned.issues} planned" + (
            f" with {self.planned.shown} papers ({self.planned.matched} matched)" if self.planned.issues else ""
        )
        planned += f", {self.planned.empty} empty" if self.planned.empty else ""
        planned += f", {self.planned.failed} could not be chosen" if self.planned.failed else ""
        parts = [*sources, planned, ", ".join(counts) or "0 sent"]
        if self.delivered.stopped:
            parts.append(f"STOPPED: {self.delivered.stopped}")
        due = f"next due {self.next_due_at:%Y-%m-%d %H:%M} UTC" if self.next_due_at else "nobody is due: see the roster"
        parts.append(due)
        return "; ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """For `--json`, and for the store."""
        return {
            "line": self.line(),
            "started_at": self.started_at.isoformat(),
            "taken": self.taken,
            "roster": asdict(self.sync) if self.sync else None,
            "sources": [asdict(p) for p in self.pulled],
            "planned": asdict(self.planned),
            "delivered": {state.value: count for state, count in self.delivered.states.items()},
            "stopped": self.delivered.stopped,
            "missed": self.missed.isoformat() if self.missed else None,
            "next_due_at": self.next_due_at.isoformat() if self.next_due_at else None,
            "failed": self.failed,
        }


def run(
    parts: Parts,
    roster: Roster | None,
    *,
    alone: bool,
    send: bool = True,
    crew: Callable[[], Iterable[Worked]] | None = None,
) -> Report:
    """One pass.

    Args:
        parts: the rooms' things.
        roster: the operator's file, checked as a whole; None where there is none.
        alone: a lock proves that no other process is at work on this store.
        send: False stops before delivering, for a rehearsal.
        crew: other processes that choose and send, instead of this one; their names as owners end in ours.
    """
    report = Report(parts.clock())
    refresh(parts, roster, report)
    if not send:
        report.planned = plan(parts)
    elif crew is not None:
        parts.store.deliveries.recover(parts.clock(), parts.settings.unknown, alone=alone)
        hands = list(crew())
        for worked in hands:
            report.add(worked)
        if any(worked.died for worked in hands):
            parts.store.deliveries.release(parts.owner, parts.clock())
            report.add(work(parts, alone=alone))
    else:
        report.add(work(parts, alone=alone))
    remember(parts, report)
    return report


def remember(parts: Parts, report: Report) -> None:
    """Complete *report*, and keep it for `digest status` unless there was nothing to do."""
    report.next_due_at = parts.store.subscribers.next_due_at()
    if not report.idle:
        parts.store.runs.add(Run(report.started_at, parts.clock(), report.as_json()))


def refresh(parts: Parts, roster: Roster | None, report: Report) -> None:
    """What comes before choosing: the world's clocks, the operator's word, pauses that are over, and new papers."""
    report.missed = _missed(parts, report.started_at)
    reckon_anew(parts)
    report.sync = synchronise(parts, roster)
    parts.store.subscribers.resume_paused(report.started_at)
    if _worth_pulling(parts, report.started_at):
        report.pulled = pull(parts)
        meaning.prepare(parts, report.started_at - WINDOW)


def work(parts: Parts, share: Share = EVERYBODY, *, alone: bool = False) -> Worked:
    """One process's part: send what waits, whoever chose it, and choose for its share of the readers, block by block.

    See `run` for *alone*.
    """
    if parts.turns.spaced:  # what waits for its turn is not claimed for long
        return Worked(plan(parts, share), deliver(parts, alone=alone))
    planned = Planned()
    delivered = deliver(parts, plan_and_claim(parts, share, planned), alone=alone)
    if delivered.stopped:  # it will go out when that is mended, and was chosen when it was due
        planned += plan(parts, share)
    return Worked(planned, delivered)


def synchronise(parts: Parts, roster: Roster | None) -> Sync | None:
    """Make the store agree with the roster; None when that was done before."""
    if roster is None or parts.store.facts.get("roster") == roster.fingerprint:
        return None
    sync = parts.store.subscribers.sync(roster.profiles, parts.clock())
    parts.store.facts.put({"roster": roster.fingerprint})
    log.info("roster", added=len(sync.added), changed=len(sync.changed), removed=len(sync.removed))
    return sync


def reckon_anew(parts: Parts) -> None:
    """Reckon again when everybody is due, once the rules of the world's clocks have changed, or ours was put right."""
    version, now = zones.use_newest(), parts.clock()
    if parts.store.facts.get("zones") == version and not _was_ahead(parts, now):
        return
    people = parts.store.subscribers
    due = {
        person.id: moment
        for person in people.everyone()
        if person.next_due_at  # what is due already stays due
        and person.next_due_at > now
        and (moment := _due(person, now)) != person.next_due_at
    }
    people.postpone(due)
    parts.store.facts.put({"zones": version})
    log.info("zones", version=version, moved=len(due))


def _due(person: Subscriber, now: datetime) -> datetime:
    return next_due(person.schedule, now, believable(person.schedule, now, person.last_issue))


def _was_ahead(parts: Parts, now: datetime) -> bool:
    """Whether a pass was made on a day that is still to come: the clock was wrong then, and everybody's next issue."""
    asked = (record.attempted_at for record in parts.store.sources.records().values())
    return any(moment and moment - now > FURTHEST_ZONES for moment in asked)


def _missed(parts: Parts, now: datetime) -> datetime | None:
    """Since when somebody waits for a pass; and leaves a mark that one is made now."""
    mark = parts.store.facts.get("last_pass")
    last = datetime.fromisoformat(mark) if mark else now
    if not mark or abs(now - last) >= MARK_EVERY:
        parts.store.facts.put({"last_pass": now.isoformat()})
    due = parts.store.subscribers.next_due_at()
    # what was due before the last pass became due later: somebody subscribed after their hour, or resumed
    return due if due and last < due <= now - TOLERATED else None


def _worth_pulling(parts: Parts, now: datetime) -> bool:
    due = parts.store.subscribers.next_due_at()
    if due is None and not parts.settings.web:  # pages show what is trending before anybody subscribes
        return False
    records = parts.store.sources.records()
    if due is not None and due <= now:
        return True
    return any(is_stale(s, records.get(s.name), now, REFRESH) for s in parts.sources)
