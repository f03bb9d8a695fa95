"""What an embedding adds to the scores, once somebody has computed the vectors: no model is loaded here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from digest.models import Paper, ReasonKind
from digest.ranking.facets import SHRINK, Facet
from digest.ranking.profiles import Reader
from digest.ranking.statistics import unit
from digest.ranking.text import Floats
from digest.ranking.vectors import Vectors

SHARE, FEW_LIKES = 0.4, 0.45
"""Of the embedding in the value of a facet; and how much more where all that is known is one liked paper."""
USUAL = 0.1
"""Spread of the likeness of ordinary papers, leaned on where a day's papers are few."""
NEIGHBOURS, FEWEST = 10, 20
"""Each paper leans on so many others, but on no more than one in `FEWEST` of the day's ..."""
LEANING = 0.3
"""... and so much: 5 to 20 neighbours and 0.3 to 0.7 rank much alike."""
BLOCK = 512
"""Papers compared with all others at once."""


@dataclass(frozen=True, slots=True)
class Meanings:
    """The day's papers in the embedding's space."""

    centre: Floats
    """The mean paper: what all have in common says nothing about one reader."""
    rows: Floats
    """Papers x dimensions, centred, each leaning on its neighbours; 0 where a paper has no vector."""

    @classmethod
    def of(cls, vectors: Vectors | None, papers: Sequence[Paper]) -> Meanings | None:
        """None where there is no vector of any of *papers*."""
        known = {p.id: vectors.papers[p.id] for p in papers if p.id in vectors.papers} if vectors else {}
        if not known:
            return None
        centre = np.array(list(known.values()), np.float32).mean(axis=0)
        rows = [unit(known[p.id] - centre) if p.id in known else np.zeros_like(centre) for p in papers]
        return cls(centre, _leaning(np.array(rows, np.float32)))

    def blend(self, values: Floats, facets: Sequence[Facet], readers: Sequence[Reader]) -> Floats:
        """*values* (facets x papers), with the likeness in meaning blended in where both sides have vectors.

        Args:
            values: in spreads of ordinary papers.
            facets: one for each row.
            readers: whose each of *facets* is.
        """
        directions = np.array([self._direction(*pair) for pair in zip(facets, readers, strict=True)], np.float64)
        alike = directions @ self.rows.T.astype(np.float64)
        known = self.rows.any(axis=1)
        ordinary, papers = alike[:, known], int(known.sum())
        spread = np.sqrt((ordinary.var(axis=1) * papers + USUAL**2 * SHRINK) / (papers + SHRINK))
        standard = (alike - ordinary.mean(axis=1, keepdims=True)) / spread[:, None]
        known = np.outer(directions.any(axis=1), known)
        share = np.array([_share(f) for f in facets])[:, None]
        return np.asarray(np.where(known, (1 - share) * values + share * standard, values).round(4), np.float32)

    def _direction(self, facet: Facet, reader: Reader) -> Floats:
        """Where the facet points: its phrase and its liked papers, the latter as much as they speak of it."""
        direction, vectors = np.zeros_like(self.centre), reader.vectors
        phrase = vectors.phrases.get(facet.subject)
        if phrase is not None:
            direction += unit(phrase - self.centre)
        liked = [(share, p.id) for share, p in zip(facet.likes, reader.liked, strict=False)]
        known = [share * (vectors.papers[i] - self.centre) for share, i in liked if i in vectors.papers]
        if known:
            direction += max(facet.likes) * unit(np.sum(known, axis=0))
        return unit(direction)


def _leaning(rows: Floats) -> Floats:
    """*rows* of unit length, each with what the papers most like it say: one abstract puts a thing in one way only.

    This is document expansion (Tao et al. 2006). It is linear, so it costs the day something, and no reader anything.
    """
    count = min(NEIGHBOURS, len(rows) // FEWEST)
    if not count:
        return rows
    return np.concatenate([_lean(rows, begin, count) for begin in range(0, len(rows), BLOCK)])


def _lean(rows: Floats, begin: int, count: int) -> Floats:
    """The block of *rows* that starts at *begin*, each leaning on its *count* neighbours as far as they are like it."""
    own = rows[begin : begin + BLOCK]
    alike = np.maximum(own @ rows.T, 0)
    alike[np.arange(len(own)), begin + np.arange(len(own))] = 0
    nearest = np.argpartition(-alike, count - 1, axis=1)[:, :count]
    weights = np.take_along_axis(alike, nearest, axis=1)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    return np.asarray((1 - LEANING) * own + LEANING * (weights[:, None] @ rows[nearest])[:, 0], np.float32)


def _share(facet: Facet) -> float:
    """One liked paper has few words, of which the next one shares fewer: meaning says more there."""
    few = facet.kind is ReasonKind.LIKED
    return SHARE + (FEW_LIKES * math.exp((1 - float(facet.likes.sum())) / 3) if few else 0.0)
