"""What a reader gets: the right papers, never a muted or a seen one, in the right section."""

from __future__ import annotations

import random
from datetime import date

import pytest

from digest.models import Candidate, Section
from digest.ranking import Pool, Reader, choose, learn, prepare
from tests.make import NOON, a_candidate, a_paper, interests

SUBJECTS = {
    "owls": "Barn owls locate prey at night by sound; the owl turns its facial disc towards a rustling mouse.",
    "bridges": "Steel bridges carry heavy lorries; we measure fatigue cracks in the girders of a suspension bridge.",
    "bread": "Sourdough bread rises with wild yeast; longer fermentation gives a sour crumb and a crisp crust.",
    "tides": "Ocean tides follow the moon; we predict the tidal range of a narrow estuary from its depth.",
}


def day(upvotes: int | None = None, each: int = 10) -> list[Candidate]:
    """A day's papers, *each* of every subject."""
    return [
        a_candidate(a_paper(title=f"On {name}, part {n}", abstract=f"{text} This is study {n}."), upvotes=upvotes)
        for name, text in SUBJECTS.items()
        for n in range(each)
    ]


def pool(candidates: list[Candidate]) -> Pool:
    return prepare(candidates, learn(c.paper for c in candidates), NOON)


def test_a_topic_finds_its_papers_and_no_others() -> None:
    """An inflected form of the phrase matches: "owl" and "owls", "locate" and "locating"."""
    (selection,) = choose(pool(day()), [Reader(interests("owl locating prey"), papers=8)])
    assert selection.picks
    assert all("owls" in pick.paper.title for pick in selection.picks)


def test_order_of_candidates_changes_nothing() -> None:
    papers = day(upvotes=3)
    shuffled = random.Random(5).sample(papers, len(papers))
    reader = Reader(interests("sourdough bread"), papers=6)
    assert choose(pool(papers), [reader]) == choose(pool(shuffled), [reader])


def test_nothing_seen_comes_again() -> None:
    papers = day(upvotes=5)
    seen = {c.paper.id: date(2026, 2, 3) for c in papers[:25]}
    (selection,) = choose(pool(papers), [Reader(interests("owl", "bridge"), papers=12, seen=seen)])
    assert selection.picks
    assert not {pick.paper.id for pick in selection.picks} & seen.keys()


def test_a_reader_without_interests_gets_what_is_trending() -> None:
    papers = [a_candidate(upvotes=n) for n in range(1, 21)]
    (selection,) = choose(pool(papers), [Reader(interests(), papers=5)])
    assert [pick.signal.upvotes for pick in selection.picks if pick.signal] == [20, 19, 18, 17, 16]
    assert {pick.section for pick in selection.picks} == {Section.TRENDING}


@pytest.mark.parametrize("known", [0, 1, 50])
def test_a_cold_store_gives_no_silly_picks(known: int) -> None:
    """With hardly any stored papers, a topic still finds only its own."""
    papers = day(each=5)
    stored = learn(c.paper for c in day(each=13)[:known])
    (selection,) = choose(prepare(papers, stored, NOON), [Reader(interests("suspension bridges"), papers=12)])
    assert selection.picks
    assert all("bridges" in pick.paper.title for pick in selection.picks)
