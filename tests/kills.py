"""The daemon as a process that is killed again and again, while a replayed clock runs and real mail goes out."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

from digest import app
from digest.due import local_day, next_due
from digest.models import Schedule
from digest.store import roster
from tests.program import Program
from tests.smtp_servers import Sink

ZONES = ("Asia/Tokyo", "Asia/Kolkata", "Europe/Berlin", "UTC", "America/New_York", "America/Los_Angeles")
HOURS = ("00:30", "03:00", "05:30", "07:00", "08:30", "10:00")
"""Early, so that whatever is made up for within half a day still belongs to its day."""
IN_DATA = 0.02
"""Seconds that the relay thinks about a body, so that a kill finds one on its way."""

Issue = tuple[str, date]
"""A reader's address, and the day."""


def readers(count: int) -> str:
    """A roster of so many, spread over zones and hours; all want what is trending."""
    rows = (
        f'  - {{email: reader{n}@example.org, zone: {ZONES[n % 6]}, at: "{HOURS[n // 6 % 6]}", papers: 2}}\n'
        for n in range(count)
    )
    return "subscribers:\n" + "".join(rows)


@dataclass(frozen=True)
class Lived:
    """What came of a stretch of time."""

    kills: int
    arrived: Counter[Issue]
    """How often each digest arrived."""
    states: dict[Issue, str]
    """What the outbox says of each."""

    @property
    def repeated(self) -> int:
        """Digests that arrived more than once."""
        return sum(times > 1 for times in self.arrived.values())

    @property
    def doubtful(self) -> set[Issue]:
        """Those of which the outbox says "perhaps": a kill came while the body was on its way."""
        return {issue for issue, state in self.states.items() if state == "unknown"}


@dataclass
class Life:
    """A stretch of replayed time in which the daemon is meant to run."""

    program: Program
    relay: Sink
    start: datetime
    length: timedelta
    speed: float
    every_day: Callable[[date], None] = lambda _: None
    """Told of each new day, for upstreams that are to know of it."""

    def live(self, kills: int, seed: int) -> Lived:
        """Let it pass, killing the daemon so many times at random; a last pass then sends what waits."""
        chance, killed = random.Random(seed), 0
        slow_down(self.relay)
        self._began = time.monotonic()
        while self._left > 0:
            moment = self._now()
            with (self.program.home / "log").open("ab") as log:
                command = [sys.executable, "-m", "digest", "serve", "--at", moment.isoformat()]
                command += ["--speed", str(self.speed)]
                surroundings = os.environ | {"PYTHONPATH": str(ROOT)} | self.program.environment()
                process = subprocess.Popen(command, env=surroundings, stdout=log, stderr=log)
            try:
                if self._until_the_end(process, chance, kills - killed):
                    process.send_signal(signal.SIGTERM)
                    process.wait(60)
            finally:
                process.kill()
                process.wait()
            killed += self._left > 0
        app.run_once(self.program.settings, app.clock_at(self.start + self.length))
        return Lived(killed, arrived(self.relay), states(self.program))

    def _until_the_end(self, process: subprocess.Popen[bytes], chance: random.Random, kills: int) -> bool:
        """Wait; False when it is to be killed now: after some time, or after some more mails, what comes first."""
        lifetime = chance.uniform(0, 2 * self._left / (kills + 1)) if kills else self._left + 1
        deadline = time.monotonic() + lifetime
        enough = len(self.relay.messages) + chance.randint(1, 40) if kills else sys.maxsize
        while self._left > 0:
            self.every_day(self._now().date())
            if len(self.relay.messages) >= enough:
                time.sleep(chance.random() * 2 * IN_DATA)
                return False
            if time.monotonic() >= deadline:
                return False
            assert process.poll() is None, (self.program.home / "log").read_text()[-3000:]
            time.sleep(0.002)
        return True

    def _now(self) -> datetime:
        return self.start + timedelta(seconds=(time.monotonic() - self._began) * self.speed)

    @property
    def _left(self) -> float:
        """Seconds of our time."""
        return self.length.total_seconds() / self.speed - (time.monotonic() - self._began)


def slow_down(relay: Sink) -> None:
    """Let the relay think about each body."""

    async def handle_DATA(server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(IN_DATA)
        return await Sink.handle_DATA(relay, server, session, envelope)

    vars(relay)["handle_DATA"] = handle_DATA


def arrived(relay: Sink) -> Counter[Issue]:
    """Who got the digest of which day, and how often; a Message-ID begins with its day."""
    found: Counter[Issue] = Counter()
    for message in relay.messages:
        message_id = BytesHeaderParser().parsebytes(message.data)["Message-ID"]
        found[message.recipients[0], datetime.strptime(message_id[1:9], "%Y%m%d").date()] += 1  # noqa: DTZ007
    return found


def states(program: Program) -> dict[Issue, str]:
    """What the outbox says of each digest."""
    listed = app.outbox(program.settings, 1_000_000, None)
    return {(row["email"], date.fromisoformat(row["issue"])): row["state"] for row in listed}


def promised(text: str, start: datetime, length: timedelta) -> set[Issue]:
    """Which digests the schedules of a roster promise to people who subscribe at *start*."""
    people = roster.parse(text).profiles
    return {(p.email, day) for p in people for day in _days(p.schedule, start, start + length)}


def _days(schedule: Schedule, start: datetime, end: datetime) -> list[date]:
    days: list[date] = []
    while (due := next_due(schedule, start, days[-1] if days else None)) <= end:
        days.append(local_day(schedule, due))
    return days


ROOT = Path(__file__).parents[1]
