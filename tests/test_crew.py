"""`digest run --processes`: everybody is served once, and a lock outlives the one who took it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psutil
import pytest

from digest.sample import upstream
from tests.program import Program, entries
from tests.smtp_servers import Sink

ROOT = Path(__file__).parents[1]
READERS = 150
SEVEN = "2026-02-04T06:00Z"


@pytest.fixture
def program(tmp_path: Path, relay: Sink, database_url: str) -> Iterator[Program]:
    with upstream.serve(date(2026, 2, 4)) as base:
        made = Program(tmp_path)
        made.roster(entries(*(f"reader{n}@example.org" for n in range(READERS)), at='"07:00"', zone="Europe/Berlin"))
        made.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base, smtp_url=relay.url)
        made.set(database_url=database_url)
        yield made


@contextmanager
def running(program: Program, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "digest", "run", "--at", SEVEN, "--json", *options]
    environment = os.environ | program.environment() | {"PYTHONPATH": str(ROOT)}
    with (
        (program.home / "log").open("a") as log,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        yield process


def recipients(relay: Sink) -> Counter[str]:
    return Counter(message.recipients[0] for message in list(relay.messages))


def test_three_processes_serve_everybody_once(program: Program, relay: Sink) -> None:
    with running(program, "--processes", "3") as process:
        report = json.loads(process.communicate()[0])
    assert report["planned"]["issues"] == READERS
    assert report["delivered"] == {"sent": READERS}
    assert set(recipients(relay).values()) == {1}
    assert len(recipients(relay)) == READERS


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_lock_lives_as_long_as_the_last_process(program: Program, relay: Sink) -> None:
    """The parent is killed; while its processes still send, nobody else takes their claims for orphaned."""
    with running(program, "--processes", "2") as process:
        deadline = time.monotonic() + 60
        while len(relay.messages) < 5:
            assert time.monotonic() < deadline, (program.home / "log").read_text()
            time.sleep(0.01)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        assert program.run(SEVEN).taken
        psutil.wait_procs(family, 60)
    assert not program.run(SEVEN).taken
    assert set(recipients(relay).values()) == {1}
    assert len(recipients(relay)) == READERS


def test_a_process_that_dies_is_reported_and_its_share_is_done(program: Program, relay: Sink) -> None:
    program.set(unknown="hold")
    with running(program, "--processes", "2") as process:
        deadline = time.monotonic() + 60
        while len(relay.messages) < 5:
            assert time.monotonic() < deadline, (program.home / "log").read_text()
            time.sleep(0.01)
        hands = [p for p in psutil.Process(process.pid).children(recursive=True) if not p.children()]
        max(hands, key=lambda p: p.create_time()).kill()
        report = json.loads(process.communicate()[0])
    assert report["stopped"] == "a process of the crew died"
    assert process.returncode == 1
    assert set(recipients(relay).values()) == {1}
    in_hand = program.settings.smtp_connections
    assert READERS - in_hand <= len(recipients(relay)) <= READERS
