"""Text is measured, wrapped, shortened and made harmless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.compose.text import clean, few, fit, line, pieces, safe_url, shorten, visible, width, wrap


@pytest.mark.parametrize(
    ("text", "columns"),
    [("plain", 5), ("Tomás", 5), ("e\u0301", 1), ("心智", 4), ("שלום", 4), ("a\u200db", 2), ("…", 1), ("🦉", 2)],
)
def test_width_counts_columns_of_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns


def test_a_cut_falls_between_words() -> None:
    assert fit("Attention Without Regret: Forgetting Tokens", 30) == "Attention Without Regret…"


def test_a_long_compound_is_cut_at_its_hyphen() -> None:
    assert fit("Towards Spatio-Temporal-Consistency-Preserving-Diffusion", 40) == "Towards Spatio-Temporal-Consistency…"


def test_a_word_without_end_is_cut_inside() -> None:
    assert fit("x" * 50, 10) == "x" * 9 + "…"


@given(st.text(), st.integers(1, 90))
def test_a_cut_text_always_fits(text: str, columns: int) -> None:
    assert width(fit(line(text), columns)) <= columns


def test_accents_without_end_are_cut_too() -> None:
    assert len(fit("e" + "\u0301" * 5000, 10)) <= 41


def test_an_abstract_ends_with_a_sentence() -> None:
    text = (
        "We test e.g. this, by A. Nother et al. in Fig. 3. It works. And a third sentence that is too long to fit here."
    )
    assert shorten(text, 70) == "We test e.g. this, by A. Nother et al. in Fig. 3. It works."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('We measure it well. On tests of belief ("where is the key?") it drops. So it is.', "We measure it well."),
        ("We ask (Who knows? Nobody.) and answer it. Then we ask again.", "We ask (Who knows? Nobody.) and answer it."),
        ("We ask “who knows? It is late.” Then we answer, at length and well.", "We ask “who knows? It is late.”"),
        (
            "We ask “who knows? It is late, and nobody is here. Nor are we, now.",
            "We ask “who knows? It is late, and nobody is…",
        ),
        ("See Fig. 3 and Sec. 4, cf. Alg. 2. The rest is in the appendix.", "See Fig. 3 and Sec. 4, cf. Alg. 2."),
        ("We show: 1. That it works. 2. That it is fast, and so on and on.", "We show: 1. That it works."),
        ("We use 5 kinds (see App. A). All of them work, each in its own way.", "We use 5 kinds (see App. A)."),
        (
            "We ask why. e.g. nobody knows, and so on, and on, and on, and on, and on.",
            "We ask why. e.g. nobody knows, and so on, and on…",
        ),
    ],
)
def test_a_shortened_abstract_stops_in_no_parenthesis_or_quotation(text: str, shown: str) -> None:
    assert shorten(text, 50) == shown


@given(st.text('ab .?!()[]"“”AB,', max_size=300), st.integers(5, 80))
def test_a_shortened_text_is_a_whole_beginning_and_fits(text: str, columns: int) -> None:
    short = shorten(text, columns)
    assert width(short) <= columns
    assert line(text).startswith(short.removesuffix("…").rstrip())
    if short != line(text) and not short.endswith("…"):
        assert short.count("(") <= short.count(")")
        assert short.count("“") <= short.count("”")
        assert short.count('"') % 2 == 0


def test_chinese_sentences_end_without_a_blank() -> None:
    assert shorten("小模型能够追踪信念。但在二阶信念上失败了很多次。", 30) == "小模型能够追踪信念。"


def test_a_short_first_sentence_does_not_leave_the_rest_unsaid() -> None:
    assert shorten("Yes. " + "long " * 30, 60).startswith("Yes. long")


@given(st.text(st.characters(exclude_characters="/")), st.integers(20, 80))
def test_lines_never_pass_the_margin(text: str, columns: int) -> None:
    assert all(width(each) <= columns for each in wrap(text, columns, "  ").split("\n"))


@given(st.text())
def test_wrapping_loses_no_letter(text: str) -> None:
    assert "".join(wrap(text, 20).split()) == "".join(clean(text).split())


def test_an_address_is_never_broken() -> None:
    url = "https://example.org/" + "a" * 90
    assert url in wrap(f"See {url} there").split("\n")


def test_a_line_never_ends_between_a_number_and_its_unit() -> None:
    assert wrap("It has 4\N{NO-BREAK SPACE}comments.", 11) == "It has\n4 comments."


def test_a_list_item_hangs() -> None:
    assert wrap("one two three", 9, "  ", "* ") == "* one two\n  three"


@pytest.mark.parametrize("letter", ["\0", "\x1b", "\u202e", "\u2066", "\ud800", "\ufdd0", "\uffff", "\U000e0041"])
def test_what_is_no_text_vanishes(letter: str) -> None:
    assert clean(f"a{letter}b") == "ab"


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n", "\u2028", "\x85"])
def test_a_title_is_one_line_whatever_breaks_it(end: str) -> None:
    assert line(f"a{end}b") == "a b"


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "//example.org/",
        "https://",
        "https://exa mple.org/",
        "https://example.org/\nBcc: x",
        "file:///etc/passwd",
        "https://[::1",
        "https://example.org/" + "a" * 600,
        "",
    ],
)
def test_only_pages_are_linked(url: str) -> None:
    assert safe_url(url) == ""


def test_a_link_keeps_its_meaning_and_loses_its_quotes() -> None:
    assert safe_url('https://example.org/a?b=c&d="<é>#e') == "https://example.org/a?b=c&d=%22%3C%C3%A9%3E#e"


def test_matching_words_are_found_as_words_longest_first() -> None:
    found = pieces("Attention to attentional language models", ["attention", "language", "language models"])
    assert [text for text, hit in found if hit] == ["Attention", "language models"]
    assert "".join(text for text, _ in found) == "Attention to attentional language models"


def test_matching_words_in_a_row_are_one_mark() -> None:
    found = pieces("A video diffusion-model for videos, video", ["video", "model", "diffusion", "vid"])
    assert [text for text, hit in found if hit] == ["video diffusion-model", "video"]


@pytest.mark.parametrize(
    ("terms", "marked"),
    [
        (["attention mechanisms"], {"attention", "mechanisms"}),
        (["sparse keys", "attention"], {"sparse keys", "attention"}),
        (["theory of mind"], {"theory", "mind"}),
        ([], set()),
    ],
)
def test_a_phrase_that_does_not_stand_in_what_is_shown_is_marked_by_its_words(
    terms: list[str], marked: set[str]
) -> None:
    """It stood in the abstract, and the summary is shown instead."""
    assert visible("Attention Is Mostly Silence\nSparse keys are enough.", terms) == marked


def test_one_author_is_never_left_as_one_more() -> None:
    assert few(["a", "b", "c", "d"], 3) == (["a", "b", "c", "d"], 0)
    assert few(["a", "b", "c", "d", "e"], 3) == (["a", "b", "c"], 2)
