"""Phrases become facets, many at once: BM25 plus the latent view, in spreads of the ordinary papers.

A reader types few words, and thousands of readers type the same ones. What one phrase costs alone is nearly all
overhead of small arrays, so that a block's phrases are compiled in one go, and each is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from digest.models import ReasonKind
from digest.ranking.facets import SHRINK, USUAL_BM25, USUAL_LATENT, Facet
from digest.ranking.statistics import K1, Statistics
from digest.ranking.text import Ids, Term, select, terms_of

PAIR_WEIGHT = 0.5
"""What a pair of words of a phrase counts beside a single word: its words are already counted."""
LATENT_SHARE = 0.5
KEPT = 20_000
"""Phrases in memory, about 1.5 KB each."""

Doubles = NDArray[np.float64]


class Phrases:
    """The facets of phrases under one set of word statistics."""

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics
        self._known: dict[str, Facet | None] = {}

    def learn(self, phrases: Iterable[str]) -> None:
        """Compile those of *phrases* that are new; in any company the same, but cheaper than one by one."""
        new = {phrase: terms_of(phrase) for phrase in phrases if phrase not in self._known}
        if len(self._known) + len(new) > KEPT:
            self._known.clear()
        self._known |= dict.fromkeys(new)
        worded = {phrase: terms for phrase, terms in new.items() if terms}
        if worded:
            self._known |= dict(zip(worded, _compiled(worded.keys(), [*worded.values()], self.statistics), strict=True))

    def facet(self, phrase: str) -> Facet | None:
        """What *phrase* asks of a paper; None where it holds nothing but stop words."""
        if phrase not in self._known:
            self.learn([phrase])
        return self._known[phrase]


def _compiled(phrases: Collection[str], terms: Sequence[Sequence[Term]], statistics: Statistics) -> list[Facet]:
    """In double precision, so that a phrase's facet does not depend on what it was compiled with."""
    reference = statistics.reference_views
    starts = np.zeros(len(terms) + 1, np.int64)
    np.cumsum([len(each) for each in terms], out=starts[1:])
    flat = [term for each in terms for term in each]
    ids = np.array([term.id for term in flat], np.uint32)

    weights = statistics.bm25_idf(ids) * np.array([1.0 if term.single else PAIR_WEIGHT for term in flat])
    weights /= np.repeat(np.maximum(np.add.reduceat(weights, starts[:-1]) * (K1 + 1), 1e-9), np.diff(starts))
    words = (reference.columns(starts, ids, weights) @ reference.bm25.T.astype(np.float64)).toarray()
    word_mean, word_spread = _standard(words, USUAL_BM25)

    directions = _directions(starts, ids, np.array([term.times for term in flat], np.float64), statistics)
    latent = directions @ reference.latent.T.astype(np.float64)
    latent_mean, latent_spread = _standard(latent, USUAL_LATENT)

    share = np.where(directions.any(axis=1), LATENT_SHARE, 0.0)
    by_word, by_latent = (1 - share) / word_spread, share / latent_spread
    centre = by_word * word_mean + by_latent * latent_mean
    mean, spread = _standard(by_word[:, None] * words + by_latent[:, None] * latent - centre[:, None], 1.0)
    bm25 = np.split((weights * np.repeat(by_word / spread, np.diff(starts))).astype(np.float32), starts[1:-1])
    pointing = ((by_latent / spread)[:, None] * directions).astype(np.float32)
    offsets = (-(centre + mean) / spread).tolist()
    return [
        Facet(ReasonKind.TOPIC, phrase, bm25_ids=own, bm25=adds, latent=points, typed_latent=points, offset=offset)
        for phrase, own, adds, points, offset in zip(
            phrases, np.split(ids, starts[1:-1]), bm25, pointing, offsets, strict=True
        )
    ]


def _directions(starts: NDArray[np.int64], ids: Ids, counts: Doubles, statistics: Statistics) -> Doubles:
    """Phrases x dimensions: where each points in the latent view, with length 1; 0 where the basis lacks its words."""
    weights = (1 + np.log(counts)) * statistics.idf(ids)
    known = np.unique(ids)
    rows = statistics.latent(select(starts, ids, weights, known), known).astype(np.float64)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))


def _standard(values: Doubles, usual: float) -> tuple[Doubles, Doubles]:
    """Mean and spread of each row, which leans on the usual one where ordinary papers are few."""
    papers = values.shape[1]
    if not papers:
        return np.zeros(len(values)), np.full(len(values), usual)
    variance = (values.var(axis=1) * papers + usual**2 * SHRINK) / (papers + SHRINK)
    return values.mean(axis=1), np.sqrt(variance)
