"""What the public makes of today's papers.

A paper's *heat* is the logarithm of the upvotes that it can be expected to end with, less an allowance for its age,
against the average of its field. Upvotes arrive fast and then ever more slowly: a rate measured between two readings
goes on with a decay of `FADING` hours; where there is but one reading, the count is all that is known (a credit for
youth, and the comments, were tried: they foretell nothing more). Counts are heavy-tailed, hence the logarithm.
Measured in benchmarks/trending.py; 36 hours of decay, a rate trusted too much, order papers worse than the count does.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from digest.models import Candidate, Signal
from digest.ranking.text import Floats

FADING = 12.0
"""Hours after which upvotes come at 1/e of the rate."""
HALF_LIFE = 72.0
"""Hours after which an expected upvote is worth half: what was hot on Monday is known by Thursday."""
APART = timedelta(hours=3)
"""Readings nearer than this say nothing about a rate."""
A_DAY = timedelta(days=1)
FIELD = 10
"""A field's average counts in full only with many more papers than so many."""
LEAST_SPREAD = 0.5
GAIN = 3
"""Upvotes between two readings below which nothing is called rising."""


@dataclass(frozen=True, slots=True)
class Trend:
    """How each candidate stands in the public's eye."""

    heat: Floats
    """Standardised within the pool, -1 to 3; 0 for a paper without a signal: nobody was asked, which is no dislike."""
    percentile: Floats
    """Of the heat among papers with a signal, 0 to 100; 0 without."""
    rising: NDArray[np.bool_]
    """Gains upvotes faster than nine in ten of those whose rate is known."""
    known: NDArray[np.bool_]
    """Whether it has a signal with an upvote."""


def trend(candidates: Sequence[Candidate], now: datetime) -> Trend:
    """The trend of each of *candidates* at *now*."""
    count = len(candidates)
    known = np.array([c.signal is not None and c.signal.upvotes > 0 for c in candidates], bool)
    heat, percentile = np.zeros(count, np.float32), np.zeros(count, np.float32)
    if known.any():
        hot = [c for c, k in zip(candidates, known, strict=True) if k]
        raw = np.array([_freshness(c, now) + math.log1p(expected(c)) for c in hot]) - _field_average(hot)
        heat[known] = np.clip((raw - raw.mean()) / max(float(raw.std()), LEAST_SPREAD), -1, 3)
        percentile[known] = 100 * _standing(raw)
    return Trend(heat, percentile, _rising(candidates), known)


def _standing(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of values that are lower, equal ones counting half: where all are equal, nobody stands out."""
    order = np.sort(values)
    lower, upper = np.searchsorted(order, values, side="left"), np.searchsorted(order, values, side="right")
    return (lower + upper) / 2 / len(values)


def expected(candidate: Candidate) -> float:
    """Upvotes that a paper can be expected to end with, judged by its latest readings."""
    last = candidate.signal
    if last is None:
        return 0.0
    rate, hours = velocity(candidate.signals)
    # The rate is that of the middle between the readings, and has faded since.
    return last.upvotes + rate * FADING * math.exp(-hours / 2 / FADING)


def velocity(signals: Sequence[Signal]) -> tuple[float, float]:
    """Upvotes an hour up to the last reading, and over how many hours; (0, 0) where one reading is all there is."""
    earlier = [s for s in signals[:-1] if signals[-1].at - s.at >= APART]
    if not earlier:
        return 0.0, 0.0
    last = signals[-1]
    first = min(earlier, key=lambda s: abs(last.at - s.at - A_DAY))
    hours = (last.at - first.at).total_seconds() / 3600
    return max(last.upvotes - first.upvotes, 0) / hours, hours


def _freshness(candidate: Candidate, now: datetime) -> float:
    age = max((now - candidate.listed_at).total_seconds() / 3600, 0.0)
    return -math.log(2) * age / HALF_LIFE


def _field_average(hot: Sequence[Candidate]) -> NDArray[np.float64]:
    """By how much each paper's field is louder than the whole pool, leaning on the pool where the field is small."""
    logs = np.array([math.log1p(expected(c)) for c in hot])
    fields: dict[str, list[int]] = defaultdict(list)
    for number, candidate in enumerate(hot):
        fields[candidate.paper.categories[0] if candidate.paper.categories else ""].append(number)
    louder = np.zeros(len(hot))
    for field, members in fields.items():
        if field:
            share = len(members) / (len(members) + FIELD)
            louder[members] = share * (logs[members].mean() - logs.mean())
    return louder


def _rising(candidates: Sequence[Candidate]) -> NDArray[np.bool_]:
    rates = np.array([velocity(c.signals) for c in candidates], np.float64).reshape(-1, 2)
    measured, gained = rates[:, 1] > 0, rates[:, 0] * rates[:, 1]
    if not measured.any():
        return np.zeros(len(candidates), bool)
    fast = rates[:, 0] >= np.quantile(rates[measured, 0], 0.9)
    return np.asarray(measured & (gained >= GAIN) & fast, bool)
