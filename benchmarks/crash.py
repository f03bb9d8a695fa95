"""What a power cut costs: digests sent by the real program, which is killed with SIGKILL again and again.

    .venv/bin/python benchmarks/crash.py [--readers 2000] [--kills 20] [--json]

A roster of readers, the sample day over HTTP, `digest run` as a process, a real SMTP server that counts what arrives.
The program is killed after a random number of further messages, until it was killed often enough and everybody is
served. Counted by Message-ID and recipient, for both policies on SQLite and PostgreSQL:

* lost      nobody got it, and the outbox does not say that this is in doubt
* repeated  arrived more than once
* unknown   the outbox says "perhaps": in doubt because of a kill. `hold` leaves them to the operator; `resend` sends
            each once more, so that at most one a connection and kill is repeated, and says so

Bar: 0 lost; 0 repeated under `hold`; under `resend` at most connections times kills.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.databases import postgresql  # noqa: E402
from tests.program import a_home  # noqa: E402
from tests.smtp_servers import Sink, sink  # noqa: E402

DAY = date(2026, 2, 4)
CONNECTIONS = 8
FINAL = {"sent", "unknown"}


def crash(database: str, policy: str, readers: int, kills: int, seed: int) -> dict[str, Any]:
    """One campaign."""
    with ExitStack() as stack:
        home, environment = stack.enter_context(a_home(DAY))
        kept = stack.enter_context(sink(extensions=["PIPELINING"]))
        environment |= {
            "DIGEST_SMTP_URL": kept.url,
            "DIGEST_SMTP_CONNECTIONS": str(CONNECTIONS),
            "DIGEST_UNKNOWN": policy,
        }
        if database == "postgresql":
            server = stack.enter_context(postgresql())
            environment["DIGEST_DATABASE_URL"] = stack.enter_context(server.fresh())
        people = "".join(f"  - {{email: reader{n}@example.org}}\n" for n in range(readers))
        (home / "subscribers.yaml").write_text(f"subscribers:\n{people}")
        done = _campaign(environment, kept, kills, random.Random(seed))
        states = _states(environment)
    return {"database": database, "policy": policy, **_count(kept, states, readers), **done, "connections": CONNECTIONS}


def _campaign(environment: dict[str, str], kept: Sink, kills: int, chance: random.Random) -> dict[str, Any]:
    """Kill it until it was killed often enough; then let it finish."""
    killed, moment, start = 0, datetime(2026, 2, 4, 12, tzinfo=UTC), time.monotonic()
    while True:
        # PostgreSQL serves many workers, so there leases must run out before somebody takes over; the clock is ours
        moment += timedelta(minutes=31)
        command = [sys.executable, "-m", "digest", "run", "--at", moment.isoformat(), "--json"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            if killed < kills and _after_some_more(process, kept, chance):
                process.send_signal(signal.SIGKILL)
                process.communicate()
                killed += 1
                continue
            report = json.loads(process.communicate()[0])
        if not report["delivered"]:
            return {"kills": killed, "seconds": round(time.monotonic() - start)}


def _after_some_more(process: subprocess.Popen[str], kept: Sink, chance: random.Random) -> bool:
    """Wait until a few dozen more have arrived and a little longer; False when it ended before."""
    target, nap = len(kept.messages) + chance.randint(5, 90), chance.random() * 0.03
    while len(kept.messages) < target:
        if process.poll() is not None:
            return False
        time.sleep(0.001)
    time.sleep(nap)
    return process.poll() is None


def _states(environment: dict[str, str]) -> dict[str, str]:
    """Recipient -> what the outbox says, as an operator sees it."""
    command = [sys.executable, "-m", "digest", "outbox", "list", "--limit", "1000000", "--json"]
    listed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return {row["email"]: row["state"] for row in json.loads(listed)}


def _count(kept: Sink, states: dict[str, str], readers: int) -> dict[str, int]:
    arrived: Counter[tuple[str, str]] = Counter()
    for message in kept.messages:
        message_id = BytesHeaderParser().parsebytes(message.data)["Message-ID"]
        arrived[message.recipients[0], message_id] += 1
    got = {recipient for recipient, _ in arrived}
    everybody = {f"reader{n}@example.org" for n in range(readers)}
    return {
        "lost": sum(email not in got and states.get(email) != "unknown" for email in everybody),
        "repeated": sum(arrived.values()) - len(got),
        "unknown": sum(state == "unknown" for state in states.values()),
        "unsettled": sum(state not in FINAL for state in states.values()),
    }


def main() -> None:
    """Print a line a campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="only `hold` on SQLite, and JSON as the last line")
    given = parser.parse_args()
    campaigns = [("sqlite", "hold")]
    if not given.json:
        campaigns += [("sqlite", "resend"), ("postgresql", "hold"), ("postgresql", "resend")]
    for database, policy in campaigns:
        found = crash(database, policy, given.readers, given.kills, given.seed)
        if given.json:
            print(json.dumps({k: found[k] for k in ("kills", "lost", "repeated", "unknown", "connections")}))
        else:
            print(", ".join(f"{name} {value}" for name, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
