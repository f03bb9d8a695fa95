"""When an issue is due, in every time zone there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.due import Decision, decide, local_day, next_due, slot
from digest.models import WEEKDAYS, Schedule

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

zones = st.sampled_from(sorted(available_timezones()))
times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
days = st.frozensets(st.integers(0, 6), min_size=1)
schedules = st.builds(Schedule, zones, times, days)
moments = st.integers(0, 36 * 365 * 24 * 60).map(lambda minutes: datetime(2000, 1, 1, tzinfo=UTC) + minutes * MINUTE)
"""Years in which every zone's law is known or assumed."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(text: str, zone: str) -> datetime:
    """Local wall-clock time, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def issues(schedule: Schedule, ticks: Iterable[datetime]) -> Iterator[tuple[datetime, date]]:
    """What a reader who subscribes at the first tick gets, and when, if nothing runs but at *ticks*."""
    due, last = None, None
    for now in ticks:
        if due is None:
            due = next_due(schedule, now)
        if due <= now:
            issue, due = decide(schedule, now, due, last)
            if issue:
                yield now, issue
                last = issue


def exists(schedule: Schedule, day: date) -> bool:
    """Whether the calendar there has *day*: by looking, not by arithmetic."""
    noon = datetime.combine(day, time(12), UTC)
    return any(local_day(schedule, noon + hours * HOUR) == day for hours in range(-30, 31))


def ticks(start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    while start < end:
        yield start
        start += step


# -- one slot


def test_a_slot_is_a_wall_clock_time() -> None:
    berlin = Schedule("Europe/Berlin", time(7, 30))
    assert slot(berlin, date(2026, 1, 15)) == utc("2026-01-15 06:30")
    assert slot(berlin, date(2026, 7, 15)) == utc("2026-07-15 05:30")


def test_a_day_that_is_not_chosen_has_no_slot() -> None:
    assert slot(Schedule(days=WEEKDAYS), date(2026, 2, 7)) is None


@pytest.mark.parametrize(
    ("zone", "skipped", "local"),
    [
        ("Europe/Berlin", "2026-03-29 02:30", "2026-03-29 03:30"),
        ("America/Havana", "2026-03-08 00:00", "2026-03-08 01:00"),
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-04 02:45"),
    ],
)
def test_a_skipped_time_comes_as_much_later_as_the_clock_jumped(zone: str, skipped: str, local: str) -> None:
    wall = datetime.fromisoformat(skipped)
    assert slot(Schedule(zone, wall.time()), wall.date()) == at(local, zone)


def test_a_time_skipped_at_the_end_of_a_day_comes_on_that_day() -> None:
    """Nuuk's clocks jump from Saturday 23:00 to Sunday 00:00; an hour later would be another day."""
    schedule = Schedule("America/Nuuk", time(23, 30))
    assert slot(schedule, date(2026, 3, 28)) == at("2026-03-28 22:30", "America/Nuuk")
    assert slot(schedule, date(2026, 3, 29)) == at("2026-03-29 23:30", "America/Nuuk")


def test_of_a_repeated_time_the_first_counts() -> None:
    assert slot(Schedule("Europe/Berlin", time(2, 30)), date(2026, 10, 25)) == utc("2026-10-25 00:30")


def test_a_day_that_does_not_exist_has_no_slot() -> None:
    """Samoa went from 29 to 31 December 2011."""
    samoa = Schedule("Pacific/Apia", time(7))
    assert slot(samoa, date(2011, 12, 30)) is None
    assert next_due(samoa, at("2011-12-29 12:00", samoa.zone), date(2011, 12, 29)) == at("2011-12-31 07:00", samoa.zone)


def test_the_only_chosen_weekday_may_be_the_one_that_does_not_exist() -> None:
    fridays = Schedule("Pacific/Apia", time(7), frozenset({4}))
    assert next_due(fridays, at("2011-12-24 12:00", fridays.zone)) == at("2012-01-06 07:00", fridays.zone)


def test_leap_days_and_year_ends_are_days() -> None:
    schedule = Schedule("UTC", time(7))
    assert next_due(schedule, utc("2028-02-28 12:00"), date(2028, 2, 28)) == utc("2028-02-29 07:00")
    assert next_due(schedule, utc("2027-12-31 12:00"), date(2027, 12, 31)) == utc("2028-01-01 07:00")


def test_a_schedule_without_days_is_refused() -> None:
    with pytest.raises(ValueError, match="has no day"):
        next_due(Schedule(days=frozenset()), utc("2026-02-04 12:00"))


# -- who subscribes


def test_who_subscribes_after_the_hour_gets_todays_issue_at_once() -> None:
    assert next_due(Schedule(), utc("2026-02-04 09:00")) == utc("2026-02-04 07:00")


def test_who_has_todays_issue_waits_for_tomorrows() -> None:
    assert next_due(Schedule(), utc("2026-02-04 09:00"), date(2026, 2, 4)) == utc("2026-02-05 07:00")


# -- what to do when the time has come: a reader at 07:00 UTC, unless it says otherwise


@pytest.mark.parametrize(
    ("now", "due", "issue", "then"),
    [
        pytest.param("2026-02-04 07:00", "2026-02-04 07:00", 4, "2026-02-05 07:00", id="on time"),
        pytest.param("2026-02-04 23:59", "2026-02-04 07:00", 4, "2026-02-05 07:00", id="late on the same day"),
        pytest.param(
            "2026-02-05 03:00", "2026-02-04 07:00", None, "2026-02-05 07:00", id="a night later: wait for seven"
        ),
        pytest.param("2026-02-05 08:00", "2026-02-04 07:00", 5, "2026-02-06 07:00", id="a day later: one issue"),
        pytest.param("2026-02-09 08:00", "2026-02-04 07:00", 9, "2026-02-10 07:00", id="five days later: one issue"),
    ],
)
def test_after_downtime_one_issue_covers_the_gap(now: str, due: str, issue: int | None, then: str) -> None:
    day = date(2026, 2, issue) if issue else None
    assert decide(Schedule(), utc(now), utc(due), date(2026, 2, 3)) == Decision(day, utc(then))


def test_a_late_evening_issue_is_sent_after_midnight_under_its_own_day() -> None:
    late = Schedule(at=time(23, 30))
    decision = decide(late, utc("2026-02-05 02:00"), utc("2026-02-04 23:30"), date(2026, 2, 3))
    assert decision == Decision(date(2026, 2, 4), utc("2026-02-05 23:30"))


def test_a_weekly_issue_that_was_missed_does_not_wait_a_week() -> None:
    mondays = Schedule(days=frozenset({0}))
    decision = decide(mondays, utc("2026-02-04 12:00"), utc("2026-02-02 07:00"), date(2026, 1, 26))
    assert decision == Decision(date(2026, 2, 4), utc("2026-02-09 07:00"))


def test_an_issue_is_never_given_twice() -> None:
    """The store was told an older `next_due_at`, by a restored backup perhaps."""
    decision = decide(Schedule(), utc("2026-02-04 08:00"), utc("2026-02-04 07:00"), date(2026, 2, 4))
    assert decision == Decision(None, utc("2026-02-05 07:00"))


def test_a_traveller_gets_no_second_issue_of_a_day() -> None:
    """From Auckland, with the issue of the 5th, to Honolulu, where it is the 4th."""
    honolulu = Schedule("Pacific/Honolulu", time(7))
    now = at("2026-02-05 09:00", "Pacific/Auckland")
    due = next_due(honolulu, now, last_issue=date(2026, 2, 5))
    assert due == at("2026-02-06 07:00", "Pacific/Honolulu")
    assert decide(honolulu, now, now, date(2026, 2, 5)) == Decision(None, due)


def test_a_traveller_to_the_east_misses_no_day_that_was_due() -> None:
    auckland = Schedule("Pacific/Auckland", time(7))
    now = at("2026-02-04 08:00", "Pacific/Honolulu")
    assert next_due(auckland, now, last_issue=date(2026, 2, 4)) == at("2026-02-05 07:00", "Pacific/Auckland")


# -- for every schedule there is


def clock_changes(zone: str, year: int) -> list[date]:
    """The local days around a change of the clock."""
    noon = datetime(year, 1, 1, 12, tzinfo=ZoneInfo(zone))
    offsets = [(noon + n * DAY).utcoffset() for n in range(365)]
    changed = [n for n in range(1, 365) if offsets[n] != offsets[n - 1]]
    return [noon.date() + (n + near) * DAY for n in changed for near in (-1, 0, 1)]


@pytest.mark.parametrize("year", [2012, 2026])
def test_no_clock_change_anywhere_takes_a_day_or_moves_an_issue_to_another(year: int) -> None:
    hours = [time(h, m) for h in (0, 1, 2, 3, 22, 23) for m in (0, 30, 59)]
    lost = [
        (zone, day, hour)
        for zone in sorted(available_timezones())
        for day in clock_changes(zone, year)
        for hour in hours
        if (moment := slot(schedule := Schedule(zone, hour), day)) is None or local_day(schedule, moment) != day
    ]
    assert lost == []


@settings(max_examples=150, deadline=None)
@given(schedules, moments)
def test_every_chosen_local_day_has_one_issue_at_its_time(schedule: Schedule, start: datetime) -> None:
    end = start + 9 * DAY
    got = list(issues(schedule, ticks(start, end, timedelta(minutes=15))))
    given_days = [issue for _, issue in got]
    assert given_days == sorted(set(given_days)), "one a day, in order"
    whole_days = [local_day(schedule, start) + n * DAY for n in range(1, 8)]
    wanted = [d for d in whole_days if d.weekday() in schedule.days and exists(schedule, d)]
    assert [d for d in given_days if d in whole_days] == wanted
    for now, issue in got[1:]:
        due = slot(schedule, issue)
        assert due is not None
        assert timedelta() <= now - due < timedelta(minutes=15)


@settings(max_examples=150, deadline=None)
@given(schedules, moments, st.lists(st.integers(1, 60 * 24 * 4), min_size=5, max_size=60))
def test_however_it_is_run_nobody_gets_two_issues_of_a_day(schedule: Schedule, now: datetime, gaps: list[int]) -> None:
    runs = [now := now + gap * MINUTE for gap in gaps]
    got = list(issues(schedule, runs))
    given_days = [issue for _, issue in got]
    assert given_days == sorted(set(given_days))
    for moment, issue in got:
        behind = local_day(schedule, moment) - issue
        assert timedelta() <= behind <= DAY, "of today, or of a yesterday that was missed by hours"


@settings(max_examples=150, deadline=None)
@given(schedules, schedules, moments, st.integers(0, 60 * 24 * 9))
def test_a_change_of_schedule_gives_no_second_issue(
    first: Schedule, then: Schedule, start: datetime, minutes: int
) -> None:
    moved = start + minutes * MINUTE
    got = [issue for _, issue in issues(first, ticks(start, moved, timedelta(minutes=15)))]
    last = got[-1] if got else None
    due = next_due(then, moved, last)
    for now in ticks(moved, moved + 9 * DAY, timedelta(minutes=15)):
        if due <= now:
            issue, due = decide(then, now, due, last)
            if issue:
                got.append(issue)
                last = issue
    assert got == sorted(set(got))


@settings(max_examples=300, deadline=None)
@given(schedules, moments, st.integers(0, 60 * 24 * 10))
def test_a_decision_never_lies_in_the_past(schedule: Schedule, due: datetime, late: int) -> None:
    now = due + late * MINUTE
    decision = decide(schedule, now, due, None)
    if decision.issue is None:
        assert decision.next_due_at > now
    else:
        assert local_day(schedule, decision.next_due_at) > decision.issue
