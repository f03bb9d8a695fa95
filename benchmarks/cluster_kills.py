"""A cluster that loses something in the middle of a send: who is forgotten, and who is written to twice.

    .venv/bin/python benchmarks/cluster_kills.py [--readers 5000] [--policy resend|hold] [--only DEATH] [--json]

Two `digest worker` and a `digest serve` beside them, four connections each, on a PostgreSQL that syncs each commit, and
a real SMTP server that counts what arrives. When a quarter has arrived, one of these happens, each in a run of its own:

* a worker, or the daemon, is killed with SIGKILL
* the database crashes ("immediate"), or is restarted ("fast"), and is away for six seconds
* the line between one worker and the database, or the relay, is cut for as long

Then whoever is left goes on by itself; nobody is restarted. At last the clock is put forward until the leases of the
dead have run out. Counted by recipient and Message-ID:

* lost      nobody got it, and the outbox does not say that this is in doubt
* repeated  arrived more than once
* unknown   in doubt, and left to the operator (`hold`)
* resent    was in doubt, and was sent once more (`resend`)
* late      waited for a lease or a retry when those who were left had sent all others
* seconds   from the death to the last mail before that

Bar: 0 lost; 0 repeated under `hold`; under `resend` no more repeated than resent.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from digest.cli.common import configure_logs  # noqa: E402
from tests.clusters import DEATHS, suffer  # noqa: E402
from tests.databases import postgresql  # noqa: E402


def measure(death: str, policy: str, readers: int) -> dict[str, Any]:
    """One run, on a database server of its own."""
    with postgresql(durable=True) as server:
        toll = suffer(server, death, policy, readers)
    return {
        "death": death,
        "policy": policy,
        "readers": readers,
        "lost": toll.lost + toll.unsettled,
        "repeated": toll.repeated,
        "unknown": toll.unknown,
        "resent": toll.resent,
        "late": toll.late.total(),
        "seconds": round(toll.seconds),
        "kept": toll.kept_promise,
    }


def main() -> None:
    """Print a line a death; exit with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=5000)
    parser.add_argument("--policy", choices=("resend", "hold"), action="append", help="default: both")
    parser.add_argument("--only", choices=tuple(DEATHS), action="append", help="default: all")
    parser.add_argument("--json", action="store_true", help="JSON as the last line")
    given = parser.parse_args()
    configure_logs(verbose=False, terminal=True)
    found: list[dict[str, Any]] = []
    for death in given.only or DEATHS:
        for policy in given.policy or ("resend", "hold"):
            found.append(measure(death, policy, given.readers))
            print(", ".join(f"{name} {value}" for name, value in found[-1].items()), flush=True)
    if given.json:
        print(json.dumps(found))
    sys.exit(0 if all(run["kept"] for run in found) else 1)


if __name__ == "__main__":
    main()
