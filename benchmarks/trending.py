"""Whether our trending foretells later upvotes better than the morning's raw count does.

    python benchmarks/trending.py [READINGS] [--json]

READINGS is a CSV (may be gzipped) with paper_id, read_at, listing_date and upvotes: several readings of one paper are
told apart by their times. Every reading with a later one at least six hours on is a question: which of the papers will
have gained, and which will stand high? A score answers well if its order agrees with the later one (Spearman), in all
and among those whose rate is known because they had been read before.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from digest.models import Candidate, Paper, Signal
from digest.ranking.trending import expected

RECORDINGS = Path(os.environ.get("DIGEST_RECORDINGS") or Path(__file__).parents[2] / "shared" / "data")
DEFAULT = RECORDINGS / "huggingface" / "upvote_readings.csv.gz"
Numbers = NDArray[np.float64]
LATER = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Question:
    """A paper as it stood one morning, and how it ended."""

    candidate: Candidate
    later: int


def main() -> None:
    """Print both scores' agreement with what came."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("readings", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    asked = list(questions(arguments.readings))
    groups = {
        "all": asked,
        "one reading": [q for q in asked if len(q.candidate.signals) == 1],
        "several readings": [q for q in asked if len(q.candidate.signals) > 1],
    }
    for name, group in groups.items():
        result = {"group": name, "questions": len(group)} | answers(group)
        print(json.dumps(result) if arguments.json else _line(result))


def questions(file: Path) -> Iterator[Question]:
    """Every reading that has a later one; a paper's last reading is the truth."""
    papers: dict[str, list[tuple[datetime, Signal]]] = defaultdict(list)
    with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            listed = datetime.fromisoformat(row["listing_date"]).replace(tzinfo=UTC)
            at = datetime.fromisoformat(row["read_at"]).astimezone(UTC)
            comments = int(row["num_comments"] or 0)
            papers[row["paper_id"]].append((listed, Signal(at, upvotes=int(row["upvotes"]), comments=comments)))
    for paper_id, readings in papers.items():
        signals = sorted((signal for _, signal in readings), key=lambda s: s.at)
        for number in range(1, len(signals)):
            if signals[-1].at - signals[number - 1].at >= LATER:
                candidate = Candidate(
                    Paper(paper_id, ""), readings[0][0], ("huggingface",), signals=tuple(signals[:number])
                )
                yield Question(candidate, signals[-1].upvotes)


def answers(group: Sequence[Question]) -> dict[str, float]:
    """Agreement of the raw count and of ours with the later count and with the gain, and the paired gain's interval."""
    raw = np.array([q.candidate.signals[-1].upvotes for q in group], float)
    ours = np.array([expected(q.candidate) for q in group])
    later = np.array([q.later for q in group], float)
    drawn = np.random.default_rng(0).integers(0, len(group), (1000, len(group)))
    better = [spearman(ours[d], later[d]) - spearman(raw[d], later[d]) for d in drawn]
    low, high = np.quantile(better, [0.025, 0.975])
    values = {
        "raw_later": spearman(raw, later),
        "ours_later": spearman(ours, later),
        "difference_low": float(low),
        "difference_high": float(high),
        "raw_gain": spearman(raw, later - raw),
        "ours_gain": spearman(ours, later - raw),
    }
    return {name: round(value, 4) for name, value in values.items()}


def spearman(one: Numbers, other: Numbers) -> float:
    """Rank correlation, ties sharing their ranks."""
    a, b = rankdata(one), rankdata(other)
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 0.0


def _line(result: dict[str, object]) -> str:
    return (
        f"{result['group']} ({result['questions']}): later upvotes: raw count {result['raw_later']}, ours "
        f"{result['ours_later']} (difference {result['difference_low']} to {result['difference_high']}); "
        f"gain: raw count {result['raw_gain']}, ours {result['ours_gain']}"
    )


if __name__ == "__main__":
    main()
