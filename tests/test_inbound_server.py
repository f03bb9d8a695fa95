"""The receiver as a mail server in front of it sees it: what it takes, what it refuses, and that it never hangs."""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from digest import app, inbound
from digest.errors import SettingsError
from digest.inbound import server
from digest.models import Profile, Subscriber
from digest.settings import load
from digest.subscription import Desk
from tests.incoming_mail import bounce, letter
from tests.make import NOON

DOMAIN = "b.digest.example"


@contextmanager
def receiver(home: Path, timeout: float = 30.0, **given: Any) -> Iterator[tuple[Desk, int]]:
    """A running receiver, and Ada in its store."""
    values = {"mail_domain": DOMAIN, "inbound_port": 0} | given
    with app.desk(load({"DIGEST_HOME": str(home)}, **values), lambda: NOON) as desk:
        desk.parts.store.subscribers.add(Profile("ada@example.org"), NOON)
        with inbound.receiving(desk, timeout=timeout) as port:
            yield desk, port


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Desk, int]]:
    with receiver(tmp_path) as made:
        yield made


@pytest.fixture
def desk(running: tuple[Desk, int]) -> Desk:
    return running[0]


@pytest.fixture
def client(running: tuple[Desk, int]) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("127.0.0.1", running[1], timeout=30) as connected:
        connected.ehlo()
        yield connected


def ada(desk: Desk) -> Subscriber:
    person = desk.parts.store.subscribers.get("ada@example.org")
    assert person
    return person


def returns_to(desk: Desk) -> str:
    return desk.links.bounce_address(ada(desk).token, DOMAIN)


def leaves_by(desk: Desk) -> str:
    return desk.links.unsubscribe_address(ada(desk).token, DOMAIN)


def returned(desk: Desk) -> int:
    return len(desk.parts.store.bounces.of(ada(desk).id))


def said(reply: tuple[int, bytes | str]) -> tuple[int, str]:
    text = reply[1] if isinstance(reply[1], str) else reply[1].decode()
    return reply[0], text.partition(" ")[0]


# -- who is known


def test_an_address_that_is_not_ours_is_refused_before_the_body(desk: Desk, client: smtplib.SMTP) -> None:
    own = returns_to(desk)
    wrong = [
        f"x{own}",
        own.replace("b+", "u+", 1),
        own.replace("b+", "c+", 1),
        own.partition("-")[0] + f"@{DOMAIN}",
        own.replace(f"@{DOMAIN}", "x@" + DOMAIN),
        own.replace(DOMAIN, "elsewhere.example"),
        f"b+@{DOMAIN}",
        f"b+-@{DOMAIN}",
        f"root@{DOMAIN}",
        "postmaster",
        "abuse@elsewhere.example",
        f"subscribe@{DOMAIN}",
    ]
    client.mail("")
    assert [said(client.rcpt(address)) for address in wrong] == [(550, "5.1.1")] * len(wrong)
    assert client.rcpt(own)[0] == 250


def test_the_case_of_an_address_does_not_matter(desk: Desk, client: smtplib.SMTP) -> None:
    client.mail("")
    assert client.rcpt(returns_to(desk).upper())[0] == 250


def test_a_key_that_is_no_longer_the_newest_still_knows_its_addresses(tmp_path: Path) -> None:
    with receiver(tmp_path, secret_key=("old-key",)) as (desk, _):
        address = returns_to(desk)
    with (
        receiver(tmp_path, secret_key=("new-key", "old-key")) as (_, port),
        smtplib.SMTP("127.0.0.1", port, timeout=30) as client,
    ):
        client.ehlo()
        client.mail("")
        assert client.rcpt(address)[0] == 250


# -- the conversation


def test_a_mail_is_answered_when_it_is_done(desk: Desk, client: smtplib.SMTP) -> None:
    for number in (1, 2):
        client.sendmail("", [returns_to(desk)], bounce("5.2.2", "552 full"))
        assert returned(desk) == number


def test_one_recipient_at_a_time(desk: Desk, client: smtplib.SMTP) -> None:
    """The mail server in front brings the others in further mails."""
    client.mail("ada@example.org")
    assert client.rcpt(returns_to(desk))[0] == 250
    assert said(client.rcpt(leaves_by(desk))) == (452, "4.5.3")
    assert said(client.rcpt(f"nobody@{DOMAIN}")) == (550, "5.1.1")
    assert client.data(letter())[0] == 250


def test_lmtp_is_understood(running: tuple[Desk, int]) -> None:
    desk, port = running
    with smtplib.LMTP("127.0.0.1", port, timeout=30) as client:
        client.sendmail("", [returns_to(desk)], bounce("5.2.2", "552 full"))
    assert returned(desk) == 1


def test_international_senders_are_understood(desk: Desk, client: smtplib.SMTP) -> None:
    client.sendmail("zoë@example.org", [leaves_by(desk)], letter(), ["SMTPUTF8"])
    assert ada(desk).state.value == "unsubscribed"


def test_a_bounce_with_endless_lines_is_read(desk: Desk, client: smtplib.SMTP) -> None:
    client.sendmail("", [returns_to(desk)], bounce("5.2.2", "552 " + "full " * 15_000))
    assert returned(desk) == 1


def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    with receiver(tmp_path, inbound_size=20_000) as (desk, port):
        huge = letter("x" * 70 + "\n" + ("y" * 70 + "\n") * 400)
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            client.ehlo()
            assert client.esmtp_features["size"] == "20000"
            assert client.mail("", [f"SIZE={len(huge)}"])[0] == 552
            assert client.mail("")[0] == 250
            client.rcpt(returns_to(desk))
            assert client.data(huge)[0] == 552, "also of a client that did not say how much comes"
            client.sendmail("", [returns_to(desk)], bounce("5.2.2", "552 full"))
        assert returned(desk) == 1, "and the connection goes on"


def test_nothing_is_lost_while_something_of_ours_is_broken(tmp_path: Path, desk: Desk, client: smtplib.SMTP) -> None:
    """The mail server keeps the mail and comes again."""
    (tmp_path / "var" / "inbound").write_text("a file where the folder should be")
    with pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail("ada@example.org", [returns_to(desk)], letter())
    assert said((refused.value.smtp_code, refused.value.smtp_error)) == (451, "4.3.0")
    (tmp_path / "var" / "inbound").unlink()
    client.sendmail("ada@example.org", [returns_to(desk)], letter())
    client.sendmail("ada@example.org", [returns_to(desk)], letter())
    assert len([*(tmp_path / "var" / "inbound" / "new").iterdir()]) == 1, "the same mail again is the same mail"


# -- limits


def test_too_many_connections(tmp_path: Path) -> None:
    with receiver(tmp_path, inbound_connections=2) as (_, port):
        first, second = (smtplib.SMTP("127.0.0.1", port, timeout=30) for _ in range(2))
        with pytest.raises(smtplib.SMTPConnectError, match="421"):
            smtplib.SMTP("127.0.0.1", port, timeout=30)
        first.quit()
        _eventually(lambda: smtplib.SMTP("127.0.0.1", port, timeout=30).quit())
        second.quit()


def test_a_flood_waits_outside(desk: Desk, client: smtplib.SMTP, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BURST", 3)
    codes = []
    for _ in range(5):
        codes.append(client.mail("")[0])
        client.rset()
    assert codes == [250, 250, 250, 451, 451], "the clock of this test stands still"


def test_who_says_nothing_is_shown_out(tmp_path: Path) -> None:
    with receiver(tmp_path, timeout=0.4) as (_, port), socket.create_connection(("127.0.0.1", port), 30) as silent:
        assert silent.recv(100).startswith(b"220 ")
        assert silent.recv(100) == b"", "closed, without a word from us"


def test_a_body_that_trickles_ends(tmp_path: Path) -> None:
    with receiver(tmp_path, timeout=1.0) as (desk, port):
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), 30) as slow, suppress(OSError):
            to = returns_to(desk)
            for line in ("EHLO mx.example", "MAIL FROM:<>", f"RCPT TO:<{to}>", "DATA"):
                slow.sendall(f"{line}\r\n".encode())
                slow.recv(1000)
            while time.monotonic() - started < 20:
                slow.sendall(b"a word\r\n")
                time.sleep(0.05)
        assert time.monotonic() - started < 15
        assert returned(desk) == 0


def test_nonsense_does_no_harm(running: tuple[Desk, int]) -> None:
    desk, port = running
    for noise in (
        b"\0" * 5000,
        b"GET / HTTP/1.1\r\n\r\n",
        b"MAIL FROM:<" + b"x" * 3000 + b">\r\n",
        b"\xff\xfe\r\n" * 40,
    ):
        with socket.create_connection(("127.0.0.1", port), 30) as odd, suppress(ConnectionError):
            odd.sendall(noise)
            odd.shutdown(socket.SHUT_WR)
            while odd.recv(4096):
                pass
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.sendmail("", [returns_to(desk)], bounce("5.2.2", "552 full"))
    assert returned(desk) == 1


def test_many_at_once(running: tuple[Desk, int]) -> None:
    desk, port = running
    to = returns_to(desk)

    def bring(_: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            for _ in range(5):
                client.sendmail("", [to], bounce("5.2.2", "552 full"))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(bring, range(8)))
    assert returned(desk) == 40


# -- its life


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with receiver(tmp_path) as (_, port):
        twice = load({"DIGEST_HOME": str(tmp_path)}, mail_domain=DOMAIN, inbound_port=port)
        with pytest.raises(SettingsError, match="DIGEST_INBOUND_PORT: cannot listen"), inbound.serving(twice):
            pass


def test_without_a_mail_domain_nothing_listens(tmp_path: Path) -> None:
    with inbound.serving(load({"DIGEST_HOME": str(tmp_path)})) as port:
        assert port is None


def test_it_ends_while_a_connection_is_open(tmp_path: Path) -> None:
    with receiver(tmp_path) as (_, port):
        idle = socket.create_connection(("127.0.0.1", port), 30)
        assert idle.recv(100).startswith(b"220 ")
    with idle:
        assert idle.recv(100) == b""


def test_the_daemon_takes_mail(tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    settings = load({"DIGEST_HOME": str(tmp_path)}, mail_domain=DOMAIN)
    with app.desk(settings, app.system_clock) as desk:
        desk.parts.store.subscribers.add(Profile("ada@example.org"), datetime.now(NOON.tzinfo))
        address = leaves_by(desk)
        given = {"HOME": tmp_path, "MAIL_DOMAIN": DOMAIN, "INBOUND_PORT": ports[0], "WEB_PORT": ports[1]}
        given |= dict.fromkeys(("HUGGINGFACE_URL", "ARXIV_FEED_URL", "ARXIV_API_URL"), "http://127.0.0.1:9")
        environment = {f"DIGEST_{name}": str(value) for name, value in given.items()}
        daemon = subprocess.Popen(
            [sys.executable, "-m", "digest", "serve"],
            env=os.environ | environment,
            cwd=Path(__file__).parents[1],
            stderr=subprocess.DEVNULL,
        )
        try:
            _eventually(lambda: smtplib.SMTP("127.0.0.1", ports[0], timeout=30).quit(), 60)
            with smtplib.SMTP("127.0.0.1", ports[0], timeout=30) as client:
                client.sendmail("ada@example.org", [address], letter())
            assert ada(desk).state.value == "unsubscribed"
        finally:
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(60) == 0


# -- somebody else's client


@pytest.mark.swaks
@pytest.mark.parametrize("protocol", ["ESMTP", "LMTP"])
def test_swaks_brings_a_bounce(running: tuple[Desk, int], tmp_path: Path, protocol: str) -> None:
    desk, port = running
    (tmp_path / "bounce.eml").write_bytes(bounce("5.2.2", "552 full"))
    done = _swaks(port, protocol, returns_to(desk), "--data", f"@{tmp_path / 'bounce.eml'}")
    assert done.returncode == 0, done.stdout
    assert "<~  250 2.0.0" in done.stdout or "<-  250 2.0.0" in done.stdout
    assert returned(desk) == 1


@pytest.mark.swaks
def test_swaks_is_refused_for_a_forged_address(running: tuple[Desk, int]) -> None:
    done = _swaks(running[1], "ESMTP", f"b+mfrggzdfmy-aaaaaaaaaaaaaaaa@{DOMAIN}")
    assert done.returncode == 24, "swaks: no recipient was accepted"
    assert "550 5.1.1" in done.stdout


def _swaks(port: int, protocol: str, to: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        "swaks",
        "--server",
        "127.0.0.1",
        "--port",
        str(port),
        "--protocol",
        protocol,
        "--from",
        "<>",
        "--to",
        to,
    ]
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _eventually(act: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            act()
        except (OSError, smtplib.SMTPException):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
