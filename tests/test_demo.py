"""The demo: everything on this machine, with nothing configured and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from digest import app, demo
from digest.demo.account import Account
from digest.demo.mail_server import mail_server
from digest.demo.moment import Moment, latest_moment
from digest.demo.upstream import UPSTREAM_SETTINGS, sample_day, silence
from digest.models import Delivery, DeliveryState, Message, Schedule
from digest.settings import Settings
from tests.data.sources.upstream import Reply, serving
from tests.make import NOON, a_digest, a_paper, a_pick, a_subscriber, interests

NOBODY_THERE = "http://127.0.0.1:1"


@contextlib.contextmanager
def unwatched() -> Iterator[demo.Progress]:
    yield lambda what, done, total: None


@pytest.fixture(autouse=True)
def _logs_apart() -> Iterator[None]:
    """The command writes them to standard error."""
    with capture_logs():
        yield


def run(settings: Settings) -> None:
    demo.main(settings, once=True, watch=unwatched)


def schedules() -> list[Schedule]:
    roster = app.roster(Settings(roster=demo.sample_roster()))
    assert roster
    return [profile.schedule for profile in roster.profiles]


# ---- the whole of it -------------------------------------------------------------------------------------------------


def test_without_network_it_mails_the_sample_day_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "subscribers.yaml").write_text("this: is no roster")
    run(Settings(huggingface_url=NOBODY_THERE))
    told = capsys.readouterr().out
    assert "invented: the built-in sample day" in told
    assert "could not be reached" in told
    assert "3 of 3 digests" in told
    for address in ("ada@example.org", "lin@example.org", "sam@example.org"):
        assert address in told
    assert "For you" in told
    assert "Trending" in told
    assert "http" not in told, "an address that is gone when it is read"
    assert max(map(len, told.splitlines())) <= 80
    assert [file.name for file in tmp_path.iterdir()] == ["subscribers.yaml"]


def test_live_papers_are_mailed_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    today = latest_moment(schedules(), datetime.now(UTC)).at.date()
    with sample_day(today) as urls:
        run(Settings.model_validate(urls))
    told = capsys.readouterr().out
    assert "live, from Hugging Face and arXiv" in told
    assert "invented" not in told
    assert re.search(r"huggingface: \d\d papers", told)
    assert re.search(r"arxiv: \d\d papers", told)


def test_upstreams_without_papers_are_no_reason_to_show_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Reply(b"[]")) as upstream:
        run(Settings.model_validate(dict.fromkeys(UPSTREAM_SETTINGS - {"contact"}, upstream.url)))
    told = " ".join(capsys.readouterr().out.split())
    assert "invented: the built-in sample day" in told
    assert "nothing to mail from them" in told


def test_a_mail_server_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    given = {"smtp_url": "smtp://127.0.0.1:1", "huggingface_url": NOBODY_THERE}
    account = demo._account(tmp_path, given, lambda what, done, total: None)
    assert account.sent == 0
    assert account.problem.startswith("not every digest was sent")


def test_the_command_ends_by_itself_in_a_script(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    process = subprocess.run(
        [sys.executable, "-m", "digest", "demo"],
        cwd=here, env=_environment(tmp_path), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "In a terminal, `digest demo` shows the mails" in process.stdout
    assert list(here.iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_in_a_terminal_the_command_shows_the_mails_until_ctrl_c(tmp_path: Path) -> None:
    terminal, its_end = pty.openpty()
    command, environment = [sys.executable, "-m", "digest", "demo"], _environment(tmp_path)
    with (
        _taken(demo.PORT),
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=its_end, stderr=subprocess.DEVNULL) as process,
    ):
        os.close(its_end)
        try:
            told = ""
            while not (found := re.search(r"Read the mails at (http://\S+)", told)):
                told += os.read(terminal, 65536).decode(errors="replace")
            page = httpx.get(found[1], trust_env=False).text
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()
            os.close(terminal)
    assert page.count('class="row"') == 3
    assert list((tmp_path / "tmp").iterdir()) == []


@contextlib.contextmanager
def _taken(port: int) -> Iterator[None]:
    """Something listens on *port*, perhaps another demo; the demo then finds another."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


def _environment(folder: Path) -> dict[str, str]:
    (folder / "tmp").mkdir()
    source = str(Path(demo.__file__).parents[2])
    return os.environ | {"TMPDIR": str(folder / "tmp"), "DIGEST_HUGGINGFACE_URL": NOBODY_THERE, "PYTHONPATH": source}


# ---- where the papers come from --------------------------------------------------------------------------------------


def test_an_upstream_that_stays_silent_is_given_up_soon() -> None:
    """A firewall that swallows packets must not make the demo look dead."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        why = silence(Settings(huggingface_url=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        assert time.monotonic() - started < 6
    assert why.startswith("Hugging Face: ")


def test_an_upstream_that_answers_is_worth_a_pull() -> None:
    with sample_day(NOON.date()) as urls:
        assert silence(Settings.model_validate(urls)) == ""


# ---- what time it is -------------------------------------------------------------------------------------------------


def test_at_any_time_of_the_year_everybody_in_the_sample_is_due() -> None:
    people = schedules()
    for hours in range(0, 366 * 24, 7):
        now = datetime(2026, 1, 1, 0, 30, tzinfo=UTC) + timedelta(hours=hours)
        moment = latest_moment(people, now)
        assert moment.due == moment.people == 3, now
        assert timedelta(0) <= now - moment.at < timedelta(days=4), now


def test_readers_who_are_never_due_together_are_counted_honestly() -> None:
    mondays, tuesdays = Schedule(days=frozenset({0})), Schedule(days=frozenset({1}))
    moment = latest_moment([mondays, tuesdays], NOON)
    assert moment == Moment(datetime(2026, 2, 3, 7, tzinfo=UTC), due=1, people=2)
    assert "1 of 2 readers" in str(moment)


# ---- the mail server -------------------------------------------------------------------------------------------------


def test_the_mail_server_keeps_a_message_for_each_recipient_as_it_came() -> None:
    kept: list[Message] = []

    def keep(message: Message) -> str:
        kept.append(message)
        return "250 kept"

    data = "Subject: Grüße\r\n\r\n.dot\r\nend\r\n".encode()
    with mail_server(keep) as url, smtplib.SMTP("127.0.0.1", int(url.rpartition(":")[2])) as client:
        client.sendmail("a@example.org", ["b@example.org", "c@example.org"], data)
    assert kept == [Message("a@example.org", to, data) for to in ("b@example.org", "c@example.org")]


# ---- the account -----------------------------------------------------------------------------------------------------


def test_the_account_commands_no_terminal_and_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    reader = a_subscriber(name="Ada", interests=interests("invented papers", muted=("survey",)))
    title = "[bold]A title\x1b[31m with \x07 everything: " + "unbreakable" * 12
    digest = a_digest(a_pick(a_paper(title=title)), subscriber=reader)
    delivery = Delivery(1, reader.id, digest.issue, DeliveryState.SENT, NOON)
    account = Account("invented", Moment(NOON, 1, 1), ("arxiv: 1 papers",), ((digest, delivery),))
    account.show()
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "\x07" not in told
    assert "[bold]A title" in told
    assert told.count("unbreakable") + told.count("unbre\n") >= 10
    assert "It matches your topic “invented papers” through “invented”." in " ".join(told.split())
    assert "Follows invented papers, not survey" in told
    assert max(map(len, told.splitlines())) <= 80


def test_who_had_nothing_to_get_is_no_failure() -> None:
    digest = a_digest()
    sent, empty, failed = (
        Delivery(number, 1, digest.issue, state, NOON)
        for number, state in enumerate((DeliveryState.SENT, DeliveryState.EMPTY, DeliveryState.FAILED))
    )
    for deliveries, well in (((sent, empty), True), ((sent, failed), False), ((empty,), False), ((), False)):
        account = Account("", Moment(NOON, 1, 1), (), tuple((digest, delivery) for delivery in deliveries))
        assert account.all_is_well is well
