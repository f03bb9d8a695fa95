"""One pass from upstream to inbox: the sample day over real HTTP, a real database, a real SMTP server."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from digest import app
from digest.errors import SettingsError, UsageError
from digest.models import DeliveryState
from digest.sample import upstream
from digest.store import Beginning
from tests.program import ROSTER, Program, at, entries, mail, part
from tests.smtp_servers import Sink

DAY = date(2026, 2, 4)
SEVEN = "2026-02-04T06:00Z"
"""Seven o'clock in Berlin."""


@pytest.fixture
def program(tmp_path: Path, relay: Sink) -> Iterator[Program]:
    with upstream.serve(DAY) as base:
        made = Program(tmp_path)
        made.roster(ROSTER)
        made.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base, smtp_url=relay.url)
        yield made


def test_everybody_who_is_due_gets_one_digest(program: Program, relay: Sink) -> None:
    report = program.run(SEVEN)
    assert report.delivered[DeliveryState.SENT] == 3, report.line()
    assert sorted(m.recipients for m in relay.messages) == [
        ("ada@example.org",),
        ("lin@example.org",),
        ("sam@example.org",),
    ]


def test_a_second_run_on_the_same_day_sends_nothing(program: Program, relay: Sink) -> None:
    program.run(SEVEN)
    for moment in (SEVEN, "2026-02-04T06:10Z", "2026-02-04T21:00Z"):
        assert not program.run(moment).delivered.states
    assert len(relay.messages) == 3


def test_nobody_gets_it_before_their_time(program: Program, relay: Sink) -> None:
    report = program.run("2026-02-04T05:59Z")
    assert relay.messages == []
    assert report.next_due_at == at(SEVEN)


def test_the_next_day_brings_other_papers(program: Program, relay: Sink) -> None:
    program.run(SEVEN)
    first = set(program.preview("ada@example.org", SEVEN).digest.picks)
    program.run("2026-02-05T06:00Z")
    found = program.preview("ada@example.org", "2026-02-05T06:00Z")
    assert found.digest.picks
    assert not {p.paper.id for p in found.digest.picks} & {p.paper.id for p in first}


def test_interests_decide_and_reasons_say_so(program: Program, relay: Sink) -> None:
    program.run(SEVEN)
    ada = next(mail(m) for m in relay.messages if m.recipients == ("ada@example.org",))
    text = part(ada, "plain")
    assert "theory of mind" in text.lower()
    assert "survey" not in text.lower()
    lin = next(mail(m) for m in relay.messages if m.recipients == ("lin@example.org",))
    assert "Mira Okonkwo" in part(lin, "plain")


def test_somebody_without_interests_gets_what_is_trending(program: Program, relay: Sink) -> None:
    program.run(SEVEN)
    sections = {pick.section.value for pick in program.preview("sam@example.org", SEVEN).digest.picks}
    assert "for_you" not in sections
    assert "trending" in sections


def test_one_refused_recipient_stops_nobody_else(program: Program, relay: Sink) -> None:
    relay.answers["lin@example.org"] = "550 5.1.1 no such user"
    report = program.run(SEVEN)
    assert report.delivered.states == {DeliveryState.SENT: 2, DeliveryState.FAILED: 1}
    assert report.failed
    relay.answers.clear()
    assert not program.run("2026-02-04T06:05Z").delivered.states


def test_a_deferred_digest_is_tried_again(program: Program, relay: Sink) -> None:
    relay.answers["lin@example.org"] = "451 4.7.1 greylisted, come back later"
    assert program.run(SEVEN).delivered[DeliveryState.DEFERRED] == 1
    relay.answers.clear()
    assert program.run("2026-02-04T08:00Z").delivered[DeliveryState.SENT] == 1
    assert len(relay.messages) == 3


def test_a_retry_has_the_same_bytes(program: Program, relay: Sink) -> None:
    """A relay that dies after taking the body leaves us not knowing; what we send again must be recognisable."""
    program.roster(entries("ada@example.org", zone="Europe/Berlin"))
    program.run("2026-02-04T05:00Z")
    first = program.preview("ada@example.org", SEVEN).written.message.data
    relay.answers["DATA"] = "451 4.3.0 later"
    program.run(SEVEN)
    relay.answers.clear()
    program.run("2026-02-04T07:30Z")
    assert [hashlib.sha256(m.data).hexdigest() for m in relay.messages] == [hashlib.sha256(first).hexdigest()]


def test_our_own_fault_stops_the_run_and_costs_nobody(program: Program, relay: Sink) -> None:
    relay.answers["MAIL"] = "550 5.7.1 sender not allowed"
    report = program.run(SEVEN)
    assert report.failed
    assert "sender not allowed" in report.line()
    assert not report.delivered[DeliveryState.FAILED]
    relay.answers.clear()
    assert program.run("2026-02-04T06:01Z").delivered[DeliveryState.SENT] == 3


def test_whose_turn_had_not_come_when_the_relay_failed_has_their_papers_chosen(
    program: Program, relay: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Choosing goes with sending, block by block; but what is due is chosen when it is due."""
    monkeypatch.setattr(sys.modules["digest.pipeline.plan"], "BLOCK", 2)
    program.roster(entries(*(f"reader{n}@example.org" for n in range(7)), zone="Europe/Berlin"))
    relay.answers["MAIL"] = "550 5.7.1 sender not allowed"
    report = program.run(SEVEN)
    assert (report.planned.issues, report.planned.waiting) == (7, 0)
    assert report.failed
    relay.answers.clear()
    report = program.run("2026-02-04T09:00Z")
    assert (report.planned.issues, report.delivered.states) == (0, {DeliveryState.SENT: 7})


def test_a_relay_that_has_had_enough_gets_fewer_connections(program: Program, relay: Sink) -> None:
    people = [f"reader{n}@example.org" for n in range(90)]
    program.roster(entries(*people, zone="Europe/Berlin"))
    program.set(smtp_connections=2)
    relay.answers["reader5@example.org"] = "421 4.7.0 too many connections"
    report = program.run(SEVEN)
    assert report.delivered.states == {DeliveryState.SENT: 89, DeliveryState.DEFERRED: 1}
    used = [message.connection for message in relay.messages]
    assert len(set(used[:30])) > 1
    assert len(set(used[-20:])) == 1


def test_preview_shows_exactly_what_run_sends_and_changes_nothing(program: Program, relay: Sink) -> None:
    program.run("2026-02-04T05:00Z")  # makes the store and the key; nobody is due yet
    before = fingerprint(program.home)
    shown = {e: program.preview(e, SEVEN).written.message.data for e in ("ada@example.org", "lin@example.org")}
    assert fingerprint(program.home) == before
    program.run(SEVEN)
    sent = {m.recipients[0]: m.data for m in relay.messages}
    assert {email: sent[email] for email in shown} == shown


def test_a_preview_before_anything_else_leaves_no_trace(program: Program) -> None:
    assert program.preview("ada@example.org", SEVEN).written.text
    assert sorted(p.name for p in program.home.iterdir()) == ["subscribers.yaml"]


def test_a_dry_run_sends_and_changes_nothing(program: Program, relay: Sink) -> None:
    report = program.run(SEVEN, dry_run=True)
    assert report.planned.issues == 3
    assert relay.messages == []
    assert sorted(p.name for p in program.home.iterdir()) == ["subscribers.yaml"]


def test_a_source_that_is_down_is_told_in_the_mail(program: Program, relay: Sink) -> None:
    nowhere = f"{program.settings.arxiv_feed_url}/moved"
    program.set(arxiv_feed_url=nowhere, arxiv_api_url=nowhere)
    program.roster(entries("sam@example.org", zone="Europe/Berlin"))
    report = program.run(SEVEN)
    assert [p.source for p in report.pulled if p.failure] == ["arxiv"]
    text = part(mail(relay.messages[0]), "plain")
    assert "arxiv" in text.lower()
    assert "could not be" in text.lower() or "down" in text.lower() or "failed" in text.lower()


def test_without_any_paper_nothing_is_sent_and_the_day_is_done(program: Program, relay: Sink) -> None:
    nowhere = f"{program.settings.arxiv_feed_url}/moved"
    program.set(**dict.fromkeys(("huggingface_url", "arxiv_feed_url", "arxiv_api_url"), nowhere))
    report = program.run(SEVEN)
    assert (report.planned.issues, report.planned.empty) == (0, 3)
    assert relay.messages == []


def test_a_mistake_in_the_roster_changes_nothing(program: Program, relay: Sink) -> None:
    program.run(SEVEN)
    program.roster(ROSTER + "  - {email: nope, zone: Mars/Olympus}\n")
    with pytest.raises(SettingsError) as caught:
        program.run("2026-02-05T06:00Z")
    assert len(caught.value.problems) == 2
    assert len(relay.messages) == 3


def test_who_is_gone_from_the_roster_gets_nothing_more(program: Program, relay: Sink) -> None:
    program.run(SEVEN)
    program.roster(entries("ada@example.org", zone="Europe/Berlin"))
    program.run("2026-02-05T06:00Z")
    assert [m.recipients[0] for m in relay.messages[3:]] == ["ada@example.org"]


def test_an_unknown_reader_is_a_usage_error(program: Program) -> None:
    with pytest.raises(UsageError, match="nobody with the address"):
        program.preview("eve@example.org", SEVEN)


def test_the_command_line_does_the_same(program: Program, relay: Sink) -> None:
    """From outside, as cron calls it, with JSON on standard output and logs on standard error."""
    done = digest(program, "run", "--at", SEVEN, "--json")
    report = json.loads(done.stdout)
    assert report["delivered"] == {"sent": 3}
    assert len(relay.messages) == 3
    status = json.loads(digest(program, "status", "--json").stdout)
    assert status["deliveries"] == {"sent": 3}
    assert "example.org" not in done.stderr, "no addresses in logs"
    listed = digest(program, "subscribers", "list").stdout
    assert listed.count("@example.org") == 3
    assert digest(program, "preview", "eve@example.org", expect=2).stderr.startswith("digest: nobody with the address")


def test_the_operator_settles_what_is_in_doubt(program: Program, relay: Sink) -> None:
    """`hold` leaves it to `digest outbox`: resolved after a look into the relay's log, or sent again."""
    program.set(unknown="hold")
    relay.answers["DATA"] = "451 4.3.0 later"
    program.run(SEVEN)
    with app.opened(program.settings) as parts:  # as after a power cut in the middle of two bodies
        claims = parts.store.deliveries.claim(at("2026-02-04T09:00Z"), "the dead", 2)
        begun = [Beginning(claim.id, "", "", at("2026-02-04T09:01Z")) for claim in claims]
        parts.store.deliveries.mark(begun, [], "the dead")
    relay.answers.clear()
    assert program.run("2026-02-04T09:02Z").delivered[DeliveryState.SENT] == 1
    held = json.loads(digest(program, "outbox", "list", "--state", "unknown", "--json").stdout)
    assert len(held) == 2
    first, second = (str(row["id"]) for row in held)
    assert "1 of 1 are now sent" in digest(program, "outbox", "resolve", first, "--as", "sent").stdout
    assert "1 of 1 will be sent" in digest(program, "outbox", "retry", second).stdout
    assert "0 of 1" in digest(program, "outbox", "retry", first).stdout, "what is sent is not sent again"
    program.run(datetime.now(UTC).isoformat())
    assert len(relay.messages) == 2


def test_without_smtp_mail_goes_into_the_local_mailbox(program: Program) -> None:
    program.set(smtp_url=None)
    report = program.run(SEVEN)
    assert report.delivered[DeliveryState.SENT] == 3
    assert len(list((program.home / "var" / "mailbox" / "new").iterdir())) == 3


def fingerprint(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def digest(program: Program, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "digest", *words],
        env=os.environ | program.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == expect, done.stderr
    return done
