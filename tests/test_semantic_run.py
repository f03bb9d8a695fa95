"""The operator names a sentence-embedding model, and the program chooses with it: the sample day, end to end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from digest import app
from digest.cli import main
from digest.sample import upstream
from tests.program import ROSTER, Program
from tests.test_run import fingerprint

semantic_models = pytest.importorskip("tests.semantic_models", reason="no extra: pip install 'digest[semantic]'")

SEVEN = "2026-02-04T06:00Z"
READER = "ada@example.org"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with upstream.serve(date(2026, 2, 4)) as base:
        (tmp_path / "home").mkdir()
        made = Program(tmp_path / "home")
        made.roster(ROSTER)
        made.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base)
        made.set(semantic_model=str(semantic_models.bert_model(tmp_path / "model")))
        yield made


def digest(program: Program, *words: str) -> dict[str, Any]:
    done = CliRunner().invoke(main, [*words, "--json"], env=program.environment(), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def explained(program: Program, paper: str) -> list[str]:
    found = digest(program, "why", READER, paper, "--at", SEVEN)
    return [term["text"] for interest in found["interests"] for term in interest["terms"]]


def kept(program: Program) -> int:
    with app.opened(program.settings, rehearse=True) as parts:
        return parts.store.attic.sizes()["vectors"]


def picked(program: Program) -> list[tuple[str, float]]:
    return [(p["id"], p["score"]) for p in digest(program, "preview", READER, "--at", SEVEN)["picks"]]


def test_a_pass_chooses_by_meaning_too(program: Program) -> None:
    program.run(SEVEN)
    frozen = picked(program)
    program.set(semantic_model="")
    shutil.rmtree(program.home / "var")
    assert frozen != picked(program)


def test_a_preview_is_what_a_pass_sends_and_keeps_nothing(program: Program) -> None:
    program.run("2026-02-03T12:00Z")
    before, foretold = fingerprint(program.home), picked(program)
    assert fingerprint(program.home) == before
    program.run(SEVEN)
    assert picked(program) == foretold


def test_why_names_what_meaning_adds(program: Program) -> None:
    paper = picked(program)[0][0]
    assert "(likeness in meaning)" in explained(program, paper)
    program.set(semantic_model="")
    assert "(likeness in meaning)" not in explained(program, paper)


def imported(program: Program, moment: str) -> str:
    """What of the extra a pass imports."""
    code = (
        "import sys; from digest.cli import main; main(sys.argv[1:], standalone_mode=False); "
        "print([m for m in ('onnxruntime', 'tokenizers', 'digest.ranking.semantic') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, "run", "--at", moment]
    done = subprocess.run(command, env=environment(program), capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_the_model_is_loaded_only_while_something_is_missing(program: Program) -> None:
    assert imported(program, SEVEN) == "['tokenizers', 'digest.ranking.semantic']"
    held = kept(program)
    assert held > 60
    assert imported(program, "2026-02-05T06:00Z") == "['digest.ranking.semantic']"
    assert kept(program) == held


def test_nothing_heavy_is_imported_without_a_model(program: Program) -> None:
    program.set(semantic_model="")
    assert imported(program, SEVEN) == "[]"


def test_several_processes_find_what_the_first_computed(program: Program) -> None:
    command = [sys.executable, "-m", "digest", "run", "--at", SEVEN, "--processes", "2", "--json"]
    done = subprocess.run(command, env=environment(program), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["delivered"] == {"sent": 3}
    assert kept(program) > 60


@pytest.mark.parametrize("command", ["run", "preview", "serve"])
def test_a_model_that_is_not_there_is_said_before_anything_is_done(program: Program, command: str) -> None:
    program.set(semantic_model="no/such-model")
    done = CliRunner().invoke(main, [command], env=program.environment())
    assert done.exit_code == 3
    assert "DIGEST_SEMANTIC_MODEL: 'no/such-model' is no folder" in done.output
    assert not (program.home / "var" / "mailbox").exists()


def test_a_model_that_cannot_be_loaded_ends_a_pass(program: Program) -> None:
    (Path(program.given["semantic_model"]) / "config.json").write_text("{}")
    done = CliRunner().invoke(main, ["run", "--at", SEVEN], env=program.environment())
    assert done.exit_code == 3
    assert "model.safetensors cannot be loaded: config.json: None with None is no plain BERT" in done.output


def test_the_operator_hears_that_the_model_is_gone(program: Program) -> None:
    """Also where it vanished while the daemon runs: telling of it needs no model."""
    program.set(semantic_model="gone", operator="root@example.org")
    app.alert(program.settings, "failed", "No pass can be made")
    [told] = (program.home / "var" / "mailbox" / "new").iterdir()
    assert b"No pass can be made" in told.read_bytes()


@pytest.mark.parametrize(("spoil", "level"), [("", "ok"), ("config.json", "fail"), ("tokenizer.json", "fail")])
def test_the_doctor_tries_the_model(program: Program, spoil: str, level: str) -> None:
    if spoil:
        (Path(program.given["semantic_model"]) / spoil).write_text("{}")
    done = CliRunner().invoke(main, ["doctor", "--json"], env=program.environment())
    [finding] = [f for f in json.loads(done.stdout) if f["check"] == "semantic model"]
    assert finding["level"] == level
    assert ("8 numbers" if level == "ok" else "cannot be loaded") in finding["text"]


def environment(program: Program) -> dict[str, str]:
    return os.environ | program.environment() | {"PYTHONPATH": str(Path(__file__).parents[1])}
