"""Recorded mornings, one after the other, over a weekend: Thursday 29 January to Monday 2 February 2026.

benchmarks/mornings.py makes sixty of them, which takes minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.mornings import HOURS, Got, Mornings, Recorded, replayed, wrongly_considered

pytestmark = [pytest.mark.recorded, pytest.mark.timeout(600)]  # arXiv asks for three seconds between requests

FIRST, DAYS = date(2026, 1, 29), 5
BERLIN, LOS_ANGELES, TOKYO = "cem@example.org", "bo@example.org", "dia@example.org"


@pytest.fixture(scope="module")
def recorded(recordings: Path) -> Recorded:
    return Recorded(recordings)


@pytest.fixture(scope="module")
def mornings(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Mornings:
    return replayed(recordings, tmp_path_factory.mktemp("home"), FIRST, DAYS)


def test_nobody_is_shown_a_paper_twice(mornings: Mornings) -> None:
    assert len(mornings.got) >= 20
    assert mornings.repeats == 0


def test_every_paper_that_was_listed_is_considered_once(mornings: Mornings, recorded: Recorded) -> None:
    """Though two sources have it, in several categories, on several days."""
    assert wrongly_considered(mornings, recorded) == []
    assert len({each.considered for each in mornings.got}) > 2


@pytest.mark.parametrize(
    ("reader", "hour"), [*zip((BERLIN, LOS_ANGELES, TOKYO), HOURS, strict=True)], ids=["Berlin", "Los Angeles", "Tokyo"]
)
def test_wherever_the_reader_lives_it_is_what_was_announced_last(
    mornings: Mornings, recorded: Recorded, reader: str, hour: str
) -> None:
    """At seven there, which is 1, 10 and 17 hours after midnight in New York; not yesterday's list again."""
    mine = {g.at.date(): g for g in mornings.got if g.reader == reader and f"{g.at:%H:%M}" == hour}
    for day in (date(2026, 1, 30), date(2026, 2, 2)):
        days = [recorded.announced[paper] for paper in mine[day].papers if paper in recorded.announced]
        assert max(days) == day
        assert days.count(day) > 0.6 * len(days), (mine[day], days)
    assert sizes(mine, date(2026, 1, 31)) < sizes(mine, date(2026, 1, 30)), "a weekend has little that is new"


def sizes(mine: Mapping[date, Got], day: date) -> int:
    """How many papers came on *day* and the next."""
    return sum(len(mine[each].papers) for each in (day, day + timedelta(days=1)) if each in mine)
