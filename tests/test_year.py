"""A year of mornings under a simulated clock: everybody gets one issue on each of their days, at their minute.

24 zones, among them those with odd offsets and odd clock changes, and all cadences, through 2026: north and south set
their clocks forward and back. The program is down three times: for 3 hours, 3 days and 3 weeks. Store, due times and
planning are the real ones; the clock jumps from one minute in which somebody is due to the next, as the daemon's idle
minutes between them do nothing.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from digest import app, pipeline
from digest.due import slot
from digest.models import EVERY_DAY, WEEKDAYS, Interests, Listing, Paper, Profile, Schedule, Signal, Topic
from digest.pipeline import Parts
from digest.settings import Settings
from digest.store import codec, schema
from tests.make import a_paper
from tests.ranking_days import DETAILS, SUBJECTS

pytestmark = pytest.mark.timeout(900)  # 40 s of CPU: a year has 890 minutes in which somebody is due

ZONES = (
    *("Pacific/Kiritimati", "Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham", "Australia/Lord_Howe"),
    *("Australia/Adelaide", "Asia/Tokyo", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran", "Asia/Gaza", "Africa/Cairo"),
    *("Europe/Berlin", "Europe/Dublin", "Africa/Casablanca", "UTC", "America/Nuuk", "America/St_Johns"),
    *("America/Santiago", "America/New_York", "America/Havana", "America/Los_Angeles", "Pacific/Marquesas"),
    "Pacific/Niue",
)
IN_THE_NIGHT = {"Australia/Lord_Howe", "Europe/Berlin", "America/New_York"}
"""Readers there chose Sundays at 02:30, which some nights skip and others have twice."""
CADENCES = (EVERY_DAY, WEEKDAYS, frozenset({0, 3}), frozenset({5}))
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)
OFF = {
    "3 hours": (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), timedelta(hours=3)),
    "3 days": (datetime(2026, 9, 9, 12, tzinfo=UTC), timedelta(days=3)),
    "3 weeks": (datetime(2026, 11, 3, 9, tzinfo=UTC), timedelta(weeks=3)),
}
PAPERS = len(SUBJECTS)
"""Announced a day, one of each subject, at midnight in New York on its weekdays."""


@dataclass(frozen=True)
class Issue:
    made_at: datetime
    papers: tuple[int, ...]
    """Their numbers in the store."""
    since: date | None


@dataclass(frozen=True)
class Year:
    schedules: dict[str, Schedule]
    issues: dict[str, dict[date, Issue]]
    planned: int
    """Issues as the passes counted them."""


def readers() -> Iterator[Profile]:
    """One a zone; most hours are such that few moments of the day are due ones, for speed. Cadences take turns."""
    for number, zone in enumerate(ZONES):
        shared = START.replace(hour=6).astimezone(ZoneInfo(zone)).time()
        schedule = Schedule(zone, shared, CADENCES[number % len(CADENCES)])
        if zone in IN_THE_NIGHT:
            schedule = Schedule(zone, time(2, 30), frozenset({6}))
        interests = Interests(topics=(Topic("owls locating prey"),) if number == 0 else ())
        yield Profile(f"reader{number}@example.org", interests=interests, schedule=schedule, papers=PAPERS)


def announce(parts: Parts, now: datetime, announced: set[date]) -> None:
    """What was announced up to *now*, as far back as archives reach."""
    york = ZoneInfo("America/New_York")
    today = now.astimezone(york).date()
    for day in (today - timedelta(days=back) for back in range(30, -1, -1)):
        at = datetime.combine(day, time(), york).astimezone(UTC)
        if day.weekday() < 5 and day not in announced and at >= START:
            announced.add(day)
            papers = [invented(day, n, subject) for n, subject in enumerate(SUBJECTS)]
            parts.store.papers.add([Listing("huggingface", p, at, signal=Signal(at, 5)) for p in papers], now)


def invented(day: date, number: int, subject: str) -> Paper:
    """A paper like others of its subject, and like none of them."""
    first = day.toordinal() % len(DETAILS)
    details = [*DETAILS[first:], *DETAILS[:first]][: 5 + day.day % 5]
    text = f"{SUBJECTS[subject]} {' '.join(details)}."
    return a_paper(id=f"{day:%y%m}.{day:%d}{number:03d}", title=f"On {subject} and the {details[0]}", abstract=text)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    now = START
    announced: set[date] = set()
    planned = 0
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    profiles = list(readers())
    with app.opened(settings, lambda: now) as parts:
        parts.store.subscribers.sync(profiles, now)
        while (due := parts.store.subscribers.next_due_at()) and due < END:
            now = awake(max(now, due))
            announce(parts, now, announced)
            planned += pipeline.plan(parts).issues
        return Year({p.email: p.schedule for p in profiles}, made(parts), planned)


def awake(moment: datetime) -> datetime:
    """The first tick at or after *moment* that the program is up for."""
    for start, length in OFF.values():
        if start <= moment < start + length:
            return start + length
    return moment


def made(parts: Parts) -> dict[str, dict[date, Issue]]:
    """Every issue that stands in the outbox, by reader and day."""
    people = {p.id: p.email for p in parts.store.subscribers.everyone()}
    found: dict[str, dict[date, Issue]] = defaultdict(dict)
    with parts.store.database.reading() as connection:
        for row in connection.execute(sa.select(schema.deliveries)):
            since = json.loads(row.content.split(b"\n")[1]).get("since")
            day = date.fromisoformat(since) if since else None
            found[people[row.subscriber_id]][row.issue] = Issue(row.planned_at, tuple(codec.unpack(row.papers)), day)
    return found


def slots(schedule: Schedule) -> dict[date, datetime]:
    """Every issue of the year that the schedule promises."""
    days = (START.date() + timedelta(days=n) for n in range(-1, (END - START).days + 2))
    return {day: at for day in days if (at := slot(schedule, day)) and START <= at < END}


def is_off(at: datetime) -> bool:
    return awake(at) != at


def test_one_issue_a_promised_day_at_its_minute(year: Year) -> None:
    for email, schedule in year.schedules.items():
        issues = year.issues[email]
        up = {day: at for day, at in slots(schedule).items() if not is_off(at)}
        first = min(issues)
        assert first <= min(up), "whoever subscribes after their hour gets that day's issue at once"
        assert {day: issues[day].made_at for day in up if day > first} == {d: at for d, at in up.items() if d > first}


def test_none_on_other_days(year: Year) -> None:
    """More than promised is only the issue that covers a downtime, made when the program is back."""
    back = {start + length for start, length in OFF.values()}
    for email, schedule in year.schedules.items():
        promised = slots(schedule)
        more = {day: i.made_at for day, i in year.issues[email].items() if day not in promised and i.made_at > START}
        assert set(more.values()) <= back, (email, more)


@pytest.mark.parametrize("which", OFF)
def test_a_downtime_is_made_up_for_once(year: Year, which: str) -> None:
    """One issue covers all that were missed: made when the program is back, or at the next regular time."""
    start, length = OFF[which]
    back = start + length
    for email, schedule in year.schedules.items():
        promised = slots(schedule).values()
        if any(start <= at < back for at in promised):
            regular = min(at for at in promised if at >= back)
            made_at = sorted(
                issue.made_at for issue in year.issues[email].values() if start <= issue.made_at <= regular
            )
            assert set(made_at) <= {back, regular}, email
            assert len(made_at) == len(set(made_at)) >= 1, email


def test_the_issue_after_a_gap_says_since_when(year: Year) -> None:
    start, _ = OFF["3 weeks"]
    for email in (email for email, schedule in year.schedules.items() if schedule.days == EVERY_DAY):
        issues = sorted(year.issues[email].items())
        before = max(day for day, issue in issues if issue.made_at < start)
        after = next(issue for day, issue in issues if day > before)
        assert after.since == before, email
        assert len(after.papers) == PAPERS, "the best of what was missed, and not only what is fresh"
        assert not [day for day, issue in issues if issue.since and issue.made_at < min(OFF.values())[0]]


def test_no_paper_twice_and_none_before_it_was_announced(year: Year) -> None:
    for email, issues in year.issues.items():
        shown = Counter(paper for issue in issues.values() for paper in issue.papers)
        assert shown.most_common(1)[0][1] == 1, email
        assert len(shown) > 20, email


def test_the_passes_counted_what_was_made(year: Year) -> None:
    assert year.planned == sum(bool(i.papers or i.since) for issues in year.issues.values() for i in issues.values())
