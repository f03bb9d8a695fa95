"""One reader's interests, compiled into numbers that a whole block of readers can be scored with.

Every interest becomes a *facet*: a linear function of a paper that says by how many standard deviations the paper is
better than an ordinary one of the stored papers. Facets are scored apart and a paper counts by its best one, because an
average drowns the smaller interests. A phrase is BM25 plus the latent view; liked papers are Rocchio's rule on TF-IDF
plus the latent view. All weights come from docs/ranking.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import numpy as np
from scipy.sparse import csr_matrix

from digest.models import Interests, Paper, ReasonKind, Topic
from digest.ranking.statistics import K1, Statistics, unit
from digest.ranking.text import Floats, Ids, bag, bag_of, word_ids
from digest.ranking.views import Views

PROFILE_TERMS = 1000
"""Terms kept of a library, the heaviest first; 400 lose 0.02 of nDCG@10, more than 1000 gain nothing."""
PAIR_WEIGHT = 0.5
"""What a pair of words of a phrase counts beside a single word: its words are already counted."""
PHRASE_LATENT = 0.5
SAME_INTEREST = 1.25
"""How well a liked paper must match a phrase to be taken, by half, as speaking of the same interest."""
SHRINK = 20
"""A spread is estimated as if so many ordinary papers had been seen beforehand, with these spreads:"""
USUAL_TFIDF, USUAL_BM25, USUAL_LATENT = 0.03, 0.15, 0.12


@dataclass(frozen=True, slots=True)
class Reader:
    """What the ranking needs to know of one subscriber."""

    interests: Interests
    papers: int = 12
    """At most so many picks."""
    liked: tuple[Paper, ...] = ()
    """The papers behind `interests.liked` that are known, and those liked from the mail, oldest first."""
    disliked: tuple[Paper, ...] = ()
    seen: Mapping[str, date] = field(default_factory=dict)
    """Paper id -> issue it was sent in: never again, or once more as `ReasonKind.SEEN` where allowed."""
    resurface: bool = False
    """Whether a paper already sent may come once more when it trends."""
    resurfaced: frozenset[str] = frozenset()
    """Ids that have come twice."""
    since: datetime | None = None
    """When their last issue was chosen: what came later is not stale for them. None where there was none."""


@dataclass(frozen=True, slots=True)
class Facet:
    """One interest as a linear function of a paper; 0 is an ordinary paper, 2 a match, 3 a strong one."""

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


@dataclass(frozen=True, slots=True)
class Profile:
    """The compiled form of a reader under one set of statistics."""

    statistics: str
    """Their id."""
    facets: tuple[Facet, ...]
    disliked: Facet | None = None


def latent_share(papers: float) -> float:
    """Share of the latent view beside so many liked papers: few leave more unsaid than many."""
    return 0.6 / (1 + papers / 15)


def compile_reader(reader: Reader, statistics: Statistics) -> Profile:
    """Facets of *reader*; a pure function of both, so that it may be kept and shared."""
    liked = _Library(reader.liked, statistics)
    facets = [topic_facet(topic, liked, statistics) for topic in reader.interests.topics if bag(topic.phrase).ids.size]
    if reader.liked:
        facets.append(liked.facet(np.ones(len(reader.liked), np.float32)))
    disliked = _Library(reader.disliked, statistics)
    against = disliked.facet(np.ones(len(reader.disliked), np.float32)) if reader.disliked else None
    return Profile(statistics.id, tuple(facets), against)


def topic_facet(topic: Topic, liked: _Library, statistics: Statistics) -> Facet:
    """A phrase, and the liked papers that speak of it: two witnesses of one interest are added up."""
    phrase = _phrase(topic, statistics)
    if not liked.papers:
        return phrase
    match = value(phrase, liked.views)
    share = 1 / (1 + np.exp(np.clip(2 * (SAME_INTEREST - match), -30, 30)))
    return _standardised(_add(phrase, liked.facet(share), float(share.max())), statistics)


def _phrase(topic: Topic, statistics: Statistics) -> Facet:
    terms = bag(topic.phrase)
    single = np.isin(terms.ids, word_ids(topic.phrase))
    idf = statistics.bm25_idf(terms.ids) * np.where(single, 1, PAIR_WEIGHT).astype(np.float32)
    weights = idf / max(float(idf.sum()) * (K1 + 1), 1e-9)
    reference = statistics.reference_views
    words = _standard(reference.bm25 @ reference.spread_out(terms.ids, weights), USUAL_BM25)
    direction = unit(statistics.latent(csr_matrix(statistics.tfidf(terms)[None, :]), terms.ids)[0])
    latent = _standard(reference.latent @ direction, USUAL_LATENT)
    share = PHRASE_LATENT if direction.any() else 0.0
    facet = Facet(
        ReasonKind.TOPIC,
        topic.phrase,
        topic.weight,
        bm25_ids=terms.ids,
        bm25=(1 - share) / words[1] * weights,
        latent=share / latent[1] * direction,
        typed_latent=share / latent[1] * direction,
        offset=-(1 - share) * words[0] / words[1] - share * latent[0] / latent[1],
    )
    return _standardised(facet, statistics)


class _Library:
    """Liked (or disliked) papers, ready to become facets in which each counts as much as is asked."""

    def __init__(self, papers: Sequence[Paper], statistics: Statistics) -> None:
        self.papers = papers
        self.statistics = statistics
        self.views = Views.of([bag_of(paper) for paper in papers], statistics)

    def facet(self, share: Floats) -> Facet:
        """Rocchio's rule with natural norms, and the latent view, of the papers weighted by *share*."""
        likes, papers = share, float(share.sum())
        share = share / max(papers, 1e-9)
        query = np.asarray(share @ self.views.tfidf, np.float32)
        kept = np.sort(np.argsort(query, kind="stable")[::-1][:PROFILE_TERMS])
        ids, query = self.views.ids[kept], query[kept]
        reference = self.statistics.reference_views
        words = _standard(reference.tfidf @ reference.spread_out(ids, query) - reference.mean, USUAL_TFIDF)
        direction = unit(share @ self.views.latent)
        latent = _standard(reference.latent @ direction, USUAL_LATENT)
        w = latent_share(papers) if direction.any() else 0.0
        facet = Facet(
            ReasonKind.LIKED,
            "",
            ids=ids,
            tfidf=(1 - w) / words[1] * query,
            mean=(1 - w) / words[1],
            latent=w / latent[1] * direction,
            offset=-(1 - w) * words[0] / words[1] - w * latent[0] / latent[1],
            likes=likes,
        )
        return _standardised(facet, self.statistics)


def value(facet: Facet, views: Views) -> Floats:
    """The facet's value for each paper of *views*."""
    total = views.tfidf @ views.spread_out(facet.ids, facet.tfidf) - facet.mean * views.mean
    total = total + views.bm25 @ views.spread_out(facet.bm25_ids, facet.bm25)
    if facet.latent.size:
        total = total + views.latent @ facet.latent
    return np.asarray(total + facet.offset, np.float32)


def _standard(values: Floats, usual: float) -> tuple[float, float]:
    """Mean and spread of ordinary papers' values; the spread leans on the usual one where papers are few."""
    if not len(values):
        return 0.0, usual
    variance = (float(values.var()) * len(values) + usual**2 * SHRINK) / (len(values) + SHRINK)
    return float(values.mean()), float(np.sqrt(variance))


def _standardised(facet: Facet, statistics: Statistics) -> Facet:
    """The same facet with ordinary papers spread by 1 around 0, so that facets compare."""
    mean, spread = _standard(value(facet, statistics.reference_views), 1.0)
    return replace(
        facet,
        tfidf=facet.tfidf / spread,
        bm25=facet.bm25 / spread,
        mean=facet.mean / spread,
        latent=facet.latent / spread,
        typed_latent=facet.typed_latent / spread,
        offset=(facet.offset - mean) / spread,
    )


def _add(phrase: Facet, liked: Facet, times: float) -> Facet:
    return replace(
        phrase,
        ids=liked.ids,
        tfidf=times * liked.tfidf,
        mean=times * liked.mean,
        latent=phrase.latent + times * liked.latent,
        offset=phrase.offset + times * liked.offset,
        likes=liked.likes,
    )
