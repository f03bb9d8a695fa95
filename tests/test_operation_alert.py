"""What the operator is told, how often, and what a monitor elsewhere hears."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner

from digest import app
from digest.cli import main
from digest.errors import SettingsError
from digest.models import Message
from digest.pipeline.incoming import returned
from digest.sample import upstream
from digest.schedule import Clock
from digest.store import Learned, schema
from tests.incoming_mail import bounce
from tests.monitors import monitor
from tests.program import Program, at, entries, mail, part
from tests.smtp_servers import Sink

DAY = date(2026, 2, 4)
OPERATOR = "op@example.net"


@pytest.fixture
def program(tmp_path: Path, relay: Sink) -> Iterator[Program]:
    with upstream.serve(DAY) as base:
        made = Program(tmp_path)
        made.roster(entries("ada@example.org", "bo@example.org", "cy@example.org", zone="Europe/Berlin"))
        made.set(sources="huggingface", huggingface_url=base, smtp_url=relay.url, operator=OPERATOR, quiet_note=0)
        yield made


def told(relay: Sink) -> list[str]:
    """The alerts that arrived, as text."""
    return [part(mail(m), "plain") for m in relay.messages if m.recipients == (OPERATOR,)]


def test_a_quiet_day_tells_the_operator_nothing(program: Program, relay: Sink) -> None:
    for moment in ("2026-02-03T06:00Z", "2026-02-04T06:00Z", "2026-02-04T06:10Z"):
        program.run(moment)
    assert told(relay) == []


def test_a_pass_ends_in_one_line(program: Program, relay: Sink) -> None:
    relay.answers["bo@example.org"] = "451 4.7.1 greylisted"
    assert re.fullmatch(
        r"huggingface: \d+ in, \d+ new, 0 merged; 3 planned with \d+ papers \(\d+ matched\); 1 deferred, 2 sent; "
        r"next due 2026-02-04 06:00 UTC",
        program.run("2026-02-03T06:00Z").line(),
    )
    relay.answers["MAIL"] = "530 5.7.0 log in first"
    assert "; 3 not tried; STOPPED: " in program.run("2026-02-04T06:00Z").line()


def test_status_shows_a_sign_of_life_after_a_pass_without_work(program: Program, relay: Sink) -> None:
    assert app.status(program.settings)["alive_at"] is None
    program.run("2026-02-03T06:00Z")
    assert program.run("2026-02-03T07:00Z").idle
    done = CliRunner().invoke(main, ["status"], env=program.environment())
    assert "2026-02-03 06:00 UTC: huggingface: " in done.stdout
    assert "sign of life, left every half hour: 2026-02-03T07:00:00+00:00" in done.stdout


def test_a_source_that_is_down_for_a_day_is_told_once_a_day(program: Program, relay: Sink) -> None:
    program.set(huggingface_url=f"{program.settings.huggingface_url}/moved")
    for moment in ("2026-02-03T06:00Z", "2026-02-04T05:00Z"):
        program.run(moment)
    assert told(relay) == []
    for moment in ("2026-02-04T06:00Z", "2026-02-04T06:10Z", "2026-02-04T22:00Z"):
        program.run(moment)
    [alert] = told(relay)
    assert "huggingface cannot be read since 2026-02-03 06:00 UTC: answered 404" in " ".join(alert.split())
    program.run("2026-02-05T06:10Z")
    assert len(told(relay)) == 2


def test_a_missed_run_is_told(program: Program, relay: Sink) -> None:
    program.run("2026-02-03T06:00Z")
    program.run("2026-02-04T11:00Z")
    [alert] = told(relay)
    assert "due at 2026-02-04 06:00 UTC were made 5 hours late" in " ".join(alert.split())


def test_somebody_who_subscribes_after_their_hour_missed_nothing(program: Program, relay: Sink) -> None:
    program.run("2026-02-03T06:00Z")
    program.run("2026-02-03T21:00Z")
    program.roster(entries("ada@example.org", "dee@example.org", zone="Europe/Berlin"))
    program.run("2026-02-03T21:10Z")
    assert ("dee@example.org",) in [m.recipients for m in relay.messages]
    assert told(relay) == []


def test_our_own_fault_is_told_though_no_digest_leaves(program: Program, relay: Sink) -> None:
    for reader in ("ada", "bo", "cy"):
        relay.answers[f"{reader}@example.org"] = "550 5.7.1 you look like spam"
    program.run("2026-02-03T06:00Z")
    [alert] = told(relay)
    assert "no reader is to blame" in alert
    assert "you look like spam" in alert


def test_an_alert_that_cannot_leave_is_tried_again_in_an_hour(program: Program, relay: Sink) -> None:
    relay.answers["MAIL"] = "550 5.7.1 sender not allowed"
    program.run("2026-02-03T06:00Z")
    relay.answers[OPERATOR] = "250 ok"
    for reader in ("ada", "bo", "cy"):
        relay.answers[f"{reader}@example.org"] = "550 5.7.1 sender not allowed"
    del relay.answers["MAIL"]
    program.run("2026-02-03T06:30Z")
    assert told(relay) == []
    program.run("2026-02-03T07:01Z")
    assert len(told(relay)) == 1


def test_a_queue_that_does_not_move_is_told(program: Program, relay: Sink) -> None:
    relay.answers["ada@example.org"] = "451 4.7.1 greylisted"
    for moment in ("2026-02-03T06:00Z", "2026-02-03T08:00Z"):
        program.run(moment)
    assert told(relay) == []
    program.run("2026-02-03T10:30Z")
    assert "1 digests wait for more than 4 hours" in told(relay)[0]


def crowd(count: int, **shared: str) -> str:
    return entries(*(f"reader{n}@example.org" for n in range(count)), zone="Europe/Berlin", **shared)


@pytest.mark.parametrize(("dead", "alerts"), [(5, 0), (6, 1)])
def test_many_dead_addresses_are_told(program: Program, relay: Sink, dead: int, alerts: int) -> None:
    program.roster(crowd(12))
    relay.answers |= {f"reader{n}@example.org": "550 5.1.1 no such user" for n in range(dead)}
    program.run("2026-02-03T06:00Z")
    assert ["6 of 12 digests were refused" in " ".join(text.split()) for text in told(relay)] == [True] * alerts


@pytest.mark.parametrize(("bounces", "alerts"), [(5, 0), (6, 1)])
def test_a_jump_in_bounces_is_told(program: Program, relay: Sink, bounces: int, alerts: int) -> None:
    """The relay took everything, and then the bounces came in."""
    program.roster(crowd(12))
    program.run("2026-02-03T06:00Z")
    with app.opened(program.settings, lambda: at("2026-02-03T07:00Z")) as parts:
        for person in [*parts.store.subscribers.everyone()][:bounces]:
            returned(parts, person.token, Message("", "", bounce("5.1.1", recipient=person.email)))
    program.run("2026-02-03T07:10Z")
    said = "6 mails came back within a day (6 hard); 12 digests were sent since yesterday."
    assert [said in " ".join(text.split()) for text in told(relay)] == [True] * alerts
    program.run("2026-02-03T07:20Z")
    assert len(told(relay)) == alerts, "once"


def test_people_who_cannot_be_chosen_for_are_told_and_the_others_get_theirs(program: Program, relay: Sink) -> None:
    program.run("2026-02-04T06:00Z")
    liked = re.findall(r"huggingface\.co/papers/([\w.]+)", part(mail(relay.messages[0]), "plain"))[0]
    program.roster(f"""
        defaults: {{zone: Europe/Berlin}}
        subscribers: [{{email: ada@example.org, liked: ["{liked}"]}}, {{email: bo@example.org}}]
    """)
    for day in (5, 6, 7, 8):  # then the sample day lies behind, and the word statistics are not a week old
        program.run(f"2026-02-0{day}T06:00Z")
    with app.store(program.settings).database.writing() as connection:
        connection.execute(schema.papers.update().where(schema.papers.c.id == liked).values(data={}))
    report = program.run("2026-02-09T06:00Z")
    assert (report.planned.failed, report.planned.empty + report.planned.issues) == (1, 1)
    [alert] = [text for text in told(relay) if "could not be made" in text]
    assert "The digests of 1 people could not be made" in " ".join(alert.split())


def test_a_pass_that_crashes_is_told_and_the_daemon_goes_on(program: Program, relay: Sink) -> None:
    clock = Clock(program.settings)
    clock.tick()
    store = app.store(program.settings)
    store.runs.keep_statistics(Learned(datetime.now(UTC), 10_000, b"not a zip file"))
    with store.database.writing() as connection:
        connection.execute(schema.subscribers.update().values(next_due_at=at("2026-02-04T06:00Z"), last_issue=None))
    clock.tick()
    clock.tick()
    [alert] = told(relay)
    assert "A pass crashed" in alert
    with app.store(program.settings).database.writing() as connection:
        connection.execute(schema.statistics.delete())
    before = clock.ticked
    clock.tick()
    assert len(told(relay)) == 1
    assert before
    assert clock.ticked
    assert clock.ticked > before


def test_a_pass_that_cannot_begin_is_told(program: Program, relay: Sink) -> None:
    """The database cannot even be opened; that the operator was told is remembered without it."""
    clock = Clock(program.settings)
    clock.tick()
    database = program.home / "var" / "digest.sqlite"
    kept = database.read_bytes()
    database.write_bytes(b"no database at all" * 1000)
    clock.tick()
    clock.tick()
    [alert] = told(relay)
    assert "No pass can be made" in alert
    assert "DIGEST_DATABASE_URL" in alert
    database.write_bytes(kept)
    before = clock.ticked
    clock.tick()
    assert len(told(relay)) == 1
    assert before
    assert clock.ticked
    assert clock.ticked > before


def test_cron_tells_of_a_pass_that_could_not_be_made_once_a_day(program: Program, relay: Sink) -> None:
    program.run("2026-02-03T06:00Z")
    program.roster(entries("ada@example.org", zone="Mars/Olympus"))
    for _ in range(2):
        with pytest.raises(SettingsError, match="Mars/Olympus"):
            program.run("2026-02-04T06:00Z")
    [alert] = told(relay)
    assert "Mars/Olympus" in alert


def test_a_full_disk_is_told_once_and_not_every_minute(program: Program, relay: Sink) -> None:
    program.run("2026-02-03T06:00Z")
    with on_a_full_disk(program, "serve", "--at", "2026-02-04T06:00", "--speed", "600") as daemon:
        assert daemon.stderr
        said = list(islice((line for line in daemon.stderr if "pass failed" in line), 3))
        daemon.terminate()
        assert daemon.wait(30) == 0
    assert "the database failed: disk I/O error" in said[-1]
    [alert] = told(relay)
    assert "disk I/O error" in alert


def test_a_full_disk_ends_cron_in_one_line(program: Program, relay: Sink) -> None:
    """Nothing can remember that the operator was told, who would hear of it every ten minutes."""
    program.run("2026-02-03T06:00Z")
    with on_a_full_disk(program, "run", "--at", "2026-02-04T06:00") as cron:
        _, said = cron.communicate(timeout=60)
    assert cron.returncode == 1
    assert said.splitlines()[-1] == "digest: the database failed: disk I/O error"
    assert "Traceback" not in said
    assert told(relay) == []


@contextmanager
def on_a_full_disk(program: Program, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A command that cannot make any file longer."""
    words = ["sh", "-c", 'ulimit -f 0 && exec "$0" "$@"', sys.executable, "-m", "digest", *command]
    surroundings = os.environ | program.environment() | {"DIGEST_WEB_PORT": "0"}
    process = subprocess.Popen(words, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_without_an_operator_nobody_is_written_to(program: Program, relay: Sink) -> None:
    program.set(operator="")
    program.run("2026-02-03T06:00Z")
    program.run("2026-02-04T11:00Z")
    assert {m.recipients[0] for m in relay.messages} == {f"{name}@example.org" for name in ("ada", "bo", "cy")}


def test_the_daemon_keeps_the_last_good_roster_and_tells(program: Program, relay: Sink) -> None:
    clock = Clock(program.settings)
    clock.tick()
    program.roster(entries("ada@example.org", zone="Mars/Olympus"))
    clock.tick()
    clock.tick()
    [alert] = told(relay)
    assert "Mars/Olympus" in alert
    program.roster(entries("ada@example.org", zone="Europe/Paris"))
    clock.tick()
    assert len(told(relay)) == 1


def test_a_monitor_hears_of_good_passes_only(program: Program, relay: Sink) -> None:
    with monitor() as (url, heard):
        program.set(ping_url=f"{url}/ping/1234")
        program.run("2026-02-03T05:00Z")
        assert heard == ["/ping/1234"]
        relay.answers["ada@example.org"] = "550 5.1.1 no such user"
        program.run("2026-02-03T06:00Z")
        assert heard == ["/ping/1234"]


def test_whatever_a_monitor_answers_in_the_two_hundreds_is_good(
    program: Program, relay: Sink, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dead Man's Snitch says 202."""
    with monitor(202) as (url, heard):
        program.set(ping_url=f"{url}/ping/1234")
        program.run("2026-02-03T05:00Z")
    assert heard == ["/ping/1234"]
    assert "ping failed" not in "".join(capsys.readouterr())


def test_a_monitor_that_is_down_hinders_nothing(program: Program, relay: Sink) -> None:
    program.set(ping_url="http://127.0.0.1:1/ping")
    assert not program.run("2026-02-03T06:00Z").failed
