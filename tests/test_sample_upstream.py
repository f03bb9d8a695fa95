"""The sample's server answers like the upstreams, and the recordings' player can be steered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import feedparser
import httpx
import pytest

from digest.sample.papers import inventions
from digest.sample.upstream import serve
from tests.upstreams import replay

TODAY = date(2026, 2, 4)


@pytest.fixture(scope="module")
def upstream() -> Iterator[httpx.Client]:
    with serve(TODAY) as base_url, httpx.Client(base_url=base_url, timeout=10, trust_env=False) as client:
        yield client


def ids(answer: httpx.Response) -> list[str]:
    return [item["paper"]["id"] for item in answer.raise_for_status().json()]


def query(upstream: httpx.Client, **asked: str) -> Any:
    found = feedparser.parse(upstream.get("/api/query", params=asked).raise_for_status().content)
    assert not found.bozo
    return found


def test_daily_papers_are_served_in_pages(upstream: httpx.Client) -> None:
    whole = ids(upstream.get("/api/daily_papers", params={"date": "2026-02-04"}))
    pages = [
        ids(upstream.get("/api/daily_papers", params={"date": "2026-02-04", "limit": 10, "p": page}))
        for page in range(3)
    ]
    assert list(map(len, pages)) == [10, 7, 0]
    assert pages[0] + pages[1] == whole


def test_without_a_date_it_is_today(upstream: httpx.Client) -> None:
    assert ids(upstream.get("/api/daily_papers")) == ids(upstream.get("/api/daily_papers?date=2026-02-04"))


@pytest.mark.parametrize(
    "path", ["/api/daily_papers?date=2026-02-03", "/rss/cs.CL+cs.LG", "/api/query?id_list=9901.00001"]
)
def test_what_has_not_changed_is_not_sent_again(upstream: httpx.Client, path: str) -> None:
    first = upstream.get(path)
    again = upstream.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert first.content
    assert not again.content
    assert upstream.get(path, headers={"If-None-Match": '"something else"'}).content == first.content


def test_etags_change_with_the_day(upstream: httpx.Client) -> None:
    with serve(TODAY + timedelta(days=1)) as tomorrow:
        assert httpx.get(f"{tomorrow}/rss/cs.CL").headers["ETag"] != upstream.get("/rss/cs.CL").headers["ETag"]


def test_readings_of_earlier_days_are_lower() -> None:
    yesterday = TODAY - timedelta(days=1)
    readings = []
    for asked in (yesterday, TODAY):
        with serve(TODAY, asked=asked) as base_url:
            items = httpx.get(f"{base_url}/api/daily_papers?date={yesterday}").json()
        readings.append(sum(item["paper"]["upvotes"] for item in items))
    assert 0 < readings[0] < readings[1]


@pytest.mark.parametrize("plus", ["+", "%2B"])
def test_a_feed_of_several_categories(upstream: httpx.Client, plus: str) -> None:
    feed = feedparser.parse(upstream.get(f"/rss/cs.RO{plus}cs.SE").raise_for_status().content)
    assert feed.feed.title == "cs.RO, cs.SE updates on arXiv.org"
    assert {"cs.RO", "cs.SE"} <= {entry.tags[0].term for entry in feed.entries}


def test_papers_are_looked_up_by_id(upstream: httpx.Client) -> None:
    found = query(upstream, id_list="9901.00012,9901.00020v1,2602.00001")
    assert [entry.id for entry in found.entries] == [f"http://arxiv.org/abs/9901.000{n}v1" for n in (12, 20)]
    assert found.feed.opensearch_totalresults == "2"
    assert len(found.entries[1].authors) == 36


def test_a_search_is_paged_and_newest_first(upstream: httpx.Client) -> None:
    search = "(cat:cs.CL OR cat:cs.RO) AND submittedDate:[202602030000 TO 202602042359]"
    whole = query(upstream, search_query=search, max_results="100", sortBy="submittedDate", sortOrder="descending")
    assert len(whole.entries) == int(whole.feed.opensearch_totalresults) > 10
    assert all({"cs.CL", "cs.RO"} & {tag.term for tag in entry.tags} for entry in whole.entries)
    assert all(entry.published.startswith("2026-02-03") for entry in whole.entries)
    published = [entry.published for entry in whole.entries]
    assert published == sorted(published, reverse=True)
    second = query(upstream, search_query=search, start="5", max_results="5")
    assert [entry.id for entry in second.entries] == [entry.id for entry in whole.entries[5:10]]
    upwards = query(upstream, search_query=search, max_results="100", sortOrder="ascending")
    assert [entry.id for entry in upwards.entries] == [entry.id for entry in whole.entries[::-1]]


def test_a_search_without_words_finds_every_paper(upstream: httpx.Client) -> None:
    assert query(upstream, max_results="1").feed.opensearch_totalresults == str(len(inventions()))


@pytest.mark.parametrize(
    ("path", "status"), [("/", 404), ("/api/daily_papers?date=yesterday", 400), ("/api/query?start=x", 400)]
)
def test_other_questions_are_refused(upstream: httpx.Client, path: str, status: int) -> None:
    assert upstream.get(path).status_code == status


@pytest.mark.recorded
def test_the_player_of_recordings_can_be_steered(recordings: Path) -> None:
    with replay(recordings, "2026-02-04") as upstreams:
        daily = upstreams.settings["huggingface_url"] + "/api/daily_papers?date=2026-02-05"
        assert httpx.get(daily).json() == []
        upstreams.set_today("2026-02-05")
        upstreams.faults({"huggingface.co": ["500"]})
        assert httpx.get(daily).status_code == 500
        assert len(httpx.get(daily).json()) > 0
        assert httpx.get(upstreams.settings["arxiv_feed_url"] + "/rss/cs.CL").status_code == 200
        assert httpx.get(upstreams.settings["arxiv_api_url"] + "/api/query?id_list=2602.01785").status_code == 200
        assert [(served.host, served.status) for served in upstreams.log()] == [
            ("huggingface.co", 200),
            ("huggingface.co", "500"),
            ("huggingface.co", 200),
            ("rss.arxiv.org", 200),
            ("export.arxiv.org", 200),
        ]
    with pytest.raises(httpx.ConnectError):
        httpx.get(daily)
