"""What a reader may choose: what a day without a match brings, and whether a paper may come once more."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from digest import app
from digest.models import WhenQuiet
from digest.sample import upstream
from digest.store.roster import parse
from tests.program import Program, entries, mail, part
from tests.smtp_servers import Sink

DAY = date(2026, 2, 4)
OWLS = '["the hearing of barn owls"]'
"""Nothing of the sample day is about them."""


@pytest.fixture
def program(tmp_path: Path, relay: Sink) -> Program:
    made = Program(tmp_path)
    made.set(sources="huggingface", smtp_url=relay.url)
    return made


def arrived(relay: Sink) -> dict[str, list[str]]:
    """The texts that each reader got, on one line each."""
    texts: dict[str, list[str]] = {}
    for message in relay.messages:
        texts.setdefault(message.recipients[0], []).append(" ".join(part(mail(message), "plain").split()))
    return texts


def test_a_day_without_a_match_brings_what_the_reader_chose(program: Program, relay: Sink) -> None:
    choices = ("trending", "note", "silence")
    rows = "".join(f"  - {{email: {c}@example.org, topics: {OWLS}, when_quiet: {c}}}\n" for c in choices)
    program.roster(f"subscribers:\n{rows}  - {{email: none@example.org, when_quiet: silence}}\n")
    with upstream.serve(DAY) as base:
        program.set(huggingface_url=base)
        program.run("2026-02-04T07:00Z")
    assert arrived(relay).keys() == {"trending@example.org", "none@example.org"}, "without interests, all is a match"
    assert (
        "Nothing new on your topics today. This is what others are reading."
        in arrived(relay)["trending@example.org"][0]
    )
    assert program.run("2026-02-04T08:00Z").idle, "the day is done for everybody"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "No new paper matched; such days bring no digest, as you chose."),
        ("de", "Keine neue Arbeit passte; solche Tage bringen keine Ausgabe, wie du es gewählt hast."),
    ],
)
def test_a_note_comes_after_a_week_to_who_wants_one(program: Program, relay: Sink, language: str, said: str) -> None:
    rows = "".join(
        f"  - {{email: {c}@example.org, topics: {OWLS}, when_quiet: {c}, language: {language}}}\n"
        for c in ("note", "silence")
    )
    program.roster(f"subscribers:\n{rows}")
    with upstream.serve(DAY) as base:
        program.set(huggingface_url=base)
        for day in range(4, 20):
            program.run(f"2026-02-{day:02d}T07:00Z")
    [text] = arrived(relay).pop("note@example.org")
    assert said in text
    assert "arxiv.org" not in text, "a note, without papers"
    assert [m["Date"].datetime.day for m in map(mail, relay.messages)] == [11]


def papers(text: str) -> set[str]:
    return set(re.findall(r"huggingface\.co/papers/([\w.]+)", text)) | set(re.findall(r"arxiv\.org/abs/([\w.]+)", text))


@pytest.mark.parametrize("again", [True, False])
def test_a_paper_comes_once_more_if_the_reader_allows_it_and_never_a_third_time(
    program: Program, relay: Sink, again: bool
) -> None:
    program.roster(entries("ada@example.org", papers=50, again=str(again).lower()))
    for back in (2, 1, 0, -1):
        with upstream.serve(DAY, asked=min(DAY, DAY - timedelta(days=back))) as base:
            program.set(huggingface_url=base)
            program.run(f"{DAY - timedelta(days=back)}T07:00Z")
    texts = arrived(relay)["ada@example.org"]
    counted = Counter(paper for text in texts for paper in papers(text))
    assert max(counted.values()) == 1 + again
    said = [re.findall(r"was in your digest of Feb \d and is trending now", text) for text in texts]
    assert [len(each) for each in said] == ([0, 1, 1, 1] if again else [0] * len(texts)), "at most one a day"
    assert sum(times == 2 for times in counted.values()) == sum(map(len, said))


def test_the_operator_can_say_both_by_command(program: Program) -> None:
    command = [
        sys.executable,
        "-m",
        "digest",
        "subscribers",
        "add",
        "bo@example.org",
        "--when-quiet",
        "note",
        "--again",
    ]
    subprocess.run(command, env=os.environ | program.environment(), check=True, capture_output=True)
    [profile] = parse(app.export_people(program.settings)).profiles
    assert (profile.when_quiet, profile.again) == (WhenQuiet.NOTE, True)
