"""Backup and restore as docs/operation.md tells it: copied while it runs, put in place of what was lost."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from digest import app
from digest.sample import upstream
from tests.program import Program, entries, mail, part
from tests.smtp_servers import Sink

MONDAY = "sqlite:///backup/monday.sqlite"


@pytest.fixture
def program(tmp_path: Path, relay: Sink) -> Iterator[Program]:
    with upstream.serve(date(2026, 2, 4)) as base:
        made = Program(tmp_path)
        made.roster(entries("ada@example.org", zone="UTC", papers=4))
        made.set(
            sources="huggingface", huggingface_url=base, smtp_url=relay.url, public_url="https://digest.example.org"
        )
        yield made


def digest(program: Program, command: str) -> None:
    """A command as docs/operation.md writes it, in the folder of the program."""
    words = [sys.executable, "-m", "digest", *command.split()[1:]]
    surroundings = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[1])} | program.environment()
    subprocess.run(words, cwd=program.home, env=surroundings, check=True, capture_output=True)


def days(relay: Sink) -> list[int]:
    return [mail(message)["Date"].datetime.day for message in relay.messages]


def papers(relay: Sink) -> list[set[str]]:
    return [set(re.findall(r"arxiv\.org/abs/(\S+)", part(mail(m), "plain"))) for m in relay.messages]


def test_a_restored_backup_forgets_the_days_since_and_nothing_else(program: Program, relay: Sink) -> None:
    told = (Path(__file__).parents[1] / "docs" / "operation.md").read_text()
    command = f"digest db copy sqlite:///var/digest.sqlite {MONDAY}"
    assert command in told
    program.run("2026-02-04T07:00Z")
    (program.home / "backup").mkdir()
    digest(program, command)
    program.run("2026-02-05T07:00Z")
    database = program.home / "var" / "digest.sqlite"
    database.unlink()
    shutil.copy(program.home / "backup" / "monday.sqlite", database)
    for moment in ("2026-02-05T09:00Z", "2026-02-05T09:10Z", "2026-02-06T07:00Z"):
        program.run(moment)
    assert days(relay) == [4, 5, 5, 6], "the day after the backup once more, and no other"
    first, second, again, third = papers(relay)
    assert second == again
    assert first
    assert not first & again, "what was sent before the backup is remembered"
    assert not (first | again) & third
    tokens = {re.findall(r"/unsubscribe/([^\s>]+)", str(mail(m)["List-Unsubscribe"]))[0] for m in relay.messages}
    assert len(tokens) == 1, "links in mails that were sent work on: the key lies beside the database"


def test_a_backup_made_in_the_midst_of_a_pass_is_whole(program: Program, relay: Sink) -> None:
    program.roster(entries(*(f"reader{n}@example.org" for n in range(30)), zone="UTC", papers=2))
    command = [sys.executable, "-m", "digest", "run", "--at", "2026-02-04T07:00Z"]
    surroundings = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[1])} | program.environment()
    with subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        while len(relay.messages) < 5:
            assert running.poll() is None
        app.copy_database(
            program.settings, program.settings.resolved_database_url, f"sqlite:///{program.home}/b.sqlite"
        )
    assert len(relay.messages) == 30
    copied = program.settings.model_copy(update={"database_url": f"sqlite:///{program.home}/b.sqlite"})
    states = app.status(copied)["deliveries"]
    assert sum(states.values()) == 30, "of one moment: all were planned together"
    assert states["sent"] < 30
