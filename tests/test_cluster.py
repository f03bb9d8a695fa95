"""Workers on one PostgreSQL, as processes: they share a send, lose one of them or more, and the clock ticks once."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from digest import app
from digest.cli import main
from digest.cluster.worker import CONCURRENCY
from digest.store.outbox import LEASE
from tests import clusters
from tests.clusters import CONNECTIONS, DEATHS, addresses, rows, suffer
from tests.databases import PostgreSQL, postgresql
from tests.monitors import monitor
from tests.program import Program, mail
from tests.smtp_servers import Sink

pytestmark = pytest.mark.pg

READERS = 300


@pytest.fixture
def program(tmp_path: Path, relay: Sink, postgres: PostgreSQL) -> Iterator[Program]:
    with clusters.a_program(postgres, relay, READERS, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def durable() -> Iterator[PostgreSQL]:
    """A server of our own, to be restarted, that keeps what it committed."""
    with postgresql(durable=True) as server:
        yield server


def worker(program: Program, *options: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    return clusters.process(program, "worker", *options)


def wait_until(fact: Callable[[], bool], program: Program, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, (program.home / "log").read_text()[-3000:]
        time.sleep(0.05)


def arrived(relay: Sink) -> Counter[tuple[str, str]]:
    return Counter((m.recipients[0], str(mail(m)["Message-ID"])) for m in list(relay.messages))


def states(program: Program) -> Counter[str]:
    return Counter(row["state"] for row in app.outbox(program.settings, READERS + 1, None))


def status(program: Program) -> dict[str, Any]:
    """What `digest status` says of the cluster."""
    said = CliRunner().invoke(main, ["status", "--json"], env=program.environment(), catch_exceptions=False)
    cluster: dict[str, Any] = json.loads(said.stdout)["cluster"]
    return cluster


def test_two_workers_share_a_send_and_stop_when_told(program: Program, relay: Sink) -> None:
    with worker(program) as one, worker(program) as other:
        wait_until(lambda: len(relay.messages) >= READERS, program)
        wait_until(lambda: states(program) == {"sent": READERS}, program)
        for process in (one, other):
            process.terminate()
            assert process.wait(30) == 0
    assert set(arrived(relay).values()) == {1}
    assert app.status(program.settings)["deliveries"] == {"sent": READERS}


def test_a_worker_that_is_told_to_stop_leaves_nothing_in_hand(program: Program, relay: Sink) -> None:
    """Not the whole outbox is sent first: what is on the wire goes out, the rest is for others."""
    with worker(program) as one:
        wait_until(lambda: len(relay.messages) > READERS // 4, program)
        one.terminate()
        assert one.wait(30) == 0
    left = states(program)
    assert left["planned"] > 0
    assert left["planned"] + left["sent"] == READERS
    assert len(relay.messages) == left["sent"]


def test_a_killed_worker_costs_no_digest(program: Program, relay: Sink) -> None:
    """What it had claimed comes free with its jobs; what it had on the wire is sent once more, and counted."""
    with worker(program) as one, worker(program):
        wait_until(lambda: len(relay.messages) > READERS // 4, program)
        one.kill()
        held = f"SELECT count(*) FROM deliveries WHERE state = 'claimed' AND owner LIKE '%:{one.pid}:%'"
        assert rows(program, held) != [(0,)]
        start = time.monotonic()
        wait_until(lambda: states(program)["sent"] + states(program)["in_data"] == READERS, program)
        assert time.monotonic() - start < LEASE.total_seconds() / 5
    left = states(program)
    assert left["in_data"] <= CONNECTIONS
    app.run_once(program.settings, app.clock_at(datetime.now(UTC) + timedelta(minutes=31)))
    got = arrived(relay)
    assert {recipient for recipient, _ in got} == set(addresses(READERS))
    assert got.total() - READERS <= left["in_data"]
    assert rows(program, "SELECT count(*) FROM deliveries WHERE resends > 0") == [(left["in_data"],)]


@pytest.mark.parametrize("death", DEATHS)
def test_a_death_in_the_middle_of_a_send_costs_no_digest(durable: PostgreSQL, death: str) -> None:
    """And none is sent twice; what was on the wire of whoever died, or lost its relay, is left in doubt."""
    toll = suffer(durable, death, "hold", READERS)
    assert (toll.lost, toll.unsettled, toll.repeated) == (0, 0, 0), toll.states
    assert toll.unknown <= (0 if "database" in death else CONNECTIONS), toll.states


def test_a_killed_workers_jobs_are_done_by_another(program: Program, relay: Sink) -> None:
    """The engine alone would leave them "doing" for ever."""
    with worker(program) as one:
        wait_until(lambda: len(relay.messages) > READERS // 4, program)
        one.kill()
    doing = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND task_name = 'deliver'"
    assert rows(program, doing) != [(0,)]
    assert status(program)["queues"]["deliver"]["doing"] >= 1
    with psycopg.connect(program.given["database_url"]) as connection:  # as if half a minute had gone by
        connection.execute("UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '31 seconds'")
    assert status(program)["dead_workers"] == len(CONCURRENCY)
    with worker(program):
        wait_until(lambda: rows(program, doing) == [(0,)], program)


def test_the_clock_ticks_once_for_three_workers(program: Program) -> None:
    jobs = "FROM procrastinate_jobs WHERE queue_name = 'clock'"
    fired = f"SELECT task_name, args->>'timestamp', count(*) {jobs} GROUP BY 1, 2"

    def ticks() -> Counter[object]:
        return Counter(task for task, _, _ in rows(program, fired))

    with monitor() as (url, heard):
        program.set(ping_url=f"{url}/alive")
        with worker(program, "--processes", "3"):
            wait_until(lambda: bool(rows(program, "SELECT to_regclass('procrastinate_jobs')")[0][0]), program)
            wait_until(lambda: ticks()["recover"] >= 3 and ticks()["tick"] >= 1, program)
            wait_until(lambda: bool(heard), program)
            assert status(program)["workers"] == 3 * len(CONCURRENCY)
    assert set(heard) == {"/alive"}, "a monitor hears of ticks, as of every pass"
    assert {times for _, _, times in rows(program, fired)} == {1}
    looked = status(program)
    assert (looked["workers"], looked["dead_workers"]) == (0, 0), "they said goodbye"
    tidied = rows(program, "SELECT value FROM facts WHERE name = 'tidied'")
    assert tidied == [(datetime.now(UTC).date().isoformat(),)], "a tick forgets what is old, as every pass does"
    assert rows(program, "SELECT count(*) FROM facts WHERE name = 'last_pass'") == [(1,)]


def test_workers_need_postgresql(program: Program, tmp_path: Path) -> None:
    program.set(database_url=f"sqlite:///{tmp_path / 'digest.sqlite'}")
    with worker(program) as refused:
        assert refused.wait(60) == 3
    assert "workers need PostgreSQL" in (program.home / "log").read_text()
