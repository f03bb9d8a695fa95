"""What lies in deploy/: as far as it can be tried without a server, a container or GitHub."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from digest.settings import SECRETS, Settings

ROOT = Path(__file__).parents[1]
UNITS = ROOT / "deploy" / "systemd"

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")


@needs_systemd
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/digest/bin/digest", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    units = sorted(str(p) for p in tmp_path.iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    about_ours = [line for line in done.stderr.splitlines() if "digest" in line]
    assert (done.returncode, about_ours) == (0, [])


@needs_systemd
@pytest.mark.parametrize("unit", ["digest.service", "digest-run.service"])
def test_the_services_are_hardened(unit: str) -> None:
    """systemd's own score, from 0 (sealed) to 10 (unsafe); 2.0 and below is what it calls OK."""
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", str(UNITS / unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


def test_both_services_are_hardened_alike() -> None:
    daemon, once = (_lines(UNITS / name) for name in ("digest.service", "digest-run.service"))
    differ = {line.partition("=")[0] for line in daemon ^ once}
    assert differ <= {
        *("Description", "Type", "ExecStart", "ExecReload", "WatchdogSec", "Restart", "RestartSec", "WantedBy"),
        *("TimeoutStartSec", "TimeoutStopSec", "StartLimitIntervalSec", "StartLimitBurst", "[Install]"),
    }


def _lines(unit: Path) -> set[str]:
    return {line for line in unit.read_text().splitlines() if line and not line.startswith("#")}


def test_the_commands_of_the_handbook_look_where_the_unit_works() -> None:
    [function] = re.findall(r"    digest\(\) \{(.+?)\}", (ROOT / "docs/operation.md").read_text(), re.DOTALL)
    said = dict(re.findall(r"(DIGEST_\w+)=(\S+)", function))
    assert said.pop("DIGEST_SECRETS") == "/etc/digest/secrets"
    unit = (UNITS / "digest.service").read_text()
    assert said == dict(re.findall(r"^Environment=(\w+)=(\S+)$", unit, re.MULTILINE))
    assert set(re.findall(r"^LoadCredential=\w+:(.+)/\w+$", unit, re.MULTILINE)) == {"/etc/digest/secrets"}


def test_settings_named_in_deploy_exist() -> None:
    known = {f"DIGEST_{name.upper()}" for name in Settings.model_fields} | {"DIGEST_SECRETS"}
    for file in (p for p in (ROOT / "deploy").rglob("*") if p.is_file()):
        assert set(re.findall(r"DIGEST_[A-Z_]+", file.read_text())) <= known, file
    for unit in UNITS.glob("*.service"):
        assert set(re.findall(r"LoadCredential=(\w+)", unit.read_text())) <= set(SECRETS)


def test_compose_mounts_what_the_image_reads() -> None:
    service = yaml.safe_load((ROOT / "deploy/docker/compose.yaml").read_text())["services"]["digest"]
    image = (ROOT / "deploy/docker/Dockerfile").read_text()
    state = re.search(r"VOLUME (\S+)", image)
    assert state
    places, environment = {v.split(":")[1] for v in service["volumes"]}, service["environment"]
    assert places == {state[1], environment["DIGEST_HOME"]}
    assert environment["DIGEST_MAILBOX"].startswith(f"{state[1]}/")
    assert environment["DIGEST_DATABASE_URL"].startswith(f"sqlite:///{state[1]}/")
    assert set(service["secrets"]) <= set(SECRETS)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installed = re.search(r"\.\[([a-z,]+)\]", image)
    assert installed
    assert set(installed[1].split(",")) <= set(extras)


def test_the_workflow_keeps_its_state_from_pass_to_pass(tmp_path: Path) -> None:
    """Its shell steps, run as GitHub does, against a repository of our own."""
    scripts = _steps()
    origin = tmp_path / "origin"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C"]
    _shell(f"git init -q -b main --bare {origin}", tmp_path)
    for number in (1, 2, 3):
        clone = tmp_path / f"clone{number}"
        _shell(f"git clone -q {origin} {clone}", tmp_path)
        if number == 1:
            subprocess.run([*git, str(clone), "commit", "-q", "--allow-empty", "-m", "a roster"], check=True)
            _shell("git push -q origin HEAD:main", clone)
        _shell(scripts["Take up the state"], clone)
        before = (clone / "state/passes").read_text() if number > 1 else ""
        assert before == "pass\n" * (number - 1)
        _shell("touch state/digest.sqlite.lock; echo pass >> state/passes", clone)
        _shell(scripts["Keep the state"], clone)
    kept = _shell("git log --format=%s state -- && git ls-tree --name-only state", origin)
    assert kept.split() == ["State", "passes"]


def test_the_workflow_never_takes_a_network_that_fails_for_its_first_pass(tmp_path: Path) -> None:
    """It would send everything again, and push its empty state over that which knows who unsubscribed."""
    _shell("git init -q . && git -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m x", tmp_path)
    _shell(f"git remote add origin {tmp_path}/away", tmp_path)
    with pytest.raises(AssertionError, match="does not appear to be a git repository"):
        _shell(_steps()["Take up the state"], tmp_path)
    assert not (tmp_path / "state").exists()


def _steps() -> dict[str, str]:
    steps = yaml.safe_load((ROOT / "deploy/github/digest.yml").read_text())["jobs"]["run"]["steps"]
    return {step["name"]: step["run"] for step in steps if "name" in step}


def _shell(script: str, folder: Path) -> str:
    environment: dict[str, Any] = os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null"}
    command = ["bash", "-e", "-o", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
