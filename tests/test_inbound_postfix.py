"""The whole circle with a real mail server: out through Postfix, back by LMTP, set up as docs/email.md says."""

from __future__ import annotations

import os
import shutil
import smtplib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

import pytest

from digest import app, inbound
from digest.models import DeliveryState
from digest.sample import upstream
from digest.subscription import Desk
from tests.incoming_mail import letter
from tests.program import Program, at, entries
from tests.smtp_servers import sink
from tests.test_inbound_server import free_port

POSTFIX = shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
DOMAIN = "b.digest.example"

pytestmark = [
    pytest.mark.sink,
    pytest.mark.skipif(not POSTFIX or os.geteuid() != 0, reason="Postfix is started by root only"),
]

MAIN = """\
compatibility_level = 3.7
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.digest.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.1/32
default_transport = smtp:[127.0.0.1]:{world}
disable_dns_lookups = yes
soft_bounce = no

relay_domains = {domain}
transport_maps = inline:{{ {{ {domain} = lmtp:inet:127.0.0.1:{inbound} }} }}
lmtp_destination_recipient_limit = 1
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_unverified_recipient
unverified_recipient_reject_code = 550
"""
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
error     unix  - - n - - error
retry     unix  - - n - - error
lmtp      unix  - - n - - lmtp
smtp      unix  - - n - - smtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
proxymap  unix  - - n - - proxymap
postlog   unix-dgram n - n - 1 postlogd
"""


@contextmanager
def postfix(port: int, inbound_port: int, world: int) -> Iterator[Path]:
    """A Postfix of this test's own, for which all the world is one server; its folder, which holds its log."""
    folder = Path(mkdtemp(prefix="digest-postfix-"))
    try:
        folder.chmod(0o755)
        for name in ("config", "queue", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        values = {"folder": folder, "domain": DOMAIN, "inbound": inbound_port, "port": port, "world": world}
        (folder / "config" / "main.cf").write_text(MAIN.format(**values))
        (folder / "config" / "master.cf").write_text(MASTER.format(**values))
        command = [str(POSTFIX), "-c", str(folder / "config")]
        subprocess.run([*command, "start"], check=True, capture_output=True, timeout=60)
        try:
            yield folder
        finally:
            subprocess.run([*command, "abort"], check=True, capture_output=True, timeout=60)
    finally:
        shutil.rmtree(folder)


@dataclass
class Circle:
    """The program, its receiver, and Postfix in between."""

    program: Program
    desk: Desk
    port: int
    """Postfix's."""
    log: Path
    now: datetime

    def run(self) -> dict[DeliveryState, int]:
        """A pass at this moment: how deliveries ended."""
        return dict(app.run_once(self.program.settings, lambda: self.now).delivered.states)

    def suppressed(self) -> set[str]:
        store = self.desk.parts.store
        return {p.email for p in store.subscribers.everyone() if store.suppressions.any([p.token])}

    def returned(self) -> dict[str, list[str]]:
        store = self.desk.parts.store
        return {p.email: [b.kind for b in store.bounces.of(p.id)] for p in store.subscribers.everyone()}

    def eventually(self, fact: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not fact():
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.1)


REFUSALS = {
    "ada@dead.example": "550 5.1.1 no such user",
    "ben@full.example": "552 5.2.2 mailbox full",
    "cy@strict.example": "550 5.7.1 client host blocked using zen.spamhaus.org",
}


@pytest.fixture
def circle(tmp_path: Path) -> Iterator[Circle]:
    port, morning = free_port(), at("2026-02-04T07:00Z")
    with upstream.serve(morning.date()) as base, ExitStack() as stack:
        program = Program(tmp_path)
        program.roster(entries(*REFUSALS))
        program.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base)
        program.set(mail_domain=DOMAIN, inbound_port=0, smtp_url=f"smtp://127.0.0.1:{port}")
        desk = stack.enter_context(app.desk(program.settings, lambda: made.now))
        made = Circle(program, desk, port, Path(), morning)
        inbound_port = stack.enter_context(inbound.receiving(desk))
        world = stack.enter_context(sink(answers=REFUSALS)).port
        made.log = stack.enter_context(postfix(port, inbound_port, world)) / "log"
        yield made


def test_what_postfix_sends_back_is_understood(circle: Circle) -> None:
    """Two days: the dead mailbox is given up, the full one is not yet, and who blocks us never is."""
    for day in (1, 2):
        assert circle.run() == {DeliveryState.SENT: 3}, "what became of them comes back later"
        circle.eventually(lambda: {len(kinds) for kinds in circle.returned().values()} == {day})  # noqa: B023 - at once
        circle.now += timedelta(days=1)
    assert circle.returned() == {
        "ada@dead.example": ["hard", "hard"],
        "ben@full.example": ["soft", "soft"],
        "cy@strict.example": ["ours", "ours"],
    }
    assert circle.suppressed() == {"ada@dead.example"}
    assert circle.run() == {DeliveryState.SENT: 2}


def test_a_forged_address_is_refused_while_the_stranger_is_still_there(circle: Circle) -> None:
    """Postfix asks us first (reject_unverified_recipient), so that nobody gets a bounce for what they did not send."""
    good = circle.desk.links.unsubscribe_address("0123456789abcdef01", DOMAIN)
    with smtplib.SMTP("127.0.0.1", circle.port, timeout=60, source_address=("127.0.0.2", 0)) as stranger:
        stranger.ehlo()
        stranger.mail("ada@dead.example")
        code, said = stranger.rcpt(f"x{good}")
        assert (code, b"5.1.1" in said) == (550, True), said
        assert stranger.rcpt(good)[0] == 250
        assert stranger.data(letter())[0] == 250
