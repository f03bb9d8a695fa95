"""The invented day is whole, looks like the upstreams' own answers, and moves with `today`."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import feedparser
import pytest

from digest.sample import arxiv_query, arxiv_rss, huggingface
from digest.sample.papers import Invention, inventions

TODAY = date(2026, 2, 4)
ANY_DAYS = [TODAY, date(2026, 2, 7), date(2026, 7, 1), date(2028, 2, 29), date(2026, 3, 8), date(2030, 1, 1)]
PAPERS = inventions()
EVERYTHING = ("cs", "stat", "math", "eess", "physics", "q-bio")


def listing(back: int = 0, today: date = TODAY, **given: Any) -> list[dict[str, Any]]:
    items = json.loads(huggingface(today - timedelta(days=back), today, **given))
    assert isinstance(items, list)
    return items


def all_listings(today: date = TODAY) -> list[dict[str, Any]]:
    return [item for back in range(3) for item in listing(back, today)]


def parsed(feed: bytes) -> Any:
    found = feedparser.parse(feed)
    assert not found.bozo, found.bozo_exception
    assert found.version in {"rss20", "atom10"}
    return found


def shape(value: Any, path: str = "") -> set[str]:
    """Every key with its type, such as `.paper.upvotes:int`."""
    if isinstance(value, dict):
        return {line for key, inner in value.items() for line in shape(inner, f"{path}.{key}")}
    if isinstance(value, list):
        return {line for inner in value for line in shape(inner, f"{path}[]")} | {f"{path}:list"}
    return {f"{path}:{type(value).__name__}"}


def test_there_are_seventy_papers_and_no_two_alike() -> None:
    assert len(PAPERS) == 70
    for what in ("id", "title", "abstract"):
        assert len({getattr(paper, what) for paper in PAPERS}) == 70, what
    assert len({paper.abstract.split(". ")[0] for paper in PAPERS}) == 70


def test_thirty_are_on_hugging_face_fifty_five_on_arxiv_and_fifteen_on_both() -> None:
    listed = {item["paper"]["id"] for item in all_listings()}
    announced = {entry.link.rpartition("/")[2] for entry in parsed(arxiv_rss(TODAY)).entries}
    assert (len(listed), len(announced), len(listed & announced)) == (30, 55, 15)
    assert len(listed | announced) == 70


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.id)
def test_a_paper_is_complete(paper: Invention) -> None:
    assert 120 <= len(paper.abstract.split()) <= 220
    assert "\n" not in paper.title + paper.abstract
    assert all(name == name.strip() and " " in name for name in paper.authors)
    assert paper.categories
    assert paper.abstract.count("$") % 2 == 0


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.id)
def test_ids_have_arxivs_form_and_a_month_that_no_paper_can_have(paper: Invention) -> None:
    assert re.fullmatch(r"\d{2}(0[1-9]|1[0-2])\.\d{5}", paper.id)
    assert paper.id[:4] in {"9812", "9901"}


def test_no_link_leads_to_a_real_host_but_arxivs_pattern() -> None:
    text = json.dumps(all_listings()) + arxiv_rss(TODAY).decode() + arxiv_query(TODAY, most=100).decode()
    hosts = {host for host in re.findall(r"https?://([\w.-]+)", text) if not host.endswith(".example.org")}
    assert hosts <= {
        "arxiv.org",
        "rss.arxiv.org",
        "www.w3.org",
        "purl.org",
        "creativecommons.org",
        "a9.com",
        "www.rssboard.org",
    }


def test_the_awkward_cases_are_there() -> None:
    titles = [paper.title for paper in PAPERS]
    assert any("&" in title for title in titles)
    assert any("<" in title and "$" not in title for title in titles)
    assert any("$" in title for title in titles)
    assert any('G\\"odel' in title for title in titles)
    assert any("\\emph{" in paper.abstract for paper in PAPERS)
    assert max(len(paper.authors) for paper in PAPERS) >= 30
    assert any(not name.isascii() for paper in PAPERS for name in paper.authors)
    items = all_listings()
    for optional in ("thumbnail", "organization", "mediaUrls"):
        assert {optional in item for item in items} == {True, False}, optional
    for optional in ("ai_summary", "githubRepo", "projectPage"):
        assert {optional in item["paper"] for item in items} == {True, False}, optional


def test_upvotes_have_a_heavy_tail() -> None:
    upvotes = sorted((item["paper"]["upvotes"] for item in all_listings()), reverse=True)
    assert upvotes[-1] == 0
    assert sum(upvotes[:3]) > sum(upvotes[3:])


def test_hugging_face_sorts_by_upvotes() -> None:
    upvotes = [item["paper"]["upvotes"] for item in listing()]
    assert upvotes == sorted(upvotes, reverse=True)


@pytest.mark.parametrize("back", [1, 2])
def test_upvotes_grow_from_day_to_day(back: int) -> None:
    readings = [
        {item["paper"]["id"]: item["paper"]["upvotes"] for item in listing(back, asked=TODAY - timedelta(days=ago))}
        for ago in range(back, -1, -1)
    ]
    assert all(reading.keys() == readings[0].keys() for reading in readings)
    assert all(a[name] <= b[name] for a, b in pairwise(readings) for name in a)
    assert sum(readings[0].values()) < sum(readings[-1].values())


def test_an_earlier_day_knows_nothing_of_later_ones() -> None:
    yesterday = TODAY - timedelta(days=1)
    assert not listing(asked=yesterday)
    assert not parsed(arxiv_rss(TODAY, asked=yesterday)).entries
    assert len(parsed(arxiv_query(TODAY, most=100, asked=yesterday)).entries) == 13


def test_days_outside_the_sample_are_empty() -> None:
    assert not listing(3)
    assert not listing(-1)


@pytest.mark.parametrize("today", ANY_DAYS, ids=str)
def test_hugging_faces_dates_move_with_today(today: date) -> None:
    for back in range(3):
        day = today - timedelta(days=back)
        items = listing(back, today)
        assert len(items) == len(listing(back))
        for item in items:
            listed = datetime.fromisoformat(item["paper"]["submittedOnDailyAt"])
            submitted = datetime.fromisoformat(item["paper"]["publishedAt"])
            assert listed.date() == day
            assert timedelta(hours=6) <= listed - submitted <= timedelta(days=2)


@pytest.mark.parametrize("today", ANY_DAYS, ids=str)
def test_arxivs_dates_move_with_today(today: date) -> None:
    entries = parsed(arxiv_rss(today)).entries
    assert len(entries) == 55
    for entry in entries:
        at = parsedate_to_datetime(entry.published)
        assert (at.date(), at.hour) == (today, 0)
        assert at.astimezone(UTC).hour in {4, 5}, "midnight in New York"


def test_the_outer_date_of_hugging_face_is_new_yorks_clock() -> None:
    """Seen in every answer since April 2025: four hours less in summer, five in winter, and still marked Z."""
    for today, hours in ((date(2026, 2, 4), 5), (date(2026, 7, 1), 4)):
        for item in listing(today=today):
            inner, outer = (datetime.fromisoformat(o["publishedAt"]) for o in (item["paper"], item))
            assert inner - outer == timedelta(hours=hours)


def test_the_same_day_has_the_same_bytes() -> None:
    assert huggingface(TODAY, TODAY) == huggingface(TODAY, TODAY)
    assert arxiv_rss(TODAY) == arxiv_rss(TODAY)
    assert arxiv_rss(TODAY) != arxiv_rss(TODAY + timedelta(days=1))


def test_announce_types_depend_on_the_categories_asked_for() -> None:
    kinds = Counter(entry.arxiv_announce_type for entry in parsed(arxiv_rss(TODAY)).entries)
    assert kinds == {"new": 31, "cross": 19, "replace": 3, "replace-cross": 2}
    assert {e.arxiv_announce_type for e in parsed(arxiv_rss(TODAY, EVERYTHING)).entries} == {"new", "replace"}
    assert {e.arxiv_announce_type for e in parsed(arxiv_rss(TODAY, ["cs.HC"])).entries} == {"cross"}


def test_a_feed_has_only_the_categories_asked_for() -> None:
    entries = parsed(arxiv_rss(TODAY, ["cs.RO"])).entries
    assert entries
    assert all("cs.RO" in {tag.term for tag in entry.tags} for entry in entries)
    assert not parsed(arxiv_rss(TODAY, ["cs.XX"])).entries


def test_titles_and_abstracts_survive_the_feed() -> None:
    entries = {e.id: e for e in parsed(arxiv_rss(TODAY)).entries}
    for paper in PAPERS:
        if paper.announced and "<" not in paper.title + paper.abstract:
            entry = entries[f"oai:arXiv.org:{paper.id}v{paper.version}"]
            assert entry.title == paper.title
            assert entry.summary.partition("\nAbstract: ")[2] == paper.abstract
            assert entry.author == ", ".join(paper.authors)
    assert b"Is It &lt; or &lt;=?" in arxiv_rss(TODAY)


def test_replacements_were_first_submitted_weeks_ago() -> None:
    for entry in parsed(arxiv_query(TODAY, most=100)).entries:
        age = datetime.fromisoformat(entry.updated) - datetime.fromisoformat(entry.published)
        assert (age > timedelta(days=19)) == entry.id.endswith("v2")


def test_papers_for_the_sample_roster_are_there(request: pytest.FixtureRequest) -> None:
    """The three people of subscribers.yaml must have something to read."""
    everything = [f"{paper.title} {paper.abstract}".lower() for paper in PAPERS]
    roster = (request.config.rootpath / "subscribers.yaml").read_text().lower()
    for topic, stem in {
        "theory of mind in language models": "theory of mind",
        "attention mechanisms": "attention mechanism",
        "diffusion models for video": "diffusion models for video",
        "robot manipulation": "robot manipulation",
    }.items():
        assert topic in roster
        assert sum(stem in text for text in everything) >= 4, topic
    assert sum("Mira Okonkwo" in paper.authors for paper in PAPERS) >= 3
    assert any("survey" in text for text in everything)


@pytest.mark.recorded
def test_hugging_faces_fields_are_those_of_the_recorded_answers(recordings: Path) -> None:
    """Nothing that upstream never has, and of what it always has, only the thumbnail is sometimes missing."""
    files = sorted((recordings / "huggingface").glob("2026-*.json.gz"))
    recorded = [shape(item) for file in files for item in json.loads(gzip.decompress(file.read_bytes()))]
    ours = [shape(item) for item in all_listings()]
    assert len(recorded) > 1000
    assert set.union(*ours) <= set.union(*recorded)
    assert set.intersection(*recorded) - {".thumbnail:str"} <= set.intersection(*ours)


@pytest.mark.recorded
@pytest.mark.parametrize("day", ["2025-02-04", "2025-02-11"])
def test_the_feeds_elements_are_those_of_arxivs_own(recordings: Path, day: str) -> None:
    (file,) = (recordings / "fixtures" / "arxiv_feeds_regenerated").glob(f"{day}_*.rss.xml")
    theirs, ours = parsed(file.read_bytes()), parsed(arxiv_rss(date.fromisoformat(day)))
    assert ours.feed.keys() == theirs.feed.keys()
    assert {frozenset(e.keys()) for e in ours.entries} == {frozenset(e.keys()) for e in theirs.entries}
    assert ours.namespaces == theirs.namespaces
    assert {e.published for e in ours.entries} == {e.published for e in theirs.entries}


@pytest.mark.recorded
def test_the_apis_elements_are_those_of_arxivs_own(recordings: Path) -> None:
    theirs = parsed((recordings / "fixtures" / "arxiv_api" / "api_single.xml").read_bytes())
    ours = parsed(arxiv_query(TODAY, ids=[PAPERS[0].id]))
    assert ours.feed.keys() == theirs.feed.keys()
    assert ours.entries[0].keys() == theirs.entries[0].keys()
    assert [link.type for link in ours.entries[0].links] == [link.type for link in theirs.entries[0].links]


@pytest.mark.recorded
def test_no_invented_title_or_id_is_a_real_one(recordings: Path) -> None:
    real = set()
    with gzip.open(recordings / "arxiv" / "papers.jsonl.gz", "rt") as lines:
        for paper in map(json.loads, lines):
            real |= {paper["id"], _plain(paper["title"])}
    for file in (recordings / "huggingface").glob("*.json.gz"):
        for item in json.loads(gzip.decompress(file.read_bytes())):
            real |= {item["paper"]["id"], _plain(item["title"])}
    assert len(real) > 90_000
    assert not {paper.id for paper in PAPERS} & real
    assert not {_plain(paper.title) for paper in PAPERS} & real


def _plain(title: str) -> str:
    return re.sub(r"\W+", " ", title).strip().lower()
