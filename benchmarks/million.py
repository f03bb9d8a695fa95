"""Very many readers on PostgreSQL: what planning everybody costs, and that memory does not grow with their number.

    .venv/bin/python benchmarks/million.py [--readers 10000 100000] [--send 2000] [--json]

For each number of readers, a database of its own: the readers are copied in, with topics of their own, all due at
once; one process plans everybody's issue with the function that `digest run` and the cluster's workers call. Reported
are the CPU time a reader, the peak memory of that process and of the server's largest, and how far the database grew.
From the largest, `--send` digests go out for real to Postfix's smtp-sink, and what sending all would take follows
from that. A million readers: `--readers 10000 100000 1000000`, some hours.

Bars: at most 600 MB in any process, and no more for the largest number than for the smaller ones; CPU time a reader at
most 1.3 times that of the smallest number.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from send import BEFORE, DAY, DUE, roster, run  # noqa: E402

from digest import app, pipeline  # noqa: E402
from digest.cli.common import configure_logs  # noqa: E402
from digest.pipeline import Parts  # noqa: E402
from digest.settings import load  # noqa: E402
from tests.databases import postgresql  # noqa: E402
from tests.program import a_home  # noqa: E402
from tests.smtp_servers import postfix_sink  # noqa: E402

KINDS = 1_000
"""Readers made by the program itself; the others are copies of them under other addresses."""

COPY = """
    INSERT INTO subscribers (token, email, email_key, name, language, papers, zone, at, days, interests, state, origin,
                             created_at, confirmed_at, last_issue, next_due_at)
    SELECT md5(n::text), 'copy' || n || '@example.org', 'copy' || n || '@example.org', name, language, papers, zone, at,
           days, interests, state, 'web', created_at, confirmed_at, last_issue, next_due_at
    FROM generate_series(1, %(copies)s) AS n
    JOIN (SELECT *, row_number() OVER (ORDER BY id) AS place FROM subscribers WHERE email LIKE 'reader%%') AS kind
      ON kind.place = 1 + n %% %(kinds)s
"""


def main() -> None:
    """Print a line a size."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--readers", type=int, nargs="+", default=[5_000, 20_000])
    arguments.add_argument("--send", type=int, default=1_000)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    found = []
    with postgresql(durable=True) as server, postfix_sink(keep=False) as relay:
        for readers in sorted(given.readers):
            last = readers == max(given.readers)
            with server.fresh() as url, prepared(url, relay.url, readers) as environment:
                found.append(plan(url, environment, readers))
                print(", ".join(f"{name} {value}" for name, value in found[-1].items()), flush=True)
                if last:
                    sent = send(url, environment, given.send, readers)
                    print(", ".join(f"{name} {value}" for name, value in sent.items()), flush=True)
    if given.json:
        print(json.dumps({"plan": found, "send": sent, **growth(found)}))


def growth(found: list[dict[str, Any]]) -> dict[str, float]:
    """The largest size beside the smallest."""
    small, large = found[0], found[-1]
    return {
        "time_per_reader": round(large["cpu_ms_a_reader"] / small["cpu_ms_a_reader"], 2),
        "memory": round(large["peak_mb"] / small["peak_mb"], 2),
    }


@contextmanager
def prepared(url: str, relay: str, readers: int) -> Iterator[dict[str, str]]:
    """The environment of a program with so many readers, all due at `DUE`."""
    with ExitStack() as stack:
        home, environment = stack.enter_context(a_home(DAY))
        environment |= {
            "DIGEST_DATABASE_URL": url,
            "DIGEST_PUBLIC_URL": "https://digest.example.org",
            "DIGEST_SMTP_URL": relay,
            "DIGEST_SMTP_CONNECTIONS": "16",
        }
        (home / "subscribers.yaml").write_text(roster(KINDS))
        run(environment, "run", "--at", BEFORE)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(COPY, {"copies": readers - KINDS, "kinds": KINDS})
            connection.execute("ANALYZE")
        yield environment


def plan(url: str, environment: dict[str, str], readers: int) -> dict[str, Any]:
    """Plan everybody, in a process of its own."""
    before = size(url)
    with largest("postgres") as peak:
        spent = in_a_process(planned, environment)
    with psycopg.connect(url) as connection:
        issues = connection.execute("SELECT count(*) FROM deliveries").fetchone()
    assert issues == (readers + 1,), issues
    return {
        "readers": readers,
        "seconds": round(spent.seconds, 1),
        "cpu_ms_a_reader": round(1000 * spent.cpu / readers, 3),
        "peak_mb": round(spent.peak_mb),
        "largest_server_process_mb": round(max(peak)),
        "database_kb_a_reader": round((size(url) - before) / 1024 / readers, 2),
    }


def send(url: str, environment: dict[str, str], messages: int, readers: int) -> dict[str, Any]:
    """Send some of what is planned, in a process of its own; what all of it would take."""
    with psycopg.connect(url) as connection:
        later = "UPDATE deliveries SET ready_at = NULL WHERE id NOT IN (SELECT id FROM deliveries WHERE ready_at"
        connection.execute(f"{later} IS NOT NULL ORDER BY id LIMIT %s)", [messages])
    spent = in_a_process(delivered, environment)
    return {
        "sent": messages,
        "messages_per_second": round(messages / spent.seconds, 1),
        "cpu_ms_a_message": round(1000 * spent.cpu / messages, 2),
        "peak_mb": round(spent.peak_mb),
        "cpu_hours_for_all": round(spent.cpu / messages * readers / 3600, 2),
    }


@dataclass(frozen=True, slots=True)
class Spent:
    """What a piece of work took, without the start of its process."""

    seconds: float
    cpu: float
    peak_mb: float


def in_a_process(work: Callable[[Parts], object], environment: dict[str, str]) -> Spent:
    """*work* on the parts of a program that sees *environment*."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (work, environment))


def _measured(work: Callable[[Parts], object], environment: dict[str, str]) -> Spent:
    configure_logs(verbose=False, terminal=True)
    with app.opened(load(environment), app.clock_at(datetime.fromisoformat(DUE))) as parts:
        start, cpu = time.perf_counter(), time.process_time()
        work(parts)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return Spent(seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def planned(parts: Parts) -> None:
    """What `digest run` and the workers do first."""
    assert not pipeline.plan(parts).failed


def delivered(parts: Parts) -> None:
    """And then."""
    assert not pipeline.deliver(parts).stopped


def size(url: str) -> int:
    """Bytes of the database."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def largest(name: str) -> Iterator[list[float]]:
    """The resident size of the largest process called *name*, in MB, looked at twice a second; with shared memory."""
    seen, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            for process in psutil.process_iter(["name", "memory_info"]):
                if process.info["name"] == name and process.info["memory_info"]:
                    seen.append(process.info["memory_info"].rss / 1e6)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    main()
