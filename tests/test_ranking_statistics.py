"""What is learnt from stored papers: the same from any order, small, and back from its bytes."""

from __future__ import annotations

import pytest

from digest.ranking import Statistics, learn
from digest.ranking.text import bag
from tests.make import a_paper
from tests.ranking_days import day

PAPERS = [c.paper for c in day(each=40)]


@pytest.mark.parametrize("known", [0, 1, 50, 160])
def test_statistics_come_back_from_their_bytes(known: int) -> None:
    statistics = learn(PAPERS[:known])
    again = Statistics.from_bytes(statistics.to_bytes())
    assert (again.papers, again.id) == (known, statistics.id)
    assert again.to_bytes() == statistics.to_bytes()


def test_order_of_papers_changes_nothing() -> None:
    assert learn(PAPERS).to_bytes() == learn(reversed(PAPERS)).to_bytes()


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    statistics = learn(PAPERS)
    assert statistics.idf(bag("rustling").ids) > statistics.idf(bag("garden").ids)


def test_papers_without_words_count_for_nothing() -> None:
    assert learn([a_paper(title="", abstract="")]).papers == 0


@pytest.mark.parametrize("data", [b"", b"garbage", learn(PAPERS).to_bytes()[:-40]])
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no word statistics"):
        Statistics.from_bytes(data)
