"""Killed ten times in a day and a half, the daemon sends what it would have sent, and nothing twice.

benchmarks/kills.py makes it fifty times in a week, against recorded upstreams.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from digest.sample import upstream
from tests.kills import Life, promised, readers
from tests.program import Program
from tests.smtp_servers import sink

START, LENGTH, SPEED = datetime(2026, 2, 3, 20, tzinfo=UTC), timedelta(hours=36), 1440
"""A day in a minute."""
KILLS = 10


@pytest.mark.timeout(600)
def test_a_daemon_that_is_killed_at_random_sends_all_and_nothing_twice(tmp_path: Path) -> None:
    program = Program(tmp_path)
    people = readers(72)
    program.roster(people)
    with upstream.serve(date(2026, 2, 4)) as base, sink() as relay:
        program.set(sources="huggingface", huggingface_url=base, smtp_url=relay.url, web_port=0, unknown="hold")
        lived = Life(program, relay, START, LENGTH, SPEED).live(KILLS, seed=1)
    assert lived.kills == KILLS
    assert lived.repeated == 0
    assert set(lived.states) == promised(people, START, LENGTH)
    assert set(lived.states.values()) <= {"sent", "unknown"}
    assert len(lived.doubtful) <= 2 * KILLS, "at most one a connection and kill"
    assert set(lived.arrived) | lived.doubtful == set(lived.states)
