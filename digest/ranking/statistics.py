"""What the stored papers say about words: how rare each is, what goes with what, and what a typical score looks like.

* document frequencies, for the inverse document frequency of TF-IDF (Salton and Buckley 1988) and of BM25
  (Robertson and Zaragoza 2009);
* the mean paper, which Rocchio's rule subtracts (Rocchio 1971);
* a basis of latent semantic analysis (Deerwester et al. 1990), by the randomized SVD of Halko, Martinsson and Tropp
  (2011), so that a paper may match without sharing a word;
* a sample of ordinary papers, the *reference*, against which scores are standardised: that makes a score mean the same
  on a busy and on a quiet day, and gives the floor under which nothing is picked.

All of it is a few megabytes for 20,000 papers, takes seconds to learn and milliseconds to load.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from digest.models import Paper
from digest.ranking.text import Bag, Floats, Ids, bag, pile, select, text_of
from digest.ranking.views import Views

VERSION = 1
LATENT = 128
"""Dimensions of the latent view; 64 to 512 rank alike."""
LATENT_TERMS = 20_000
LATENT_PAPERS = 5_000
MIN_LATENT_PAPERS = 100
"""Below, what goes with what cannot be told, and words alone decide."""
REFERENCE = 500
MAX_TERMS = 300_000
CHUNK = 2_000

K1, B = 1.2, 0.75
TITLE = 0.6
"""What a word of a phrase gains by standing in the title, where once in an average text counts 1."""


@dataclass(frozen=True)
class Statistics:
    """See the module; made by `learn`, never changed."""

    papers: int
    """From how many papers."""
    ids: Ids
    """Known terms, ascending."""
    frequencies: NDArray[np.uint32]
    """In how many papers each is."""
    mean: Floats
    """The mean paper's TF-IDF weight of each term."""
    length: float
    """Mean number of terms of a paper, repeated ones included."""
    basis_ids: Ids
    """Terms of the latent view, ascending."""
    basis: NDArray[np.int8]
    """Latent terms x dimensions, in units of `basis_scale`."""
    basis_scale: Floats
    """One factor for each dimension."""
    centre: Floats
    """The mean paper in the latent view."""
    reference: tuple[Bag, ...]
    """Ordinary papers."""

    def to_bytes(self) -> bytes:
        """A compressed archive, for `from_bytes`; the same statistics give the same bytes."""
        starts, ids = pile(self.reference)
        arrays: dict[str, NDArray[Any]] = {
            "ids": np.diff(self.ids, prepend=np.uint32(0)),  # gaps are smaller numbers, and so shorter
            "frequencies": self.frequencies,
            "mean": self.mean.astype(np.float16),
            "basis_ids": np.diff(self.basis_ids, prepend=np.uint32(0)),
            "basis": self.basis,
            "basis_scale": self.basis_scale,
            "centre": self.centre,
            "starts": starts,
            "reference": ids,
            "counts": np.array([n for b in self.reference for n in b.counts], np.uint16),
            "titled": np.packbits(np.array([t for b in self.reference for t in b.titled], bool)),
            "numbers": np.array([VERSION, self.papers, self.length]),
        }
        out = io.BytesIO()
        np.savez(out, allow_pickle=False, **arrays)
        return zlib.compress(out.getvalue(), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Statistics:
        """What `to_bytes` wrote.

        Raises:
            ValueError: it is damaged or of another version of this program; learn again.
        """
        try:
            return cls._from_archive(zlib.decompress(data))
        except (zlib.error, KeyError, OSError, EOFError) as error:
            raise ValueError(f"these are no word statistics: {error}") from error

    @classmethod
    def _from_archive(cls, data: bytes) -> Statistics:
        with np.load(io.BytesIO(data), allow_pickle=False) as a:
            version, papers, length = a["numbers"]
            if version != VERSION:
                raise ValueError(f"these word statistics are of version {version:.0f}, not {VERSION}")
            ids, counts = a["reference"], a["counts"].astype(np.float32)
            titled = np.unpackbits(a["titled"], count=len(ids)).astype(bool)
            return cls(
                papers=int(papers),
                ids=np.cumsum(a["ids"], dtype=np.uint32),
                frequencies=a["frequencies"],
                mean=a["mean"].astype(np.float32),
                length=float(length),
                basis_ids=np.cumsum(a["basis_ids"], dtype=np.uint32),
                basis=a["basis"],
                basis_scale=a["basis_scale"],
                centre=a["centre"],
                reference=tuple(Bag(ids[i:j], counts[i:j], titled[i:j]) for i, j in pairwise(a["starts"])),
            )

    @cached_property
    def id(self) -> str:
        """Names exactly these statistics: profiles compiled under another id must be compiled again."""
        parts = (self.ids, self.frequencies, self.basis, self.centre)
        crc = 0
        for part in parts:
            crc = zlib.crc32(part.tobytes(), crc)
        return f"{VERSION}-{self.papers}-{crc:08x}"

    def document_frequency(self, ids: Ids) -> Floats:
        """In how many of the papers each term is; 0 for an unknown one."""
        return _at(self.ids, self._frequencies, ids)

    def mean_of(self, ids: Ids) -> Floats:
        """The mean paper's weight of each term."""
        return _at(self.ids, self.mean, ids)

    def idf(self, ids: Ids) -> Floats:
        """Smooth inverse document frequency, 1 for a term that all papers have."""
        idf: Floats = np.log((1 + self.papers) / (1 + self.document_frequency(ids))) + np.float32(1)
        return idf.astype(np.float32)

    def bm25_idf(self, ids: Ids) -> Floats:
        """Robertson and Sparck Jones's, kept positive (as Lucene does)."""
        found = self.document_frequency(ids)
        return np.asarray(np.log1p((self.papers - found + 0.5) / (found + 0.5)), np.float32)

    @cached_property
    def reference_views(self) -> Views:
        """The ordinary papers as matrices."""
        return Views.of(self.reference, self)

    def tfidf(self, paper: Bag) -> Floats:
        """Weights of the terms of one paper, of unit length: sublinear TF times IDF."""
        weights = (1 + np.log(paper.counts)) * self.idf(paper.ids)
        return np.asarray(weights / max(float(np.linalg.norm(weights)), 1e-9), np.float32)

    def bm25(self, paper: Bag) -> Floats:
        """Saturated, length-normalised weight of each term of one paper without the IDF; a title adds to it."""
        length = 1 - B + B * paper.length / max(self.length, 1.0)
        return np.asarray(paper.counts * (K1 + 1) / (paper.counts + K1 * length) + TITLE * paper.titled, np.float32)

    @property
    def dimensions(self) -> int:
        """Of the latent view; 0 where too few papers were known."""
        return int(self.basis.shape[1])

    @cached_property
    def _frequencies(self) -> Floats:
        return self.frequencies.astype(np.float32)

    @cached_property
    def _basis(self) -> Floats:
        return self.basis * self.basis_scale

    def latent(self, weights: csr_matrix, ids: Ids) -> Floats:
        """The latent view of rows of term weights (columns *ids*), neither centred nor of unit length."""
        return np.asarray(weights @ self._rows(ids), np.float32)

    def latent_terms(self, ids: Ids, weights: Floats, directions: Floats) -> Floats:
        """What each weighted term of one paper adds to its centred latent view times *directions* (columns)."""
        rows = weights[:, None] * self._rows(ids)
        length = max(float(np.linalg.norm(rows.sum(axis=0) - self.centre)), 1e-9)
        return np.asarray(rows @ directions / length, np.float32)

    def _rows(self, ids: Ids) -> Floats:
        """Terms x dimensions: where each term points; nowhere if the basis does not have it."""
        place = np.searchsorted(self.basis_ids, ids)
        place[place == len(self.basis_ids)] = 0
        known = self.basis_ids[place] == ids if len(self.basis_ids) else np.zeros(len(ids), bool)
        rows = np.zeros((len(ids), self.dimensions), np.float32)
        rows[known] = self._basis[place[known]]
        return rows

    def centred(self, latent: Floats) -> Floats:
        """Rows of the latent view without what all papers share, of unit length; of no known word, nothing is known."""
        moved = np.where(latent.any(axis=1, keepdims=True), latent - self.centre, np.float32(0))
        norms = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.asarray(moved / np.maximum(norms, 1e-9), np.float32)


def unit(vector: Floats) -> Floats:
    """*vector* with length 1; nothing stays nothing."""
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)


def _at(keys: Ids, values: Floats, wanted: Ids) -> Floats:
    """`values` of the *wanted* keys, 0 where there is none."""
    if not len(keys):
        return np.zeros(len(wanted), np.float32)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], np.float32(0))


def learn(papers: Iterable[Paper]) -> Statistics:
    """Word statistics of *papers*, in any order; memory is bounded by the vocabulary, not by the number of papers."""
    counter = _Counter()
    for paper in papers:
        counter.add(paper)
    return counter.statistics()


class _Counter:
    """Counts papers as they come; keeps the bags of a sample that depends on the papers and not on their order."""

    def __init__(self) -> None:
        self.papers = 0
        self.length = 0.0
        self.ids = np.empty(0, np.uint32)
        self.frequencies = np.empty(0, np.uint32)
        self.fresh: list[Ids] = []
        self.sample: dict[tuple[int, str], Bag] = {}

    def add(self, paper: Paper) -> None:
        terms = bag(text_of(paper), paper.title)
        if not len(terms.ids):
            return
        self.papers += 1
        self.length += terms.length
        self.fresh.append(terms.ids)
        self.sample[zlib.crc32(paper.id.encode()), paper.id] = terms
        if len(self.fresh) == CHUNK:
            self._merge()

    def _merge(self) -> None:
        """Take the fresh papers into the counts, and forget what is too much."""
        ids, found = np.unique(np.concatenate([self.ids, *self.fresh]), return_counts=True)
        counts = found.astype(np.uint32)
        known = np.searchsorted(ids, self.ids)
        counts[known] += self.frequencies - np.uint32(1)
        # Lossy counting (Manku and Motwani 2002): what is rarest so far goes when there is too much of it.
        while len(ids) > 4 * MAX_TERMS:
            keep = counts > counts.min()
            ids, counts = ids[keep], counts[keep]
        self.ids, self.frequencies, self.fresh = ids, counts, []
        self.sample = dict(sorted(self.sample.items())[:LATENT_PAPERS])

    def statistics(self) -> Statistics:
        self._merge()
        ids, frequencies = self._vocabulary()
        bags = list(self.sample.values())
        length = self.length / max(self.papers, 1)
        none = np.empty(0, np.float32)
        draft = Statistics(
            self.papers, ids, frequencies, none, length, ids[:0], np.empty((0, 0), np.int8), none, none, ()
        )
        weights = _matrix(draft, bags, ids)
        mean = np.asarray(weights.mean(axis=0), np.float32).ravel() if bags else np.zeros(len(ids), np.float32)
        basis_ids, basis, scale, centre = _latent(weights, ids, frequencies)
        return Statistics(
            self.papers, ids, frequencies, mean, length, basis_ids, basis, scale, centre, tuple(bags[:REFERENCE])
        )

    def _vocabulary(self) -> tuple[Ids, NDArray[np.uint32]]:
        """The terms worth keeping: from a thousand papers on, none that a single paper has; `MAX_TERMS` at most."""
        least = 1 if self.papers < 1000 else 2
        while (self.frequencies >= least).sum() > MAX_TERMS:
            least += 1
        keep = self.frequencies >= least
        return self.ids[keep], self.frequencies[keep]


def _matrix(statistics: Statistics, bags: list[Bag], ids: Ids) -> csr_matrix:
    """Papers x *ids*, in TF-IDF; rows had unit length before terms outside *ids* went."""
    starts, found = pile(bags)
    data = np.concatenate([statistics.tfidf(b) for b in bags]) if bags else np.empty(0, np.float32)
    return select(starts, found, data, ids)


def _latent(
    weights: csr_matrix, ids: Ids, frequencies: NDArray[np.uint32]
) -> tuple[Ids, NDArray[np.int8], Floats, Floats]:
    """Terms, quantised basis, its scale, and the mean paper, of the sample's best-known terms."""
    papers = weights.shape[0]
    size = min(LATENT, papers // 4)
    if papers < MIN_LATENT_PAPERS:
        return ids[:0], np.empty((0, 0), np.int8), np.empty(0, np.float32), np.empty(0, np.float32)
    by_frequency = np.argsort(frequencies, kind="stable")[::-1]
    kept = np.sort(by_frequency[:LATENT_TERMS])
    sample = csr_matrix(weights[:, kept])
    basis = _right_singular_vectors(sample, size)
    scale = np.abs(basis).max(axis=0) / 127
    small = np.round(basis / scale).astype(np.int8)
    centre = (sample.mean(axis=0) @ (small * scale)).astype(np.float32)
    return ids[kept], small, scale.astype(np.float32), np.asarray(centre, np.float32).ravel()


def _right_singular_vectors(a: csr_matrix, size: int) -> NDArray[np.float32]:
    """Terms x *size*: the leading right singular vectors.

    Randomised subspace iteration (Halko et al. 2011, algorithm 4.4 with four power steps) on the side of the papers,
    which is the short one; the projected problem is solved by its small Gram matrix.
    """
    start = np.random.default_rng(0).standard_normal((a.shape[1], size + 16), dtype=np.float32)
    q = np.linalg.qr(a @ start)[0]
    for _ in range(4):
        q = np.linalg.qr(a @ (a.T @ q))[0]
    projected = a.T @ q
    squares, vectors = np.linalg.eigh(projected.T @ projected)
    largest = np.argsort(squares)[::-1][:size]
    lengths = np.sqrt(np.maximum(squares[largest], 1e-12))
    return np.ascontiguousarray(projected @ vectors[:, largest] / lengths, np.float32)
