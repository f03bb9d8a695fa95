"""How fast a day's papers are ranked for many subscribers, beside the bare matrix product that it rests on.

    python benchmarks/ranking_speed.py [--json] [--subscribers 1000 10000 100000 1000000] [--papers 500]

Each subscriber follows one interest of eight liked papers (cycled from 250 different ones, so that memory shows
what the ranking needs and not what the benchmark keeps). Timed is what a run does for each of them after their profiles
are at hand: scores, rules, trending, shortlist, diversity, and the choice of picks. The product is the same profiles'
weights times the papers', sparse, in the same blocks. Every size runs in a process of its own, on one core; seconds
are of that core's work, so that a busy machine measures the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import numpy as np

from digest.models import Candidate, Interests, Paper, Signal
from digest.ranking import Pool, Profile, Reader, choose, compile_reader, learn, prepare
from digest.ranking.choose import BLOCK, Turn, choices, ranked
from digest.ranking.text import select

NOW = datetime(2026, 2, 4, 6, tzinfo=UTC)
DISTINCT = 250
SUBJECTS = 200


def main() -> None:
    """Measure every size in its own process, and say what starting costs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="a line for each size")
    parser.add_argument("--subscribers", nargs="+", type=int, default=[1000, 10_000, 100_000])
    parser.add_argument("--papers", type=int, default=500)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.papers)))
        return
    print(f"import of digest.ranking: {_import_time():.2f} s", file=sys.stderr)
    for size in arguments.subscribers:
        command = [sys.executable, __file__, "--one", str(size), "--papers", str(arguments.papers)]
        single = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=single).stdout)
        print(json.dumps(result) if arguments.json else _line(result), flush=True)


def _import_time() -> float:
    code = "import time; t = time.process_time(); import digest.ranking; print(time.process_time() - t)"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def _line(result: dict[str, float]) -> str:
    return (
        f"{result['subscribers']:>9,} subscribers: {result['seconds']:8.2f} s, {result['peak_rss_mb']:.0f} MB, "
        f"{result['ratio_to_product']:.1f} times the product; preparing {result['prepare_seconds']:.2f} s, a profile "
        f"{result['profile_ms']:.2f} ms, a digest with its reasons {result['digest_ms']:.2f} ms"
    )


def measure(subscribers: int, papers: int) -> dict[str, float]:
    """Times and memory for one size."""
    writer = _Writer()
    statistics = learn(writer.paper(n) for n in range(2000))
    started = time.process_time()
    candidates = [_candidate(writer.paper(10_000 + n), n) for n in range(papers)]
    pool = prepare(candidates, statistics, NOW)
    choose(pool, [Reader(Interests())])  # what the pool works out when first asked is the day's cost, not a reader's
    prepared = time.process_time() - started
    readers = [_reader(writer, n) for n in range(min(DISTINCT, subscribers))]
    started = time.process_time()
    profiles = [compile_reader(reader, pool.statistics) for reader in readers]
    compiled = (time.process_time() - started) / len(readers)
    ranking = product = 0.0
    for start in range(0, subscribers, BLOCK):
        numbers = [n % len(readers) for n in range(start, min(start + BLOCK, subscribers))]
        block, their = [readers[n] for n in numbers], [profiles[n] for n in numbers]
        ranking += _rank(pool, block, their)
        product += _multiply(pool, their)
    started = time.process_time()
    choose(pool, readers[:100], profiles[:100])
    return {
        "subscribers": subscribers,
        "seconds": round(ranking, 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "ratio_to_product": round(ranking / product, 2),
        "product_seconds": round(product, 3),
        "prepare_seconds": round(prepared, 3),
        "profile_ms": round(1000 * compiled, 3),
        "digest_ms": round(10 * (time.process_time() - started), 3),
    }


def _rank(pool: Pool, readers: list[Reader], profiles: list[Profile]) -> float:
    started = time.process_time()
    block = ranked(pool, readers, profiles)
    for row, (reader, profile) in enumerate(zip(readers, profiles, strict=True)):
        choices(Turn(pool, reader, profile, block, row))
    return time.process_time() - started


def _multiply(pool: Pool, profiles: list[Profile]) -> float:
    facets = [facet for profile in profiles for facet in profile.facets]
    starts = np.cumsum([0, *(len(f.ids) for f in facets)])
    terms, weights = np.concatenate([f.ids for f in facets]), np.concatenate([f.tfidf for f in facets])
    matrix = select(starts, terms, weights, pool.views.ids)
    started = time.process_time()
    _ = matrix @ pool.tfidf_columns
    return time.process_time() - started


class _Writer:
    """Invents papers: words as frequent as in real text (Zipf), some of them of one of two hundred subjects."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.usual = np.cumsum(1 / np.arange(10, 20_010))

    def paper(self, number: int) -> Paper:
        """A title of 10 words and an abstract of 180."""
        subject = number % SUBJECTS
        own = 20_000 + 150 * subject + (150 * self.random.random(60) ** 2).astype(int)
        words = np.concatenate([own, np.searchsorted(self.usual, self.random.random(130) * self.usual[-1])])
        self.random.shuffle(words)
        text = [f"w{word}" for word in words]
        return Paper(f"2602.{number:05d}", " ".join(text[:10]), " ".join(text[10:]), (f"Author {number}",), ("cs.CL",))


def _candidate(paper: Paper, number: int) -> Candidate:
    signals = (Signal(NOW - timedelta(hours=2), upvotes=number % 97),) if number % 10 == 0 else ()
    return Candidate(paper, NOW - timedelta(hours=number % 30), ("arxiv",), signals)


def _reader(writer: _Writer, number: int) -> Reader:
    liked = tuple(writer.paper(20_000 + SUBJECTS * n + number % SUBJECTS) for n in range(8))
    return Reader(Interests(liked=tuple(p.id for p in liked)), 12, liked)


if __name__ == "__main__":
    main()
