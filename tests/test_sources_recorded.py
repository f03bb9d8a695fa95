"""All sources against recordings of the real upstreams, played on loopback with every kind of fault."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from digest.models import ListingKind
from digest.settings import Feed as FeedSetting
from digest.settings import Settings
from digest.sources import Client, Limits, Pull, Source, Task, build, look_up
from digest.sources.arxiv import parse as parse_arxiv
from digest.sources.arxiv import parse_page
from digest.sources.feed import parse as parse_feed
from digest.sources.huggingface import parse as parse_huggingface
from tests.conftest import RECORDINGS as RECORDED
from tests.make import NOON
from tests.test_sources_http import Memory

pytestmark = pytest.mark.recorded

CATEGORIES = ("cs.AI", "cs.CL", "cs.CV", "cs.LG")
LIMITS = Limits(connect=2, read=1, total=2, retries=2, backoff=0.01, longest_wait=3)
HOSTS = {"huggingface": "huggingface.co", "arxiv": "rss.arxiv.org", "feed": "rss.arxiv.org"}


class Replay:
    """The upstreams, and the sources that are pointed at them."""

    def __init__(self, url: str) -> None:
        self.url = url
        feed = FeedSetting(name="feed", url=f"{url}/rss.arxiv.org/rss/cs.CL")
        self.settings = Settings(
            huggingface_url=f"{url}/huggingface.co",
            arxiv_feed_url=f"{url}/rss.arxiv.org",
            arxiv_api_url=f"{url}/export.arxiv.org",
            feeds=(feed,),
        )

    def set(self, faults: dict[str, list[str]] | None = None, today: str = "2026-02-04") -> None:
        body = json.dumps({"today": today, "faults": {HOSTS.get(k, k): v for k, v in (faults or {}).items()}}).encode()
        request = urllib.request.Request(f"{self.url}/_control", body, method="PUT")
        urllib.request.urlopen(request).read()

    def source(self, name: str) -> Source:
        return next(source for source in build(self.settings) if source.name == name)

    def pull(self, name: str, client: Client, since: datetime | None = None, now: datetime = NOON) -> Pull:
        return self.source(name).pull(client, Task(now, since, CATEGORIES))


@pytest.fixture(scope="module")
def replaying(recordings: Path) -> Iterator[Replay]:
    program = recordings.parent / "upstreams" / "replay.py"
    with subprocess.Popen(
        [sys.executable, program, "--port", "0", "--data", recordings], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield Replay(process.stdout.readline().split()[-1])
        process.terminate()


@pytest.fixture
def replay(replaying: Replay) -> Replay:
    replaying.set()
    return replaying


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(limits=LIMITS) as client:
        yield client


@pytest.mark.parametrize(("name", "papers"), [("huggingface", 33), ("arxiv", 100), ("feed", 50)])
def test_an_ordinary_day(replay: Replay, client: Client, name: str, papers: int) -> None:
    pull = replay.pull(name, client)
    assert (pull.failure, pull.covered_until) == ("", NOON)
    assert len(pull.listings) >= papers
    assert all(each.paper.id and each.paper.title and each.paper.authors for each in pull.listings)
    assert all(each.listed_at <= NOON and each.listed_at.tzinfo for each in pull.listings)


@pytest.mark.parametrize("name", ["huggingface", "arxiv", "feed"])
@pytest.mark.parametrize("fault", ["500", "503", "429", "timeout", "reset", "truncate", "slow"])
def test_a_fault_that_passes_costs_nothing(replay: Replay, client: Client, name: str, fault: str) -> None:
    """One fault of each kind, then the good answer; a second try hides it."""
    untroubled = replay.pull(name, client)
    replay.set({name: [fault]})
    troubled = replay.pull(name, client)
    assert troubled.failure == ""
    assert {each.paper.id for each in troubled.listings} == {each.paper.id for each in untroubled.listings}
    assert troubled.requests == untroubled.requests + 1


@pytest.mark.parametrize("name", ["huggingface", "arxiv", "feed"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("500", "answered 500 Internal Server Error"),
        ("503", "answered 503 Service Unavailable"),
        ("429", "answered 429 Too Many Requests"),
        ("404", "answered 404"),
        ("timeout", "timed out after 1 s"),
        ("reset", "hung up without an answer"),
        ("truncate", "cut off after"),
        ("slow", "timed out after 2 s"),
        ("html", "answered with a web page instead of"),
        ("garbage", "answered with something that is not a"),
        ("huge", "answered with more than 20,000,000 bytes"),
    ],
)
def test_a_fault_that_stays_is_told_and_covers_nothing(replay: Replay, name: str, fault: str, reason: str) -> None:
    replay.set({name: [f"always:{fault}"], "export.arxiv.org": ["always:500"]})
    since = NOON - timedelta(days=1)
    limits = Limits(connect=2, read=1, total=2, retries=0, backoff=0, longest_wait=3)
    with Client(limits=limits) as client:
        pull = replay.pull(name, client, since)
    assert reason in pull.failure
    assert pull.covered_until == since
    assert pull.validators == ()
    if fault == "truncate":
        assert pull.listings


def test_garbage_once_is_a_failure_of_that_pull_only(replay: Replay, client: Client) -> None:
    for name in ("huggingface", "arxiv", "feed"):
        replay.set({name: ["garbage"]})
        first = replay.pull(name, client, NOON - timedelta(days=1))
        assert first.failure.startswith("answered with something that is not a")
        assert replay.pull(name, client, first.covered_until).failure == ""


def test_days_replayed_one_after_the_other_miss_no_paper(replay: Replay, client: Client) -> None:
    """From Friday over the weekend to Wednesday, with a pull on each day."""
    since, listed = None, set[str]()
    for day in range(30, 36):
        now = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=day - 1)
        replay.set(today=now.date().isoformat())
        pull = replay.pull("arxiv", client, since, now)
        assert (pull.failure, pull.requests) == ("", 1)
        listed |= {each.paper.id for each in pull.listings if each.kind is not ListingKind.UPDATE}
        since = pull.covered_until
    assert listed == announced(replay, "2026-01-30", "2026-02-04")


def test_downtime_is_made_up_for(replay: Replay, client: Client) -> None:
    """Pulled on Friday noon, then not before Wednesday noon."""
    pull = replay.pull("arxiv", client, datetime(2026, 1, 30, 12, tzinfo=UTC))
    assert (pull.failure, pull.covered_until) == ("", NOON)
    missed = announced(replay, "2026-01-31", "2026-02-04")
    assert missed <= {each.paper.id for each in pull.listings}
    assert len({each.paper.id for each in pull.listings}) == len(pull.listings)


def announced(replay: Replay, first: str, last: str) -> set[str]:
    """Ids of what was first listed from *first* to *last*, read from the recordings themselves."""
    papers = gzip.decompress((RECORDED / "arxiv" / "papers.jsonl.gz").read_bytes()).splitlines()
    known = {paper["id"]: paper for paper in map(json.loads, papers)}
    return {
        key
        for key, paper in known.items()
        if first <= paper["first_listed"] <= last
        and {*paper["categories"]} & {*CATEGORIES}
        and date.fromisoformat(paper["first_listed"]).weekday() < 5
    }


def test_the_first_pull_on_a_sunday_is_not_empty(replay: Replay, client: Client) -> None:
    replay.set(today="2026-02-01")
    pull = replay.pull("arxiv", client, None, datetime(2026, 2, 1, 12, tzinfo=UTC))
    assert pull.failure == ""
    assert len(pull.listings) > 50


def test_readings_are_taken_again_and_an_unchanged_day_is_not_sent_twice(replay: Replay) -> None:
    with Client(validators=Memory(), limits=LIMITS) as client:
        first = replay.pull("huggingface", client)
        client.remember(first.validators)
        later = NOON + timedelta(hours=1)
        second = replay.pull("huggingface", client, first.covered_until, later)
    assert len(first.listings) > 60
    assert (second.listings, second.failure, second.covered_until) == ((), "", later)
    assert second.bytes < 100


def test_liked_papers_are_looked_up(replay: Replay, client: Client) -> None:
    known = sorted(announced(replay, "2026-02-04", "2026-02-04"))[:120]
    papers, _ = look_up(replay.settings, client, [*known, "math/0309136", "9999.99999", "no id"])
    assert {paper.id for paper in papers} == set(known)


def entries(answer: object) -> list[dict[str, Any]]:
    return [entry for entry in answer if isinstance(entry, dict)] if isinstance(answer, list) else []


def test_every_recorded_hugging_face_day_parses(recordings: Path) -> None:
    files = sorted((recordings / "huggingface").glob("*.json.gz"))
    assert len(files) == 282
    for file in files:
        body, day = gzip.decompress(file.read_bytes()), date.fromisoformat(file.name[:10])
        listings, problem = parse_huggingface(body, day, NOON)
        assert problem == ""
        assert [each.paper.id for each in listings] == [entry["paper"]["id"] for entry in entries(json.loads(body))]
        assert all(each.paper.title and each.paper.abstract and each.paper.authors for each in listings)


def test_every_recorded_odd_answer_is_survived(recordings: Path) -> None:
    whole = {"arxiv_atom_feed": parse_arxiv, "arxiv_feeds_regenerated": parse_arxiv, "arxiv_rss2_feed": parse_arxiv}
    for folder, parse in whole.items():
        for file in (recordings / "fixtures" / folder).iterdir():
            body = file.read_bytes()
            listings, _, problem = parse(body)
            assert len(listings) == body.count(b"</entry>") + body.count(b"</item>")
            assert bool(problem) == ("TRUNCATED" in file.name or "ERROR" in file.name)
            assert not any("Announce Type" in each.paper.abstract for each in listings)
    for file in (recordings / "fixtures" / "other_feeds").iterdir():
        listings, problem = parse_feed(file.read_bytes(), "other", "https://other.example.org", NOON)
        assert (problem, len(listings)) == ("", file.read_bytes().count(b"</item>"))
    for file in (recordings / "fixtures" / "arxiv_api").iterdir():
        text = file.read_text()
        body = json.loads(text)["body"].encode() if file.suffix == ".json" else text.encode()
        page = parse_page(body)
        assert page.refused == ("id_abc" in file.name)
        assert len(page.papers) == (0 if page.refused else body.count(b"</entry>"))
    for file in (recordings / "fixtures" / "huggingface").iterdir():
        assert parse_huggingface(file.read_bytes(), NOON.date(), NOON)[1]


def test_an_author_with_one_name_keeps_a_place(recordings: Path) -> None:
    """ "Ratna Kandala,  Deepti, Sheza Munir": seen in the feed of 27 April 2026."""
    body = (recordings / "fixtures" / "arxiv_rss2_feed" / "cs_cl_2026-04-27_3items.xml").read_bytes()
    authors = parse_arxiv(body)[0][0].paper.authors
    assert authors == ("Anamta Khan", "Ratna Kandala", "Deepti", "Sheza Munir", "Joyojeet Pal")
