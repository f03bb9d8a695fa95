"""Embeddings as values: who computed them, and where they are kept, is not known here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from digest.ranking.text import Floats


@dataclass(frozen=True)
class Vectors:
    """Embeddings by name: of a paper its id, of a topic its phrase. All of one model, of unit length."""

    papers: Mapping[str, Floats] = field(default_factory=dict)
    phrases: Mapping[str, Floats] = field(default_factory=dict)


NONE = Vectors()


def to_bytes(vector: Floats) -> bytes:
    """For the store: two bytes a dimension, which rank as four do."""
    return vector.astype("<f2").tobytes()


def from_bytes(data: bytes) -> Floats:
    """What `to_bytes` wrote."""
    return np.frombuffer(data, "<f2").astype(np.float32)
