"""How good a ranking is, on judged cases: nDCG@10, MRR, recall@20 and AUC, with bootstrap intervals.

A folder of cases holds `papers.jsonl.gz`, one or more `cases-VARIANT.jsonl.gz`, and perhaps `background.jsonl.gz` with
papers known earlier, from which the word statistics are learnt; without it they come from the folder's papers, as a
store's come from what it holds. A case: `{"case", "topics": [phrase], "liked": [id], "candidates": [id], "relevant":
{id: grade}}`. Papers may lack fields, or be missing altogether: they are ranked by what is there.

nDCG: Järvelin and Kekäläinen 2002, gain = grade. Intervals: percentile bootstrap over cases (Efron 1979).
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from digest.errors import UsageError
from digest.models import Candidate, Interests, Paper, Topic
from digest.ranking.pool import Pool, prepare
from digest.ranking.profiles import Reader, compile_reader
from digest.ranking.scoring import score
from digest.ranking.statistics import Statistics, learn
from digest.ranking.vectors import Vectors

_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
"""All papers of a case are listed on one day; which one decides nothing."""

Values = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Case:
    """One reader's judged list."""

    case: str
    reader: Reader
    candidates: tuple[Paper, ...]
    """Without repetition."""
    relevant: Mapping[str, float]
    """Grades of the relevant ones."""


@dataclass(frozen=True, slots=True)
class CaseSet:
    """The cases of one variant."""

    name: str
    """FOLDER/VARIANT."""
    cases: tuple[Case, ...]
    statistics: Statistics
    known: tuple[Paper, ...]
    """Those that the statistics come from."""


class Estimate(NamedTuple):
    """The mean over cases, and its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def load(folder: Path) -> Iterator[CaseSet]:
    """The sets of one folder, in the order of their names.

    Raises:
        UsageError: the folder holds no cases, or a line of its files is not as it must be.
    """
    files = sorted(folder.glob("cases-*.jsonl.gz"))
    if not files or not (folder / "papers.jsonl.gz").is_file():
        raise UsageError(f"{folder}: papers.jsonl.gz and cases-VARIANT.jsonl.gz are needed")
    papers = {p.id: p for p in _read(folder / "papers.jsonl.gz", _paper) if p.id}
    background = folder / "background.jsonl.gz"
    known = tuple(_read(background, _paper) if background.is_file() else papers.values())
    statistics = learn(known)
    for file in files:
        variant = file.name.removeprefix("cases-").removesuffix(".jsonl.gz")
        cases = tuple(_read(file, partial(_case, papers)))
        if not cases:
            raise UsageError(f"{file}: holds no case")
        yield CaseSet(f"{folder.resolve().name}/{variant}", cases, statistics, known)


def _read(file: Path, made: Callable[[Mapping[str, Any]], T]) -> Iterator[T]:
    """What *made* makes of each line; what is wrong with one is told with its place."""
    number = 0
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                number += 1
                if line.strip():
                    yield made(_object(json.loads(line), "a line"))
    except KeyError as error:
        raise UsageError(f"{file}:{number}: {error} is missing") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{file}:{number}: no JSON: {error}") from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"{file}:{number}: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{file}:{number + 1}: cannot be read: {error}") from error


def _paper(line: Mapping[str, Any]) -> Paper:
    return Paper(
        id=_text(line.get("id", ""), "id"),
        title=_text(line.get("title"), "title"),
        abstract=_text(line.get("abstract"), "abstract"),
        authors=_texts(line.get("authors"), "authors"),
        categories=_texts(line.get("categories"), "categories"),
    )


def _case(papers: Mapping[str, Paper], line: Mapping[str, Any]) -> Case:
    liked = _texts(line.get("liked"), "liked")
    interests = Interests(
        topics=tuple(map(Topic, _texts(line.get("topics"), "topics"))),
        authors=_texts(line.get("authors"), "authors"),
        categories=_texts(line.get("categories"), "categories"),
        liked=liked,
    )
    reader = Reader(interests, liked=tuple(papers[i] for i in liked if i in papers))
    candidates = tuple(papers.get(i) or Paper(i, "") for i in dict.fromkeys(_texts(line["candidates"], "candidates")))
    relevant = {i: _grade(grade) for i, grade in _object(line["relevant"], "relevant").items()}
    return Case(_text(line["case"], "case"), reader, candidates, relevant)


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be an object, not {value!r:.40}")
    return value


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | None):
        raise TypeError(f"{name} must be a list, not {value!r:.40}")
    return tuple(_text(each, name) for each in value or ())


def _text(value: Any, name: str) -> str:
    """*value*, which may be missing; ids may be numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise TypeError(f"{name} must be text, not {value!r:.40}")
    return "" if value is None else str(value)


def _grade(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"a grade must be a number from 0 on, not {value!r:.40}")
    return float(value)


def order(case: Case, statistics: Statistics, vectors: Vectors | None = None) -> list[str]:
    """Every candidate's id, best first, by the scores that choose the picks of a digest."""
    listed = [Candidate(paper, _SOME_DAY, ("case",)) for paper in case.candidates]
    pool = prepare(listed, statistics, _SOME_DAY, embedding=vectors)
    return order_for(pool, replace(case.reader, vectors=vectors) if vectors else case.reader)


def order_for(pool: Pool, reader: Reader) -> list[str]:
    """As `order`, of a prepared day."""
    scores = score(pool, [reader], [compile_reader(reader, pool.statistics)])
    return by_score([c.paper.id for c in pool.candidates], scores.total[0])


def by_score(ids: Sequence[str], scores: Iterable[float]) -> list[str]:
    """*ids*, best first; equal scores in an order that has nothing to do with the case."""
    return [i for _, _, i in sorted((-s, zlib.crc32(i.encode()), i) for i, s in zip(ids, scores, strict=True))]


def ndcg(ranked: Sequence[str], relevant: Mapping[str, float], depth: int = 10) -> float:
    """Discounted gain of the first ten over the best that is possible."""
    gain = sum(relevant.get(i, 0) / math.log2(n + 2) for n, i in enumerate(ranked[:depth]))
    best = sorted(relevant.values(), reverse=True)[:depth]
    return gain / max(sum(g / math.log2(n + 2) for n, g in enumerate(best)), 1e-12)


def reciprocal_rank(ranked: Sequence[str], relevant: Mapping[str, float]) -> float:
    """1 over the place of the first relevant paper."""
    return next((1 / n for n, i in enumerate(ranked, 1) if relevant.get(i, 0) > 0), 0.0)


def recall(ranked: Sequence[str], relevant: Mapping[str, float], depth: int = 20) -> float:
    """Share of the relevant papers among the first twenty."""
    wanted = {i for i, grade in relevant.items() if grade > 0}
    return len(wanted & set(ranked[:depth])) / max(len(wanted), 1)


def auc(ranked: Sequence[str], relevant: Mapping[str, float]) -> float:
    """How often a relevant paper stands before another one."""
    good = np.array([relevant.get(i, 0) > 0 for i in ranked], bool)
    pairs = good.sum() * (~good).sum()
    return float(np.cumsum(good)[~good].sum() / pairs) if pairs else 0.5


METRICS = {"nDCG@10": ndcg, "MRR": reciprocal_rank, "recall@20": recall, "AUC": auc}


def measure(orders: Sequence[Sequence[str]], cases: Sequence[Case]) -> dict[str, Values]:
    """Each metric of each case."""
    pairs = list(zip(orders, cases, strict=True))
    return {
        name: np.array([metric(ranked, case.relevant) for ranked, case in pairs]) for name, metric in METRICS.items()
    }


def estimates(metrics: Mapping[str, Values]) -> dict[str, Estimate]:
    """The mean of each metric, with its interval."""
    return {name: estimate(values) for name, values in metrics.items()}


def estimate(values: Values) -> Estimate:
    """The mean of *values*, with its interval; of a paired difference, pass the differences."""
    return Estimate(float(values.mean()) if len(values) else 0.0, *interval(values))


def dumped(judged: CaseSet, case: Case, ranked: Sequence[str]) -> str:
    """The order of one case, as a line of JSON."""
    return json.dumps({"set": judged.name, "case": case.case, "order": list(ranked)}, ensure_ascii=False)


def interval(values: Values, draws: int = 2000) -> tuple[float, float]:
    """95 % interval of the mean of *values*; of a paired difference, pass the differences.

    >>> interval(np.ones(5))
    (1.0, 1.0)
    """
    if not len(values):
        return 0.0, 0.0
    drawn = np.random.default_rng(0).integers(0, len(values), (draws, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
