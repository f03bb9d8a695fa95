"""How good the ranking is: on folders of judged cases, or on what one's own readers said of past issues."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import TextIO

import numpy as np

from digest.app.build import opened, semantic, system_clock
from digest.models import Paper
from digest.pipeline import Progress, Semantic, no_progress
from digest.pipeline.meaning import Kept, told
from digest.pipeline.replay import Replayed, replay
from digest.ranking import Vectors
from digest.ranking.evaluate import (
    Case,
    CaseSet,
    Estimate,
    auc,
    dumped,
    estimate,
    estimates,
    load,
    measure,
    order,
)
from digest.settings import Settings
from digest.sources.pace import folder as cache_folder
from digest.store import open_store

LEAST = 10
"""Judged papers below which an average says nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The ranking on one set of cases."""

    set: str
    """FOLDER/VARIANT."""
    method: str
    """`digest`, or `digest+semantic` where the operator named a model."""
    cases: int
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Looked:
    """The ranking of today on past issues. Of a rank, less is better; of `before`, more."""

    issues: int
    """Issues with a paper that its reader liked or disliked."""
    liked: int
    disliked: int
    candidates: float
    """Papers there were to choose from, the median."""
    liked_rank: Mapping[str, Estimate]
    """By ranking: where a liked paper would stand among all candidates, in shares of them: 0 is the top."""
    disliked_rank: Mapping[str, Estimate]
    before: Mapping[str, Estimate]
    """By ranking: how often a liked paper stands before the others of its mail; 0.5 is chance."""

    @property
    def enough(self) -> bool:
        """Whether this says anything."""
        return self.liked + self.disliked >= LEAST


OURS, UPVOTES, DIFFERENCE = "digest", "upvotes", "difference"


def evaluate(
    settings: Settings,
    folders: Iterable[Path],
    progress: Progress = no_progress,
    dump: TextIO | None = None,
) -> Iterator[Measured]:
    """The ranking that these settings give, on each set of each of *folders*; its orders go to *dump*.

    Raises:
        UsageError: a folder holds no cases, or one that cannot be read.
        SettingsError: the semantic model cannot be used.
    """
    model = semantic(settings)
    for folder in folders:
        progress(f"reading {folder.name}", 0, None)
        sets = list(load(folder))
        vectors = vectors_of_cases(sets, model, progress) if model else None
        for judged in sets:
            orders = list(_orders(judged, vectors, progress))
            if dump:
                dump.writelines(
                    f"{dumped(judged, case, ranked)}\n" for case, ranked in zip(judged.cases, orders, strict=True)
                )
            method = "digest+semantic" if model else "digest"
            yield Measured(judged.name, method, len(orders), estimates(measure(orders, judged.cases)))


def _orders(judged: CaseSet, vectors: Vectors | None, progress: Progress) -> Iterator[list[str]]:
    for number, case in enumerate(judged.cases, 1):
        yield order(case, judged.statistics, vectors)
        progress(f"ranking {judged.name}", number, len(judged.cases))


def vectors_of_cases(sets: Sequence[CaseSet], model: Semantic, progress: Progress) -> Vectors:
    """Vectors of everything in *sets*, which are kept in the user's cache for the next time."""
    from digest.ranking.embedding import vectors_of  # noqa: PLC0415 - an optional extra

    cases: list[Case] = [case for judged in sets for case in judged.cases]
    papers: dict[str, Paper] = {p.id: p for case in cases for p in (*case.candidates, *case.reader.liked)}
    phrases = {topic.phrase for case in cases for topic in case.reader.interests.topics}
    with closing(open_store(f"sqlite:///{cache_folder() / 'vectors.sqlite'}", str)) as store:
        kept = Kept(store, model.embedder.model, system_clock(), keep=True)
        return vectors_of(model.embedder, kept, papers.values(), phrases, progress=told(progress))


def look_back(
    settings: Settings, clock: Callable[[], datetime] = system_clock, progress: Progress = no_progress
) -> Looked:
    """Past issues of one's own readers, ordered anew; changes nothing."""
    with opened(settings, clock, progress, rehearse=True) as parts:
        replayed = list(replay(parts))
    pairs = [(each, found) for each in replayed if (found := _before(each)) is not None]
    return Looked(
        issues=len(replayed),
        liked=sum(len(each.liked) for each in replayed),
        disliked=sum(len(each.disliked) for each in replayed),
        candidates=median([len(each.ours) for each in replayed] or [0]),
        liked_rank=_compared([_ranks(each, each.liked) for each in replayed if each.liked]),
        disliked_rank=_compared([_ranks(each, each.disliked) for each in replayed if each.disliked]),
        before=_compared([found for _, found in pairs]),
    )


def _ranks(each: Replayed, wanted: frozenset[str]) -> tuple[float, float]:
    """Where *wanted* stand on average, by us and by upvotes, in shares of all candidates."""
    found = []
    for ranked in (each.ours, each.upvoted):
        place = {paper: number for number, paper in enumerate(ranked)}
        found.append(float(np.mean([place[i] for i in wanted])) / max(len(ranked) - 1, 1))
    return found[0], found[1]


def _before(each: Replayed) -> tuple[float, float] | None:
    """How often a liked paper stands before another of the mail, by us and by upvotes; None where all or none is."""
    shown = set(each.shown)
    if not each.liked or not shown - each.liked:
        return None
    ours, upvoted = ([i for i in ranked if i in shown] for ranked in (each.ours, each.upvoted))
    relevant = dict.fromkeys(each.liked, 1.0)
    return auc(ours, relevant), auc(upvoted, relevant)


def _compared(pairs: Sequence[tuple[float, float]]) -> dict[str, Estimate]:
    """Both, and by how much they differ; nothing where there is nothing to tell."""
    if not pairs:
        return {}
    values = np.array(pairs, float)
    ours, upvotes = values[:, 0], values[:, 1]
    return {OURS: estimate(ours), UPVOTES: estimate(upvotes), DIFFERENCE: estimate(ours - upvotes)}
