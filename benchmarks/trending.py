"""Whether our trending foretells later upvotes better than the morning's raw count does.

    python benchmarks/trending.py [RECORDINGS] [--json]

*Rate.* A morning is a moment at which the papers of one day were read, had been read three hours or more before, and
were read again later. Of every two of its papers that ended with different counts, a score is right if it put the one
that ended higher first. Scores are compared within a morning, because a digest compares papers of the same days, and
resampled by paper within mornings. Answers that repeat an earlier one to the last digit for a whole day are copies, not
readings, and left out.

*One reading.* A paper that was submitted later has had less time; some submitters and organisations are read more.
Does a credit for its age (the logarithm of the count less so many times that of the hours), or for the base rate of who
brought it (half its mean on earlier days, shrunk), help? No paper with a known hour was read twice, so the outcome is
another one: whether somebody put the paper on a curated list since (AUC within the day, resampled by day).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from digest.models import Candidate, Paper, Signal
from digest.ranking.evaluate import auc, by_score, estimate
from digest.ranking.trending import APART, expected

RECORDINGS = Path(os.environ.get("DIGEST_RECORDINGS") or Path(__file__).parents[2] / "shared" / "data")
Numbers = NDArray[np.float64]
LATER = timedelta(hours=2)
FEWEST = 5
"""Papers of a morning, or of a day, below which it is left out."""
CREDITS = (0.2, 0.5, 1.0)
SHRINK = 5
"""Papers that a base rate is shrunk by."""
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Question:
    """A paper as it stood one morning, and how it ended."""

    candidate: Candidate
    later: int


def main() -> None:
    """Print what each score foretells."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recordings", nargs="?", type=Path, default=RECORDINGS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    readings = read(arguments.recordings / "huggingface" / "upvote_readings.csv.gz")
    found = {"rate": rate(mornings(readings)), "one reading": one_reading(arguments.recordings, readings)}
    if arguments.json:
        print(json.dumps(found))
        return
    for name, rows in found.items():
        print(f"\n{name}")
        for row in rows:
            print("  " + ", ".join(f"{key} {value}" for key, value in row.items()))


def read(file: Path) -> dict[str, list[Candidate]]:
    """By day: each paper with all its readings."""
    papers: dict[tuple[str, str], list[Signal]] = defaultdict(list)
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            at = datetime.fromisoformat(row["read_at"]).astimezone(UTC)
            papers[row["listing_date"], row["paper_id"]].append(Signal(at, upvotes=int(row["upvotes"])))
    days: dict[str, list[Candidate]] = defaultdict(list)
    for (day, paper_id), signals in papers.items():
        ordered = tuple(sorted(signals, key=lambda s: s.at))
        listed = datetime.fromisoformat(day).replace(tzinfo=UTC)
        days[day].append(Candidate(Paper(paper_id, ""), listed, ("huggingface",), ordered))
    return days


def mornings(days: Mapping[str, Sequence[Candidate]]) -> dict[str, list[Question]]:
    """By day, its papers at the first moment at which a rate was known."""
    found = {day: [q for q in map(_question, papers) if q] for day, papers in days.items() if not _copied(papers)}
    return {day: questions for day, questions in sorted(found.items()) if len(questions) >= FEWEST}


def _copied(papers: Sequence[Candidate]) -> bool:
    again = [p for p in papers if p.signals[-1].at - p.signals[0].at >= LATER]
    return all(p.signals[0].upvotes == p.signals[-1].upvotes for p in again)


def _question(paper: Candidate) -> Question | None:
    first, last = paper.signals[0], paper.signals[-1]
    for number, signal in enumerate(paper.signals, 1):
        if signal.at - first.at >= APART and last.at - signal.at >= LATER:
            known = Candidate(paper.paper, paper.listed_at, paper.sources, paper.signals[:number])
            return Question(known, last.upvotes)
    return None


def rate(asked: Mapping[str, Sequence[Question]]) -> list[dict[str, object]]:
    """Each morning, and all of them: the share of pairs in the right order, by the raw count and by us."""
    rows: list[dict[str, object]] = []
    tables = {day: _table(questions) for day, questions in asked.items()}
    for day, table in tables.items():
        raw, ours, later = table
        row = {"papers": len(later), "raw": right(raw, later), "ours": right(ours, later)}
        ranks = {"raw_spearman": spearman(raw, later), "ours_spearman": spearman(ours, later)}
        rows.append({"morning": day, **{k: round(v, 3) for k, v in (row | ranks).items()}})
    dice = np.random.default_rng(0)
    drawn = [
        np.mean([_gain(t[:, dice.integers(0, t.shape[1], t.shape[1])]) for t in tables.values()]) for _ in range(DRAWS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    mean = float(np.mean([_gain(table) for table in tables.values()]))
    papers = sum(table.shape[1] for table in tables.values())
    whole = {"gain": round(mean, 3), "low": round(float(low), 3), "high": round(float(high), 3)}
    return [*rows, {"morning": "all", "papers": papers, **whole}]


def _table(questions: Sequence[Question]) -> Numbers:
    """The raw count, our expectation and the later count of each paper, as three rows."""
    values = [(q.candidate.signals[-1].upvotes, expected(q.candidate), q.later) for q in questions]
    return np.array(values, float).T


def _gain(table: Numbers) -> float:
    raw, ours, later = table
    return right(ours, later) - right(raw, later)


def right(score: Numbers, later: Numbers) -> float:
    """Share of the pairs with different ends that *score* orders as they ended; a tie is half right."""
    one, other = np.triu_indices(len(later), 1)
    decided = later[one] != later[other]
    agreement = np.sign(score[one] - score[other]) * np.sign(later[one] - later[other])
    return float((agreement[decided] + 1).mean() / 2) if decided.any() else 0.5


def spearman(one: Numbers, other: Numbers) -> float:
    """Rank correlation, ties sharing their ranks."""
    a, b = rankdata(one), rankdata(other)
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 0.0


def one_reading(recordings: Path, days: Mapping[str, Sequence[Candidate]]) -> list[dict[str, object]]:
    """For each credit, how often a paper that was listed later stands before another of its day, and the gain."""
    brought, wanted = _brought(recordings / "huggingface"), _listed(recordings / "cases" / "lists")
    rates = {name: BaseRate() for name in ("submitter", "organisation")}
    gains: dict[str, list[float]] = defaultdict(list)
    for _, papers in sorted(days.items()):
        aged = [(p, how, age) for p in papers if (how := brought.get(p.paper.id)) and (age := _age(p, how)) is not None]
        if len(aged) < FEWEST:
            continue
        ids = [p.paper.id for p, _, _ in aged]
        counts = np.log1p([p.signals[0].upvotes for p, _, _ in aged])
        hours = np.log([age for _, _, age in aged])
        scores = {"raw": counts} | {f"youth {credit}": counts - credit * hours for credit in CREDITS}
        for name, rate in rates.items():
            names = [getattr(how, name) for _, how, _ in aged]
            scores[name] = counts + 0.5 * rate.of(names)
            rate.learn(names, counts - counts.mean())
        relevant = {i: 1.0 for i in ids if i in wanted}
        if 0 < len(relevant) < len(ids):
            for name, score in scores.items():
                gains[name].append(auc(by_score(ids, score), relevant))
    raw = np.array(gains.pop("raw"))
    rows: list[dict[str, object]] = [{"score": "raw count", "days": len(raw), "AUC": round(float(raw.mean()), 3)}]
    for name, values in gains.items():
        told = estimate(np.array(values) - raw)
        rows.append({"score": name, **{key: round(value, 3) for key, value in told._asdict().items()}})
    return rows


@dataclass(frozen=True, slots=True)
class Brought:
    """How a paper came to the page."""

    at: datetime
    submitter: str
    organisation: str


class BaseRate:
    """By how much the papers of a name are read more than others, as known on earlier days."""

    def __init__(self) -> None:
        self._sum: dict[str, float] = defaultdict(float)
        self._number: dict[str, int] = defaultdict(int)

    def of(self, names: Sequence[str]) -> Numbers:
        """The rate of each name; 0 for one without a name or without a past."""
        return np.array([self._sum[n] / (self._number[n] + SHRINK) if n else 0.0 for n in names])

    def learn(self, names: Sequence[str], values: Numbers) -> None:
        """A day is over."""
        for name, value in zip(names, values.tolist(), strict=True):
            self._sum[name] += value
            self._number[name] += 1


def _age(paper: Candidate, brought: Brought) -> float | None:
    """Hours from submission to the only reading; None where there are none."""
    hours = (paper.signals[0].at - brought.at).total_seconds() / 3600
    return hours if 0 < hours < 24 else None


def _brought(folder: Path) -> dict[str, Brought]:
    found = {}
    for file in folder.glob("20*.json.gz"):
        for entry in json.loads(gzip.decompress(file.read_bytes())):
            paper = entry["paper"]
            if moment := paper.get("submittedOnDailyAt"):
                person, place = paper.get("submittedOnDailyBy") or {}, paper.get("organization") or {}
                found[paper["id"]] = Brought(
                    datetime.fromisoformat(moment), person.get("user") or "", place.get("name") or ""
                )
    return found


def _listed(folder: Path) -> set[str]:
    return {paper for case in _cases(folder) for paper in (*case["relevant"], *case["liked"])}


def _cases(folder: Path) -> Iterator[dict[str, list[str]]]:
    for file in folder.glob("cases-*.jsonl.gz"):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


if __name__ == "__main__":
    main()
