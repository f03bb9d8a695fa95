"""`digest preview --watch`: the page follows the templates, and tells what is wrong with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from digest import watching
from digest.sample.upstream import serve
from digest.settings import Settings
from tests.compose_days import full_day
from tests.program import ROSTER, Program

BODY = '{% extends "mail/_base/layout.html" %}\n{% block content %}\n<h1>NAME</h1>\n{% endblock %}\n'


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with watching.running(Settings(home=tmp_path), full_day()) as found:
        yield found


def put(home: Path, name: str, text: str) -> None:
    file = home / "templates" / "mail" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def view(address: str) -> Any:
    return httpx.get(f"{address}view").json()


def test_the_page_follows_the_templates(address: str, tmp_path: Path) -> None:
    first = view(address)
    assert first["subject"].startswith("What the Other Agent")
    assert view(address) == first
    put(tmp_path, "digest/subject.txt", "Lab news")
    put(tmp_path, "_base/style.css", ".headline { color: #123456; }")
    second = view(address)
    assert second["subject"] == "Lab news"
    assert second["version"] > first["version"]
    assert "#123456" in httpx.get(f"{address}body.html").text
    (tmp_path / "templates" / "mail" / "digest" / "subject.txt").unlink()
    assert view(address)["subject"] == first["subject"]


def test_a_mistake_is_told_with_file_line_and_variable_and_the_mail_before_stays(address: str, tmp_path: Path) -> None:
    before = view(address)
    put(tmp_path, "digest/body.html", BODY.replace("NAME", "{{ nws }}"))
    broken = view(address)
    file = tmp_path / "templates" / "mail" / "digest" / "body.html"
    assert broken["problems"] == [f"{file}:3: 'nws' is undefined"]
    assert broken["subject"] == before["subject"]
    assert "Theory of Mind" in httpx.get(f"{address}body.html").text
    put(tmp_path, "digest/body.html", BODY.replace("NAME", "{{ date }}"))
    assert view(address)["problems"] == []


def test_a_template_that_is_broken_from_the_start_is_told_too(tmp_path: Path) -> None:
    put(tmp_path, "digest/card.html", '{% include "mail/digest/card.html" %}')
    with watching.running(Settings(home=tmp_path), full_day()) as address:
        assert "recursion" in view(address)["problems"][0]


def test_what_strangers_wrote_runs_nothing(address: str) -> None:
    policy = httpx.get(f"{address}body.html").headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "default-src 'none'" in policy
    assert "script" not in policy


def test_no_other_name_leads_to_it(address: str) -> None:
    """A page elsewhere may point its own name at 127.0.0.1."""
    assert httpx.get(f"{address}view", headers={"Host": "evil.example.org"}).status_code == 421


def test_there_is_nothing_else(address: str) -> None:
    for path in ("favicon.ico", "../pyproject.toml", "body.html/x"):
        assert httpx.get(address + path).status_code == 404


@pytest.mark.browser
def test_the_browser_shows_the_change_by_itself(tmp_path: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    with watching.running(Settings(home=tmp_path), full_day()) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(address)
        mail = page.frame_locator("iframe")
        expect(mail.locator("h1")).to_have_text("Wednesday, February 4, 2026")
        put(tmp_path, "digest/body.html", BODY.replace("NAME", "News of {{ date }}"))
        expect(mail.locator("h1")).to_have_text("News of Wednesday, February 4, 2026")
        put(tmp_path, "digest/body.html", BODY.replace("NAME", "{{ nws }}"))
        expect(page.get_by_role("alert")).to_contain_text("body.html:3: 'nws' is undefined")
        expect(mail.locator("h1")).to_have_text("News of Wednesday, February 4, 2026")
        page.get_by_label("Part").select_option("Text")
        expect(mail.locator("body")).to_contain_text("FOR YOU")
        assert [each for each in complaints if "favicon" not in each] == []
        browser.close()


@contextmanager
def command(program: Program, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | program.environment()
    process = subprocess.Popen(
        [sys.executable, "-m", "digest", "preview", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_command_pulls_once_and_ends_when_told(tmp_path: Path) -> None:
    program = Program(tmp_path)
    program.roster(ROSTER)
    with ExitStack() as upstreams:
        base = upstreams.enter_context(serve(date(2026, 2, 4)))
        program.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base)
        with command(program, "lin@example.org", "--at", "2026-02-04T12:00", "--watch") as process:
            assert process.stdout
            said = process.stdout.readline()
            assert str(tmp_path / "templates" / "mail") in said
            upstreams.close()
            address = next(word for word in said.split() if word.startswith("http"))
            put(tmp_path, "digest/subject.txt", "{{ digest.picks|length }} papers")
            assert view(address)["subject"].endswith(" papers")
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
    assert not (tmp_path / "var").exists(), "a preview leaves nothing"


@pytest.mark.parametrize("other", [["--json"], ["--out", "out"]])
def test_a_page_is_no_file(tmp_path: Path, other: list[str]) -> None:
    with command(Program(tmp_path), "--watch", *other) as process:
        assert process.wait(20) == 2
        assert process.stderr
        assert "goes with neither --out nor --json" in process.stderr.read()
