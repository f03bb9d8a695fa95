"""Why: every reason is a term of the score, and every word shown is in the paper."""

from __future__ import annotations

from datetime import date

import pytest

from digest.models import Interests, ReasonKind, Topic
from digest.ranking import Reader, Verdict, choose, explain
from digest.ranking.text import STOP_WORDS, text_of
from tests.make import a_candidate, a_paper, interests
from tests.ranking_days import SUBJECTS, day, pool

PAPERS = day(upvotes=7)
TODAY = pool(PAPERS)
LIKED = PAPERS[20].paper
READER = Reader(interests("barn owls", "theory of tides", liked=(LIKED.id,), categories=("cs.CL",)), 12, (LIKED,))


def test_words_shown_are_in_the_paper_and_say_something() -> None:
    picks = choose(TODAY, [READER])[0].picks
    shown = [(term, text_of(pick.paper)) for pick in picks for reason in pick.reasons for term in reason.terms]
    assert shown
    assert all(term in text and term.lower() not in STOP_WORDS for term, text in shown)


def test_a_topic_is_named_with_the_words_that_matched() -> None:
    reasons = choose(TODAY, [Reader(interests("barn owls"), 3)])[0].picks[0].reasons
    assert (reasons[0].kind, reasons[0].subject) == (ReasonKind.TOPIC, "barn owls")
    assert set(reasons[0].terms) == {"owl", "owls", "Barn"}


def test_a_liked_paper_is_named_by_the_one_that_resembles() -> None:
    """Of an owl and a bread paper liked, a pick about bread is due to the bread paper."""
    liked = PAPERS[0].paper, LIKED
    rest = PAPERS[1:4] + PAPERS[10:20] + PAPERS[21:24] + PAPERS[30:]
    picks = choose(pool(rest), [Reader(Interests(liked=("a", "b")), 12, liked)])[0].picks
    named = {pick.paper.title.split()[1]: pick.reasons[0].subject for pick in picks if pick.section == "for_you"}
    assert named == {"owls": liked[0].title, "bread": liked[1].title}


def test_shares_of_the_reasons_are_of_one_whole() -> None:
    for pick in choose(TODAY, [READER])[0].picks:
        values = [reason.value for reason in pick.reasons]
        assert values == sorted(values, reverse=True)
        assert 0.8 < sum(values) <= 1.001


def test_upvotes_are_told_with_their_place_in_the_day() -> None:
    papers = [a_candidate(upvotes=n) for n in range(1, 101)]
    reason = choose(pool(papers), [Reader(interests(), 1)])[0].picks[0].reasons[0]
    assert (reason.kind, reason.upvotes, reason.percentile) == (ReasonKind.TRENDING, 100, 99.5)


def test_the_parts_add_up_to_the_total_of_every_paper() -> None:
    for candidate in TODAY.candidates:
        told = explain(TODAY, READER, candidate.paper.id)
        assert sum(part.value for part in told.parts) == pytest.approx(told.total, abs=1e-4)


def test_the_parts_add_up_where_a_weight_decides_which_interest_wins() -> None:
    reader = Reader(Interests(topics=(Topic("owls", 2.0), Topic("garden", 0.5), Topic("sound mouse"))))
    told = [explain(TODAY, reader, candidate.paper.id) for candidate in TODAY.candidates]
    assert any(e.interests[0].subject == "garden" and e.interests[1].subject == "owls" for e in told)
    for each in told:
        assert sum(part.value for part in each.parts) == pytest.approx(each.total, abs=1e-4)


def test_the_words_of_an_interest_add_up_to_its_value() -> None:
    """Whatever the paper, picked or not; and each word that is told is in the paper."""
    for candidate in TODAY.candidates:
        interests = explain(TODAY, READER, candidate.paper.id).interests
        assert len(interests) == 3
        for interest in interests:
            assert sum(term.value for term in interest.terms) == pytest.approx(interest.value, abs=0.02)
            words = [term.text for term in interest.terms if not term.text.startswith("(")]
            assert len(set(words)) == len(words) <= 12
            assert all(word in text_of(candidate.paper) for word in words)


def test_an_explanation_agrees_with_the_choice() -> None:
    selection = choose(TODAY, [READER])[0]
    told = {c.paper.id: explain(TODAY, READER, c.paper.id) for c in TODAY.candidates}
    picked = {i for i, e in told.items() if e.verdict is Verdict.PICKED}
    assert picked == {pick.paper.id for pick in selection.picks}
    assert all(told[pick.paper.id].reasons == pick.reasons for pick in selection.picks)
    assert sum(e.rank > 0 for e in told.values()) == selection.matched


@pytest.mark.parametrize(
    ("given", "verdict", "detail"),
    [
        ({"interests": interests("barn owls", muted=("mice", "prey"))}, Verdict.MUTED, "prey"),
        ({"interests": interests("owls", muted_authors=("A. Example",))}, Verdict.MUTED_AUTHOR, "A. Example"),
        ({"seen": {PAPERS[0].paper.id: date(2026, 2, 3)}}, Verdict.SEEN, "2026-02-03"),
        ({"interests": interests("sourdough")}, Verdict.BELOW_FLOOR, ""),
        ({}, Verdict.PICKED, ""),
    ],
)
def test_what_became_of_a_paper(given: dict[str, object], verdict: Verdict, detail: str) -> None:
    reader = Reader(**({"interests": interests("barn owls"), "papers": 12} | given))  # type: ignore[arg-type]
    told = explain(TODAY, reader, PAPERS[0].paper.id)
    assert (told.verdict, told.detail) == (verdict, detail)


def test_a_good_paper_that_found_no_room_is_outranked() -> None:
    best = choose(TODAY, [Reader(interests("barn owls"), 1)])[0].picks[0].paper
    other = next(c.paper for c in TODAY.candidates if "owls" in c.paper.title and c.paper != best)
    told = explain(TODAY, Reader(interests("barn owls"), 1), other.id)
    assert told.verdict is Verdict.OUTRANKED
    assert told.rank > 1


def test_a_paper_that_is_not_there_is_unknown() -> None:
    assert explain(TODAY, READER, "none").verdict is Verdict.UNKNOWN


def test_more_like_this_is_visible_in_the_explanation() -> None:
    """A like moves the value of its interest, and says so."""
    paper = a_paper(title="Owls again", abstract=SUBJECTS["owls"])
    before, after = Reader(interests("tides")), Reader(interests("tides", liked=(paper.id,)), liked=(paper,))
    target = PAPERS[3].paper.id
    first, then = explain(TODAY, before, target), explain(TODAY, after, target)
    assert then.total > first.total + 1
    assert then.interests[0].kind is ReasonKind.LIKED
