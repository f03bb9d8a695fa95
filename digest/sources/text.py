r"""LaTeX, HTML and hard line breaks become readable text.

arXiv takes titles and abstracts as TeX source and says so only in passing (info.arxiv.org/help/prep): of 47,919
papers of 2025 and 2026, one in seven has a macro or a formula, and `$`, `\`, `~` and `%` also stand there for
themselves. So a whole text is never parsed as LaTeX: the spans that certainly are LaTeX are found, each is converted
on its own (by pylatexenc where it is mathematics, an accent or a symbol), and every other character stays as it is.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from pylatexenc.latex2text import LatexNodes2Text, get_default_latex_context_db

MAX_LENGTH = 20_000
"""Characters of a text that are kept; arXiv allows 1,920 in an abstract."""

_BRACED = r"\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*+\})*+\})*+)\}"
_LETTER = "ss|[lLoOij]|aa|AA|ae|AE|oe|OE"
_LATEX = re.compile(
    # Every repetition is possessive, or ends at the character that it could start with again: linear in time.
    rf"""
      (?P<quote> (?<=\w)\\'(?=(?:s|t|re|ve|ll|d|m)\b) )                     # don\'t, from programs that quote
    | (?P<accent> \{{?\\(?: ["'`^~=.](?:\{{\\?[A-Za-z]\}}|\\?[ij]\b|[aceghijlnorsuwyzACEGILNORSUYZ])
                        | [cvukHrdb]\{{[A-Za-z]\}} | [cvk]\ [A-Za-z] )\}}? )
    | \$\$(?P<display> (?:[^$\\]|\\.){{1,1000}}+ )\$\$
    | \$(?P<marked> (?=[^$\\^_{{}}]*+[\\^_{{}}])(?:[^$\\]|\\.){{1,1000}}+ )\$ # $ x_1 $: surely mathematics
    | \$(?P<plain> (?=\S)(?:[^$\\\s]|[ ](?!\w+[ ]\w)){{1,60}}+(?<=\S) )\$(?!\d) # $n$; not "between $5 and $10"
    | \\\((?P<round> (?:[^\\]|\\[^()]){{1,1000}}+ )\\\)
    | \\\[(?P<square> (?:[^\\]|\\[^\[\]]){{1,1000}}+ )\\\]
    | \{{\\(?:it|bf|em|sc|tt|rm|sf|sl|itshape|bfseries|large|small)\b\s*+(?P<styled>(?:[^{{}}]|\{{[^{{}}]*+\}})*+)\}}
    | \{{\\(?P<letter> {_LETTER})\}} | (?<![:/\\])\\(?P<bare> {_LETTER})(?![A-Za-z])(?:\{{\}}|[ ])?
    | \\(?P<macro> [A-Za-z]++)\*?+(?:\[[^\[\]{{}}]*+\])?+(?P<args>(?:{_BRACED})*+)
    | \\(?P<escaped> [%&\#_${{}}~] )
    | \\(?P<space> [ ,;:] | \\(?=\s) )
    | (?P<nothing> \\[-/!@] )
    | (?P<tie> (?<=[\w.,;:)\]}}])~(?=\S) )
    | (?P<em> (?<=\w)---(?=\w) ) | (?P<en> (?<=\w)--(?=\w) )
    | (?P<opening> ``(?=\w) ) | (?P<closing> (?<=[\w.,!?])''(?!\w) )
    """,
    re.VERBOSE,
)
_MAYBE_LATEX = re.compile(r"[\\$~]|--|``|''")
_ARGUMENT = re.compile(_BRACED)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_UNPRINTABLE = re.compile(
    # Controls, lone surrogates, non-characters; what turns the direction of writing around; invisible blanks.
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
_PARAGRAPH = re.compile(r"\r?\n[^\S\n]*(?:\n\s*|[^\S\n]{2,})")  # arXiv indents a new paragraph by two blanks
# Not html.parser: before 3.11.14 it needs 85 s for 100 kB of "<a ".
_HIDDEN = re.compile(r"(?is)<(script|style|template)\b[^<>]*>(?:(?!</?\1).)*+</\1\s*>|<!--(?:(?!<?!?--).)*+-->")
_TAG = re.compile(r"</?([A-Za-z][\w:-]*+)[^<>]*+>|<!\[CDATA\[|\]\]>")
_BLOCK = re.compile(r"(?i)p|div|br|li|[uo]l|tr|table|h[1-6]|blockquote|section|pre|jats:p")
_SCRIPT = re.compile(r"(?<!\\)([_^])(?:\{([^{}]*)\}|(\\[A-Za-z]+|[A-Za-z0-9+*-]))")
_RAISED = {"_": dict(zip("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋", strict=True))}
_RAISED["^"] = dict(zip("0123456789+-n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", strict=True))

_SAID = {"eg": "e.g.", "ie": "i.e.", "etc": "etc.", "deg": "°", "item": "•", "xspace": "", "textdegree": "°"}
_DROPPED = re.compile(r"cite\w*|(?:eq|auto|c|C)?ref|label|begin|end|[vh]space|color|newline|par|noindent")
_SECOND = {"href", "textcolor", "colorbox", "hyperlink", "hyperref"}
_MATHEMATICAL = re.compile(r"math\w+|d?frac|sqrt|boldsymbol|operatorname|hat|bar|tilde|vec|widehat|widetilde|overline")

_symbols = get_default_latex_context_db()
_converter = LatexNodes2Text(latex_context=_symbols, math_mode="text", keep_comments=True)


def one_line(text: str) -> str:
    r"""*text* as it is read, on one line: "G\"odel's $\alpha$" is "Gödel's α". Never raises."""
    return " ".join(_readable(text).split())


def paragraphs(text: str) -> str:
    """*text* as it is read: hard line breaks are gone, paragraphs end with a newline. Never raises."""
    lines = (one_line(part) for part in _PARAGRAPH.split(text[:MAX_LENGTH].strip()))
    return "\n".join(line for line in lines if line)


def from_html(markup: str) -> str:
    """What a browser would show of *markup*, for `one_line` or `paragraphs`; plain text comes back as it is."""
    shown = _HIDDEN.sub("", markup[: 10 * MAX_LENGTH])
    return html.unescape(_TAG.sub(lambda tag: "\n\n" if _BLOCK.fullmatch(tag[1] or "") else "", shown))


def is_web_page(body: bytes) -> bool:
    """Whether a page for browsers came where a feed or JSON was asked for: a login, an outage, a captcha."""
    start = body[:500].lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html"))


def _readable(text: str) -> str:
    text = text[:MAX_LENGTH]
    text = _UNPRINTABLE.sub("", _ENTITY.sub(lambda entity: html.unescape(entity[0]), text))
    return unicodedata.normalize("NFC", _without_latex(text))


def _without_latex(text: str) -> str:
    return _LATEX.sub(_convert, text) if _MAYBE_LATEX.search(text) else text


def _convert(span: re.Match[str]) -> str:
    kind = span.lastgroup or ""
    return _CONSTANT[kind] if kind in _CONSTANT else _CONVERTERS[kind](span)


def _macro(span: re.Match[str]) -> str:
    r"""A macro with its arguments; one that nobody knows (`\ours`, `C:\path`) stays as it is written."""
    name, arguments = span["macro"], [argument[1] for argument in _ARGUMENT.finditer(span["args"])]
    if name in _SAID:
        return _SAID[name] + "".join(arguments)
    if _DROPPED.fullmatch(name):
        return ""
    if _MATHEMATICAL.fullmatch(name) and arguments:
        return _math(span[0], span[0])
    if any(arguments):
        shown = _without_latex(" ".join(arguments[1:] if name in _SECOND and arguments[1:] else arguments))
        return f" ({shown})" if name == "footnote" else shown
    before = span.string[span.start() - 1 : span.start()]
    if _symbols.get_macro_spec(name) is None or before.isalpha() or before in set(":/\\"):
        return span[0]
    return _converted(f"\\{name}{{}}", span[0])


def _math(formula: str, otherwise: str) -> str:
    if r"\href" in formula:  # a link dressed as a formula, to get past arXiv's form
        return _without_latex(formula)
    formula = _SCRIPT.sub(_script, re.sub(r"\\(?:text\w*|mbox|mathtt|emph)\b", r"\\text", formula))
    return _converted("$" + re.sub(r"(?<!\\)%", r"\\%", formula) + "$", otherwise)


def _script(span: re.Match[str]) -> str:
    """`x^2` is x², `x_{10}` is x₁₀; what has no raised form is put into brackets where it would run on."""
    sign, what = span[1], (span[2] if span[2] is not None else span[3]).strip()
    if what and all(c in _RAISED[sign] for c in what):
        return "".join(_RAISED[sign][c] for c in what)
    if what in {r"\circ", r"\prime"}:
        return "°" if what == r"\circ" else "′"
    return sign + what if re.fullmatch(r"\w+|\*|\\[A-Za-z]+", what) else f"{sign}({what})"


@lru_cache(maxsize=4096)
def _converted(latex: str, otherwise: str) -> str:
    try:
        text: str = _converter.latex_to_text(latex)
    except Exception:  # noqa: BLE001 - a third party's parser on strangers' text; whatever it chokes on is shown as written
        return otherwise
    # 𝒪, 𝐱: letters that screen readers spell out and searches miss.
    return re.sub("[\U0001d400-\U0001d7ff]", lambda c: unicodedata.normalize("NFKC", c[0]), text).strip() or otherwise


_CONSTANT = {
    "quote": "'",
    "space": " ",
    "nothing": "",
    "tie": " ",
    "opening": "“",
    "closing": "”",
    "em": "—",
    "en": "–",
}
_CONVERTERS: dict[str, Callable[[re.Match[str]], str]] = {
    "accent": lambda span: _converted(span[0], span[0]),
    "letter": lambda span: _converted(f"\\{span['letter']}{{}}", span[0]),
    "bare": lambda span: _converted(f"\\{span['bare']}{{}}", span[0]),
    "styled": lambda span: _without_latex(span["styled"]),
    "escaped": lambda span: span["escaped"],
    "args": _macro,
    **dict.fromkeys(
        ("display", "marked", "plain", "round", "square"), lambda span: _math(span[span.lastgroup or 0], span[0])
    ),
}
