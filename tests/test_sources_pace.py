"""One request in so many seconds on this machine, however many processes ask."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from digest.sources import pace

ASK = """
import sys, time
from pathlib import Path
from digest.sources.pace import machine_pace
pace = machine_pace(Path(sys.argv[1]))
for _ in range(3):
    pace("arxiv", 0.2)
    print(time.time(), flush=True)
"""


def test_three_processes_ask_in_turn(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASK, str(tmp_path)]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    moments = sorted(float(line) for process in asking for line in process.communicate()[0].splitlines())
    assert len(moments) == 9
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert min(gaps) > 0.19, gaps


def test_a_clock_that_was_set_back_delays_nobody(tmp_path: Path) -> None:
    (tmp_path / "arxiv.pace").write_text(repr(time.time() + 3600))
    start = time.monotonic()
    pace.machine_pace(tmp_path)("arxiv", 3.0)
    assert time.monotonic() - start < 1


def test_without_a_home_one_temporary_folder_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a sealed unit or a read-only container, whose daemon asks for it every minute, for years."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert pace.folder() == pace.folder()
    assert [found.name for found in tmp_path.iterdir() if found.is_dir()] == [pace.folder().name]
    assert pace.folder().stat().st_mode & 0o077 == 0


def test_a_temporary_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"digest-{os.getuid()}").symlink_to(theirs)
    assert pace.folder().resolve() != theirs
