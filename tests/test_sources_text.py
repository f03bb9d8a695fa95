"""LaTeX and HTML become readable, and what is neither stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.sources.text import from_html, is_web_page, one_line, paragraphs


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"$\alpha$-fair", "α-fair"),
        (r"\emph{x} and \textbf{a \textit{b}}", "x and a b"),
        (r"G\"odel, Poincar\'e, Erd\H{o}s, {\'e}t{\'e}, na\"{\i}ve", "Gödel, Poincaré, Erdős, été, naïve"),
        (r"Sk\l odowska, Stra\ss e, {\L}ukasz", "Skłodowska, Straße, Łukasz"),
        (r"in $O(n^2)$ time", "in O(n²) time"),
        (r"$10^{-3}$, $x_{ij}$, $T^{2/3}$, $\ell_2$", "10⁻³, x_ij, T^(2/3), ℓ₂"),
        (r"\(x\in\mathbb{R}\) and $$a \le b$$", "x∈ℝ and a ≤ b"),
        (r"$\mathcal{O}(\mathbf{x})$", "O(x)"),
        (r"10\% of AT\&T", "10% of AT&T"),
        (r"Fig.~3, pages 2--3---all", "Fig. 3, pages 2–3—all"),
        (r"``quoted''", "“quoted”"),
        (r"\href{https://example.org}{here}, \url{https://example.org}", "here, https://example.org"),
        (r"{\it old} \textcolor{red}{style}", "old style"),
        (r"5\times faster at 90\deg", "5× faster at 90°"),
        (r"don\'t", "don't"),
        ("AT&amp;T &lt;3 &#945;", "AT&T <3 α"),
        ("two\r\n hard\nlines\ttabbed", "two hard lines tabbed"),
        ("a\x00b\x1bc\u200bd\u202ee\ud800f", "abcdef"),
        ("Go\u0308del", "Gödel"),
    ],
)
def test_latex_and_entities_become_text(written: str, read: str) -> None:
    assert one_line(written) == read


@pytest.mark.parametrize(
    "text",
    [
        "a lone $5",
        "between $5 and $10 a day",
        "US$1M-$5M",
        r"C:\path\to\file",
        "{{ name }} and {% block %}",
        "{unbalanced",
        "}",
        "$",
        "$ $",
        "100% sure",
        "~10 ms, by ~5%",
        "https://example.org/~ada?a=1&copy=2",
        "p<0.05 and b>c",
        "--flag",
        r"\ours beats \baseline{}",
        "snake_case and x^2",
        "naïve 模型 🤖",
    ],
)
def test_what_is_not_latex_survives(text: str) -> None:
    assert one_line(text) == text


def test_paragraphs_are_told_from_hard_line_breaks() -> None:
    """arXiv breaks lines at 80 columns, and indents a new paragraph by two blanks."""
    assert (
        paragraphs("First line\nof one.\n  A second\none.\n\nA third.\n")
        == "First line of one.\nA second one.\nA third."
    )


def test_markup_becomes_what_a_browser_shows() -> None:
    markup = "<p>One <b>two</b><br/>three</p><script>if (a<b) {}</script><!-- no --><P>four &amp; 5 < 6</P>"
    assert paragraphs(from_html(markup)) == "One two\nthree\nfour & 5 < 6"


def test_a_page_for_browsers_is_told_from_a_feed() -> None:
    assert is_web_page(b"\n <!DOCTYPE html><html>")
    assert not is_web_page(b'<?xml version="1.0"?><rss>')


@given(st.text(alphabet=st.sampled_from(list("\\${}[]()^_~%&#<>'\"`- \nabcv1é\x00\ud800")), max_size=60))
@settings(max_examples=400, deadline=None)
def test_nothing_raises_and_one_line_is_one_line(text: str) -> None:
    for read in (one_line(text), one_line(from_html(text)), paragraphs(text)):
        read.encode()
        assert "\x00" not in read
    assert "\n" not in one_line(text)


PIECES = [
    r"\a{",
    "{",
    "$",
    "$a",
    "\\",
    r"\(",
    r"\[",
    r"\a[",
    "~",
    r"{\it ",
    r"\'",
    "--",
    r"\a{{}",
    "<a ",
    "<!",
    "<!--",
    "<script>",
]


@pytest.mark.parametrize("piece", [*PIECES, "&#", "\n ", "$a^{", "``", "x$ $"])
def test_hostile_input_takes_linear_time(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything quadratic takes minutes at 100 kB."""
    monkeypatch.setattr("digest.sources.text.MAX_LENGTH", 100_000)
    text = piece * (100_000 // len(piece))
    started = time.process_time()
    paragraphs(from_html(text))
    one_line(text)
    assert time.process_time() - started < 3
