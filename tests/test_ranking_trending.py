"""What is trending: by the expected count, for its age, and fair to papers that nobody was asked about."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from digest.models import Candidate, ReasonKind, Signal
from digest.ranking import Reader, choose
from digest.ranking.trending import expected, trend
from tests.make import NOON, a_candidate, a_paper, interests
from tests.ranking_days import pool


def read(*upvotes: int, hours: float = 10, category: str = "cs.CL", listed: int = 24) -> Candidate:
    """A paper listed *listed* hours ago whose readings, the last one now, are *hours* apart."""
    signals = [Signal(NOON - timedelta(hours=hours * n), upvotes=u) for n, u in enumerate(reversed(upvotes))]
    paper = a_paper(categories=(category,))
    return a_candidate(paper, signals=tuple(signals[::-1]), listed_at=NOON - timedelta(hours=listed))


def test_one_reading_ranks_by_its_count() -> None:
    assert list(trend([read(n) for n in (3, 9, 27)], NOON).percentile) == sorted(
        trend([read(3), read(9), read(27)], NOON).percentile
    )


def test_of_two_equal_counts_the_faster_one_is_expected_to_end_higher() -> None:
    assert expected(read(2, 20)) > expected(read(18, 20)) > expected(read(20))


def test_a_fall_of_the_count_is_no_negative_rate() -> None:
    """Upvotes are taken back, and whole accounts with them."""
    assert expected(read(20, 15)) == 15


def test_two_readings_within_minutes_are_no_rate() -> None:
    assert expected(read(5, 9, hours=0.1)) == 9


def test_a_paper_without_a_signal_is_neither_hot_nor_cold() -> None:
    papers = [read(1), read(50), a_candidate(a_paper())]
    found = trend(papers, NOON)
    assert found.heat[2] == 0
    assert not found.known[2]


def test_with_the_source_of_upvotes_missing_nothing_trends_and_nothing_breaks() -> None:
    found = trend([a_candidate(a_paper()) for _ in range(5)], NOON)
    assert not found.heat.any()
    assert not found.rising.any()


def test_what_was_hot_on_monday_gives_way() -> None:
    found = trend([read(30, listed=120), read(30, listed=6), read(3), read(2)], NOON)
    assert found.heat[1] > found.heat[0]


def test_a_quiet_field_is_measured_by_its_own_measure() -> None:
    """Ten upvotes are much where three are usual, and little where fifty are."""
    loud = [read(n, category="cs.CL") for n in (40, 50, 60, 10) * 5]
    quiet = [read(n, category="math.NT") for n in (2, 3, 4, 10) * 5]
    found = trend([*loud, *quiet], NOON)
    assert found.heat[23] > found.heat[3] + 0.5


def test_heat_is_bounded() -> None:
    found = trend([read(n) for n in [1] * 50 + [10_000]], NOON)
    assert np.abs(found.heat).max() <= 3


def test_rising_is_told_from_top() -> None:
    papers = [*(read(n, n + 1) for n in range(10, 40)), read(400, 402), read(1, 60)]
    picks = choose(pool(papers), [Reader(interests(), papers=2)])[0].picks
    told = {pick.signal.upvotes: pick.reasons[0].kind for pick in picks if pick.signal}
    assert told == {402: ReasonKind.TRENDING, 60: ReasonKind.RISING}
