"""Plain text on its way into a mail: made harmless, measured, wrapped, shortened, marked.

Width is counted in columns of a terminal, as in Unicode Standard Annex 11: East Asian wide and fullwidth letters take
two, combining marks and format characters none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from urllib.parse import quote, urlsplit

LONGEST_URL = 500
"""Longer ones are left out: no paper's page needs them, and a few would fill a mail."""

_LETTERS = 4
"""At most so many to a column: a letter may carry thousands of accents that take no column at all."""
_BREAKS = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
# Controls; overrides and isolates that could turn the rest of the mail around; noncharacters; lone surrogates; tags.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u206f\ufdd0-\ufdef\ufeff\ufff0-\uffff\ud800-\udfff"
    "\U000e0000-\U000e0fff" + "".join(chr(plane * 0x10000 + 0xFFFE + i) for plane in range(1, 17) for i in (0, 1)) + "]"
)
_WORD = re.compile("[\\S\N{NO-BREAK SPACE}]+")
# Latin, Greek, Cyrillic letters and typographic signs: one column each, known without asking letter by letter
_NARROW = re.compile("[\x00-\xac\xae-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e]*")
_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|i\.i\.d|w\.r\.t|a\.k\.a|cf|vs|viz|et al|etc|resp|approx|ca|incl|Figs?|Eqs?|Secs?|Sect|Tabs?"
    r"|Refs?|Alg|Thm|Def|App|Ch|Vol|pp?|No|Nos|Dr|Mr|Mrs|Ms|Prof|St|Jr|Inc|Ltd)|\b[A-Z]"
    r"|(?:^|[:;,] |[a-z]{5}\. )\(?\d)\.$"
)
# a sentence goes on in small letters: "the key?") drops to 40%"
_SENTENCE = re.compile(r"[.!?…]['\"”’)\]]*(?=\s+(?P<next>\S))|[。！？]")
_QUOTED = '"“„«'
# what is said in passing, one level deep; what never closes, goes on to the end
_ASIDE = re.compile(
    r"[(（](?:[^()（）]|[(（][^()（）]*[)）])*(?:[)）]|\Z)|\[[^]]*(?:]|\Z)|\"[^\"]*(?:\"|\Z)"
    r"|“[^”]*(?:”|\Z)|„[^“”]*(?:[“”]|\Z)|«[^»]*(?:»|\Z)|「[^」]*(?:」|\Z)"
)


def clean(text: str) -> str:
    """*text* without anything that is no text; line breaks of every kind become newlines."""
    if (text.isascii() and text.isprintable()) or not _HARMFUL.search(text):
        return text
    return _HARMFUL.sub(lambda found: "\n" if found[0] in _BREAKS else "", text)


def line(text: str) -> str:
    """*text* on one line."""
    return " ".join(clean(text).split())


def width(text: str) -> int:
    """Columns that *text* takes."""
    return len(text) if text.isascii() or _NARROW.fullmatch(text) else sum(map(_columns, text))


def fit(text: str, columns: int) -> str:
    """*text*, cut at a word where it is wider than *columns*, with an ellipsis."""
    if _fits(text, columns):
        return text
    kept = _prefix(text[: _LETTERS * columns], columns - 1)
    if len(kept) < len(text) and text[len(kept)] != " ":
        at_word = max(kept.rfind(" "), kept.rfind("-") if kept.rfind(" ") <= len(kept) // 2 else -1)
        kept = kept[:at_word] if at_word > len(kept) // 2 else kept
    return kept.rstrip(" ,;:.–—-") + "…" if columns > 0 else ""


def shorten(text: str, columns: int) -> str:
    """The first sentences of *text* that fit, or the first one cut at a word."""
    text = line(text)
    if _fits(text, columns):
        return text
    text = text[: _LETTERS * columns + 1]
    ends = [end for end in _sentence_ends(text) if _fits(text[:end], columns)]
    if not ends or ends[-1] * 3 < columns:
        return fit(text, columns)
    return text[: ends[-1]]


def wrap(text: str, columns: int = 72, indent: str = "", bullet: str = "") -> str:
    """*text* in lines of at most *columns*; words that are too long are broken, addresses of pages never are.

    Args:
        text: loses its own line breaks; no line ends at a no-break space. Those become common ones, easy to search for.
        columns: with the indent.
        indent: before each line.
        bullet: instead of the first line's indent; as long as that.
    """
    room = columns - len(indent)
    if text.isascii() and text.isprintable() and text.strip() and len(text) <= room:
        return (bullet or indent) + " ".join(text.split())
    lines: list[str] = []
    current = ""
    for word in _breakable(text, room):
        glued = word.startswith("\0")  # a further piece of one long word
        candidate = current + word[1:] if glued else f"{current} {word}" if current else word
        if current and width(candidate) > room:
            lines.append(current)
            candidate = word[1:] if glued else word
        current = candidate
    wrapped = "\n".join(indent + each for each in [*lines, current] if each)
    return (bullet + wrapped[len(bullet) :]).replace("\N{NO-BREAK SPACE}", " ")


def pieces(text: str, terms: Iterable[str], most: int = 12) -> tuple[tuple[str, bool], ...]:
    """*text* in pieces, each with whether it is one of *terms* standing as a word, or several in a row.

    The first *most* of those count.
    """
    found, end = [], 0
    for start, stop in _rows(text, terms)[:most]:
        found += [(text[end:start], False), (text[start:stop], True)]
        end = stop
    return tuple(piece for piece in (*found, (text[end:], False)) if piece[0])


def visible(text: str, terms: Iterable[str]) -> frozenset[str]:
    """What to mark in *text* for *terms*: each as it is, or where it does not stand there, its longer words."""
    low = _lower(text)
    found = set()
    for term in terms:
        found |= {term} if any(_places(low, term)) else {word for word in term.split() if len(word) > 3}
    return frozenset(found)


def _rows(text: str, terms: Iterable[str]) -> list[tuple[int, int]]:
    """Where *terms* stand in *text*, in order, the longest first; with only a blank or hyphen between they are one.

    Without a regular expression: compiling one for each paper's words would take longer than all else about a card.
    """
    low = _lower(text)
    rows: list[tuple[int, int]] = []
    for start, stop in sorted({p for term in terms for p in _places(low, term)}, key=lambda p: (p[0], -p[1])):
        if rows and start == rows[-1][1] + 1 and text[start - 1] in " -":
            rows[-1] = rows[-1][0], stop
        elif not rows or start >= rows[-1][1]:
            rows.append((start, stop))
    return rows


def _places(low: str, term: str) -> Iterator[tuple[int, int]]:
    """Where *term* stands as a word, or as several, in text in lower case."""
    term = _lower(line(term))
    start = low.find(term) if term else -1
    while start >= 0:
        stop = start + len(term)
        if not (_in_word(low[start - 1 : start]) or _in_word(low[stop : stop + 1])):
            yield start, stop
        start = low.find(term, start + 1)


def _in_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _lower(text: str) -> str:
    """*text* in lower case, letter by letter, so that places stay the same."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def safe_url(url: str) -> str:
    """*url* where a mail may link to it: http or https, with a host, of sane length; else empty."""
    if not url or len(url) > LONGEST_URL:
        return ""
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not host or _HARMFUL.search(url) or re.search(r"[\s\\]", url.strip()):
        return ""
    return quote(parts.geturl(), safe="%/:=&?~#+!$,;'@()*[]")


def few(names: Sequence[str], most: int) -> tuple[list[str], int]:
    """The first *most* names and how many are left; one alone is never left."""
    if len(names) <= most + 1:
        return list(names), 0
    return list(names[:most]), len(names) - most


def _fits(text: str, columns: int) -> bool:
    return len(text) <= _LETTERS * columns and width(text) <= columns


@lru_cache(8192)
def _columns(letter: str) -> int:
    if unicodedata.category(letter) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1


def _prefix(text: str, columns: int) -> str:
    taken = 0
    for i, letter in enumerate(text):
        taken += _columns(letter)
        if taken > columns:
            return text[:i]
    return text


def _sentence_ends(text: str) -> Iterator[int]:
    """Where one may stop: behind a sentence, but within no parenthesis or quotation, and behind no abbreviation."""
    asides = [found.span() for found in _ASIDE.finditer(text)]
    for found in _SENTENCE.finditer(text):
        goes_on = (found["next"] or "").islower() or _ABBREVIATED.search(text[: found.start() + 1][-12:])
        if not goes_on and not any(_within(text, found.span(), aside) for aside in asides):
            yield found.end()


def _within(text: str, end: tuple[int, int], aside: tuple[int, int]) -> bool:
    """Whether a sentence's *end* belongs to an *aside*; a full stop before closing quotes ends the outer one too."""
    closing = text[end[0]] == "." and end[1] == aside[1] and text[aside[0]] in _QUOTED
    return aside[0] < end[0] < aside[1] and not closing


def _breakable(text: str, room: int) -> Iterator[str]:
    """Words; of one that is wider than *room* the further pieces begin with NUL, which clean text never holds."""
    for word in _WORD.findall(clean(text)):
        if width(word) <= room or word.startswith(("http://", "https://")):
            yield word
            continue
        rest, glue = word, ""
        while rest:
            piece = _prefix(rest, room) or rest[0]
            yield glue + piece
            rest, glue = rest[len(piece) :], "\0"
