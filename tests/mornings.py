"""Consecutive recorded mornings through the whole program, and what the recordings say should have come of them.

The recordings are read here on their own, without the program's parsers, so that the two can be compared.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import psutil

from digest import app
from digest.models import DeliveryState
from digest.sources.huggingface import RE_READ
from tests.program import Program, at, mail, part
from tests.smtp_servers import Received, sink
from tests.upstreams import replay

ROSTER = """
defaults: {at: "07:00", papers: 10}
subscribers:
  - {email: ada@example.org, zone: Europe/Berlin, topics: [theory of mind in language models], categories: [cs.CL]}
  - {email: bo@example.org, zone: America/Los_Angeles, topics: [diffusion models for video generation]}
  - {email: cem@example.org, zone: Europe/Berlin, days: weekdays, topics: [reinforcement learning for reasoning]}
  - {email: dia@example.org, zone: Asia/Tokyo, topics: [LLM safety, jailbreak attacks], papers: 20}
  - {email: eli@example.org, zone: America/Los_Angeles, days: [mon], topics: [robot manipulation], categories: [cs.RO]}
  - {email: fay@example.org, zone: Asia/Tokyo}
"""
MONDAYS = "eli@example.org"
"""Who looks back over a week."""
CATEGORIES = {"cs.AI", "cs.CL", "cs.CV", "cs.LG", "cs.RO"}
"""The default ones, and what somebody follows."""
HOURS = ("06:00", "15:00", "22:00")
"""In UTC, when it is seven in Berlin, in Los Angeles, and (of the next day) in Tokyo, in winter."""
USUAL, WEEKLY = timedelta(days=4), timedelta(days=8)
"""How far back a daily and a weekly digest look."""


@dataclass(frozen=True)
class Got:
    """One digest that arrived."""

    reader: str
    at: datetime
    papers: tuple[str, ...]
    """arXiv ids, in the order of the mail."""
    considered: int
    """From how many papers they were chosen, as the mail says."""


@dataclass(frozen=True)
class Weight:
    """What the program weighs after a morning."""

    memory: float
    """Resident, in MB."""
    database: float
    """In MB."""


@dataclass(frozen=True)
class Mornings:
    """What a stretch of mornings brought."""

    moments: tuple[datetime, ...]
    """Of the passes."""
    got: tuple[Got, ...]
    weights: tuple[Weight, ...]
    """One for each morning."""

    @property
    def repeats(self) -> int:
        """Papers that a reader was shown again."""
        shown: dict[str, list[str]] = defaultdict(list)
        for each in self.got:
            shown[each.reader] += each.papers
        return sum(len(papers) - len(set(papers)) for papers in shown.values())


def replayed(recordings: Path, home: Path, first: date, days: int) -> Mornings:
    """Make the passes of so many days, from *first* on."""
    program = Program(home)
    program.roster(ROSTER)
    moments = [at(f"{first + timedelta(days=n)}T{hour}Z") for n in range(days) for hour in HOURS]
    got: list[Got] = []
    weights = []
    with replay(recordings, first.isoformat()) as upstreams, sink() as relay:
        program.set(**upstreams.settings, smtp_url=relay.url)
        for moment in moments:
            upstreams.set_today(moment.date().isoformat())
            report = app.run_once(program.settings, app.clock_at(moment))
            assert set(report.delivered.states) <= {DeliveryState.SENT}, report.line()
            got += map(_read, relay.messages)
            relay.messages.clear()
            if moment.strftime("%H:%M") == HOURS[-1]:
                weights.append(_weigh(program))
    return Mornings(tuple(moments), tuple(got), tuple(weights))


def _read(received: Received) -> Got:
    message = mail(received)
    text = " ".join(part(message, "plain").split())
    considered = re.search(r"Chosen from ([\d,]+) papers?\.", text)
    assert considered, text[-1500:]
    papers = dict.fromkeys(re.findall(r"arxiv\.org/abs/(\d{4}\.\d{5})", text))
    moment: datetime = message["Date"].datetime
    return Got(received.recipients[0], moment, tuple(papers), int(considered[1].replace(",", "")))


def _weigh(program: Program) -> Weight:
    with closing(app.store(program.settings)) as store:
        return Weight(psutil.Process().memory_info().rss / 1e6, store.attic.sizes()["bytes"] / 1e6)


class Recorded:
    """What the upstreams listed, by day."""

    def __init__(self, recordings: Path) -> None:
        with gzip.open(recordings / "arxiv" / "papers.jsonl.gz", "rt") as file:
            papers = {paper["id"]: paper for paper in map(json.loads, file)}
        with gzip.open(recordings / "arxiv" / "listings.csv.gz", "rt") as file:
            listed = {row["paper_id"] for row in csv.DictReader(file)}
        self.announced = {
            id_: date.fromisoformat(paper["first_listed"])
            for id_, paper in papers.items()
            if id_ in listed and CATEGORIES & {*paper["categories"]}
        }
        """arXiv's papers in our categories and when they were announced; at weekends nothing is."""
        self.featured: dict[str, list[date]] = defaultdict(list)
        """Hugging Face's papers and the days that show them."""
        for day_file in sorted((recordings / "huggingface").glob("*.json.gz")):
            for entry in json.loads(gzip.decompress(day_file.read_bytes())):
                self.featured[entry["paper"]["id"]].append(date.fromisoformat(day_file.name[:10]))

    def news(self, moments: Sequence[datetime]) -> Mapping[str, Sequence[datetime]]:
        """At which of these passes each paper became news: a second source makes it news again."""
        first, last = moments[0].date(), moments[-1].date()
        earliest = {moment.date(): moment for moment in reversed(moments)}
        listed: dict[str, list[datetime]] = defaultdict(list)
        for id_, day in self.announced.items():
            if first <= day <= last and day.weekday() < 5:
                listed[id_].append(earliest[day])
        for id_, days in self.featured.items():
            if read := [day for day in days if first - timedelta(days=RE_READ) <= day <= last]:
                listed[id_].append(earliest[max(min(read), first)])
        return listed


def considered(news: Mapping[str, Sequence[datetime]], now: datetime, window: timedelta) -> int:
    """How many papers a digest of *now* should be chosen from: each that became news in the window, once."""
    return sum(any(now - window <= moment <= now for moment in moments) for moments in news.values())


def wrongly_considered(mornings: Mornings, recorded: Recorded) -> list[Got]:
    """The digests that were chosen from more or fewer papers than the upstreams had listed in their window."""
    news, weekly, wrong = recorded.news(mornings.moments), set[str](), []
    for each in mornings.got:
        if each.considered != considered(news, each.at, WEEKLY if each.reader in weekly else USUAL):
            wrong.append(each)
        if each.reader == MONDAYS:  # the first digest has no gap to cover
            weekly.add(each.reader)
    return wrong
