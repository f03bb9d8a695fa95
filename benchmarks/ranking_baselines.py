"""What others rank with: the baselines of `benchmarks/ranking.py`, on scikit-learn's vectors."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.svm import LinearSVC

from digest.models import Paper
from digest.ranking.evaluate import Case
from digest.ranking.text import text_of
from digest.ranking.vectors import Vectors

Scores = NDArray[np.float64]
Scorer = Callable[[Case], Scores]


class Lexical:
    """Methods on words, with TF-IDF of words and pairs, rarity as in the papers known earlier."""

    def __init__(self, known: Iterable[Paper], papers: Sequence[Paper]) -> None:
        self._vectorizer = TfidfVectorizer(
            ngram_range=(1, 2), sublinear_tf=True, stop_words="english", min_df=2, max_df=0.5, dtype=np.float32
        )
        self._vectorizer.fit(map(text_of, known))
        self._rarity = dict(zip(self._vectorizer.get_feature_names_out(), self._vectorizer.idf_, strict=True))
        self._analyse = CountVectorizer(stop_words="english").build_analyzer()
        self._words = {p.id: Counter(self._analyse(text_of(p))) for p in papers}
        self._matrix = csr_matrix(self._vectorizer.transform(map(text_of, papers)))
        self._row = {p.id: n for n, p in enumerate(papers)}

    def methods(self) -> dict[str, Scorer]:
        """By name."""
        return {"TF-IDF cosine": self.cosine, "BM25": self.bm25, "SVM": self.svm, "weighted library": self.library}

    def cosine(self, case: Case) -> Scores:
        """Likeness to the mean of what the reader gave."""
        return np.asarray(self._pool(case) @ self._given(case).mean(axis=0).T, np.float64).ravel()

    def library(self, case: Case) -> Scores:
        """zotero-arxiv-daily's formula on TF-IDF: likeness to each liked paper, the newer ones counting more."""
        given = self._given(case)[::-1]
        weights = 1 / (1 + np.log10(np.arange(1, given.shape[0] + 1)))
        return np.asarray(self._pool(case) @ (given.T @ (weights / weights.sum())), np.float64).ravel()

    def svm(self, case: Case) -> Scores:
        """arxiv-sanity-lite: a linear SVM for each reader, every candidate a negative."""
        pool, given = self._pool(case), self._given(case)
        labels = np.r_[np.ones(given.shape[0]), np.zeros(pool.shape[0])]
        model = LinearSVC(class_weight="balanced", C=0.01, max_iter=10_000, tol=1e-4)
        model.fit(vstack([given, pool]), labels)
        return np.asarray(model.decision_function(pool), np.float64)

    def bm25(self, case: Case) -> Scores:
        """Okapi BM25, k1 = 1.2 and b = 0.75; the query is every word that the reader gave."""
        given = [t.phrase for t in case.reader.interests.topics] + [text_of(p) for p in case.reader.liked]
        wanted = {word for text in given for word in self._analyse(text)}
        papers = [self._words[p.id] for p in case.candidates]
        length = np.array([words.total() for words in papers], float)
        norms = 1.2 * (0.25 + 0.75 * length / max(length.mean(), 1))
        rarest = max(self._rarity.values())
        scores = [
            sum((self._rarity.get(w, rarest) - 1) * words[w] * 2.2 / (words[w] + norm) for w in wanted & words.keys())
            for words, norm in zip(papers, norms, strict=True)
        ]
        return np.array(scores)

    def _pool(self, case: Case) -> csr_matrix:
        return csr_matrix(self._matrix[[self._row[p.id] for p in case.candidates]])

    def _given(self, case: Case) -> csr_matrix:
        topics = csr_matrix(self._vectorizer.transform([t.phrase for t in case.reader.interests.topics] or [""]))
        liked = self._matrix[[self._row[p.id] for p in case.reader.liked]]
        return csr_matrix(vstack([topics, liked])) if case.reader.interests.topics else csr_matrix(liked)


def chance(case: Case) -> Scores:
    """No method at all."""
    return np.random.default_rng(zlib.crc32(case.case.encode())).random(len(case.candidates))


def alone(vectors: Vectors) -> Scorer:
    """An embedding by itself: likeness to the mean of what the reader gave, minus what all papers share."""

    def scores(case: Case) -> Scores:
        pool = np.array([vectors.papers[p.id] for p in case.candidates])
        given = [vectors.phrases[t.phrase] for t in case.reader.interests.topics]
        given += [vectors.papers[p.id] for p in case.reader.liked]
        centre = pool.mean(axis=0)
        rows = pool - centre
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return np.asarray(rows @ (np.mean(given, axis=0) - centre), np.float64)

    return scores
