"""Ranking quality on judged cases, against the usual methods in the same run.

    python benchmarks/ranking.py FOLDER... [--json] [--dump FILE] [--semantic MODEL_FOLDER] [--cache FOLDER] [--quick]

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

import numpy as np
from ranking_baselines import Lexical, Scorer, alone, chance

from digest.models import Paper
from digest.ranking.evaluate import METRICS, Case, CaseSet, Values, by_score, interval, load, measure, order
from digest.ranking.meaning import Vectors
from digest.ranking.semantic import Embedder, embed_all

Method = Callable[[CaseSet, Case], list[str]]
OURS = ("digest", "digest+semantic")
MODEL = "model alone"


def main() -> None:
    """Measure every folder, and print a table or a line of JSON for each set and method."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--json", action="store_true", help="a line for each set and method")
    parser.add_argument("--dump", type=Path, metavar="FILE", help="our order of every case, a line of JSON each")
    parser.add_argument("--semantic", type=Path, metavar="FOLDER", help="holds model.onnx and tokenizer.json")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keeps the model's vectors between runs")
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
    dumped = OURS[1] if OURS[1] in chosen else OURS[0]
    for judged in sets:
        results = {}
        for name, method in chosen.items():
            orders = [method(judged, case) for case in judged.cases]
            results[name] = measure(orders, judged.cases)
            if dump and name == dumped:
                for case, ranked in zip(judged.cases, orders, strict=True):
                    dump.write(json.dumps({"set": judged.name, "case": case.case, "order": ranked}) + "\n")
        yield judged.name, results


def methods(sets: Sequence[CaseSet], arguments: argparse.Namespace) -> dict[str, Method]:
    """By name: ours, the model's, and those of others."""
    papers = {p.id: p for s in sets for c in s.cases for p in (*c.candidates, *c.reader.liked)}
    found: dict[str, Method] = {OURS[0]: lambda judged, case: order(case, judged.statistics)}
    if arguments.semantic:
        vectors = embed(sets, papers, arguments)
        found[OURS[1]] = lambda judged, case: order(case, judged.statistics, vectors)
        found[MODEL] = _by(alone(vectors))
    if not arguments.quick:
        others = Lexical(sets[0].known, list(papers.values())).methods() | {"random": chance}
        found |= {name: _by(scorer) for name, scorer in others.items()}
    return found


def _by(scorer: Scorer) -> Method:
    return lambda _, case: by_score([p.id for p in case.candidates], scorer(case))


def embed(sets: Sequence[CaseSet], papers: Mapping[str, Paper], arguments: argparse.Namespace) -> Vectors:
    """Vectors of everything in *sets*, of which those of papers are kept for the next run."""
    embedder = Embedder(arguments.semantic)
    phrases = {t.phrase for s in sets for c in s.cases for t in c.reader.interests.topics}
    file = arguments.cache / f"{embedder.model}.npz" if arguments.cache else None
    known: dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
    prefix = sets[0].name.partition("/")[0]
    if file and file.is_file():
        with np.load(file) as stored:
            known = dict(zip(stored["ids"].tolist(), stored["rows"].astype(np.float32), strict=True))
    missing = {i: p for i, p in papers.items() if f"{prefix}:{i}" not in known}
    found = embed_all(embedder, missing, phrases, _progress)
    known |= {f"{prefix}:{i}": np.asarray(vector) for i, vector in found.papers.items()}
    if file and missing:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, ids=np.array(list(known)), rows=np.array(list(known.values()), np.float16))
    return Vectors({i: known[f"{prefix}:{i}"] for i in papers}, found.phrases)


def _progress(done: int, whole: int) -> None:
    if sys.stderr.isatty():
        print(f"\rembedding {done} of {whole}", end="" if done < whole else "\n", file=sys.stderr)


def report(name: str, results: Mapping[str, Mapping[str, Values]], *, as_json: bool) -> None:
    """One set: every method with intervals, and what ours gains over the best of the others."""
    rivals = {ours: _best(results, with_model=ours == OURS[1]) for ours in OURS}
    if not as_json:
        print(f"\n{name} ({len(results[OURS[0]]['MRR'])} cases)\n")
        print(f"| method | {' | '.join(METRICS)} | nDCG@10 against the best |\n|---|{'---|' * (len(METRICS) + 1)}")
    for method, metrics in results.items():
        means = {metric: (float(values.mean()), *interval(values)) for metric, values in metrics.items()}
        best = rivals.get(method)
        gain = metrics["nDCG@10"] - results[best]["nDCG@10"] if best else None
        paired = None if gain is None else (float(gain.mean()), *interval(gain))
        if as_json:
            line = {"set": name, "method": method, "metrics": _rounded(means), "best_baseline": best}
            print(json.dumps(line | ({"difference": [round(v, 4) for v in paired]} if paired else {})))
        else:
            cells = [f"{mean:.3f} [{low:.3f}, {high:.3f}]" for mean, low, high in means.values()]
            cells.append("{:+.3f} [{:+.3f}, {:+.3f}]".format(*paired) + f" ({best})" if paired else "")
            print(f"| {method} | {' | '.join(cells)} |")


def _best(results: Mapping[str, Mapping[str, Values]], *, with_model: bool) -> str | None:
    """The best of the others; a ranking without a download is measured against those without."""
    others = [m for m in results if m not in OURS and (with_model or m != MODEL)]
    return max(others, key=lambda m: float(results[m]["nDCG@10"].mean()), default=None)


def _rounded(means: Mapping[str, tuple[float, float, float]]) -> dict[str, dict[str, float]]:
    return {
        metric: {"mean": round(mean, 4), "low": round(low, 4), "high": round(high, 4)}
        for metric, (mean, low, high) in means.items()
    }


if __name__ == "__main__":
    main()
