"""The judge is judged: metrics by hand, and the ranking on recorded cases."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digest.errors import UsageError
from digest.ranking.evaluate import METRICS, interval, load, measure, order
from tests.ranking_days import day


def write(file: Path, *lines: dict[str, Any]) -> None:
    with gzip.open(file, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(line) + "\n" for line in lines)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty invented papers and two cases, one of them with everything that may be missing."""
    papers = [c.paper for c in day()]
    owls = {p.id: 1 for p in papers[:10]}
    ids = [p.id for p in papers]
    write(
        tmp_path / "papers.jsonl.gz",
        *({"id": p.id, "title": p.title, "abstract": p.abstract} for p in papers[:-1]),
        {"id": ids[-1], "title": None},
    )
    write(
        tmp_path / "cases-phrase.jsonl.gz",
        {"case": "owls", "topics": ["barn owls"], "liked": [], "candidates": ids, "relevant": owls},
        {
            "case": "odd",
            "topics": [],
            "liked": ["gone"],
            "candidates": ["nowhere", *ids, ids[0]],
            "relevant": {"nowhere": 1},
        },
    )
    return tmp_path


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("nDCG@10", (1 + 2 / 2) / (2 + 1 / np.log2(3))), ("MRR", 1.0), ("recall@20", 1.0), ("AUC", 0.75)],
)
def test_metrics_are_as_by_hand(metric: str, expected: float) -> None:
    """Four papers, of which the first (grade 1) and the third (grade 2) are relevant."""
    assert METRICS[metric](["a", "b", "c", "d"], {"a": 1, "c": 2}) == pytest.approx(expected)


def test_a_case_is_ordered_whole_and_well(folder: Path) -> None:
    (judged,) = load(folder)
    assert judged.name == f"{folder.name}/phrase"
    orders = [order(case, judged.statistics) for case in judged.cases]
    assert [len(o) for o in orders] == [40, 41]
    assert measure(orders, judged.cases)["nDCG@10"][0] == pytest.approx(1.0)


def test_a_folder_without_cases_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cases-VARIANT\.jsonl\.gz are needed"):
        list(load(tmp_path))


def test_an_interval_holds_its_mean_and_narrows_with_more_cases() -> None:
    values = np.random.default_rng(1).random(400)
    low, high = interval(values)
    few_low, few_high = interval(values[:20])
    assert low < values.mean() < high
    assert high - low < few_high - few_low


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("name", "least"), [("lists/liked", 0.5), ("lists/phrase", 0.42), ("lists/phrase_and_liked", 0.52)]
)
def test_recorded_lists_are_ranked_well(recordings: Path, name: str, least: float) -> None:
    """Half the cases, with room below what was measured: docs/ranking.md."""
    judged = next(s for s in load(recordings / "cases" / "lists") if s.name == name)
    cases = judged.cases[::4]
    found = measure([order(case, judged.statistics) for case in cases], cases)["nDCG@10"].mean()
    assert found > least


@pytest.mark.recorded
def test_recorded_libraries_are_ranked_well(recordings: Path) -> None:
    judged = next(s for s in load(recordings / "cases" / "citeulike") if s.name == "citeulike/liked_10")
    cases = judged.cases[::4]
    assert measure([order(case, judged.statistics) for case in cases], cases)["nDCG@10"].mean() > 0.38
