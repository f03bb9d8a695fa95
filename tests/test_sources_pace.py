"""One request in so many seconds on this machine, however many processes ask."""

from __future__ import annotations

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


def test_without_a_home_a_temporary_folder_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert pace.folder().is_dir()
