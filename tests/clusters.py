"""A cluster that loses something in the middle of a send: two workers, a daemon beside them, PostgreSQL and a relay.

Each part is a process of its own on real sockets. The first worker reaches database and relay over lines that can be
cut; what arrives is counted at the relay.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.parser import BytesHeaderParser
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import psycopg

from digest import app
from digest.sample import upstream
from tests.databases import PostgreSQL
from tests.kills import slow_down
from tests.lines import Line, line, tcp, unix
from tests.program import Program, entries
from tests.smtp_servers import Sink, sink

ROOT = Path(__file__).parents[1]
CONNECTIONS = 4
"""Of each process."""
LEASES = timedelta(minutes=31)
"""After which every claim of the dead has run out, and every body of theirs."""
QUIET = 5.0
"""Seconds without a mail after which those who are left have nothing more to do, if nothing is claimed any more."""
SILENCE = 50.0
"""The same where something is: a worker counts as dead after half a minute, and its claims come free soon after."""
NOTHING: Mapping[str, str] = MappingProxyType({})
PAUSE = 6.0
"""Seconds for which database or line are away."""


@contextmanager
def process(
    program: Program, *arguments: str, other: Mapping[str, str] = NOTHING, inside: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """`digest *arguments*` with *other* settings; asked to stop in the end, if it still runs.

    Its command comes behind that of *inside*, which puts it on another host.
    """
    settings = {f"DIGEST_{name.upper()}": value for name, value in other.items()}
    environment = os.environ | program.environment() | settings | {"PYTHONPATH": str(ROOT)}
    command = [*inside, sys.executable, "-m", "digest", *arguments]
    with (program.home / "log").open("ab") as log, subprocess.Popen(command, env=environment, stderr=log) as started:
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(60)
            finally:
                started.kill()


@contextmanager
def a_program(server: PostgreSQL, relay: Sink, readers: int, home: Path) -> Iterator[Program]:
    """The sample day, and readers whose hour was midnight: everybody is due whenever this runs, and not tomorrow."""
    today = datetime.now(UTC).date()
    with upstream.serve(today) as base, server.fresh() as url:
        made = Program(home)
        made.roster(entries(*addresses(readers), at='"00:00"', zone="UTC", days=f"[{today:%a}]".lower()))
        made.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base, smtp_url=relay.url, web_port=0)
        made.set(database_url=url, smtp_connections=CONNECTIONS)
        yield made


def addresses(readers: int) -> tuple[str, ...]:
    """Everybody's."""
    return tuple(f"reader{n}@example.org" for n in range(readers))


@dataclass
class Cluster:
    """Its parts, for somebody to break."""

    program: Program
    server: PostgreSQL
    relay: Sink
    to_database: Line
    to_relay: Line
    """Lines of the first worker."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.processes[name].kill()
        self.dead.add(name)

    def interrupt(self, line: Line) -> None:
        """Cut *line* for a while."""
        line.cut()
        time.sleep(PAUSE)
        line.mend()

    def restart_database(self, mode: str) -> None:
        """Stop it, and start it a while later on the same socket and data."""
        self.server.stop(mode)
        time.sleep(PAUSE)
        self.server.start()

    def wait_until(self, fact: Callable[[], bool], seconds: float) -> None:
        """Or say what the processes logged."""
        deadline = time.monotonic() + seconds
        while not fact():
            log = (self.program.home / "log").read_text()[-5000:]
            assert time.monotonic() < deadline, log
            died = {name for name, process in self.processes.items() if process.poll() is not None}
            assert died <= self.dead, log
            time.sleep(0.05)


DEATHS: Mapping[str, Callable[[Cluster], None]] = {
    "worker killed": lambda cluster: cluster.kill("first"),
    "daemon killed": lambda cluster: cluster.kill("daemon"),
    "database crashed": lambda cluster: cluster.restart_database("immediate"),
    "database restarted": lambda cluster: cluster.restart_database("fast"),
    "line to the database cut": lambda cluster: cluster.interrupt(cluster.to_database),
    "line to the relay cut": lambda cluster: cluster.interrupt(cluster.to_relay),
}
"""What may happen in the middle of a send."""


@dataclass(frozen=True)
class Toll:
    """What a death cost."""

    readers: int
    arrived: Counter[tuple[str, str]]
    """How often each mail arrived, by recipient and Message-ID."""
    states: Mapping[str, str]
    """Recipient -> what the outbox says in the end."""
    resent: int
    """Mails that were in doubt and sent once more, as the outbox counts."""
    late: Counter[str]
    """Digests that waited for a lease or a retry when all others had left, by state."""
    seconds: float
    """From the death to the last mail before that."""

    @property
    def lost(self) -> int:
        """Who got nothing, and of whom the outbox does not say "perhaps"."""
        got = {recipient for recipient, _ in self.arrived}
        return sum(email not in got and self.states.get(email) != "unknown" for email in addresses(self.readers))

    @property
    def repeated(self) -> int:
        """Mails more than one a reader."""
        return self.arrived.total() - len({recipient for recipient, _ in self.arrived})

    @property
    def unknown(self) -> int:
        """Left in doubt, for the operator."""
        return sum(state == "unknown" for state in self.states.values())

    @property
    def unsettled(self) -> int:
        """Neither sent nor in doubt; 0 if the program is right."""
        return self.readers - sum(state in {"sent", "unknown"} for state in self.states.values())

    @property
    def kept_promise(self) -> bool:
        """Nobody lost, and nobody written to twice but by the counted ones."""
        return not self.lost and not self.unsettled and self.repeated <= self.resent


def suffer(server: PostgreSQL, death: str, policy: str, readers: int) -> Toll:
    """One send, and one death in its middle.

    Args:
        server: syncs each commit to disk, as a crash of it is among the deaths.
        death: of `DEATHS`.
        policy: `DIGEST_UNKNOWN`.
        readers: how many; the send lasts some seconds.
    """
    with ExitStack() as stack:
        enter = stack.enter_context
        relay = enter(sink())
        slow_down(relay)
        program = enter(a_program(server, relay, readers, Path(enter(TemporaryDirectory()))))
        program.set(unknown=policy)
        cluster = Cluster(
            program, server, relay, enter(line(unix(server.socket))), enter(line(tcp("127.0.0.1", relay.port)))
        )
        with ExitStack() as running:
            _start(cluster, running)
            cluster.wait_until(lambda: len(relay.messages) > readers // 4, 180)
            start = time.monotonic()
            DEATHS[death](cluster)
            late, seconds = _until_quiet(cluster, readers, start)
            for name in cluster.processes.keys() - cluster.dead:
                cluster.processes[name].send_signal(signal.SIGTERM)
                assert cluster.processes[name].wait(60) == 0, f"{name}: {(program.home / 'log').read_text()[-5000:]}"
        return reckon(program, relay, readers, late, seconds)


def reckon(program: Program, relay: Sink, readers: int, late: Counter[str], seconds: float) -> Toll:
    """Let leases run out, send what waited for that, and count; no process runs any more."""
    _settle(program)
    [(resent,)] = rows(program, "SELECT coalesce(sum(resends), 0)::int FROM deliveries")
    states = {row["email"]: row["state"] for row in app.outbox(program.settings, readers + 1, None)}
    return Toll(readers, _arrived(relay), states, resent, late, seconds)


def rows(program: Program, query: str) -> list[tuple[Any, ...]]:
    """From the database, past the program."""
    with psycopg.connect(program.given["database_url"]) as connection:
        return connection.execute(query.encode()).fetchall()


def _start(cluster: Cluster, running: ExitStack) -> None:
    """Two workers and a daemon, the first of them over its lines."""
    name = cluster.program.given["database_url"].partition("@/")[2].partition("?")[0]
    over_lines = {
        "database_url": f"postgresql://postgres@127.0.0.1:{cluster.to_database.port}/{name}",
        "smtp_url": f"smtp://127.0.0.1:{cluster.to_relay.port}",
    }
    start = running.enter_context
    cluster.processes["first"] = start(process(cluster.program, "worker", other=over_lines))
    cluster.processes["second"] = start(process(cluster.program, "worker"))
    cluster.processes["daemon"] = start(process(cluster.program, "serve"))


def _until_quiet(cluster: Cluster, readers: int, start: float) -> tuple[Counter[str], float]:
    """Wait until whoever is left has sent what can be sent now.

    Returns:
        What else there is, by state; and seconds from *start* to the last mail.
    """
    last, since = -1, start
    query = "SELECT count(*), sum((state = 'planned')::int), sum((state = 'claimed')::int) FROM deliveries"

    def quiet() -> bool:
        nonlocal last, since
        if last != (last := len(cluster.relay.messages)):
            since = time.monotonic()
        [(all_, planned, claimed)] = rows(cluster.program, query)
        patience = SILENCE if claimed else QUIET
        return all_ == readers and not planned and time.monotonic() - since > patience

    cluster.wait_until(quiet, 600)
    left = rows(cluster.program, "SELECT state, count(*) FROM deliveries WHERE ready_at IS NOT NULL GROUP BY 1")
    return Counter(dict(left)), since - start


def _settle(program: Program) -> None:
    """Passes after the leases of the dead, until there is nothing more to send."""
    moment = datetime.now(UTC)
    report = None
    while report is None or report.delivered.states:
        moment += LEASES
        report = app.run_once(program.settings, app.clock_at(moment))
        assert moment < datetime.now(UTC) + timedelta(hours=10), report.line()


def _arrived(relay: Sink) -> Counter[tuple[str, str]]:
    parse = BytesHeaderParser().parsebytes
    return Counter((message.recipients[0], str(parse(message.data)["Message-ID"])) for message in relay.messages)
