"""What `digest preview` writes of the built-in sample day, as it was when somebody last looked at it.

`make snapshots` renews this after a change that was meant; read the difference before you commit it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.program import mail, part
from tests.sample_program import NOON, sample_program

READERS = ("ada", "sam")


@pytest.fixture(scope="module")
def previews(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, Path]]:
    """For each reader of the sample roster the files that the command wrote, by suffix."""
    home = tmp_path_factory.mktemp("sample")
    with sample_program(home) as program:
        environment = os.environ | program.environment() | {"PYTHONPATH": str(Path(__file__).parents[1])}
        for reader in READERS:
            command = [sys.executable, "-m", "digest", "preview", f"{reader}@example.org", "--at", NOON]
            subprocess.run([*command, "--out", str(home / reader)], env=environment, check=True, capture_output=True)
    return {reader: {file.suffix: file for file in (home / reader).iterdir()} for reader in READERS}


@pytest.mark.parametrize("reader", READERS)
def test_the_sample_day_reads_as_it_did(
    previews: Mapping[str, dict[str, Path]], reader: str, snapshot: SnapshotAssertion
) -> None:
    data = previews[reader][".eml"].read_bytes()
    assert data.partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n") == snapshot(name="headers")
    assert previews[reader][".txt"].read_text(encoding="utf-8") == snapshot(name="text")


def test_the_sample_day_looks_as_it_did(previews: Mapping[str, dict[str, Path]], snapshot: SnapshotAssertion) -> None:
    """One reader's is enough, and without the inlined styles, which the snapshots of invented days hold."""
    html = previews["ada"][".html"].read_text(encoding="utf-8")
    assert re.sub(r' style="[^"]*"', "", html) == snapshot(name="html")


@pytest.mark.parametrize("reader", READERS)
def test_the_files_say_what_the_message_says(previews: Mapping[str, dict[str, Path]], reader: str) -> None:
    files = previews[reader]
    message = mail(files[".eml"].read_bytes())
    assert part(message, "plain").replace("\r\n", "\n").strip() == files[".txt"].read_text(encoding="utf-8").strip()
    assert part(message, "html").replace("\r\n", "\n").strip() == files[".html"].read_text(encoding="utf-8").strip()
