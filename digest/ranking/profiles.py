"""One reader's interests, compiled into numbers that a whole block of readers can be scored with.

Every interest becomes a facet. Facets are scored apart and a paper counts by its best one, because an average drowns
the smaller interests. Liked papers are Rocchio's rule on TF-IDF plus the latent view; phrases have a module of their
own. All weights come from docs/ranking.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import numpy as np

from digest.models import Interests, Paper, ReasonKind, Topic
from digest.ranking.facets import USUAL_LATENT, USUAL_TFIDF, Facet, standard, standardised, value
from digest.ranking.phrases import Phrases
from digest.ranking.statistics import Statistics, unit
from digest.ranking.text import Floats, bag_of
from digest.ranking.vectors import NONE, Vectors
from digest.ranking.views import Views

PROFILE_TERMS = 1000
"""Terms kept of a library, the heaviest first; 400 lose 0.02 of nDCG@10, more than 1000 gain nothing."""
SAME_INTEREST = 1.25
"""How well a liked paper must match a phrase to be taken, by half, as speaking of the same interest."""


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
    vectors: Vectors = field(default=NONE, compare=False, repr=False)
    """Of the topics' phrases and of `liked`, where a model is in use."""
    since: datetime | None = None
    """When their last issue was chosen: what came later is not stale for them. None where there was none."""


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
    return compile_readers([reader], Phrases(statistics))[0]


def compile_readers(readers: Sequence[Reader], phrases: Phrases) -> list[Profile]:
    """The profile of each; what they typed is compiled together."""
    phrases.learn(topic.phrase for reader in readers for topic in reader.interests.topics)
    return [_profile(reader, phrases) for reader in readers]


def _profile(reader: Reader, phrases: Phrases) -> Profile:
    statistics = phrases.statistics
    liked = _library(reader.liked, statistics)
    typed = ((topic, facet) for topic in reader.interests.topics if (facet := phrases.facet(topic.phrase)))
    facets = [_topic(topic, facet, liked) for topic, facet in typed]
    if liked:
        facets.append(liked.facet(np.ones(len(reader.liked), np.float32)))
    disliked = _library(reader.disliked, statistics)
    against = disliked.facet(np.ones(len(reader.disliked), np.float32)) if disliked else None
    return Profile(statistics.id, tuple(facets), against)


def _topic(topic: Topic, phrase: Facet, liked: _Library | None) -> Facet:
    """A phrase, and the liked papers that speak of it: two witnesses of one interest are added up."""
    if liked is None:
        return phrase if topic.weight == 1 else replace(phrase, weight=topic.weight)
    match = value(phrase, liked.views)
    share = 1 / (1 + np.exp(np.clip(2 * (SAME_INTEREST - match), -30, 30)))
    return standardised(_add(phrase, liked.facet(share), topic.weight, float(share.max())), liked.statistics)


def _library(papers: Sequence[Paper], statistics: Statistics) -> _Library | None:
    """None where *papers* hold not one word: there is nothing to be like."""
    library = _Library(papers, statistics) if papers else None
    return library if library and len(library.views.ids) else None


class _Library:
    """Liked (or disliked) papers, ready to become facets in which each counts as much as is asked."""

    def __init__(self, papers: Sequence[Paper], statistics: Statistics) -> None:
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
        words = standard(reference.tfidf @ reference.spread_out(ids, query) - reference.mean, USUAL_TFIDF)
        direction = unit(share @ self.views.latent)
        latent = standard(reference.latent @ direction, USUAL_LATENT)
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
        return standardised(facet, self.statistics)


def _add(phrase: Facet, liked: Facet, weight: float, times: float) -> Facet:
    return replace(
        phrase,
        weight=weight,
        ids=liked.ids,
        tfidf=times * liked.tfidf,
        mean=times * liked.mean,
        latent=phrase.latent + times * liked.latent,
        offset=phrase.offset + times * liked.offset,
        likes=liked.likes,
    )
