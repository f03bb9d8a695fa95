"""Whether an author is the one that the reader follows.

Names agree when the family names are equal and no given name contradicts: case, accents and the order "LeCun, Yann" do
not matter, an initial agrees with every name that begins with it, and a middle name that one side leaves out is no
contradiction. "Yves LeCun" is not "Yann LeCun".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from digest.ranking.text import fold

_PARTICLES = frozenset(
    [
        "al",
        "ap",
        "ben",
        "bin",
        "da",
        "dal",
        "de",
        "del",
        "della",
        "den",
        "der",
        "di",
        "do",
        "dos",
        "du",
        "el",
        "ibn",
        "la",
        "le",
        "ten",
        "ter",
        "van",
        "von",
        "zu",
    ]
)
_SUFFIXES = frozenset(["jr", "sr", "ii", "iii", "iv", "phd"])


@dataclass(frozen=True, slots=True)
class Name:
    """A name in comparable form."""

    family: str
    given: tuple[str, ...]

    @property
    def full(self) -> bool:
        """Whether the first given name is more than an initial."""
        return bool(self.given) and len(self.given[0]) > 1

    def agrees(self, other: Name) -> bool:
        """Whether both may be the same person: equal families, and no given name contradicts."""
        if self.family != other.family or not self.given or not other.given:
            return self == other
        return all(_same(a, b) for a, b in zip(self.given, other.given, strict=False))


def _same(one: str, other: str) -> bool:
    return one == other or (min(len(one), len(other)) == 1 and one[0] == other[0])


@lru_cache(maxsize=1 << 15)
def parse(name: str) -> Name:
    """Family and given names of "Given Family" or "Family, Given", folded.

    >>> parse("Yann LeCun"), parse("van der Maaten, L.J.P.")
    (Name(family='lecun', given=('yann',)), Name(family='maaten', given=('l', 'j', 'p')))
    """
    family, comma, given = fold(name).partition(",")
    words = _words(f"{given} {family}" if comma and given.strip() not in _SUFFIXES else fold(name))
    while len(words) > 1 and words[-1] in _SUFFIXES:
        words.pop()
    if not words:
        return Name("", ())
    return Name(words[-1], tuple(w for w in words[:-1] if w not in _PARTICLES))


def _words(text: str) -> list[str]:
    """Words of a folded name; "jean-pierre" is one, "l.j.p." is three."""
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=\w)[-'’](?=\w)", "", text))


def bylines(papers: Iterable[tuple[str, ...]]) -> Mapping[str, list[tuple[int, str, Name]]]:
    """By family name: the number of the paper, the author as written, and the name."""
    found: dict[str, list[tuple[int, str, Name]]] = {}
    for number, authors in enumerate(papers):
        for author in authors:
            name = parse(author)
            if name.family:
                found.setdefault(name.family, []).append((number, author, name))
    return found


def find(followed: str, index: Mapping[str, list[tuple[int, str, Name]]]) -> dict[int, str]:
    """Papers of the *followed* author in an index by `bylines`, and how each writes the name.

    An initial that could be several people ("Y. Wang", and the day has Yi and Yong) finds only itself: a paper by
    somebody else, pinned to the top, costs more trust than a missed one.
    """
    wanted = parse(followed)
    hits = [(number, author, name) for number, author, name in index.get(wanted.family, ()) if wanted.agrees(name)]
    people = {name.given[0] for _, _, name in hits if name.full}
    if len(people) > 1:
        hits = [hit for hit in hits if hit[2].given[:1] == wanted.given[:1]]
    return {number: author for number, author, _ in hits}
