"""Papers as matrices: one row a paper, the columns its words (two weightings) or latent dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from digest.ranking.text import Bag, Floats, Ids, pile, select


class Weights(Protocol):
    """The part of the word statistics that views are made with."""

    def tfidf(self, paper: Bag) -> Floats: ...  # noqa: D102
    def bm25(self, paper: Bag) -> Floats: ...  # noqa: D102
    def mean_of(self, ids: Ids) -> Floats: ...  # noqa: D102
    def latent(self, weights: csr_matrix, ids: Ids) -> Floats: ...  # noqa: D102
    def centred(self, latent: Floats) -> Floats: ...  # noqa: D102


@dataclass(frozen=True)
class Views:
    """What a facet is multiplied with."""

    ids: Ids
    """The columns of the two sparse matrices: every term that a paper here has, ascending."""
    tfidf: csr_matrix
    """Papers x terms, rows of unit length."""
    bm25: csr_matrix
    """Papers x terms, saturated frequencies without the IDF."""
    mean: Floats
    """Likeness of each paper to the mean paper."""
    latent: Floats
    """Papers x dimensions, centred rows of unit length."""

    @classmethod
    def of(cls, bags: Sequence[Bag], statistics: Weights) -> Views:
        """The views of *bags*; terms that the statistics do not know count as the rarest."""
        starts, terms = pile(bags)
        ids = np.unique(terms)
        tfidf = select(starts, terms, _join([statistics.tfidf(b) for b in bags]), ids)
        bm25 = select(starts, terms, _join([statistics.bm25(b) for b in bags]), ids)
        latent = statistics.centred(statistics.latent(tfidf, ids))
        return cls(ids, tfidf, bm25, tfidf @ statistics.mean_of(ids), latent)

    @cached_property
    def _prefixes(self) -> NDArray[np.bool_]:
        """Which first bits of an id occur here: one look tells most strangers from the few that are worth a search."""
        table = np.zeros(1 << 20, bool)
        table[self.ids >> np.uint32(12)] = True
        return table

    def columns(self, starts: NDArray[np.int64], terms: Ids, weights: Floats) -> csr_matrix:
        """Rows of weighted terms as a matrix over the columns; terms that no paper here has fall away."""
        maybe = self._prefixes[terms >> np.uint32(12)]
        kept = np.concatenate([[0], np.cumsum(maybe)])[starts]
        return select(kept, terms[maybe], weights[maybe], self.ids)

    def spread_out(self, ids: Ids, weights: Floats) -> Floats:
        """*weights* of *ids* as a dense vector over the columns; terms that no paper here has fall away."""
        dense = np.zeros(len(self.ids), np.float32)
        place = np.searchsorted(self.ids, ids)
        place[place == len(self.ids)] = 0
        known = self.ids[place] == ids if len(self.ids) else np.zeros(len(ids), bool)
        dense[place[known]] = weights[known]
        return dense


def _join(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.empty(0, np.float32)
