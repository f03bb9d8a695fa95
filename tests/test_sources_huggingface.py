"""Hugging Face Daily Papers. The answers here are invented, in the form of the real ones."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from digest.models import Signal
from digest.sources import Client, Limits, Task
from digest.sources.huggingface import HuggingFace, parse
from tests.data.sources.upstream import Reply, serving
from tests.make import NOON

DAY = NOON.date()
QUICK = Limits(connect=1, read=0.5, total=1, retries=0, backoff=0)


def an_entry(key: str = "2602.00001", /, **paper: Any) -> dict[str, Any]:
    return {
        "paper": {
            "id": key,
            "authors": [{"_id": "1", "name": "Ada Example", "hidden": False}, {"name": "Bo Sample"}],
            "publishedAt": "2026-02-02T08:10:21.000Z",
            "submittedOnDailyAt": "2026-02-04T00:15:44.767Z",
            "title": "On\nInvented $\\alpha$ Papers",
            "summary": "We invent\na paper.",
            "upvotes": 46,
            "ai_summary": "A paper is invented.",
            "ai_keywords": ["invention", "papers"],
            "githubRepo": "https://github.com/example/papers",
            "githubStars": 3,
            "projectPage": "https://papers.example.org",
            "organization": {"name": "EX", "fullname": "Example Institute"},
        }
        | paper,
        "thumbnail": "https://cdn.example.org/1.png",
        "numComments": 2,
    }


def body(*entries: object) -> bytes:
    return json.dumps(entries).encode()


def test_an_entry_with_everything() -> None:
    (listing,), problem = parse(body(an_entry()), DAY, NOON)
    paper = listing.paper
    assert problem == ""
    assert (paper.id, paper.title, paper.abstract) == ("2602.00001", "On Invented α Papers", "We invent a paper.")
    assert paper.authors == ("Ada Example", "Bo Sample")
    assert (paper.tldr, paper.keywords, paper.organization) == (
        "A paper is invented.",
        ("invention", "papers"),
        "Example Institute",
    )
    assert (paper.code_url, paper.project_url) == ("https://github.com/example/papers", "https://papers.example.org")
    assert paper.huggingface_url == "https://huggingface.co/papers/2602.00001"
    assert (paper.url, paper.thumbnail_url) == ("https://arxiv.org/abs/2602.00001", "https://cdn.example.org/1.png")
    assert paper.published == datetime(2026, 2, 2, 8, 10, 21, tzinfo=UTC)
    assert listing.signal == Signal(NOON, upvotes=46, comments=2, stars=3)
    assert listing.listed_at == datetime(2026, 2, 4, 0, 15, 44, 767000, tzinfo=UTC)


def test_an_entry_as_sparse_as_in_2024() -> None:
    """In March 2024 there was neither a submission time, nor a summary by AI, nor a repository."""
    sparse = {
        "paper": {"id": "2403.00001", "title": "T", "summary": "S", "authors": [], "upvotes": 9},
        "numComments": 0,
    }
    (listing,), problem = parse(body(sparse), date(2024, 3, 12), NOON)
    assert problem == ""
    assert listing.listed_at == datetime(2024, 3, 12, tzinfo=UTC)
    assert listing.signal == Signal(NOON, upvotes=9, comments=0, stars=None)
    assert (listing.paper.tldr, listing.paper.code_url, listing.paper.published) == ("", "", None)


@pytest.mark.parametrize("when", ["2026-02-03T23:59:00Z", "yesterday", "", None, 7])
def test_a_submission_on_another_day_does_not_move_the_listing(when: object) -> None:
    (listing,), _ = parse(body(an_entry(submittedOnDailyAt=when)), DAY, NOON)
    assert listing.listed_at == datetime(2026, 2, 4, tzinfo=UTC)


ODD: list[object] = [
    None,
    7,
    "paper",
    [],
    {},
    {"paper": None},
    {"paper": {}},
    {"paper": {"id": 7, "title": "T"}},
    {"paper": {"id": "2602.00002", "title": None}},
    {"paper": {"id": "2602.00002"}},
]


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_entry_never_spoils_the_others(odd: object) -> None:
    listings, problem = parse(body(odd, an_entry()), DAY, NOON)
    assert ([listing.paper.id for listing in listings], problem) == (["2602.00001"], "")


@pytest.mark.parametrize(
    "field", ["authors", "upvotes", "ai_keywords", "organization", "githubRepo", "summary", "publishedAt"]
)
@pytest.mark.parametrize("value", [None, -1, True, "x", [None, {"name": 3}], {"fullname": []}, 1e400, 10**30])
def test_a_field_of_an_unknown_form_is_left_out(field: str, value: object) -> None:
    listings, problem = parse(body(an_entry("2602.00001", **{field: value})), DAY, NOON)
    assert ([listing.paper.id for listing in listings], problem) == (["2602.00001"], "")
    assert listings[0].signal
    assert 0 <= listings[0].signal.upvotes < 2**31
    assert listings[0].paper.code_url in {"", "https://github.com/example/papers"}


def test_a_paper_that_is_not_on_arxiv_goes_by_its_page() -> None:
    (listing,), _ = parse(body(an_entry("some-report")), DAY, NOON)
    assert listing.paper.id == listing.paper.url == "https://huggingface.co/papers/some-report"


@pytest.mark.parametrize(
    ("answer", "papers", "problem"),
    [
        (b"[]", 0, ""),
        (b"1", 0, "answered with something that is not a list of papers"),
        (b'{"status": "no_data"}', 0, "answered with something that is not a list of papers"),
        (b"<!doctype html><title>Just a moment...</title>", 0, "answered with a web page instead of JSON"),
        (b"\x93\x00\xff" * 3000, 0, "answered with something that is not a list of papers"),
        (b"[" * 10_000, 0, "answered with JSON that breaks off after 0 papers"),
        (body({"new": "form"}), 0, "answered with entries of an unknown form"),
        (body(an_entry(), an_entry("2602.00002"))[:-9], 1, "answered with JSON that breaks off after 1 papers"),
    ],
)
def test_an_answer_that_is_no_list_is_told(answer: bytes, papers: int, problem: str) -> None:
    listings, told = parse(answer, DAY, NOON)
    assert (len(listings), told) == (papers, problem)


def asked(path: str) -> tuple[str, int]:
    query = parse_qs(urlsplit(path).query)
    return query["date"][0], int(query["p"][0])


def test_the_first_pull_reads_the_last_days_to_their_empty_page() -> None:
    with serving() as upstream, Client(limits=QUICK) as client:
        upstream.answer = lambda path: Reply(body(an_entry()) if asked(path) == ("2026-02-04", 0) else b"[]")
        pull = HuggingFace(upstream.url).pull(client, Task(NOON))
    days = ["2026-02-04", "2026-02-04", "2026-02-03", "2026-02-02", "2026-02-01"]
    assert [asked(path)[0] for path in upstream.asked] == days
    assert (len(pull.listings), pull.failure, pull.covered_until, pull.requests) == (1, "", NOON, 5)
    assert pull.bytes > 100
    assert pull.waited > 0


def test_short_pages_are_followed_until_an_empty_one() -> None:
    pages = [body(an_entry("2602.00001")), body(an_entry("2602.00001"), an_entry("2602.00002")), b"[]"]
    with serving() as upstream, Client(limits=QUICK) as client:
        upstream.answer = lambda path: Reply(pages[asked(path)[1]] if asked(path)[0] == "2026-02-04" else b"[]")
        pull = HuggingFace(upstream.url).pull(client, Task(NOON, NOON))
    assert [listing.paper.id for listing in pull.listings] == ["2602.00001", "2602.00002"]


def test_an_upstream_that_knows_no_pages_is_not_asked_for_ever() -> None:
    with serving(Reply(body(an_entry()))) as upstream, Client(limits=QUICK) as client:
        pull = HuggingFace(upstream.url).pull(client, Task(NOON, NOON))
    assert len(upstream.asked) == 8
    assert pull.failure == ""


@pytest.mark.parametrize(("gap", "days"), [(1, 4), (10, 11), (400, 31)])
def test_after_downtime_every_missed_day_is_read(gap: int, days: int) -> None:
    with serving(Reply(b"[]")) as upstream, Client(limits=QUICK) as client:
        HuggingFace(upstream.url).pull(client, Task(NOON, NOON - timedelta(days=gap)))
    assert len({asked(path)[0] for path in upstream.asked}) == days


def test_a_day_that_fails_is_asked_again_and_the_others_are_kept() -> None:
    since = NOON - timedelta(days=6)
    with serving() as upstream, Client(limits=QUICK) as client:
        upstream.answer = lambda path: (
            Reply(status=500)
            if asked(path)[0] == "2026-01-31"
            else Reply(body(an_entry(asked(path)[0])) if asked(path)[1] == 0 else b"[]")
        )
        pull = HuggingFace(upstream.url).pull(client, Task(NOON, since))
    assert len(pull.listings) == 6
    assert pull.failure == "answered 500 Internal Server Error"
    assert pull.covered_until == datetime(2026, 1, 31, tzinfo=UTC)


def test_a_dead_upstream_is_given_up_soon_and_covers_nothing() -> None:
    since = NOON - timedelta(days=20)
    with serving(Reply(hang_up=True)) as upstream, Client(limits=QUICK) as client:
        pull = HuggingFace(upstream.url).pull(client, Task(NOON, since))
    assert (pull.listings, pull.failure, pull.covered_until) == ((), "hung up without an answer", since)
    assert len(upstream.asked) == 2


def test_an_unchanged_day_brings_nothing_and_is_no_failure() -> None:
    with serving(Reply(status=304)) as upstream, Client(limits=QUICK) as client:
        pull = HuggingFace(upstream.url).pull(client, Task(NOON, NOON))
    assert (pull.listings, pull.failure, pull.covered_until) == ((), "", NOON)


def test_only_pages_with_papers_that_were_whole_may_be_remembered() -> None:
    """An empty page that were remembered would answer 304, and nobody could tell that it is the last."""
    with serving() as upstream, Client(limits=QUICK) as client:
        whole = Reply(body(an_entry()), headers={"ETag": '"1"'})
        broken = Reply(body(an_entry(), an_entry())[:-5], headers={"ETag": '"1"'})
        upstream.answer = lambda path: {
            ("2026-02-04", 0): whole,
            ("2026-02-03", 0): broken,
        }.get(asked(path), Reply(b"[]", headers={"ETag": '"2"'}))
        pull = HuggingFace(upstream.url).pull(client, Task(NOON, NOON))
    assert [asked(validator.url) for validator in pull.validators] == [("2026-02-04", 0)]
