"""Muted words: a paper that has one is never picked, so a match must be one that the reader would call so.

Whole words only, whatever the case, the accents and a plural ending (the S-stemmer of Harman 1991); no further
stemming, by which "university" would also mute the universe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from digest.models import Paper
from digest.ranking.text import UNSPACED, fold

_WORD = re.compile(rf"[^\W_{UNSPACED}]+|[{UNSPACED}]")


@dataclass(frozen=True, slots=True)
class Plain:
    """A paper's words in plain form, with a space around each."""

    title: str
    abstract: str

    @classmethod
    def of(cls, paper: Paper) -> Plain:
        """Title and abstract of *paper*, in plain form."""
        return cls(_plain(paper.title), _plain(f"{paper.abstract}\n{paper.tldr}"))

    def has(self, phrase: str) -> bool:
        """Whether title or abstract has the words of *phrase* in a row; an empty phrase is nowhere."""
        wanted = _plain(phrase)
        return bool(wanted.strip()) and (wanted in self.title or wanted in self.abstract)


def _plain(text: str) -> str:
    return f" {' '.join(map(_singular, _WORD.findall(fold(text))))} "


@lru_cache(maxsize=1 << 16)
def _singular(word: str) -> str:
    """Harman's three rules, the first that applies.

    >>> _singular("surveys"), _singular("studies"), _singular("bus"), _singular("class")
    ('survey', 'study', 'bus', 'class')
    """
    if word.endswith("ies") and not word.endswith(("eies", "aies")) and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")) and len(word) > 3:
        return word[:-1]
    return word
