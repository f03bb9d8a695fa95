"""From scores to the picks of a digest: what is left out, what is worth a minute, and how interests share the room.

Diversity is maximal marginal relevance (Carbonell and Goldstein 1998) over a shortlist, for a whole block of readers at
once. Every rule that keeps a paper out is one `Verdict`, so that `explain` can name it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from digest.models import Section
from digest.ranking.names import find
from digest.ranking.pool import Pool
from digest.ranking.profiles import Profile, Reader
from digest.ranking.scoring import Scores, floors, score
from digest.ranking.text import Floats, bag_of
from digest.ranking.views import Views

Numbers = NDArray[np.intp]

BLOCK = 512
"""Readers scored at once: some megabytes, whatever their number."""
SHORTLIST = 30
DIVERSITY = 0.15
"""What likeness to a paper already chosen costs, of the shortlist's span of scores."""
DUPLICATE = 0.9
MATCH = 2.0
"""Below, a pick is a runner-up, shown as one line."""
PINNED = 3
HOT = 75.0
"""The percentile of heat from which a paper is trending, for readers with interests of their own."""
VERY_HOT = 90.0
"""... and from which a paper already sent may come once more."""


class Verdict(enum.StrEnum):
    """What became of a paper for one reader."""

    PICKED = "picked"
    MUTED = "muted"
    MUTED_AUTHOR = "muted author"
    KNOWN = "liked or disliked already"
    """The reader named it: they need not be told."""
    SEEN = "seen"
    BELOW_FLOOR = "below the floor"
    OUTRANKED = "outranked"
    """Good enough, but others were better, or too much like it."""
    UNKNOWN = "not a candidate"


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen paper before its reasons are written."""

    number: int
    """Of the candidate."""
    section: Section


@dataclass(frozen=True, slots=True)
class Ranked:
    """A block of readers, ranked."""

    scores: Scores
    allowed: NDArray[np.bool_]
    """Readers x candidates: neither muted nor seen."""
    eligible: NDArray[np.bool_]
    """Readers x candidates: allowed, and worth a minute for what the reader wants."""
    shortlist: Numbers
    """Readers x picks, best first, diverse; -1 where there is no more."""

    def matched(self, row: int) -> int:
        """How many papers were worth a minute of the reader in *row*."""
        return int(self.eligible[row].sum())


def ranked(pool: Pool, readers: Sequence[Reader], profiles: Sequence[Profile]) -> Ranked:
    """Score a block of readers and order each one's best papers."""
    scores = score(pool, readers, profiles)
    allowed = np.ones((len(readers), len(pool)), bool)
    for row, reader in enumerate(readers):
        apply_rules(pool, reader, allowed[row])
    eligible = allowed & ((scores.relevance >= floors(scores.age)) | scores.author | _by_category(readers, scores))
    return Ranked(scores, allowed, eligible, _shortlist(pool, readers, profiles, scores, eligible))


def _by_category(readers: Sequence[Reader], scores: Scores) -> NDArray[np.bool_]:
    """A category alone is reason enough only for a reader who named nothing finer."""
    only = [not (r.interests.topics or r.liked) and bool(r.interests.categories) for r in readers]
    return np.array(only, bool)[:, None] & (scores.category > 0)


def apply_rules(pool: Pool, reader: Reader, allowed: NDArray[np.bool_], *, seen: bool = True) -> None:
    """Strike out in *allowed* what the reader muted or named, and (unless *seen* is off) what they had already."""
    for phrase in reader.interests.muted:
        allowed &= ~pool.has_muted(phrase)
    for author in reader.interests.muted_authors:
        allowed[list(find(author, pool.authors))] = False
    allowed[[pool.index[p.id] for p in (*reader.liked, *reader.disliked) if p.id in pool.index]] = False
    if seen and reader.seen:
        allowed[[pool.index[i] for i in pool.index.keys() & reader.seen.keys()]] = False


def _shortlist(
    pool: Pool, readers: Sequence[Reader], profiles: Sequence[Profile], scores: Scores, eligible: NDArray[np.bool_]
) -> Numbers:
    papers = np.array([r.papers for r in readers], np.intp)
    if not len(pool) or not len(readers):
        return np.full((len(readers), 0), -1)
    total = np.where(eligible, scores.total, -np.inf)
    size = min(len(pool), max(SHORTLIST, int(papers.max())))
    # Equal scores go by the paper's number: partition alone would leave their order to chance.
    tie = np.arange(len(pool), 0, -1) * 1e-7
    best = np.argpartition(-(total + tie), size - 1, axis=1)[:, :size]
    order = np.argsort(-np.take_along_axis(total + tie, best, axis=1), axis=1, kind="stable")
    found = np.take_along_axis(best, order, axis=1)
    # Another reader's wish for more must not lengthen this one's shortlist.
    own = np.arange(size) < np.maximum(papers, SHORTLIST)[:, None]
    interests = np.array([len(p.facets) for p in profiles])
    return _diverse(
        found,
        np.where(own, np.take_along_axis(total, found, axis=1), -np.inf),
        np.take_along_axis(scores.winner, found, axis=1),
        similarity=pool.similarity,
        papers=papers,
        limits=_limits(papers, interests),
    )


def _limits(papers: Numbers, interests: Numbers) -> Numbers:
    """How many picks one of several interests may take before the others have had theirs."""
    share = np.where(interests < 2, 1.0, np.maximum(0.4, 1.2 / np.maximum(interests, 1)))
    return np.ceil(papers * share).astype(np.intp)


def _diverse(
    found: Numbers, total: Floats, winner: NDArray[np.int16], *, similarity: Floats, papers: Numbers, limits: Numbers
) -> Numbers:
    """Choose one after the other what is good and unlike what is chosen; all readers take the same step at once."""
    rows = np.arange(len(found))
    finite = np.isfinite(total)
    low = np.where(finite, total, np.inf).min(axis=1, keepdims=True)
    span = np.maximum(total[:, :1] - low, 1e-3)
    gain = np.where(finite, (total - np.where(finite, low, 0)) / np.where(finite, span, 1), -np.inf)
    nearest = np.zeros(found.shape)
    taken = np.zeros((len(found), int(winner.max()) + 2), np.intp)
    picks = np.full((len(found), int(papers.max())), -1, np.intp)
    for step in range(min(picks.shape[1], found.shape[1])):
        crowded = taken[rows[:, None], winner] >= limits[:, None]
        value = np.where(nearest < DUPLICATE, (1 - DIVERSITY) * gain - DIVERSITY * nearest - 10.0 * crowded, -np.inf)
        best = value.argmax(axis=1)
        ok = np.flatnonzero(np.isfinite(value[rows, best]) & (step < papers))
        best = best[ok]
        picks[ok, step] = found[ok, best]
        gain[ok, best] = -np.inf
        taken[ok, winner[ok, best]] += 1
        nearest[ok] = np.maximum(nearest[ok], similarity[found[ok], picks[ok, step][:, None]])
    return picks


@dataclass(frozen=True)
class Turn:
    """One reader of a ranked block."""

    pool: Pool
    reader: Reader
    profile: Profile
    block: Ranked
    row: int

    @cached_property
    def library(self) -> Views:
        """The reader's liked papers."""
        return Views.of([bag_of(paper) for paper in self.reader.liked], self.pool.statistics)


def choices(turn: Turn) -> list[Choice]:
    """The picks of one reader in the order of the mail.

    Followed authors come first, at most `PINNED` of them; then what suits the reader; then what is trending; then
    the runners-up.
    """
    pool, reader, block, row = turn.pool, turn.reader, turn.block, turn.row
    allowed, scores = block.allowed[row], block.scores
    if not reader.interests:
        return [Choice(n, Section.TRENDING) for n in islice(_hot(pool, reader, allowed, 0.0), reader.papers)]
    followed = np.flatnonzero(scores.author[row] & block.eligible[row]).tolist() if reader.interests.authors else []
    pinned = sorted(followed, key=lambda n: -scores.total[row, n])[:PINNED]
    chosen = [*pinned, *(n for n in block.shortlist[row].tolist() if n >= 0 and n not in pinned)][: reader.papers]
    quota = reader.papers // 4
    kept = chosen[: reader.papers - quota]
    hot = list(islice((n for n in _hot(pool, reader, allowed, HOT) if n not in kept), quota))
    own = [n for n in chosen if n not in hot][: reader.papers - len(hot)]
    clear = (scores.relevance[row, own] >= MATCH) | scores.author[row, own]
    strong = [n for n, is_clear in zip(own, clear, strict=True) if is_clear] or own
    weak = [n for n in own if n not in strong]
    sections = (Section.FOR_YOU, strong), (Section.TRENDING, hot), (Section.QUIETER, weak)
    return [Choice(n, section) for section, numbers in sections for n in numbers]


def _hot(pool: Pool, reader: Reader, allowed: NDArray[np.bool_], least: float) -> Iterator[int]:
    """Trending papers, hottest first; of those already sent at most one, and only if it may come back."""
    again = 1 if reader.resurface else 0
    for number, percentile in pool.hottest:
        if percentile < least:
            return
        if allowed[number]:
            yield number
        elif again and may_resurface(pool, reader, number):
            again -= 1
            yield number


def may_resurface(pool: Pool, reader: Reader, number: int) -> bool:
    """Whether a paper already sent may come once more."""
    paper = pool.candidates[number].paper
    sent = reader.seen.get(paper.id)
    if sent is None or paper.id in reader.resurfaced or sent >= pool.now.date():
        return False
    unmuted = np.ones(len(pool), bool)
    apply_rules(pool, reader, unmuted, seen=False)
    return bool(unmuted[number]) and float(pool.trend.percentile[number]) >= VERY_HOT
