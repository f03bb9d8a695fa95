"""When a message may go out: evenly to the relay and to each domain, and few while the sender is new."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import pytest

from digest.models import DeliveryState
from digest.pipeline import Turns
from digest.pipeline.rates import DAY
from digest.sample import upstream
from digest.settings import load
from digest.store import Pace, Store, open_store
from tests.make import token_of
from tests.program import Program, entries
from tests.smtp_servers import Sink

MIDNIGHT = datetime(2026, 2, 4, tzinfo=UTC).timestamp()


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self, now: float = MIDNIGHT) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def turns(store: Store, clock: Clock, warm_up: tuple[int, ...] = (), **per_second: float) -> Turns:
    named = {name.replace("__", " ").replace("_", "."): rate for name, rate in per_second.items()}
    return Turns(store, named, warm_up, clock, clock.sleep)


# -- in the store


def test_a_place_that_comes_too_late_is_not_taken(store: Store) -> None:
    assert [store.rates.take([Pace("relay", 4.0, 1000.0, 1008.0)]) for _ in range(3)] == [[1000.0], [1004.0], [1008.0]]
    full = Pace("relay", 4.0, 1000.0, 1008.0)
    assert store.rates.take([full]) == full
    assert store.rates.take([Pace("relay", 4.0, 1005.0, 1013.0)]) == [1012.0], "the refused one moved nothing"


def test_places_are_taken_under_all_limits_or_none(store: Store) -> None:
    tight = Pace("to gmail.com", 100.0, 1000.0, 1010.0)
    wide = Pace("relay", 1.0, 1000.0, 1010.0)
    assert store.rates.take([wide, tight]) == [1000.0, 1000.0]
    assert store.rates.take([wide, tight]) == tight
    assert store.rates.take([wide]) == [1001.0], "the relay lost no place to a message that did not go"


def test_a_clock_that_ran_ahead_binds_nobody(store: Store) -> None:
    """Set back by an hour, it would else have arXiv's queue, and the pass in it, stand still for an hour."""
    ahead, now = 4600.0, 1000.0
    store.rates.reserve("arxiv", 3.0, ahead, horizon=120.0)
    assert store.rates.take([Pace("relay", 4.0, ahead, ahead + 10, 60.0)]) == [ahead]
    assert [store.rates.reserve("arxiv", 3.0, now, horizon=120.0) for _ in range(3)] == [0.0, 3.0, 6.0]
    relay = Pace("relay", 4.0, now, now + 5, 60.0)
    assert [store.rates.take([relay]) for _ in range(3)] == [[now], [now + 4], relay]


# -- turns


def test_without_limits_nobody_waits_and_nothing_is_written(store: Store, clock: Clock) -> None:
    assert [turns(store, clock).wait("a@gmail.com") for _ in range(50)] == [0.0] * 50
    assert clock.now == MIDNIGHT
    assert store.facts.get("warm_up_since") is None


def test_messages_to_the_relay_are_spaced(store: Store, clock: Clock) -> None:
    t = turns(store, clock, relay=4.0)
    starts = [(t.wait("a@example.org"), clock.now - MIDNIGHT) for _ in range(5)]
    assert starts == [(0.0, 0.0), (0.0, 0.25), (0.0, 0.5), (0.0, 0.75), (0.0, 1.0)]


def test_a_slow_domain_holds_up_nobody_else(store: Store, clock: Clock) -> None:
    t = turns(store, clock, to__gmail_com=0.05)
    assert t.wait("a@gmail.com") == 0.0
    assert t.wait("b@GMAIL.com") == 20.0
    assert t.wait("c@example.org") == 0.0
    assert clock.now == MIDNIGHT


def test_who_has_to_come_back_gets_a_moment_of_their_own(store: Store, clock: Clock) -> None:
    """A thousand that come back together would be sent away together."""
    t = turns(store, clock, to__gmail_com=0.05)
    t.wait("first@gmail.com")
    later = [t.wait(f"{n}@gmail.com") for n in range(4)]
    assert all(b - a == pytest.approx(20.0) for a, b in pairwise(later))
    for seconds in later:
        clock.now = MIDNIGHT + seconds
        assert t.wait("again@gmail.com") == 0.0


def test_a_new_sender_sends_few_on_its_first_days(store: Store, clock: Clock) -> None:
    clock.now += 7 * 3600
    t = turns(store, clock, warm_up=(3, 5))
    first = [t.wait(f"{n}@example.org") for n in range(5)]
    assert first == [0.0, 0.0, 0.0, 17 * 3600.0, 17 * 3600.0], "the fourth comes back at midnight"
    assert clock.now == MIDNIGHT + 7 * 3600, "a day's messages may go at once"
    clock.now = MIDNIGHT + DAY
    assert [t.wait("x@example.org") for _ in range(6)] == [0.0] * 5 + [DAY]
    clock.now = MIDNIGHT + 2 * DAY
    assert [t.wait("x@example.org") for _ in range(50)] == [0.0] * 50, "then it is known"


def test_the_first_day_is_remembered(store: Store, clock: Clock) -> None:
    turns(store, clock, warm_up=(1, 2)).wait("a@example.org")
    clock.now += DAY
    again = turns(store, clock, warm_up=(1, 2))
    assert [again.wait("a@example.org") for _ in range(3)] == [0.0, 0.0, DAY]


def test_warming_up_counts_exactly(store: Store, clock: Clock) -> None:
    clock.now += DAY - 1
    t = turns(store, clock, warm_up=(397,))
    assert sum(t.wait("a@example.org") == 0.0 for _ in range(420)) == 397


def sending(url: str) -> list[float]:
    """The moments at which one of several processes sends for two seconds."""
    end, moments = time.time() + 2.0, []
    with closing(open_store(url, token_of)) as store:
        limits = Turns(store, {"relay": 20.0})
        while time.time() < end:
            assert limits.wait("a@example.org") == 0.0
            moments.append(time.time())
    return moments


def test_processes_share_the_relay(store: Store, database_url: str) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        each = list(processes.map(sending, [database_url] * 2))
    moments = sorted(moment for one in each for moment in one)
    seconds = moments[-1] - moments[0]
    assert all(each), "both sent"
    assert len(moments) - 1 <= seconds * 20.0 + 2, "never faster than 20 a second, but for who woke late"
    assert len(moments) > 20


# -- settings


def test_rates_are_read_from_variables_and_from_toml(tmp_path: Path) -> None:
    settings = load({"DIGEST_HOME": str(tmp_path), "DIGEST_SMTP_DOMAIN_RATES": "Gmail.com=5, gmx.net=0.5"})
    assert settings.smtp_domain_rates == {"gmail.com": 5.0, "gmx.net": 0.5}
    (tmp_path / "digest.toml").write_text('smtp_domain_rates = {"gmail.com" = 5}\nwarm_up = [50, 100]\nsmtp_rate = 2\n')
    settings = load({"DIGEST_HOME": str(tmp_path)})
    assert (settings.smtp_domain_rates, settings.warm_up, settings.smtp_rate) == ({"gmail.com": 5.0}, (50, 100), 2.0)


# -- the whole program


@pytest.fixture
def program(tmp_path: Path, relay: Sink) -> Iterator[Program]:
    with upstream.serve(date(2026, 2, 4)) as base:
        made = Program(tmp_path)
        made.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base, smtp_url=relay.url)
        yield made


def test_what_has_to_wait_longer_is_sent_by_a_later_pass(program: Program, relay: Sink) -> None:
    program.set(smtp_domain_rates={"slow.example": 0.02})
    program.roster(entries("a@slow.example", "b@slow.example", "c@example.org"))
    report = program.run("2026-02-04T07:00Z")
    assert report.delivered.states == {DeliveryState.SENT: 2, DeliveryState.DEFERRED: 1}, report.line()
    assert not report.failed
    assert program.run("2026-02-04T07:00:30Z").delivered.states == {}, "its moment has not come"


def test_two_programs_keep_one_rate(program: Program, relay: Sink, database_url: str) -> None:
    """On SQLite the second one finds the store taken; on PostgreSQL both send. The rate is the same."""
    program.set(smtp_rate=10, smtp_connections=2, database_url=database_url)
    program.roster(entries(*(f"p{n}@example.org" for n in range(30))))
    started = time.monotonic()
    command = [sys.executable, "-m", "digest", "run", "--at", "2026-02-04T07:00Z"]
    both = [
        subprocess.Popen(command, env=os.environ | program.environment(), cwd=Path(__file__).parents[1])
        for _ in range(2)
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    assert sorted(m.recipients[0] for m in relay.messages) == sorted(f"p{n}@example.org" for n in range(30))
    assert time.monotonic() - started >= 2.8, "30 messages at 10 a second"


def test_each_message_leaves_when_its_turn_has_come(program: Program, relay: Sink) -> None:
    """Digests are written many at once; those that have to be spaced are not."""
    program.set(smtp_rate=10)
    program.roster(entries(*(f"p{n}@example.org" for n in range(8))))
    arrived: dict[int, float] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            arrived.setdefault(len(relay.messages), time.monotonic())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        program.run("2026-02-04T07:00Z")
    finally:
        done.set()
        watcher.join()
    first, sixth = (min(when for count, when in arrived.items() if count >= number) for number in (1, 6))
    assert sixth - first > 0.3, "five places of a tenth of a second, of which two connections are one ahead"
