"""Words and terms: how a paper's text becomes numbers, and how a number finds its way back to the words as written.

A *term* is the Porter2 stem of one word, or of two neighbours with stop words left out between them ("theory of mind"
holds "theori mind"); it never reaches over the end of a sentence. A term is known by a 32-bit hash of its stems:
feature hashing (Weinberger et al., ICML 2009) with so many bits that it needs no vocabulary and hardly collides (one
pair in a day's 40,000 terms). Stemming and pairs were measured: docs/ranking.md.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from snowballstemmer import stemmer

from digest.models import Paper

Ids = NDArray[np.uint32]
Floats = NDArray[np.float32]

UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Kana and Han characters: written without spaces, so that each is a word, and two neighbours are a pair."""
# A LaTeX macro or an address is no word; punctuation that ends a clause ends a phrase.
_TOKEN = re.compile(
    rf"\\[A-Za-z]+|https?://\S+|[^\W_{UNSPACED}]+|[{UNSPACED}]|[.;:!?()\[\]](?=\s|$)|[\u3001\u3002\uff01-\uff1f]|\n\n+"
)
_PAIR = np.uint32(0x9E3779B1)
"""An odd multiplier (Knuth's, 2^32 over the golden ratio): pairs hash apart from their words and from their reverse."""

STOP, END = 0, 1
"""Ids of a stop word, which a pair may reach over, and of the end of a clause, which it may not."""

_STOP_WORDS = """a about above after again against all also although am among an and any are aren as at be because been
before being below between both but by can cannot could couldn did do does doing don down due during each either et al
etc even ever every few for from further get had has have having he hence her here hers herself him himself his how
however i if in into is it its itself just latter less let like made make many may me might more moreover most much must
my myself namely neither no nor not now of off often on once one only or other others otherwise our ours ourselves out
over own per perhaps quite rather really respectively same several she should since so some still such than that the
their theirs them themselves then there thereby therefore these they this those though through thus to together too
toward towards two under until up upon us use used using very via was we well were what when where whether which while
who whom whose why will with within without would yet you your yours yourself yourselves d ll m re s t ve"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class Bag:
    """The terms of a text."""

    ids: Ids
    """Distinct, ascending."""
    counts: Floats
    """How often each occurs."""
    titled: NDArray[np.bool_]
    """Whether each is in the title, too."""

    @property
    def length(self) -> float:
        """Occurrences of terms in all, for BM25."""
        return float(self.counts.sum())


@dataclass(frozen=True, slots=True)
class Mention:
    """One place where a text has a term."""

    id: int
    start: int
    end: int
    words: int
    """1, or 2 for a pair."""


_stem = stemmer("english").stemWord


@lru_cache(maxsize=1 << 18)
def stem(token: str) -> str:
    """Lower case, without accents and ligatures, without its ending; "" for a stop word.

    >>> stem("Efﬁcient"), stem("Gödel"), stem("reasoning"), stem("the")
    ('effici', 'godel', 'reason', '')
    """
    word = fold(token)
    return "" if word in STOP_WORDS else _stem(word)


def fold(text: str) -> str:
    """Lower case, without accents and ligatures."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in parts if not unicodedata.combining(c))


@lru_cache(maxsize=1 << 18)
def _word_id(token: str) -> int:
    """The id of a token's stem, or `STOP` or `END`."""
    if not token[0].isalnum():
        return STOP if token[0] == "\\" else END
    if token.startswith(("http:", "https:")):
        return END
    word = stem(token)
    return max(zlib.crc32(word.encode()), 2) if word else STOP


def tokens(text: str) -> list[str]:
    """Words, macros, addresses and ends of clauses, in order."""
    found: list[str] = _TOKEN.findall(text)
    return found


def text_of(paper: Paper) -> str:
    """What a paper is judged by: title, abstract (or its summary, where that is all there is) and keywords."""
    return "\n\n".join(part for part in (paper.title, paper.abstract or paper.tldr, "; ".join(paper.keywords)) if part)


def bag(text: str, title: str = "") -> Bag:
    """The terms of *text*, counted."""
    ids, counts = np.unique(_terms(word_ids(text)), return_counts=True)
    return Bag(ids, counts.astype(np.float32), np.isin(ids, _terms(word_ids(title))))


class Term(NamedTuple):
    """One term of a phrase."""

    id: int
    times: int
    single: bool
    """Whether it is a word of its own; else a pair."""


def terms_of(phrase: str) -> list[Term]:
    """The terms of a few words, by id: as `bag`, without the price of arrays."""
    ids = [id_ for id_ in map(_word_id, tokens(phrase)) if id_ != STOP]
    words = Counter(id_ for id_ in ids if id_ != END)
    pairs = Counter((a * int(_PAIR) + b) & 0xFFFFFFFF for a, b in pairwise(ids) if END not in (a, b))
    return sorted(Term(id_, count, id_ in words) for id_, count in (words + pairs).items())


@lru_cache(maxsize=1 << 13)
def bag_of(paper: Paper) -> Bag:
    """The terms of a paper, remembered: liked papers are shared by many readers."""
    return bag(text_of(paper), paper.title)


def word_ids(text: str) -> Ids:
    """Ids of the words of *text* in order, stop words left out, `END` between clauses."""
    ids: Ids = np.fromiter(map(_word_id, tokens(text)), dtype=np.uint32)
    words: Ids = ids[ids != STOP]
    return words


def _terms(words: Ids) -> Ids:
    left, right = words[:-1], words[1:]
    pairs: Ids = (left * _PAIR + right)[(left != END) & (right != END)]
    return np.concatenate([words[words != END], pairs])


def mentions(text: str) -> Iterator[Mention]:
    """Every place of every term of *text*, pairs included."""
    before: tuple[int, int] | None = None
    for found in _TOKEN.finditer(text):
        word = _word_id(found.group())
        if word == END:
            before = None
        elif word != STOP:
            yield Mention(word, found.start(), found.end(), 1)
            if before is not None:
                pair = int((np.array([before[0]], np.uint32) * _PAIR + np.uint32(word))[0])
                yield Mention(pair, before[1], found.end(), 2)
            before = word, found.start()


def pile(bags: Sequence[Bag]) -> tuple[NDArray[np.int64], Ids]:
    """Many bags in one: where each begins (one more than there are), and the ids of all."""
    starts = np.zeros(len(bags) + 1, np.int64)
    np.cumsum([len(b.ids) for b in bags], out=starts[1:])
    return starts, np.concatenate([b.ids for b in bags]) if bags else np.empty(0, np.uint32)


def select(starts: NDArray[np.int64], found: Ids, data: Floats, ids: Ids) -> csr_matrix:
    """Rows x *ids* from rows of terms and weights; terms that *ids* lacks are left out."""
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    place = np.searchsorted(ids, found)
    place[place == len(ids)] = 0
    known = ids[place] == found if len(ids) else np.zeros(len(found), bool)
    shape = (len(starts) - 1, len(ids))
    counts = np.zeros(shape[0] + 1, np.int64)
    np.cumsum(np.bincount(rows[known], minlength=shape[0]), out=counts[1:])
    return csr_matrix((data[known], place[known], counts), shape=shape)
