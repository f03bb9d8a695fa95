"""What a monitor and the operator see; and the daemon, started and stopped as a process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest

from digest.errors import SettingsError
from digest.sample import upstream
from digest.store.bounces import Returned
from digest.subscription import rights
from digest.web import build, plots
from tests.program import Program
from tests.smtp_servers import sink
from tests.web_site import Site, browser, site

ADA = "ada@example.org"


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, operator_token="a long token") as opened:
        opened.subscribe(ADA)
        opened.run()
        yield opened


def test_metrics_are_counted_when_they_are_asked_for(pages: Site) -> None:
    text = pages.get("/metrics", Authorization="Bearer a long token").text
    assert 'digest_subscribers{state="active"} 1.0' in text
    assert 'digest_deliveries{state="sent"} 1.0' in text
    assert re.search(r'digest_source_age_seconds\{source="arxiv"\} \d', text)
    pages.desk.parts.store.readers.leave(pages.desk.tokens_of(ADA)[0], pages.clock.now)
    again = pages.get("/metrics", Authorization="Bearer a long token").text
    assert 'digest_subscribers{state="unsubscribed"} 1.0' in again
    assert 'state="active"' not in again


def test_metrics_are_for_this_machine_or_with_the_token(pages: Site) -> None:
    application = build(pages.desk, lambda: None, lambda: None)
    assert pages.get("/metrics").status_code == 404
    assert browser(application, "127.0.0.1").get("/metrics").status_code == 200
    through_a_proxy = browser(application, "127.0.0.1").get("/metrics", headers={"X-Forwarded-For": "198.51.100.7"})
    assert through_a_proxy.status_code == 404


def test_the_operators_page_needs_the_token_and_shows_no_address(pages: Site) -> None:
    rights.forget(pages.desk.parts)
    store, now = pages.desk.parts.store, pages.clock.now
    store.bounces.add(pages.desk.tokens_of(ADA)[0], Returned(now, "soft", "4.2.2", f"<{ADA}>: over quota"))
    assert pages.get("/operator").status_code == 401
    assert pages.get("/operator", Authorization="Basic !!!").status_code == 401
    answer = pages.client.get("/operator", auth=("anybody", "a long token"))
    assert answer.status_code == 200
    assert "<title>2026-02-04: 1 active</title>" in answer.text
    assert "<title>2026-02-04: 1 soft</title>" in answer.text
    assert "theory of mind" in answer.text
    assert ADA not in answer.text


def test_the_operators_token_cannot_be_guessed(pages: Site) -> None:
    """After ten wrong ones a network is refused for a while, the right one too, and in the same words."""
    wrong = {str(pages.client.get("/operator", auth=("x", f"guess {n}")).status_code) for n in range(30)}
    assert wrong == {"401"}
    assert pages.get("/metrics", Authorization="Bearer a long token").status_code == 404
    refused = pages.client.get("/operator", auth=("x", "a long token"))
    again = pages.client.get("/operator", auth=("x", "another guess"))
    assert (refused.status_code, refused.text, refused.headers) == (again.status_code, again.text, again.headers)
    elsewhere = browser(build(pages.desk, lambda: None, lambda: None), "198.51.100.7")
    assert elsewhere.get("/operator", auth=("x", "a long token")).status_code == 200
    pages.clock.forward(minutes=2)
    assert pages.client.get("/operator", auth=("x", "a long token")).status_code == 200


def test_asking_without_a_token_is_no_guess(pages: Site) -> None:
    """As every browser does before it asks for the password."""
    before = pages.dump()
    assert {pages.get("/operator").status_code for _ in range(30)} == {401}
    assert pages.dump() == before
    assert pages.client.get("/operator", auth=("x", "a long token")).status_code == 200


def test_without_a_token_there_is_no_operators_page(tmp_path: Path) -> None:
    with site(tmp_path) as pages:
        assert pages.client.get("/operator", auth=("x", "")).status_code == 404


def test_not_ready_when_the_clock_stands_still(pages: Site) -> None:
    ticked = pages.clock.now
    client = browser(build(pages.desk, lambda: None, lambda: ticked))
    assert client.get("/readyz").text == "ready\n"
    pages.clock.forward(minutes=4)
    late = client.get("/readyz")
    assert (late.status_code, late.text) == (503, "the clock has not ticked since 2026-02-04 06:00 UTC\n")
    assert client.get("/healthz").status_code == 200


def test_not_ready_when_the_database_does_not_answer(pages: Site) -> None:
    with pages.desk.parts.store.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE facts RENAME TO lost")
    answer = pages.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "the database does not answer\n")


def test_a_page_s_template_that_does_not_parse_is_told_at_the_start(pages: Site) -> None:
    own = pages.program.home / "templates" / "web" / "privacy.html"
    own.parent.mkdir(parents=True)
    own.write_text("<p>\n{% if %}")
    with pytest.raises(SettingsError, match=r"web/privacy\.html:2: Expected an expression"):
        build(pages.desk, lambda: None, lambda: None)


def test_a_stacked_plot_keeps_its_proportions() -> None:
    numbers = {date(2026, 2, 3): {"sent": 6, "failed": 2}, date(2026, 2, 4): {"sent": 4}}
    plot = plots.stacked(numbers, ("sent", "failed"))
    first, second, third = plot.rects
    assert plot.names == ("sent", "failed")
    assert first.height == pytest.approx(3 * second.height, abs=0.2)
    assert first.height == pytest.approx(1.5 * third.height, abs=0.2)
    assert second.y + second.height == pytest.approx(first.y, abs=0.2)


def test_the_daemon_answers_mails_and_stops_when_asked(tmp_path: Path) -> None:
    """`digest serve` as a process: pages, letters and ticks; SIGTERM ends all of them."""
    with upstream.serve(datetime.now(UTC).date()) as base, sink() as relay:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        program = Program(tmp_path)
        program.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base, smtp_url=relay.url)
        program.set(public_url=f"http://127.0.0.1:{port}", web_port=port)
        environment = os.environ | program.environment() | {"PYTHONPATH": str(Path(__file__).parents[1])}
        daemon = subprocess.Popen([sys.executable, "-m", "digest", "serve"], env=environment, stderr=subprocess.PIPE)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                wait_until(lambda: answers(client, "/readyz"))
                stamp = re.search(r'name="stamp" value="([^"]+)"', client.get("/").text)
                assert stamp
                time.sleep(2.5)
                fields = {"email": ADA, "topic": "theory of mind", "day": "mon", "stamp": stamp[1], "at": "23:59"}
                assert client.post("/subscribe", data=fields).status_code == 200
                wait_until(lambda: len(relay.messages) == 1)
                link = re.search(rb"/confirm/[\w.=\r\n-]+?(?=\r\n\r\n)", relay.messages[0].data)
                assert link
                path = link[0].replace(b"=\r\n", b"").decode()
                assert client.post(path).status_code == 200
                wait_until(lambda: len(relay.messages) == 3)  # the welcome, and the first digest without waiting
        finally:
            daemon.send_signal(signal.SIGTERM)
            _, errors = daemon.communicate(timeout=30)
        assert daemon.returncode == 0
        assert b"Traceback" not in errors, errors.decode()
        assert ADA.encode() not in errors


def test_the_daemon_says_what_keeps_it_from_starting(tmp_path: Path) -> None:
    """Even where its first pass would wait for a source that does not answer."""
    own = tmp_path / "templates" / "web" / "privacy.html"
    own.parent.mkdir(parents=True)
    own.write_text("<p>\n{% if %}")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        program = Program(tmp_path)
        program.roster("subscribers: [{email: ada@example.org}]")
        program.set(sources="huggingface", huggingface_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        program.set(public_url="http://127.0.0.1", web_port=0)
        environment = os.environ | program.environment() | {"PYTHONPATH": str(Path(__file__).parents[1])}
        command = [sys.executable, "-m", "digest", "serve"]
        ended = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 3
    assert "web/privacy.html:2: Expected an expression" in ended.stderr


def answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


def wait_until(done: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.1)
