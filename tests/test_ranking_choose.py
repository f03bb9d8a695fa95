"""What a reader gets: the right papers, never a muted or a seen one, in the right section."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.models import Interests, ReasonKind, Section, Topic
from digest.ranking import Profile, Reader, Verdict, choose, compile_reader, explain, learn, prepare
from digest.ranking.scoring import FLOOR
from tests.make import NOON, a_candidate, a_paper, interests
from tests.ranking_days import SUBJECTS, day, pool

TODAY = pool(day(upvotes=4))
WORDS = [*SUBJECTS, "suspension bridge", "prey", "yeast", "estuary", "winter", "violin"]
phrases = st.lists(st.sampled_from(WORDS), max_size=3, unique=True)
liked = st.lists(st.sampled_from(TODAY.candidates), max_size=4, unique=True)


@st.composite
def readers(draw: st.DrawFn) -> Reader:
    papers = tuple(c.paper for c in draw(liked))
    return Reader(
        interests(*draw(phrases), muted=tuple(draw(phrases)), liked=tuple(p.id for p in papers)),
        papers=draw(st.integers(1, 40)),
        liked=papers,
        seen={c.paper.id: date(2026, 2, 1) for c in draw(liked)},
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(readers(), min_size=1, max_size=6))
def test_rules_hold_for_every_reader_in_any_company(block: list[Reader]) -> None:
    """Nothing muted or seen, no paper twice, no more than asked for, and the same whoever is ranked beside."""
    for reader, selection in zip(block, choose(TODAY, block), strict=True):
        ids = [pick.paper.id for pick in selection.picks]
        text = " ".join(f"{p.paper.title} {p.paper.abstract}" for p in selection.picks).lower()
        assert len(set(ids)) == len(ids) <= reader.papers
        assert not set(ids) & reader.seen.keys()
        assert not any(word in text.replace("\n", " ").split() for word in reader.interests.muted)
        assert choose(TODAY, [reader]) == [selection]


def test_a_topic_finds_its_papers_and_no_others() -> None:
    """An inflected form of the phrase matches: "owl" and "owls", "locate" and "locating"."""
    (selection,) = choose(pool(day()), [Reader(interests("owl locating prey"), papers=8)])
    assert len(selection.picks) == 8
    assert all("owls" in pick.paper.title for pick in selection.picks)


def test_liked_papers_find_their_like() -> None:
    papers = day()
    (selection,) = choose(pool(papers[1:]), [Reader(Interests(liked=("x",)), papers=6, liked=(papers[0].paper,))])
    assert selection.picks
    assert all("owls" in pick.paper.title for pick in selection.picks)


def test_order_of_candidates_changes_nothing() -> None:
    papers = day(upvotes=3)
    shuffled = random.Random(5).sample(papers, len(papers))
    reader = Reader(interests("sourdough bread"), papers=6)
    assert choose(pool(papers), [reader]) == choose(pool(shuffled), [reader])


def test_two_interests_share_the_room() -> None:
    """Neither topic takes more than six of ten while the other has good papers."""
    (selection,) = choose(pool(day()), [Reader(interests("barn owls", "sourdough bread"), papers=10)])
    owls = sum("owls" in pick.paper.title for pick in selection.picks)
    assert 4 <= owls <= 6


def test_a_heavier_topic_comes_first() -> None:
    topics = (Topic("barn owls"), Topic("sourdough bread", 2.0))
    (selection,) = choose(pool(day()), [Reader(Interests(topics=topics), papers=10)])
    assert "bread" in selection.picks[0].paper.title


def test_what_was_disliked_sinks() -> None:
    """A reader of owls who dislikes one kind of them gets the others first."""
    papers = pool(day(each=8))
    plain = Reader(interests("barn owls"), papers=3)
    first = choose(papers, [plain])[0].picks[0].paper
    yesterday = a_paper(title=first.title, abstract=first.abstract)
    soured = Reader(interests("barn owls"), papers=3, disliked=(yesterday,))
    assert choose(papers, [soured])[0].picks[0].paper != first


def test_a_paper_that_the_reader_named_is_no_news_to_them() -> None:
    papers = pool(day())
    named = choose(papers, [Reader(interests("barn owls"))])[0].picks[0].paper
    for reader in (Reader(interests("barn owls"), liked=(named,)), Reader(interests("barn owls"), disliked=(named,))):
        assert named not in [pick.paper for pick in choose(papers, [reader])[0].picks]
        assert explain(papers, reader, named.id).verdict is Verdict.KNOWN


def test_a_quiet_day_gives_a_short_digest() -> None:
    papers = [c for c in day() if "owls" not in c.paper.title]
    (selection,) = choose(pool(papers), [Reader(interests("barn owls locate prey"), papers=12)])
    assert selection.picks == ()
    assert (selection.considered, selection.matched) == (30, 0)


def test_the_same_text_twice_is_picked_once() -> None:
    """A paper that two sources gave under different ids."""
    text = {"title": "On owls", "abstract": SUBJECTS["owls"]}
    papers = [*day(each=5), a_candidate(a_paper(**text)), a_candidate(a_paper(**text))]
    (selection,) = choose(pool(papers), [Reader(interests("barn owls"), papers=12)])
    assert sum(pick.paper.title == "On owls" for pick in selection.picks) == 1


def test_followed_authors_stand_first_at_most_three() -> None:
    papers = [*day(), *(a_candidate(a_paper(authors=("Zoë O'Hara", "Bo Sample"))) for _ in range(5))]
    (selection,) = choose(pool(papers), [Reader(interests("barn owls", authors=("zoe o'hara",)), papers=8)])
    pinned = [any(r.kind is ReasonKind.AUTHOR for r in pick.reasons) for pick in selection.picks]
    assert pinned[:3] == [True] * 3
    assert "owls" in selection.picks[3].paper.title


def test_a_muted_author_is_never_picked() -> None:
    papers = [*day(each=4), a_candidate(a_paper(title="On owls", abstract=SUBJECTS["owls"], authors=("Cy Loud",)))]
    (selection,) = choose(pool(papers), [Reader(interests("barn owls", muted_authors=("C. Loud",)), papers=12)])
    assert selection.picks
    assert not any("Cy Loud" in pick.paper.authors for pick in selection.picks)


def test_a_category_alone_is_an_interest() -> None:
    papers = [a_candidate(a_paper(categories=("cs.RO",))), *day(each=3)]
    (selection,) = choose(pool(papers), [Reader(interests(categories=("cs.RO",)))])
    assert [pick.paper.id for pick in selection.picks] == [papers[0].paper.id]


def test_a_reader_without_interests_gets_what_is_trending() -> None:
    papers = [a_candidate(upvotes=n) for n in range(1, 21)]
    (selection,) = choose(pool(papers), [Reader(interests(), papers=5)])
    assert [pick.signal.upvotes for pick in selection.picks if pick.signal] == [20, 19, 18, 17, 16]
    assert {pick.section for pick in selection.picks} == {Section.TRENDING}


def test_trending_has_its_own_section_of_a_quarter() -> None:
    papers = [*day(), *(a_candidate(a_paper(title=f"A planet {n}"), upvotes=50 + n) for n in range(20))]
    (selection,) = choose(pool(papers), [Reader(interests("barn owls"), papers=8)])
    assert [pick.section for pick in selection.picks] == [Section.FOR_YOU] * 6 + [Section.TRENDING] * 2


@pytest.mark.parametrize(("allowed", "again"), [(True, 1), (False, 0)])
def test_a_seen_paper_that_trends_comes_once_more_if_allowed(allowed: bool, again: int) -> None:
    papers = [*(a_candidate(upvotes=n) for n in range(1, 20)), *(a_candidate(upvotes=900 + n) for n in range(2))]
    seen = {c.paper.id: date(2026, 2, 3) for c in papers[-2:]}
    (selection,) = choose(pool(papers), [Reader(interests(), papers=6, seen=seen, resurface=allowed)])
    back = [pick for pick in selection.picks if pick.paper.id in seen]
    assert [(pick.reasons[0].kind, pick.reasons[0].day) for pick in back] == [
        (ReasonKind.SEEN, date(2026, 2, 3))
    ] * again


def test_a_paper_resurfaces_only_once() -> None:
    papers = [*(a_candidate(upvotes=n) for n in range(1, 20)), a_candidate(upvotes=900)]
    hot = papers[-1].paper.id
    reader = Reader(interests(), seen={hot: date(2026, 2, 2)}, resurface=True, resurfaced=frozenset({hot}))
    assert hot not in {pick.paper.id for pick in choose(pool(papers), [reader])[0].picks}


def test_of_two_equals_the_newer_one_comes_first() -> None:
    """A runner-up of yesterday stays in the race, and gives way to an equal of today."""
    text = "Barn owls locate prey."
    old = a_candidate(a_paper(id="1", title="Owls in winter", abstract=text), listed_at=NOON - timedelta(days=2))
    new = a_candidate(a_paper(id="2", title="Owls in summer", abstract=text), listed_at=NOON)
    picks = choose(pool([*day(each=5), old, new]), [Reader(interests("barn owls"), papers=12)])[0].picks
    order = [pick.paper.id for pick in picks if pick.paper.id in {"1", "2"}]
    assert order[0] == "2"


@pytest.mark.parametrize(
    ("listed", "known", "last_issue", "picks"),
    [(10, 10, 21, 10), (10, 10, 1, 0), (10, 10, None, 0), (10, 0, 1, 10)],
    ids=["missed in three weeks of downtime", "had its chance", "a first digest", "a source was late"],
)
def test_what_came_since_the_last_issue_is_not_stale(
    listed: int, known: int, last_issue: int | None, picks: int
) -> None:
    """Matches of the ordinary kind, ten days old: only strong ones are carried over from issue to issue."""
    at, seen = NOON - timedelta(days=listed), NOON - timedelta(days=known)
    papers = [replace(c, listed_at=at, first_seen=seen) if "owls" in c.paper.title else c for c in day()]
    since = None if last_issue is None else NOON - timedelta(days=last_issue)
    reader = Reader(interests("owl locating prey"), papers=12, since=since)
    assert [len(s.picks) for s in choose(pool(papers), [reader, reader])] == [picks] * 2
    ages = {part.name: part.value for part in explain(pool(papers), reader, papers[0].paper.id).parts}
    assert ages.get("age", 0) == pytest.approx(0 if picks else -0.3)


@pytest.mark.parametrize("known", [0, 1, 50])
def test_a_cold_store_gives_no_silly_picks(known: int) -> None:
    """With hardly any stored papers, a topic still finds only its own."""
    stored = learn(c.paper for c in day(each=13)[:known])
    (selection,) = choose(prepare(day(each=5), stored, NOON), [Reader(interests("suspension bridges"), papers=12)])
    assert selection.picks
    assert all("bridges" in pick.paper.title for pick in selection.picks)


@pytest.mark.parametrize("papers", [0, 1, 2])
def test_hardly_any_papers_are_no_trouble(papers: int) -> None:
    readers = [Reader(interests("barn owls")), Reader(interests()), Reader(interests("the of"), liked=(a_paper(),))]
    assert [s.considered for s in choose(pool(day(upvotes=1)[:papers]), readers)] == [papers] * 3


def test_papers_without_text_are_no_trouble() -> None:
    empty = [a_candidate(a_paper(title="", abstract="", authors=(), categories=())) for _ in range(3)]
    assert choose(pool(empty), [Reader(interests("owls"), liked=(empty[0].paper,))])[0].picks == ()


def test_a_liked_paper_without_a_word_asks_for_nothing() -> None:
    """And a candidate without one is like nothing, however many papers the latent view was learnt from."""
    wordless = a_paper(title="", abstract="", authors=())
    papers = [*day(), a_candidate(a_paper(title="", abstract="", authors=()))]
    library = tuple(c.paper for c in day(each=30))
    today = prepare(papers, learn(library), NOON)
    nothing, much = Reader(interests(), liked=(wordless,)), Reader(interests(), liked=library)
    assert [s.matched for s in choose(today, [nothing, replace(nothing, disliked=(wordless,))])] == [0, 0]
    assert explain(today, much, papers[-1].paper.id).relevance < FLOOR


def test_a_muted_word_in_an_author_s_name_mutes_nothing() -> None:
    papers = [a_candidate(replace(c.paper, authors=("Otto Owl", "Bo Mouse-Owl"))) for c in day()[10:20]]
    reader = Reader(interests("bridges", muted=("owl", "mouse")))
    assert choose(prepare(papers, learn(c.paper for c in day(each=30)), NOON), [reader])[0].matched == 10


def test_a_kept_profile_chooses_alike_and_a_stale_one_is_compiled_again() -> None:
    papers = pool(day())
    reader = Reader(interests("barn owls"), papers=4)
    kept = compile_reader(reader, papers.statistics)
    assert (
        choose(papers, [reader], [kept]) == choose(papers, [reader], [Profile("other", ())]) == choose(papers, [reader])
    )
