"""The world's clocks are changed while the program runs, and everybody still gets one issue a day at seven."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import tzdata

from digest import zones
from digest.sample import upstream
from tests.program import Program, entries, mail
from tests.smtp_servers import sink

SUMMER_TIME, NONE, ALL_YEAR = "CET-1CEST,M3.5.0,M10.5.0/3", "CET-1", "CEST-2"
"""Berlin's clocks, as POSIX writes rules: as today, without summer time, and with nothing else."""


def a_database(folder: Path, version: str, rule: str) -> Path:
    """A zone database that knows Berlin only: RFC 8536, version 2, without transitions, so that its footer counts."""
    (folder / "Europe").mkdir(parents=True, exist_ok=True)
    (folder / "tzdata.zi").write_text(f"# version {version}\n")
    header = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4)
    data = struct.pack(">lbb4s", 3600, 0, 0, b"CET\0")
    (folder / "Europe" / "Berlin").write_bytes((header + data) * 2 + f"\n{rule}\n".encode())
    return folder


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Path]:
    """Where this process finds the system's database; afterwards it is the real one again."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("PYTHONTZPATH", raising=False)
        patched.setattr(zones, "SYSTEM", (str(tmp_path),))
        yield tmp_path
    zones.use_newest()


def summer_in_berlin() -> float:
    offset = datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Berlin")).utcoffset()
    assert offset is not None
    return offset.total_seconds() / 3600


@pytest.mark.parametrize(("version", "newest", "hours"), [("1999a", tzdata.IANA_VERSION, 2), ("2999a", "2999a", 1)])
def test_the_newer_of_two_databases_counts(system: Path, version: str, newest: str, hours: int) -> None:
    a_database(system, version, NONE)
    assert zones.use_newest() == newest
    assert summer_in_berlin() == hours


def test_a_database_that_is_replaced_under_a_running_program_counts(system: Path) -> None:
    a_database(system, "2998a", SUMMER_TIME)
    zones.use_newest()
    assert summer_in_berlin() == 2
    a_database(system, "2998b", NONE)
    assert zones.use_newest() == "2998b"
    assert summer_in_berlin() == 1


@pytest.mark.parametrize(
    ("before", "after", "due"),
    [(SUMMER_TIME, NONE, ["06:00", "06:00"]), (NONE, ALL_YEAR, ["05:00", "05:00"]), (NONE, NONE, ["06:00", "06:00"])],
    ids=["summer time is abolished", "winter time is abolished", "nothing changes"],
)
def test_new_rules_move_what_was_reckoned_by_the_old(tmp_path: Path, before: str, after: str, due: list[str]) -> None:
    """The real program, before and after the update, at seven in Berlin; the night between sets clocks forward."""
    rules = a_database(tmp_path / "zoneinfo", "2026a", before)
    program = Program(tmp_path)
    program.roster(entries("ada@example.org", zone="Europe/Berlin", at="'07:00'"))
    with upstream.serve(date(2026, 3, 28)) as base, sink() as relay:
        program.set(sources="huggingface", huggingface_url=base, smtp_url=relay.url)

        def run(moment: str) -> None:
            surroundings = os.environ | program.environment() | {"PYTHONTZPATH": str(rules)}
            command = [sys.executable, "-m", "digest", "run", "--at", moment]
            subprocess.run(command, env=surroundings, check=True, capture_output=True)

        run("2026-03-28T06:00Z")
        a_database(rules, "2026b", after)
        for moment in ("29T04:59Z", "29T05:00Z", "29T06:00Z", "30T05:00Z", "30T06:00Z"):
            run(f"2026-03-{moment}")
        sent = [mail(message)["Date"].datetime.astimezone(UTC) for message in relay.messages]
    assert [f"{at:%d %H:%M}" for at in sent] == ["28 06:00", *(f"{29 + n} {hour}" for n, hour in enumerate(due))]
