"""Recorded mornings through the whole program, one after the other: what is repeated, missed, or grows.

    .venv/bin/python benchmarks/mornings.py [--first 2025-12-29] [--days 60] [--json]

Both sources, six readers in three zones, three passes a day, mail over real SMTP, the nightly tidy. The clock is that
of the recordings; what the digests should have been chosen from is computed from the recordings on its own. Bar: no
paper twice to anyone, every paper that was listed in the window considered exactly once, memory flat.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from digest.cli.common import configure_logs  # noqa: E402
from tests.conftest import RECORDINGS  # noqa: E402
from tests.mornings import Mornings, Recorded, replayed, wrongly_considered  # noqa: E402


def figures(mornings: Mornings, recorded: Recorded) -> dict[str, Any]:
    """What to report of them."""
    shown = [paper for each in mornings.got for paper in each.papers]
    return {
        "mornings": len(mornings.weights),
        "digests": len(mornings.got),
        "papers_shown": len(shown),
        "repeats": mornings.repeats,
        "papers_listed": len(recorded.news(mornings.moments)),
        "wrongly_considered": len(wrongly_considered(mornings, recorded)),
    }


def main() -> None:
    """Print the weight after every tenth morning, then the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=date.fromisoformat, default=date(2025, 12, 29))
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    configure_logs(verbose=False, terminal=True)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        mornings = replayed(RECORDINGS, Path(folder), given.first, given.days)
    spent = {"cpu_seconds": round(time.process_time() - start)}
    weights = {n + 1: w for n, w in enumerate(mornings.weights) if (n + 1) % 10 == 0 or n + 1 == len(mornings.weights)}
    found = figures(mornings, Recorded(RECORDINGS)) | spent
    if given.json:
        last = mornings.weights[-1]
        print(json.dumps(found | {"memory_mb": round(last.memory), "database_mb": round(last.database, 1)}))
        return
    for number, weight in weights.items():
        print(f"after {number:3} mornings: memory {weight.memory:4.0f} MB, database {weight.database:5.1f} MB")
    print(", ".join(f"{name} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
