"""A facet: one interest as a linear function of a paper.

It says by how many standard deviations a paper is better than an ordinary one of the stored papers, so that facets of
different kinds compare. All weights come from docs/ranking.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from digest.models import ReasonKind
from digest.ranking.statistics import Statistics
from digest.ranking.text import Floats, Ids
from digest.ranking.views import Views

SHRINK = 20
"""A spread is estimated as if so many ordinary papers had been seen beforehand, with these spreads:"""
USUAL_TFIDF, USUAL_BM25, USUAL_LATENT = 0.03, 0.15, 0.12


@dataclass(frozen=True, slots=True)
class Facet:
    """One interest; 0 is an ordinary paper, 2 a match, 3 a strong one."""

    kind: ReasonKind
    subject: str
    weight: float = 1.0
    ids: Ids = field(default_factory=lambda: np.empty(0, np.uint32))
    tfidf: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    """What one unit of TF-IDF of each of `ids` adds."""
    bm25_ids: Ids = field(default_factory=lambda: np.empty(0, np.uint32))
    bm25: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    """What one unit of BM25 of each of `bm25_ids` adds."""
    mean: float = 0.0
    """What one unit of likeness to the mean paper takes away."""
    latent: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    """What one unit of each latent dimension adds."""
    typed_latent: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    """The part of `latent` that comes from a phrase; the rest comes from liked papers."""
    offset: float = 0.0
    likes: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    """How much each of the reader's liked papers speaks of this interest, 0..1; empty where none does."""


def value(facet: Facet, views: Views) -> Floats:
    """The facet's value for each paper of *views*."""
    total = views.tfidf @ views.spread_out(facet.ids, facet.tfidf) - facet.mean * views.mean
    total = total + views.bm25 @ views.spread_out(facet.bm25_ids, facet.bm25)
    if facet.latent.size:
        total = total + views.latent @ facet.latent
    return np.asarray(total + facet.offset, np.float32)


def standard(values: Floats, usual: float) -> tuple[float, float]:
    """Mean and spread of ordinary papers' values; the spread leans on the usual one where papers are few."""
    if not len(values):
        return 0.0, usual
    variance = (float(values.var()) * len(values) + usual**2 * SHRINK) / (len(values) + SHRINK)
    return float(values.mean()), float(np.sqrt(variance))


def standardised(facet: Facet, statistics: Statistics) -> Facet:
    """The same facet with ordinary papers spread by 1 around 0."""
    mean, spread = standard(value(facet, statistics.reference_views), 1.0)
    return replace(
        facet,
        tfidf=facet.tfidf / spread,
        bm25=facet.bm25 / spread,
        mean=facet.mean / spread,
        latent=facet.latent / spread,
        typed_latent=facet.typed_latent / spread,
        offset=(facet.offset - mean) / spread,
    )
