"""When an issue is due: wall-clock schedules in the reader's own zone.

A subscriber gets at most one issue a local calendar day. Where a clock change skips the chosen time, the issue comes
as much later as the clock jumped, or as much earlier where later would be another day (America/Nuuk skips the last hour
of a Saturday); where it repeats it, the first of the two counts (PEP 495, fold 0). A local day that does not exist
(Samoa had no 30 December 2011) has no issue. Everything here is arithmetic on values.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from digest.models import Schedule

STILL_FRESH = timedelta(hours=12)
"""A missed issue is sent late under its own day when it is at most so old."""

FURTHEST_ZONES = timedelta(days=2)
"""No two places on earth are further apart: 26 hours, from Baker Island to Kiritimati."""

WORTH_WAITING = timedelta(hours=24)
"""An older one is merged into the next when that is at most so far away, and sent at once otherwise."""


class Decision(NamedTuple):
    """What to do for a subscriber whose time has come."""

    issue: date | None
    """The local day to send an issue for now; None to wait."""
    next_due_at: datetime


def local_day(schedule: Schedule, now: datetime) -> date:
    """The calendar day at the reader's place."""
    return now.astimezone(ZoneInfo(schedule.zone)).date()


def slot(schedule: Schedule, day: date) -> datetime | None:
    """The moment of *day*'s issue in UTC; None on a day that is not chosen or does not exist there."""
    if day.weekday() not in schedule.days:
        return None
    zone = ZoneInfo(schedule.zone)
    for fold in (0, 1):  # of a skipped time, fold 0 lies after the jump and fold 1 before it
        moment = datetime.combine(day, schedule.at.replace(fold=fold), tzinfo=zone).astimezone(UTC)
        if moment.astimezone(zone).date() == day:
            return moment
    return None


def next_due(schedule: Schedule, now: datetime, last_issue: date | None = None) -> datetime:
    """The first slot of today or later, as the reader's calendar has it, on a day after *last_issue*.

    It lies in the past when today's time has gone by: somebody who subscribes at nine for seven o'clock gets today's
    issue at once.
    """
    day = local_day(schedule, now)
    if last_issue is not None:
        day = max(day, last_issue + timedelta(days=1))
    return _first_slot(schedule, day)


def decide(schedule: Schedule, now: datetime, due_at: datetime, last_issue: date | None) -> Decision:
    """What to do at *now* for a subscriber whose issue was due at *due_at* <= now.

    On time, or later on the same local day: that day's issue. After a longer downtime: one issue for the whole gap,
    at the next regular time where that is near, else at once.
    """
    last_issue = believable(schedule, now, last_issue)
    today, missed = local_day(schedule, now), local_day(schedule, due_at)
    slot_today = slot(schedule, today)
    if slot_today and slot_today <= now:
        issue = today
    elif now - due_at <= STILL_FRESH:
        issue = missed
    elif _first_slot(schedule, today) - now <= WORTH_WAITING:
        return Decision(None, _first_slot(schedule, today))
    else:
        issue = today
    if last_issue is not None and issue <= last_issue:
        return Decision(None, _first_slot(schedule, last_issue + timedelta(days=1)))
    return Decision(issue, _first_slot(schedule, issue + timedelta(days=1)))


def believable(schedule: Schedule, now: datetime, last_issue: date | None) -> date | None:
    """*last_issue*, unless it was made by a clock that ran ahead: it would keep its reader waiting until that day."""
    if last_issue is not None and last_issue > local_day(schedule, now) + FURTHEST_ZONES:
        return None
    return last_issue


def _first_slot(schedule: Schedule, day: date) -> datetime:
    for offset in range(15):  # one chosen weekday, and that one skipped by a zone change, is the worst case
        moment = slot(schedule, day + timedelta(days=offset))
        if moment:
            return moment
    raise ValueError(f"{schedule} has no day")
