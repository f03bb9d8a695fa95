"""The daemon as a process: it ticks, it ends, it reads its files again, and it tells its supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from digest import app
from digest.sample import upstream
from digest.schedule import Clock
from digest.store import Hold, hold
from tests.program import Program
from tests.smtp_servers import Sink

READERS = 40


def people(count: int) -> str:
    """So many readers whose hour has gone by today, wherever the test runs."""
    rows = "".join(f"  - {{email: reader{n}@example.org}}\n" for n in range(count))
    return f'defaults: {{zone: UTC, at: "00:00"}}\nsubscribers:\n{rows}'


@pytest.fixture
def program(tmp_path: Path, relay: Sink) -> Iterator[Program]:
    with upstream.serve(datetime.now(UTC).date()) as base:
        made = Program(tmp_path)
        made.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base, smtp_url=relay.url)
        made.set(sources="huggingface", web_port=0)  # arXiv's pace of three seconds is not what this is about
        made.roster(people(1))
        yield made


class Daemon:
    """`digest serve` as a process, and what it logs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def says(self, words: str, times: int = 1) -> None:
        eventually(lambda: self.log.count(words) >= times, lambda: f"{words!r} not in:\n{self.log}")

    def ended(self, number: signal.Signals) -> tuple[int, float]:
        """Its exit code after *number*, and the seconds it took."""
        start = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(30), time.monotonic() - start


@contextmanager
def serving(program: Program, **environment: str) -> Iterator[Daemon]:
    log = program.home / f"log{len([*program.home.glob('log*')])}"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "digest", "serve"]
        surroundings = os.environ | program.environment() | environment
        process = subprocess.Popen(command, env=surroundings, stdout=output, stderr=output)
    try:
        yield Daemon(process, log)
    finally:
        process.kill()
        process.wait()


def eventually(holds: Callable[[], bool], otherwise: Callable[[], str], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)


def slow_down(relay: Sink, seconds: float) -> None:
    """The relay thinks about each body for so long."""

    async def handle_DATA(server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(seconds)
        return await Sink.handle_DATA(relay, server, session, envelope)

    vars(relay)["handle_DATA"] = handle_DATA


def recipients(relay: Sink) -> list[str]:
    return [message.recipients[0] for message in relay.messages]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_sends_what_is_due_and_ends_when_told(program: Program, relay: Sink, number: signal.Signals) -> None:
    with serving(program) as daemon:
        daemon.says("1 sent")
        code, seconds = daemon.ended(number)
    assert code == 0
    assert seconds < 5
    assert recipients(relay) == ["reader0@example.org"]
    assert "example.org" not in daemon.log, "no addresses in logs"


def test_told_to_end_while_it_sends_it_finishes_the_message_in_hand_and_keeps_the_rest(
    program: Program, relay: Sink
) -> None:
    program.roster(people(READERS))
    slow_down(relay, 0.3)
    with serving(program) as daemon:
        eventually(lambda: len(relay.messages) >= 3, lambda: daemon.log)
        code, seconds = daemon.ended(signal.SIGTERM)
    assert code == 0
    assert seconds < 10
    arrived = len(relay.messages)
    assert arrived < READERS
    assert app.status(program.settings)["deliveries"] == {"planned": READERS - arrived, "sent": arrived}
    slow_down(relay, 0)
    app.run_once(program.settings)
    assert sorted(recipients(relay)) == sorted(f"reader{n}@example.org" for n in range(READERS))


def test_a_relay_that_hangs_does_not_keep_it_from_ending(program: Program, relay: Sink) -> None:
    slow_down(relay, 60)
    with serving(program) as daemon:
        eventually(lambda: '"in_data"' in str(in_hand(program)), lambda: daemon.log)
        code, seconds = daemon.ended(signal.SIGTERM)
        daemon.says("cut off")
    assert code == 1
    assert seconds < 10
    slow_down(relay, 0)
    app.run_once(program.settings)
    assert app.outbox(program.settings, 10, None)[0]["state"] == "sent", "sent again, once, as after a crash"


def in_hand(program: Program) -> list[str]:
    if not (program.home / "var" / "digest.sqlite").exists():
        return []
    return [f'"{row["state"]}"' for row in app.outbox(program.settings, 10, None)]


def test_a_wrong_roster_changes_nothing_and_the_operator_hears_of_it(program: Program, relay: Sink) -> None:
    program.set(operator="op@example.net")
    with serving(program) as daemon:
        daemon.says("1 sent")
        program.roster(people(2) + "  - {email: nope, zone: Mars/Olympus}\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("not reloaded")
        program.roster(people(2))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("1 sent", times=2)
        assert daemon.ended(signal.SIGTERM)[0] == 0
    assert recipients(relay) == ["reader0@example.org", "reader1@example.org"]


def test_settings_are_read_again_on_a_hangup(program: Program, relay: Sink) -> None:
    settings = program.home / "digest.toml"
    settings.write_text('sender = "First <first@example.com>"\n')
    with serving(program) as daemon:
        daemon.says("1 sent")
        for number, wrong in enumerate(('sender = "broken\n', 'semantic_model = "gone"\n'), 1):
            settings.write_text(wrong)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.says("not reloaded", times=number)
        assert daemon.log.count('"serving"') == 1, "it went on without a break"
        settings.write_text('sender = "Second <second@example.com>"\n')
        program.roster(people(2))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("1 sent", times=2)
    assert [message.sender for message in relay.messages] == ["first@example.com", "second@example.com"]


def test_settings_that_turn_out_to_be_of_no_use_are_not_taken(program: Program, relay: Sink) -> None:
    """Each is well formed; only whoever listens, signs or reads with it finds out."""
    settings = program.home / "digest.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken, serving(program) as daemon:
        daemon.says("1 sent")
        port = taken.getsockname()[1]
        for number, wrong in enumerate(
            (f'mail_domain = "b.example.com"\ninbound_port = {port}\n', 'dkim_domain = "example.com"\n'), 1
        ):
            settings.write_text(wrong)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.says("not reloaded", times=number)
            daemon.says('"serving"', times=number + 1)
        settings.unlink()
        program.roster(people(2))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("1 sent", times=2)
        assert daemon.ended(signal.SIGTERM)[0] == 0
    assert len(recipients(relay)) == 2


def test_a_clock_that_is_set_back_stops_nothing(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler waits for the moment of the next tick, which is an hour away by then."""
    clock = Clock(program.settings)
    clock.start()
    eventually(lambda: clock.ticked is not None, lambda: "no tick")
    before = clock.ticked
    clock.catch_up()
    time.sleep(0.5)
    assert clock.ticked == before
    monkeypatch.setattr(app, "system_clock", lambda: datetime.now(UTC) - timedelta(hours=1))
    clock.catch_up()
    eventually(lambda: clock.ticked != before, lambda: "no tick after the clock was set back", seconds=30)
    assert clock.stop(30)


def test_a_wrong_roster_at_the_start_ends_it_with_the_reason(program: Program) -> None:
    program.roster("subscribers: [{email: nope}]")
    with serving(program) as daemon:
        assert daemon.process.wait(30) == 3
    assert "nope" in daemon.log


def test_beside_another_process_it_waits_and_says_so(program: Program, relay: Sink) -> None:
    with hold(program.settings.resolved_database_url) as held:
        assert held.hold is Hold.ALONE
        with serving(program) as daemon:
            daemon.says("another process works on this store")
            assert app.run_once(program.settings).line().startswith("another digest is at work")
            assert daemon.ended(signal.SIGTERM)[0] == 0
    assert relay.messages == []


def test_two_daemons_and_a_cron_job_send_once(program: Program, relay: Sink) -> None:
    program.roster(people(READERS))
    slow_down(relay, 0.02)
    with serving(program) as one, serving(program) as two:
        eventually(lambda: len(relay.messages) >= 2, lambda: one.log + two.log)
        app.run_once(program.settings)
        eventually(lambda: len(relay.messages) >= READERS, lambda: one.log)
        assert {one.ended(signal.SIGTERM)[0], two.ended(signal.SIGTERM)[0]} == {0}
    assert len(recipients(relay)) == len(set(recipients(relay))) == READERS


def test_the_supervisor_is_told(program: Program, relay: Sink, tmp_path: Path) -> None:
    """sd_notify(3): READY once it works, WATCHDOG while it does, STOPPING before it ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(30)
        with serving(program, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000") as daemon:
            heard = [supervisor.recv(4096).decode()]
            while heard[-1].count("WATCHDOG=1") == 0 or "1 sent" not in heard[-1]:
                heard.append(supervisor.recv(4096).decode())
            daemon.process.send_signal(signal.SIGTERM)
            while "STOPPING=1" not in heard[-1]:
                heard.append(supervisor.recv(4096).decode())
            assert daemon.process.wait(30) == 0
    assert heard[0].startswith("READY=1")
    assert "example.org" not in "".join(heard)
