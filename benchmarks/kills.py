"""A week in which the daemon is killed with SIGKILL again and again, beside the same week in peace.

    .venv/bin/python benchmarks/kills.py [--kills 50] [--days 7] [--readers 300] [--speed 1440] [--seed 1] [--json]

`digest serve` as a process, in a replayed week (a day a minute) of both recorded upstreams, with readers in six zones
at six hours, mail over real SMTP, unknowns held back. It is killed after a random time, or in the midst of sending, and
started again. Bar: the same digests (reader and day) as in peace, none twice; what the outbox calls "unknown" is at
most one a connection and kill.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from digest.cli.common import configure_logs  # noqa: E402
from tests.conftest import RECORDINGS  # noqa: E402
from tests.kills import Life, Lived, readers  # noqa: E402
from tests.program import Program  # noqa: E402
from tests.smtp_servers import sink  # noqa: E402
from tests.upstreams import Upstreams, replay  # noqa: E402

START = datetime(2026, 2, 2, 20, tzinfo=UTC)


class Calendar:
    """Tells the upstreams of each new day, once."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams, self._told = upstreams, START.date()

    def __call__(self, day: date) -> None:
        """It is *day*."""
        if day != self._told:
            self._upstreams.set_today(day.isoformat())
            self._told = day


def live(given: argparse.Namespace, kills: int) -> Lived:
    """The week, with so many kills."""
    with tempfile.TemporaryDirectory() as folder, replay(RECORDINGS, START.date().isoformat()) as upstreams:
        program = Program(Path(folder))
        program.roster(readers(given.readers))
        with sink() as relay:
            program.set(**upstreams.settings, smtp_url=relay.url, web_port=0, unknown="hold")
            length = timedelta(days=given.days)
            return Life(program, relay, START, length, given.speed, Calendar(upstreams)).live(kills, given.seed)


def compare(killed: Lived, peaceful: Lived) -> dict[str, Any]:
    """What the kills changed."""
    return {
        "kills": killed.kills,
        "digests": len(peaceful.states),
        "missing": len(set(peaceful.states) - set(killed.states)),
        "more": len(set(killed.states) - set(peaceful.states)),
        "repeated": killed.repeated,
        "unsettled": sum(state not in {"sent", "unknown", "empty"} for state in killed.states.values()),
        "unknown": len(killed.doubtful),
        "unknown_that_arrived": len(killed.doubtful & set(killed.arrived)),
        "lost": len({i for i, s in killed.states.items() if s == "sent"} - set(killed.arrived)),
    }


def main() -> None:
    """Live the week twice, and print the difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--readers", type=int, default=300)
    parser.add_argument("--speed", type=float, default=1440)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    configure_logs(verbose=False, terminal=True)
    found = compare(live(given, given.kills), live(given, 0))
    print(json.dumps(found) if given.json else ", ".join(f"{name} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
