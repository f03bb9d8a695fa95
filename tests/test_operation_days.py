"""Odd days, end to end: downtimes, late announcements, and weeks without anything new."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from digest import app
from digest.models import Profile
from digest.pipeline.pull import AGAIN, REFRESH, RETRY, is_stale
from digest.sample import upstream
from digest.sources.arxiv import Arxiv
from digest.sources.huggingface import HuggingFace
from digest.store import Asked, SourceRecord, schema
from tests.program import Program, at, entries, mail, part
from tests.smtp_servers import Sink

DAY = date(2026, 2, 4)
ADA = entries("ada@example.org", zone="Europe/Berlin")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def program(tmp_path: Path, relay: Sink) -> Program:
    made = Program(tmp_path)
    made.roster(ADA)
    made.set(sources="huggingface", smtp_url=relay.url)
    return made


@pytest.mark.parametrize(
    ("last", "back", "since"),
    [
        ("2026-02-03T06:00Z", "2026-02-04T09:00Z", ""),
        ("2026-02-01T06:00Z", "2026-02-04T09:00Z", "Since Sunday"),
        ("2026-01-14T06:00Z", "2026-02-04T09:00Z", "Since Jan 14"),
    ],
    ids=["3 hours", "3 days", "3 weeks"],
)
def test_after_a_downtime_one_digest_covers_the_gap(
    program: Program, relay: Sink, last: str, back: str, since: str
) -> None:
    with upstream.serve(DAY, asked=date.fromisoformat(last[:10])) as base:
        program.set(huggingface_url=base)
        program.run(last)
    relay.messages.clear()
    with upstream.serve(DAY) as base:
        program.set(huggingface_url=base)
        for moment in (back, "2026-02-04T09:01Z", "2026-02-04T18:00Z"):
            program.run(moment)
    [digest] = [mail(m) for m in relay.messages]
    assert str(digest["Subject"]).startswith("Since ") == bool(since)
    assert str(digest["Subject"]).startswith(since)
    assert ("covers everything since" in part(digest, "plain")) == bool(since)


def test_a_clock_that_was_a_year_ahead_for_a_pass_costs_nobody_a_year(program: Program, relay: Sink) -> None:
    with upstream.serve(DAY) as base:
        program.set(huggingface_url=base)
        moments = ("2026-02-03T06:00Z", "2027-02-03T06:00Z", "2026-02-04T05:00Z", "2026-02-04T06:00Z")
        for moment in (*moments, "2026-02-04T06:01Z", "2026-02-05T06:00Z"):
            program.run(moment)
    issues = [row["issue"] for row in app.outbox(program.settings, 10, None)]
    assert sorted(issues) == ["2026-02-03", "2026-02-04", "2026-02-05", "2027-02-03"]


def test_weeks_without_anything_are_told_once(program: Program, relay: Sink) -> None:
    with upstream.serve(DAY) as base:
        program.set(huggingface_url=base)
        program.run("2026-02-04T06:00Z")
        first = len(relay.messages)
        program.set(huggingface_url=f"{base}/moved")
        for day in range(8, 19):  # the window of four days has passed: every one of them is empty
            program.run(f"2026-02-{day + 2:02d}T06:00Z")
    notes = [mail(m) for m in relay.messages[first:] if "Nothing new for you" in str(mail(m)["Subject"])]
    [note] = notes
    assert "Nothing new has matched since Feb" in " ".join(part(note, "plain").split())
    assert note["List-Unsubscribe"]


def test_who_wants_silence_has_it(program: Program, relay: Sink) -> None:
    with upstream.serve(DAY) as base:
        program.set(quiet_note=0, huggingface_url=f"{base}/moved")
        for day in range(1, 12):
            program.run(f"2026-02-{day:02d}T06:00Z")
    assert relay.messages == []


MIDNIGHT = datetime(2026, 2, 4, 5, tzinfo=UTC)
"""In New York: a Wednesday's announcement."""


def read(moment: datetime, failure: str = "") -> SourceRecord:
    return SourceRecord("arxiv", moment, moment, moment, moment if failure else None, failure)


@pytest.mark.parametrize(
    ("last", "now", "stale"),
    [
        (MIDNIGHT - 5 * MINUTE, MIDNIGHT, True),
        (MIDNIGHT, MIDNIGHT + 29 * MINUTE, False),
        (MIDNIGHT, MIDNIGHT + AGAIN, True),
        (MIDNIGHT + 140 * MINUTE, MIDNIGHT + 170 * MINUTE, True),
        (MIDNIGHT + 200 * MINUTE, MIDNIGHT + 230 * MINUTE, False),
        (MIDNIGHT + 200 * MINUTE, MIDNIGHT + 200 * MINUTE + REFRESH, True),
        (MIDNIGHT + timedelta(days=3, minutes=-5), MIDNIGHT + timedelta(days=3), False),
    ],
    ids=["announced since", "just read", "it may be late", "still", "no more", "now and then", "Saturday"],
)
def test_arxiv_is_read_when_it_announces(last: datetime, now: datetime, stale: bool) -> None:
    assert is_stale(Arxiv(), read(last), now, REFRESH) == stale


def test_a_source_without_a_calendar_is_read_now_and_then() -> None:
    assert not is_stale(HuggingFace(), read(MIDNIGHT), MIDNIGHT + REFRESH - MINUTE, REFRESH)
    assert is_stale(HuggingFace(), read(MIDNIGHT), MIDNIGHT + REFRESH, REFRESH)


def test_one_that_failed_is_not_asked_every_minute() -> None:
    assert not is_stale(Arxiv(), read(MIDNIGHT, "timed out"), MIDNIGHT + RETRY - MINUTE, AGAIN)
    assert is_stale(Arxiv(), read(MIDNIGHT, "timed out"), MIDNIGHT + RETRY, AGAIN)


def test_who_is_due_just_after_an_announcement_gets_it(program: Program, relay: Sink) -> None:
    """Read ten minutes before it for somebody else, arXiv is asked again."""
    with upstream.serve(DAY) as base:
        program.set(sources="huggingface,arxiv", huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base)
        program.roster(entries("bo@example.org", zone="UTC", at="04:55"))
        program.run("2026-02-04T04:55Z")
        program.roster(entries("bo@example.org", "cy@example.org", zone="UTC", at="05:05"))
        pulled = {p.source: p for p in program.run("2026-02-04T05:05Z").pulled}
    assert pulled["huggingface"].skipped
    assert not pulled["arxiv"].skipped


def test_who_runs_from_cron_forgets_what_was_promised_to_be_forgotten(program: Program) -> None:
    """A sign-up that nobody confirmed, from pages that are no longer served."""
    with upstream.serve(DAY) as base:
        program.set(huggingface_url=base)
        with closing(app.store(program.settings)) as store:
            store.signups.ask("token", Profile("bo@example.org"), Asked("192.0.2.0/24", "yes"), at("2026-02-04T05:00Z"))
        for moment, kept in (("2026-02-04T06:00Z", True), ("2026-03-20T06:00Z", False)):
            program.run(moment)
            with closing(app.store(program.settings)) as store, store.database.reading() as connection:
                assert ("bo@example.org" in repr(connection.execute(sa.select(schema.signups)).all())) == kept
