"""The day's candidates, prepared once per process and scored for any number of readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from digest.models import Candidate, Pick, Section
from digest.ranking.facets import Facet
from digest.ranking.meaning import Meanings
from digest.ranking.muting import Plain
from digest.ranking.names import Name, bylines
from digest.ranking.phrases import Phrases
from digest.ranking.statistics import Statistics, learn
from digest.ranking.text import Floats, Ids, bag_of, fold, mentions, text_of
from digest.ranking.trending import Trend, trend
from digest.ranking.vectors import Vectors
from digest.ranking.views import Views

DAY = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Wording:
    """How a paper writes one of its terms."""

    term: int
    text: str
    words: frozenset[str]
    """Its words, folded."""


@dataclass(frozen=True)
class Pool:
    """What `prepare` makes; never changed."""

    candidates: tuple[Candidate, ...]
    now: datetime
    statistics: Statistics
    """Those given, or the pool's own where these know less than a day's papers."""
    views: Views
    trend: Trend
    age: Floats
    """Days since each was listed, 0 for the future."""
    known: Floats
    """Days since each was both listed and known here: less than `age` for what a source brought late."""
    index: Mapping[str, int]
    """Where the paper with an id stands."""
    categories: Mapping[str, Floats]
    """By category: 1 for the papers of which it is the first, 0.5 for those that have it too."""
    meanings: Meanings | None = None
    muted: dict[str, NDArray[np.bool_]] = field(default_factory=dict, repr=False)
    """A cache: which papers have a muted phrase. Readers mute the same few words."""
    texts: dict[int, tuple[Wording, ...]] = field(default_factory=dict, repr=False)
    """A cache: what `written` found. Readers get the same few papers."""
    words: dict[int, Mapping[int, tuple[float, tuple[Wording, ...]]]] = field(default_factory=dict, repr=False)
    """A cache: what `worded` found."""
    picks: dict[tuple[int, Section, float, int], tuple[Facet | None, Pick]] = field(default_factory=dict, repr=False)
    """A cache: picks by candidate, section, score and the `id` of the facet that won, which lives as long."""

    def __len__(self) -> int:
        return len(self.candidates)

    def terms(self, number: int) -> Ids:
        """Ids of the terms of candidate *number*, ascending."""
        matrix = self.views.tfidf
        return self.views.ids[matrix.indices[matrix.indptr[number] : matrix.indptr[number + 1]]]

    def written(self, number: int) -> Sequence[Wording]:
        """The terms of candidate *number* as the paper writes them, each once, in its order."""
        if number not in self.texts:
            text = text_of(self.candidates[number].paper)
            found: dict[str, Wording] = {}
            for mention in mentions(text):
                words = text[mention.start : mention.end]
                if "\n" not in words:
                    found.setdefault(fold(words), Wording(mention.id, words, frozenset(fold(words).split())))
            self.texts[number] = tuple(found.values())
        return self.texts[number]

    def worded(self, number: int) -> Mapping[int, tuple[float, tuple[Wording, ...]]]:
        """By term of candidate *number*: its BM25, and how the paper writes it."""
        if number not in self.words:
            written: dict[int, list[Wording]] = {}
            for wording in self.written(number):
                written.setdefault(wording.term, []).append(wording)
            matrix = self.views.bm25
            values = matrix.data[matrix.indptr[number] : matrix.indptr[number + 1]].tolist()
            terms = zip(self.terms(number).tolist(), values, strict=True)
            self.words[number] = {term: (value, tuple(written.get(term, ()))) for term, value in terms}
        return self.words[number]

    @cached_property
    def phrases(self) -> Phrases:
        """What readers typed, compiled under the pool's statistics."""
        return Phrases(self.statistics)

    @cached_property
    def similarity(self) -> Floats:
        """Candidates x candidates, -1 to 1: how alike two papers are."""
        words = (self.views.tfidf @ self.views.tfidf.T).toarray()
        if not self.views.latent.shape[1]:
            return np.asarray(words, np.float32)
        return np.asarray(0.5 * words + 0.5 * self.views.latent @ self.views.latent.T, np.float32)

    @cached_property
    def authors(self) -> Mapping[str, list[tuple[int, str, Name]]]:
        """By family name: who stands in which byline."""
        return bylines(c.paper.authors for c in self.candidates)

    @cached_property
    def plain(self) -> tuple[Plain, ...]:
        """For muted words."""
        return tuple(Plain.of(c.paper) for c in self.candidates)

    @cached_property
    def tfidf_columns(self) -> csr_matrix:
        """Terms x candidates."""
        return csr_matrix(self.views.tfidf.T)

    @cached_property
    def bm25_columns(self) -> csr_matrix:
        """Terms x candidates."""
        return csr_matrix(self.views.bm25.T)

    @cached_property
    def hottest(self) -> tuple[tuple[int, float], ...]:
        """Candidates with a signal and their percentile, the hottest first."""
        order = np.argsort(-self.trend.percentile, kind="stable").tolist()
        return tuple((n, float(self.trend.percentile[n])) for n in order if self.trend.known[n])

    def has_muted(self, phrase: str) -> NDArray[np.bool_]:
        """Which candidates have the muted *phrase* in title or abstract."""
        if phrase not in self.muted:
            self.muted[phrase] = np.array([text.has(phrase) for text in self.plain], bool)
        return self.muted[phrase]


def prepare(
    candidates: Sequence[Candidate], statistics: Statistics, now: datetime, *, embedding: Vectors | None = None
) -> Pool:
    """Everything about the day's papers that no reader changes.

    A store that knows fewer papers than came today (the very first days) is no measure of what is rare: the
    candidates' own word statistics take its place.
    """
    # In the order of their ids, so that no tie is broken by the order in which the papers came.
    unique = tuple(sorted({c.paper.id: c for c in candidates}.values(), key=lambda c: c.paper.id))
    if statistics.papers < len(unique):
        statistics = learn(c.paper for c in unique)
    return Pool(
        candidates=unique,
        now=now,
        statistics=statistics,
        views=Views.of([bag_of(c.paper) for c in unique], statistics),
        trend=trend(unique, now),
        age=_days(now, [c.listed_at for c in unique]),
        known=_days(now, [max(c.listed_at, c.first_seen or c.listed_at) for c in unique]),
        index={c.paper.id: number for number, c in enumerate(unique)},
        categories=_categories(unique),
        meanings=Meanings.of(embedding, [c.paper for c in unique]),
    )


def _days(now: datetime, moments: Sequence[datetime]) -> Floats:
    """How many days ago each was."""
    return np.array([max((now - moment).total_seconds() / DAY, 0.0) for moment in moments], np.float32)


def _categories(candidates: Sequence[Candidate]) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for number, candidate in enumerate(candidates):
        for place, category in enumerate(candidate.paper.categories):
            match = found.setdefault(category, np.zeros(len(candidates), np.float32))
            match[number] = max(match[number], 0.5 if place else 1.0)
    return found
