"""What one pass costs: a recorded day of about 450 papers, six subscribers, mail into the local mailbox.

    .venv/bin/python benchmarks/run.py [--day 2026-02-04] [--json]

Runs `digest run --at DAY` as a process of its own, start-up included, against the recorded upstreams on loopback, and
prints its CPU seconds, its peak memory, and how much of the wall time was waiting for upstreams. The reference of the
same run is a Python process that imports nothing. Bar: CPU under 4 s, memory under 250 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.conftest import RECORDINGS  # noqa: E402
from tests.test_replay import ROSTER  # noqa: E402
from tests.upstreams import replay  # noqa: E402


def measure(command: list[str], environment: dict[str, str]) -> tuple[float, float, float, str]:
    """CPU seconds, peak megabytes and wall seconds of a process, and its standard output."""
    start = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    wall = time.perf_counter() - start
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, wall, output


def one_pass(day: str) -> dict[str, Any]:
    """A first pass on *day* with a fresh store."""
    with tempfile.TemporaryDirectory() as folder, replay(RECORDINGS, day) as upstreams:
        (Path(folder) / "subscribers.yaml").write_text(ROSTER)
        urls = {f"DIGEST_{name.upper()}": value for name, value in upstreams.settings.items()}
        environment = os.environ | {"DIGEST_HOME": folder, "PYTHONPATH": str(ROOT)} | urls
        command = [sys.executable, "-m", "digest", "run", "--at", f"{day}T15:30Z", "--json"]
        cpu, memory, wall, output = measure(command, environment)
    report = json.loads(output)
    waited = max((source["waited"] for source in report["sources"]), default=0.0)
    return {
        "papers": sum(source["new"] for source in report["sources"]),
        "sent": report["delivered"].get("sent", 0),
        "cpu_seconds": round(cpu, 2),
        "peak_mb": round(memory),
        "wall_seconds": round(wall, 2),
        "waiting_for_upstreams_seconds": round(waited, 2),
    }


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--day", default="2026-02-04")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    found = one_pass(given.day)
    bare = measure([sys.executable, "-c", "pass"], dict(os.environ))
    found["ratio_to_bare_python"] = round(found["cpu_seconds"] / bare[0], 1)
    if given.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:32} {value}")
    ok = found["cpu_seconds"] < 4 and found["peak_mb"] < 250
    print("within the bar" if ok else "OVER THE BAR: CPU under 4 s and memory under 250 MB")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
