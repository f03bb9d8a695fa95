"""What the public makes of today's papers.

Counts are heavy-tailed and grow with a paper's age, so a paper is compared with others as old as it is, on a log scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from digest.models import Candidate
from digest.ranking.text import Floats

HALF_LIFE = 48.0
"""Hours after which a count is worth half."""


@dataclass(frozen=True, slots=True)
class Trend:
    """How each candidate stands in the public's eye."""

    heat: Floats
    """Standardised within the pool, -1 to 3; 0 for a paper without a signal: nobody asked is not nobody liked."""
    percentile: Floats
    """Of the heat among papers with a signal, 0 to 100; 0 without."""
    rising: NDArray[np.bool_]
    """Gains upvotes faster than nine in ten of its peers."""
    known: NDArray[np.bool_]
    """Has a signal with an upvote."""


def trend(candidates: Sequence[Candidate], now: datetime) -> Trend:
    """The trend of each of *candidates* at *now*."""
    known = np.array([c.signal is not None and c.signal.upvotes > 0 for c in candidates], bool)
    raw = np.array([_heat(c, now) for c in candidates], np.float32)
    gain = np.array([_velocity(c) for c in candidates], np.float32)
    heat = np.zeros(len(candidates), np.float32)
    percentile = np.zeros(len(candidates), np.float32)
    if known.any():
        spread = max(float(raw[known].std()), 0.5)
        heat[known] = np.clip((raw[known] - raw[known].mean()) / spread, -1, 3)
        percentile[known] = 100 * _ranks(raw[known])
    moving = known & (gain > 0)
    rising = moving & (gain >= np.quantile(gain[known], 0.9) if known.any() else False)
    return Trend(heat, percentile, rising, known)


def _heat(candidate: Candidate, now: datetime) -> float:
    last = candidate.signal
    if last is None:
        return 0.0
    age = max((now - candidate.listed_at).total_seconds() / 3600, 0.0)
    weight = last.upvotes + 0.5 * last.comments + _velocity(candidate) * 24
    return float(np.log1p(max(weight, 0.0)) - np.log(2) * age / HALF_LIFE)


def _velocity(candidate: Candidate) -> float:
    """Upvotes an hour between the last reading and the one about a day before; 0 with a single reading."""
    last = candidate.signal
    if last is None or len(candidate.signals) < 2:
        return 0.0
    first = min(candidate.signals[:-1], key=lambda s: abs((last.at - s.at).total_seconds() - 86400))
    hours = (last.at - first.at).total_seconds() / 3600
    return max(last.upvotes - first.upvotes, 0) / max(hours, 1.0)


def _ranks(values: Floats) -> Floats:
    """Share of values that are no higher, 0..1."""
    order = np.sort(values)
    return np.asarray(np.searchsorted(order, values, side="right") / len(values), np.float32)
