"""A week in which the daemon is killed with SIGKILL again and again; `--kills 0` is the same week in peace.

    .venv/bin/python benchmarks/kills.py [--kills 50] [--days 7] [--readers 300] [--speed 1000] [--seed 1] [--json]

`digest serve` as a process, in a replayed week of recorded Hugging Face papers (arXiv's pace of three seconds would be
an hour here), with readers in six zones at six hours, mail over real SMTP, unknowns held back. It is killed after a
random time, or in the midst of sending, and started again. Bar: exactly the digests (reader and day) that the schedules
promise, as in peace; none twice; of what the outbox calls "unknown" at most one a connection and kill.
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
from tests.kills import Issue, Life, Lived, promised, readers  # noqa: E402
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


def live(given: argparse.Namespace, length: timedelta) -> Lived:
    """The week, with its kills."""
    with tempfile.TemporaryDirectory() as folder, replay(RECORDINGS, START.date().isoformat()) as upstreams:
        program = Program(Path(folder))
        program.roster(readers(given.readers))
        with sink() as relay:
            program.set(**upstreams.settings, smtp_url=relay.url, web_port=0, unknown="hold", sources="huggingface")
            return Life(program, relay, START, length, given.speed, Calendar(upstreams)).live(given.kills, given.seed)


def compare(lived: Lived, wanted: set[Issue]) -> dict[str, Any]:
    """What came of the week, beside what the schedules promise."""
    sent = {issue for issue, state in lived.states.items() if state == "sent"}
    return {
        "kills": lived.kills,
        "promised": len(wanted),
        "missing": len(wanted - set(lived.states)),
        "more": len(set(lived.states) - wanted),
        "repeated": lived.repeated,
        "sent": len(sent),
        "lost": len(sent - set(lived.arrived)),
        "unknown": len(lived.doubtful),
        "unknown_that_arrived": len(lived.doubtful & set(lived.arrived)),
        "other": len(set(lived.states) - sent - lived.doubtful),
    }


def main() -> None:
    """Live the week, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--readers", type=int, default=300)
    parser.add_argument("--speed", type=float, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    configure_logs(verbose=False, terminal=True)
    length = timedelta(days=given.days)
    found = compare(live(given, length), promised(readers(given.readers), START, length))
    print(json.dumps(found) if given.json else ", ".join(f"{name} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
