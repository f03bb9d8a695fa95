"""What time it is in the demo: readers live in many zones, and not all of them get mail on a Sunday."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.due import local_day, slot
from digest.models import Schedule

DAYS_BACK = 8
"""Every chosen weekday comes up in these."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment at which readers are due."""

    at: datetime
    due: int
    """How many of them."""
    people: int

    def __str__(self) -> str:
        whose = "everybody's hour" if self.due == self.people else f"the hour of {self.due} of {self.people} readers"
        return f"{self.at:%a %d %b %Y, %H:%M} UTC, the latest moment at which {whose} had come where they live"


def latest_moment(schedules: Sequence[Schedule], now: datetime) -> Moment:
    """The latest moment up to *now* at which most readers' hour of the day has passed where they live."""
    struck = [
        at
        for schedule in schedules
        for back in range(DAYS_BACK)
        if (at := slot(schedule, local_day(schedule, now) - timedelta(days=back))) and at <= now
    ]
    due = {at: sum(_is_due(schedule, at) for schedule in schedules) for at in struck}
    at = max(struck, key=lambda moment: (due[moment], moment), default=now)
    return Moment(at, due.get(at, 0), len(schedules))


def _is_due(schedule: Schedule, at: datetime) -> bool:
    today = slot(schedule, local_day(schedule, at))
    return today is not None and today <= at
