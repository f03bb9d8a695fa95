"""What the store knows of sources, limits, readers' opinions and past runs."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta, timezone
from itertools import pairwise
from multiprocessing import get_context

import pytest

from digest.models import Listing, Paper, Profile, Subscriber
from digest.store import Learned, Opinions, Run, SourceRecord, Store, open_store
from tests.make import NOON, a_paper, token_of

HOUR = timedelta(hours=1)


# -- sources


def test_a_good_pull_is_remembered(store: Store) -> None:
    assert store.sources.records() == {}
    store.sources.record("arxiv", NOON, covered_until=NOON - HOUR, failure="")
    assert store.sources.records() == {"arxiv": SourceRecord("arxiv", NOON - HOUR, NOON, NOON, None, "")}


def test_a_failing_source_keeps_since_when(store: Store) -> None:
    store.sources.record("arxiv", NOON, NOON, "")
    store.sources.record("arxiv", NOON + HOUR, NOON, "HTTP 503")
    store.sources.record("arxiv", NOON + 2 * HOUR, NOON, "timed out")
    assert store.sources.records()["arxiv"] == SourceRecord(
        "arxiv", NOON, NOON + 2 * HOUR, succeeded_at=NOON, failing_since=NOON + HOUR, failure="timed out"
    )
    store.sources.record("arxiv", NOON + 3 * HOUR, NOON + 3 * HOUR, "")
    at = NOON + 3 * HOUR
    assert store.sources.records()["arxiv"] == SourceRecord("arxiv", at, at, at, failing_since=None, failure="")


def test_a_source_that_fails_from_the_start(store: Store) -> None:
    store.sources.record("feed", NOON, None, "x" * 5000)
    assert store.sources.records()["feed"] == SourceRecord("feed", None, NOON, None, NOON, "x" * 500)


def test_a_failure_does_not_forget_what_was_covered(store: Store) -> None:
    store.sources.record("arxiv", NOON, NOON - HOUR, "")
    store.sources.record("arxiv", NOON + HOUR, None, "HTTP 503")
    assert store.sources.records()["arxiv"].covered_until == NOON - HOUR


def test_a_failure_is_dated_in_any_zone(store: Store) -> None:
    store.sources.record("arxiv", NOON, None, "")
    store.sources.record("arxiv", NOON.astimezone(timezone(9 * HOUR)), None, "HTTP 503")
    assert store.sources.records()["arxiv"].failing_since == NOON


def test_sources_do_not_share_their_fate(store: Store) -> None:
    store.sources.record("arxiv", NOON, NOON, "HTTP 503")
    store.sources.record("huggingface", NOON, NOON, "")
    assert {name: record.failure for name, record in store.sources.records().items()} == {
        "arxiv": "HTTP 503",
        "huggingface": "",
    }


def test_validators_are_kept_by_address(store: Store) -> None:
    store.sources.put("https://example.org/a", '"1"', "")
    store.sources.put("https://example.org/a", '"2"', "Wed, 04 Feb 2026 12:00:00 GMT")
    assert store.sources.get("https://example.org/a") == ('"2"', "Wed, 04 Feb 2026 12:00:00 GMT")
    assert store.sources.get("https://example.org/b") is None


# -- limits


def test_requests_are_spaced(store: Store) -> None:
    assert [store.rates.reserve("arxiv", 3.0, now) for now in (1000.0, 1000.0, 1001.0)] == [0.0, 3.0, 5.0]
    assert store.rates.reserve("arxiv", 3.0, 2000.0) == 0.0, "a quiet time gives no credit"
    assert store.rates.reserve("arxiv", 3.0, 2000.0) == 3.0
    assert store.rates.reserve("huggingface", 3.0, 2000.0) == 0.0, "limits do not share"


def test_a_burst_may_come_at_once(store: Store) -> None:
    waits = [store.rates.reserve("relay", 2.0, 1000.0, burst=6.0) for _ in range(6)]
    assert waits == [0.0, 0.0, 0.0, 0.0, 2.0, 4.0]
    assert store.rates.reserve("relay", 2.0, 5000.0, burst=6.0) == 0.0


def events(store: Store) -> list[float]:
    """When each of 20 events may happen."""
    return [(now := time.time()) + store.rates.reserve("arxiv", 3.0, now) for _ in range(20)]


def events_of_a_process(url: str) -> list[float]:
    with closing(open_store(url, token_of)) as store:
        return events(store)


def spaced(moments: list[float]) -> bool:
    return all(later - earlier >= 3.0 - 1e-6 for earlier, later in pairwise(sorted(moments)))


def test_threads_share_a_limit(store: Store) -> None:
    with ThreadPoolExecutor(3) as threads:
        moments = [moment for series in threads.map(events, [store] * 3) for moment in series]
    assert len(moments) == 60
    assert spaced(moments)


def test_processes_share_a_limit(store: Store, database_url: str) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        moments = [m for series in processes.map(events_of_a_process, [database_url] * 2) for m in series]
    assert len(moments) == 40
    assert spaced(moments)


# -- facts


def test_a_fact_is_kept(store: Store) -> None:
    assert store.facts.get("roster") is None
    store.facts.put({"roster": "a1", "other": ""})
    store.facts.put({"roster": "b2"})
    assert (store.facts.get("roster"), store.facts.get("other")) == ("b2", "")


# -- runs


def test_the_last_run_is_remembered(store: Store) -> None:
    assert store.runs.latest() is None
    runs = [Run(NOON + n * HOUR, NOON + n * HOUR, {"sent": n, "failed": ["ä"]}) for n in range(3)]
    for run in runs:
        store.runs.add(run)
    assert store.runs.latest() == runs[-1]


def test_word_statistics_are_replaced(store: Store) -> None:
    assert store.runs.statistics() is None
    store.runs.keep_statistics(Learned(NOON, 10, b"\0\xff"))
    store.runs.keep_statistics(Learned(NOON + HOUR, 20, b"\x01"))
    assert store.runs.statistics() == Learned(NOON + HOUR, 20, b"\x01")


# -- opinions


@pytest.fixture
def reader(store: Store) -> Subscriber:
    store.subscribers.sync([Profile("ada@example.org"), Profile("bo@example.org")], NOON)
    return next(iter(store.subscribers.everyone()))


@pytest.fixture
def papers(store: Store) -> list[Paper]:
    papers = [a_paper() for _ in range(3)]
    store.papers.add([Listing("arxiv", paper, NOON) for paper in papers], NOON)
    return papers


def test_the_latest_word_on_a_paper_counts(store: Store, reader: Subscriber, papers: list[Paper]) -> None:
    first, second, third = papers
    said = [(first, "more"), (second, "less"), (third, "more"), (first, "less"), (second, "more"), (third, "more")]
    for minutes, (paper, verb) in enumerate(said):
        assert store.feedback.add(reader.id, paper.id, verb, NOON + timedelta(minutes=minutes))
    assert store.feedback.opinions([reader.id]) == {reader.id: Opinions(more=(second, third), less=(first,))}


def test_an_opinion_can_be_withdrawn(store: Store, reader: Subscriber, papers: list[Paper]) -> None:
    store.feedback.add(reader.id, papers[0].id, "more", NOON)
    store.feedback.add(reader.id, papers[0].id, "none", NOON)
    assert store.feedback.opinions([reader.id]) == {reader.id: Opinions()}


def test_saving_a_paper_is_no_opinion(store: Store, reader: Subscriber, papers: list[Paper]) -> None:
    store.feedback.add(reader.id, papers[0].id, "more", NOON)
    store.feedback.add(reader.id, papers[0].id, "save", NOON + HOUR)
    assert store.feedback.opinions([reader.id]) == {reader.id: Opinions(more=(papers[0],))}


def test_opinions_are_each_readers_own(store: Store, reader: Subscriber, papers: list[Paper]) -> None:
    store.feedback.add(reader.id, papers[0].id, "more", NOON)
    store.feedback.add(reader.id + 1, papers[0].id, "less", NOON)
    assert store.feedback.opinions([reader.id]) == {reader.id: Opinions(more=(papers[0],))}
    assert store.feedback.opinions([]) == {}


def test_nothing_is_said_of_an_unknown_paper(store: Store, reader: Subscriber) -> None:
    assert store.feedback.add(reader.id, "2602.99999", "more", NOON) is False
