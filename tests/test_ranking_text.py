"""Words, names and mutes: what counts as the same."""

from __future__ import annotations

import numpy as np
import pytest

from digest.ranking.muting import Plain
from digest.ranking.names import bylines, find
from digest.ranking.text import bag, mentions
from tests.make import a_paper


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("efﬁcient", "efficiently"),
        ("Gödel", "godel"),
        ("long-context models", "long context model"),
        ("Theory of Mind", "theories mind"),
        (r"\textbf{owls}", "owl"),
    ],
)
def test_spellings_of_one_thing_are_the_same_terms(one: str, other: str) -> None:
    assert np.array_equal(bag(one).ids, bag(other).ids)


def test_a_pair_does_not_reach_over_the_end_of_a_sentence() -> None:
    assert len(bag("We saw owls. Bridges fell").ids) == len(bag("saw").ids) + 5


def test_what_is_written_without_spaces_has_words_all_the_same() -> None:
    """Chinese and Japanese: a phrase is found in the midst of a sentence, and mutes; a full stop ends a clause."""
    sentence = "我们提出一种量子纠错方法。"
    assert set(bag("量子纠错").ids) < set(bag(sentence).ids)
    assert not set(bag("法我").ids) <= set(bag(sentence + sentence).ids)
    assert Plain.of(a_paper(title=sentence)).has("量子")
    assert not Plain.of(a_paper(title=sentence)).has("子量")


def test_an_order_of_words_is_a_term_of_its_own() -> None:
    assert not np.array_equal(bag("model language").ids, bag("language model").ids)


def test_every_mention_is_where_it_says() -> None:
    text = "A theory of minds."
    found = {text[m.start : m.end]: m.words for m in mentions(text)}
    assert found == {"theory": 1, "minds": 1, "theory of minds": 2}
    assert {m.id for m in mentions(text)} == set(bag(text).ids.tolist())


@pytest.mark.parametrize(
    ("muted", "title", "gone"),
    [
        ("survey", "A Survey of Owls", True),
        ("survey", "Surveys, and what they miss", True),
        ("survey", "A surveyor's tale", False),
        ("university", "The universe", False),
        ("case study", "Two case studies", True),
        ("case study", "A case for the study of owls", False),
        ("gödel", "GODEL machines", True),
        ("", "Anything", False),
    ],
)
def test_a_mute_hides_what_a_reader_would_call_a_match(muted: str, title: str, gone: bool) -> None:
    assert Plain.of(a_paper(title=title, abstract="")).has(muted) is gone


@pytest.mark.parametrize(
    ("followed", "author", "same"),
    [
        ("Yann LeCun", "yann lecun", True),
        ("Yann LeCun", "LeCun, Yann", True),
        ("Y. LeCun", "Yann LeCun", True),
        ("Yann LeCun", "Y. A. LeCun", True),
        ("Yann LeCun", "Yves LeCun", False),
        ("Yann LeCun", "J. LeCun", False),
        ("LeCun", "Yann LeCun", False),
        ("Jose Garcia", "José García", True),
        ("Wei A. Wang", "Wei B. Wang", False),
        ("L.J.P. van der Maaten", "Laurens van der Maaten", True),
        ("Jean-Pierre Serre", "Jean Pierre Serre", False),
        ("Martin King Jr.", "Martin King", True),
    ],
)
def test_an_author_is_followed_by_any_spelling_of_the_name(followed: str, author: str, same: bool) -> None:
    assert bool(find(followed, bylines([(author,)]))) is same


def test_an_initial_that_could_be_two_people_is_nobody() -> None:
    assert find("Y. Wang", bylines([("Yi Wang",), ("Yong Wang",), ("Y. Wang",)])) == {2: "Y. Wang"}
