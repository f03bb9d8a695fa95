"""Ranking quality on judged cases, against the usual methods in the same run.

    python benchmarks/ranking.py FOLDER... [--json] [--dump FILE] [--semantic MODEL] [--quick]

The cases' form is told in `digest.ranking.evaluate`, whose scoring is that of the daily digest. The baselines are what
others use: TF-IDF cosine, BM25, a linear SVM for each reader (arxiv-sanity-lite) and a similarity-weighted library
(zotero-arxiv-daily). With a model, that model alone is one more, and `digest+semantic` is ours with it blended in. The
last column is the paired difference in nDCG@10 to the best of the others (without a download for `digest`, of all for
`digest+semantic`), with its 95 % interval.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from ranking_baselines import Lexical, Scorer, alone, chance

from digest.app.evaluating import vectors_of_cases
from digest.pipeline import Semantic
from digest.ranking.evaluate import (
    METRICS,
    Case,
    CaseSet,
    Estimate,
    Values,
    by_score,
    dumped,
    estimate,
    estimates,
    load,
    measure,
    order,
)
from digest.ranking.model_files import locate
from digest.ranking.semantic import Embedder

Method = Callable[[CaseSet, Case], list[str]]
OURS = ("digest", "digest+semantic")
MODEL = "model alone"


def main() -> None:
    """Measure every folder, and print a table or a line of JSON for each set and method."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--json", action="store_true", help="a line for each set and method")
    parser.add_argument("--dump", type=Path, metavar="FILE", help="our order of every case, a line of JSON each")
    parser.add_argument("--semantic", metavar="MODEL", help="as in DIGEST_SEMANTIC_MODEL")
    parser.add_argument("--quick", action="store_true", help="without the baselines")
    arguments = parser.parse_args()
    dump = arguments.dump.open("w", encoding="utf-8") if arguments.dump else None
    for folder in arguments.folders:
        started = time.perf_counter()
        for name, results in evaluate(list(load(folder)), arguments, dump):
            report(name, results, as_json=arguments.json)
        print(f"{folder}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    if dump:
        dump.close()


def evaluate(
    sets: Sequence[CaseSet], arguments: argparse.Namespace, dump: TextIO | None
) -> Iterator[tuple[str, dict[str, dict[str, Values]]]]:
    """The metrics of each method, set by set; our orders (with the model's help where there is one) go to *dump*."""
    chosen = methods(sets, arguments)
    kept = OURS[1] if OURS[1] in chosen else OURS[0]
    for judged in sets:
        results = {}
        for name, method in chosen.items():
            orders = [method(judged, case) for case in judged.cases]
            results[name] = measure(orders, judged.cases)
            if dump and name == kept:
                dump.writelines(dumped(judged, *each) + "\n" for each in zip(judged.cases, orders, strict=True))
        yield judged.name, results


def methods(sets: Sequence[CaseSet], arguments: argparse.Namespace) -> dict[str, Method]:
    """By name: ours, the model's, and those of others."""
    papers = {p.id: p for s in sets for c in s.cases for p in (*c.candidates, *c.reader.liked)}
    found: dict[str, Method] = {OURS[0]: lambda judged, case: order(case, judged.statistics)}
    if arguments.semantic:
        vectors = vectors_of_cases(sets, Semantic(Embedder(locate(arguments.semantic))), _progress)
        found[OURS[1]] = lambda judged, case: order(case, judged.statistics, vectors)
        found[MODEL] = _by(alone(vectors))
    if not arguments.quick:
        others = Lexical(sets[0].known, list(papers.values())).methods() | {"random": chance}
        found |= {name: _by(scorer) for name, scorer in others.items()}
    return found


def _by(scorer: Scorer) -> Method:
    return lambda _, case: by_score([p.id for p in case.candidates], scorer(case))


def _progress(what: str, done: int, whole: int | None) -> None:
    if sys.stderr.isatty():
        print(f"\r{what}: {done} of {whole}", end="" if done != whole else "\n", file=sys.stderr)


def report(name: str, results: Mapping[str, Mapping[str, Values]], *, as_json: bool) -> None:
    """One set: every method with intervals, and what ours gains over the best of the others."""
    rivals = {ours: _best(results, with_model=ours == OURS[1]) for ours in OURS}
    if not as_json:
        print(f"\n{name} ({len(results[OURS[0]]['MRR'])} cases)\n")
        print(f"| method | {' | '.join(METRICS)} | nDCG@10 against the best |\n|---|{'---|' * (len(METRICS) + 1)}")
    for method, metrics in results.items():
        means = estimates(metrics)
        best = rivals.get(method)
        paired = estimate(metrics["nDCG@10"] - results[best]["nDCG@10"]) if best else None
        if as_json:
            line = {"set": name, "method": method, "metrics": _rounded(means), "best_baseline": best}
            print(json.dumps(line | ({"difference": [round(v, 4) for v in paired]} if paired else {})))
        else:
            cells = [str(each) for each in means.values()]
            cells.append("{:+.3f} [{:+.3f}, {:+.3f}]".format(*paired) + f" ({best})" if paired else "")
            print(f"| {method} | {' | '.join(cells)} |")


def _best(results: Mapping[str, Mapping[str, Values]], *, with_model: bool) -> str | None:
    """The best of the others; a ranking without a download is measured against those without."""
    others = [m for m in results if m not in OURS and (with_model or m != MODEL)]
    return max(others, key=lambda m: float(results[m]["nDCG@10"].mean()), default=None)


def _rounded(means: Mapping[str, Estimate]) -> dict[str, dict[str, float]]:
    return {metric: {k: round(v, 4) for k, v in each._asdict().items()} for metric, each in means.items()}


if __name__ == "__main__":
    main()
