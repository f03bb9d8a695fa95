"""Two weeks of real mornings, replayed: 2 to 13 February 2026, six readers, two time zones, faults on two days."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from digest.models import DeliveryState
from tests.program import Program, at, mail, part
from tests.smtp_servers import Received, sink
from tests.upstreams import Upstreams, replay

pytestmark = [pytest.mark.recorded, pytest.mark.timeout(600)]  # arXiv asks for three seconds between requests

ROSTER = """
defaults: {zone: Europe/Berlin, at: "07:00", papers: 10}
subscribers:
  - email: ada@example.org
    topics: [theory of mind in language models, attention mechanisms]
    categories: [cs.CL]
  - email: bo@example.org
    zone: America/Los_Angeles
    topics: [diffusion models for video generation, 3D Gaussian splatting]
  - email: cem@example.org
    days: weekdays
    topics: [reinforcement learning for reasoning]
    liked: ["2601.04879"]
    mute: [survey]
  - email: dia@example.org
    zone: America/Los_Angeles
    days: [mon, thu]
    topics: [LLM safety, jailbreak attacks]
  - email: eli@example.org
    topics: [robot manipulation, vision-language-action models]
    categories: [cs.RO]
  - email: fay@example.org
"""

FIRST, LAST = date(2026, 2, 2), date(2026, 2, 13)
HUGGINGFACE_DOWN, ARXIV_CUT = date(2026, 2, 5), date(2026, 2, 10)


@pytest.fixture(scope="module")
def mornings(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[date, list[Received]]]:
    """What arrived on each day, from one pass a day at 15:30 UTC, when it is past seven in both zones."""
    program = Program(tmp_path_factory.mktemp("home"))
    program.roster(ROSTER)
    arrived: dict[date, list[Received]] = {}
    with replay(recordings, FIRST.isoformat()) as upstreams, sink() as relay:
        program.set(**upstreams.settings, smtp_url=relay.url)
        for offset in range((LAST - FIRST).days + 1):
            day = FIRST + timedelta(days=offset)
            _weather(upstreams, day)
            before = len(relay.messages)
            report = program.run(f"{day}T15:30Z")
            assert not report.delivered.stopped
            assert set(report.delivered.states) <= {DeliveryState.SENT}, report.line()
            arrived[day] = relay.messages[before:]
        yield arrived


def _weather(upstreams: Upstreams, day: date) -> None:
    upstreams.set_today(day.isoformat())
    faults = {HUGGINGFACE_DOWN: {"huggingface.co": ["always:500"]}, ARXIV_CUT: {"rss.arxiv.org": ["always:reset"]}}
    upstreams.faults(faults.get(day, {"huggingface.co": [], "rss.arxiv.org": []}))


def test_one_digest_a_reader_and_due_day(mornings: dict[date, list[Received]]) -> None:
    due = {
        "ada@example.org": range(7),
        "bo@example.org": range(7),
        "cem@example.org": range(5),
        "dia@example.org": (0, 3),
        "eli@example.org": range(7),
        "fay@example.org": range(7),
    }
    for day, messages in mornings.items():
        expected = sorted(email for email, days in due.items() if day.weekday() in days)
        got = sorted(m.recipients[0] for m in messages)
        if day.weekday() < 5:
            assert got == expected, day
        else:  # an empty weekend may leave nothing worth a mail
            assert set(got) <= set(expected), day
            assert len(got) == len(set(got)), day


def test_no_paper_twice_to_anyone(mornings: dict[date, list[Received]]) -> None:
    seen: dict[str, list[str]] = defaultdict(list)
    for messages in mornings.values():
        for message in messages:
            text = part(mail(message), "plain")
            seen[message.recipients[0]] += sorted(set(re.findall(r"arxiv\.org/abs/(\d{4}\.\d{5})", text)))
    for email, ids in seen.items():
        assert len(ids) >= 40, email
        assert len(ids) == len(set(ids)), email


@pytest.mark.parametrize(("day", "source"), [(HUGGINGFACE_DOWN, "hugging"), (ARXIV_CUT, "arxiv")])
def test_a_source_that_was_down_is_told(mornings: dict[date, list[Received]], day: date, source: str) -> None:
    for message in mornings[day]:
        text = part(mail(message), "plain").lower()
        assert re.search(rf"{source}.{{0,80}}(could not be|only in part)", text, re.DOTALL), text[-1500:]


def test_every_message_is_well_made(mornings: dict[date, list[Received]]) -> None:
    subjects = defaultdict(list)
    for day, messages in mornings.items():
        for received in messages:
            message = mail(received)
            assert len(part(message, "html").encode()) <= 90_000
            assert part(message, "plain").strip()
            assert at(f"{day}T15:30+00:00") == message["Date"].datetime
            subjects[received.recipients[0]].append(str(message["Subject"]))
    for email, lines in subjects.items():
        assert len(lines) == len(set(lines)), (email, "a subject came twice")
