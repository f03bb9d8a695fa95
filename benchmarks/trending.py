"""Whether our trending foretells later upvotes better than the morning's raw count does.

    python benchmarks/trending.py [RECORDINGS] [--json]

*Rate.* A morning is a moment at which the papers of one day were read, had been read three hours or more before, and
were read again later. Of every two of its papers that ended with different counts, a score is right if it put the one
that ended higher first. Scores are compared within a morning, because a digest compares papers of the same days, and
resampled by paper within mornings. Answers that repeat an earlier one to the last digit for a whole day are copies, not
readings, and left out.

*Youth.* Where there is but one reading, a paper that was submitted later has had less time. Does a credit for its age
(the logarithm of the count less so many times that of the hours) help? No paper with a known hour was read twice, so
the outcome is another one: whether somebody put the paper on a curated list since (AUC within the day, by day).
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
    found = {"rate": rate(mornings(readings)), "youth": youth(arguments.recordings, readings)}
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


def youth(recordings: Path, days: Mapping[str, Sequence[Candidate]]) -> list[dict[str, object]]:
    """For each credit, how often a paper that was listed later stands before another of its day, and the gain."""
    submitted, wanted = _submitted(recordings / "huggingface"), _listed(recordings / "cases" / "lists")
    plain, credited = [], []
    for papers in days.values():
        aged = [(p, age) for p in papers if (age := _age(p, submitted)) is not None]
        relevant = {p.paper.id: 1.0 for p, _ in aged if p.paper.id in wanted}
        if len(aged) >= FEWEST and 0 < len(relevant) < len(aged):
            ids = [p.paper.id for p, _ in aged]
            counts = np.log1p([p.signals[0].upvotes for p, _ in aged])
            hours = np.log([age for _, age in aged])
            plain.append(auc(by_score(ids, counts), relevant))
            credited.append([auc(by_score(ids, counts - credit * hours), relevant) for credit in CREDITS])
    gains = np.array(credited).T - np.array(plain)
    rows: list[dict[str, object]] = []
    for credit, gain in zip(CREDITS, gains, strict=True):
        told = estimate(gain)._asdict()
        rows.append({"credit": credit, "days": len(plain), "raw": round(float(np.mean(plain)), 3)})
        rows[-1] |= {name: round(value, 3) for name, value in told.items()}
    return rows


def _age(paper: Candidate, submitted: Mapping[str, datetime]) -> float | None:
    """Hours from submission to the only reading; None where either is unknown."""
    since = submitted.get(paper.paper.id)
    hours = (paper.signals[0].at - since).total_seconds() / 3600 if since else 0.0
    return hours if 0 < hours < 24 else None


def _submitted(folder: Path) -> dict[str, datetime]:
    found = {}
    for file in folder.glob("20*.json.gz"):
        for entry in json.loads(gzip.decompress(file.read_bytes())):
            if moment := entry["paper"].get("submittedOnDailyAt"):
                found[entry["paper"]["id"]] = datetime.fromisoformat(moment)
    return found


def _listed(folder: Path) -> set[str]:
    return {paper for case in _cases(folder) for paper in (*case["relevant"], *case["liked"])}


def _cases(folder: Path) -> Iterator[dict[str, list[str]]]:
    for file in folder.glob("cases-*.jsonl.gz"):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


if __name__ == "__main__":
    main()
