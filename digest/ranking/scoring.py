"""How well every candidate suits every reader of a block: a few matrix products, then the best interest wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from digest.ranking.facets import Facet
from digest.ranking.names import find
from digest.ranking.pool import DAY, Pool
from digest.ranking.profiles import Profile, Reader
from digest.ranking.text import Floats, Ids
from digest.ranking.views import Views

RELEVANCE, HEAT = 0.85, 0.15
"""Upvotes say almost nothing about one reader: from 0.3 on they spoil the list."""
CATEGORY = 0.3
DISLIKE = 0.3
STALENESS = 0.1
"""What a day of age costs, up to `STALE` days: yesterday's runner-up beats today's, but only a clearly better one."""
STALE = 3.0
AUTHOR = 2.0
FLOOR = 1.5
"""Below, in spreads of ordinary papers, a paper is not worth a reader's minute ..."""
RISE = 0.6
"""... and with every day of age from noon on, up to `STALE`, it needs so much more: only strong runners-up are carried
over, and a weekend without news gives a short digest instead of what was left over on Friday."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Readers x candidates."""

    relevance: Floats
    """The best facet, without its weight: 0 is an ordinary paper."""
    weighted: Floats
    """The value of the winner, times its weight where it is positive."""
    total: Floats
    """What the picks are ordered by."""
    winner: NDArray[np.int16]
    """Which of the reader's facets was best; -1 where there is none."""
    against: Floats
    """Likeness to what the reader disliked, 0 and up."""
    category: Floats
    """1 for a followed category that is the paper's first, 0.5 for another of its categories."""
    author: NDArray[np.bool_]
    """Whether a followed author is in the byline."""
    age: Floats
    """Days, as `ages` counts them."""


def score(pool: Pool, readers: Sequence[Reader], profiles: Sequence[Profile]) -> Scores:
    """Every candidate for every reader; each reader's row is the same whoever else is in the block."""
    shape = len(readers), len(pool)
    facets = list(chain.from_iterable(p.facets for p in profiles))
    owners = np.repeat(np.arange(len(readers)), [len(p.facets) for p in profiles])
    values = facet_values(pool, facets)
    if pool.meanings is not None and facets:
        values = pool.meanings.blend(values, facets, [readers[i] for i in owners.tolist()])
    relevance, weighted, winner = _best(values, facets, owners, shape)
    against, age = _against(pool, profiles, shape), ages(pool, readers)
    category, author = _category(pool, readers), _author(pool, readers)
    total = RELEVANCE * weighted + HEAT * pool.trend.heat - STALENESS * np.minimum(age, STALE)
    total += CATEGORY * category - DISLIKE * against + AUTHOR * author
    return Scores(relevance, weighted, np.asarray(total, np.float32), winner, against, category, author, age)


def ages(pool: Pool, readers: Sequence[Reader]) -> Floats:
    """Readers x candidates: days since each was listed; 0 for what came after the reader's last issue was chosen.

    After a downtime, or in a week's digest, nothing that the reader has missed is stale: the best of it is wanted.
    """
    since = [(pool.now - r.since).total_seconds() / DAY if r.since else 0.0 for r in readers]
    return np.where(pool.known < np.array(since, np.float32)[:, None], np.float32(0), pool.age)


def floors(age: Floats) -> Floats:
    """The relevance that candidates of each *age* need."""
    return np.asarray(FLOOR + RISE * np.clip(age - 0.5, 0, STALE), np.float32)


def facet_values(pool: Pool, facets: Sequence[Facet]) -> Floats:
    """Facets x candidates: the value of each facet for each paper."""
    views = pool.views
    values = _product([(f.ids, f.tfidf) for f in facets], views, pool.tfidf_columns)
    values += _product([(f.bm25_ids, f.bm25) for f in facets], views, pool.bm25_columns)
    values -= np.outer([f.mean for f in facets], views.mean)
    if views.latent.shape[1] and facets:
        none = np.zeros(views.latent.shape[1], np.float32)
        directions = np.array([f.latent if f.latent.size else none for f in facets], np.float64)
        values += directions @ views.latent.T.astype(np.float64)
    values += np.array([f.offset for f in facets]).reshape(-1, 1)
    # A block of another size multiplies in another order: rounding keeps a reader's scores the same in any company.
    return np.asarray(values.round(4), np.float32)


def _product(rows: Sequence[tuple[Ids, Floats]], views: Views, papers: csr_matrix) -> NDArray[np.float64]:
    """Rows of term weights times terms x papers."""
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(terms) for terms, _ in rows], out=starts[1:])
    if not starts[-1]:
        return np.zeros((len(rows), papers.shape[1]))
    weights = views.columns(starts, np.concatenate([r[0] for r in rows]), np.concatenate([r[1] for r in rows]))
    return np.asarray((weights @ papers).toarray(), np.float64)


def _best(
    values: Floats, facets: Sequence[Facet], owners: NDArray[np.int64], shape: tuple[int, int]
) -> tuple[Floats, Floats, NDArray[np.int16]]:
    """Of each reader's facets the best: its value, its value times the topic's weight, and which it is."""
    relevance, weighted = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    winner = np.full(shape, -1, np.int16)
    if not len(facets):
        return relevance, weighted, winner
    weight = np.array([f.weight for f in facets], np.float32)[:, None]
    # A weight makes a match matter more; it must not make a mismatch matter more.
    scaled = values * np.where(values > 0, weight, np.float32(1)) if (weight != 1).any() else values
    begins = np.flatnonzero(np.diff(owners, prepend=-1))
    having = owners[begins]
    relevance[having] = np.maximum.reduceat(values, begins, axis=0)
    weighted[having] = relevance[having] if scaled is values else np.maximum.reduceat(scaled, begins, axis=0)
    place = np.arange(len(facets)) - begins[np.searchsorted(begins, np.arange(len(facets)), side="right") - 1]
    for number in range(int(place.max()), -1, -1):
        rows = np.flatnonzero(place == number)
        best = scaled[rows] >= weighted[owners[rows]]
        winner[owners[rows]] = np.where(best, np.int16(number), winner[owners[rows]])
    return relevance, weighted, winner


def _against(pool: Pool, profiles: Sequence[Profile], shape: tuple[int, int]) -> Floats:
    against = np.zeros(shape, np.float32)
    rows = [number for number, profile in enumerate(profiles) if profile.disliked is not None]
    if rows:
        facets = [profile.disliked for profile in profiles if profile.disliked is not None]
        against[rows] = np.maximum(facet_values(pool, facets), 0)
    return against


def _category(pool: Pool, readers: Sequence[Reader]) -> Floats:
    match = np.zeros((len(readers), len(pool)), np.float32)
    for row, reader in enumerate(readers):
        for category in reader.interests.categories:
            if category in pool.categories:
                np.maximum(match[row], pool.categories[category], out=match[row])
    return match


def _author(pool: Pool, readers: Sequence[Reader]) -> NDArray[np.bool_]:
    found = np.zeros((len(readers), len(pool)), bool)
    for row, reader in enumerate(readers):
        for followed in reader.interests.authors:
            found[row, list(find(followed, pool.authors))] = True
    return found
