"""What stands in logs, which are kept, copied and shown around: never a reader's address."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from digest import app
from digest.cli.common import without_addresses
from digest.models import SubscriberState
from digest.sample import upstream
from tests.program import Program, at, entries
from tests.smtp_servers import Sink


@pytest.fixture
def program(tmp_path: Path, relay: Sink) -> Iterator[Program]:
    with upstream.serve(date(2026, 2, 4)) as base:
        made = Program(tmp_path)
        made.roster(entries("ada@example.org", "bo@example.org", zone="UTC"))
        made.set(sources="huggingface", huggingface_url=base, smtp_url=relay.url)
        yield made


def test_what_a_relay_says_of_an_address_is_told_without_it(program: Program, relay: Sink) -> None:
    """Postfix repeats it in "Recipient address rejected"; cron keeps both outputs in one file."""
    relay.answers |= {
        "DATA": "250 2.0.0 queued for ada@example.org",
        "bo@example.org": "550 5.1.1 <bo@example.org>: Recipient address rejected: User unknown",
    }
    said = cron(program, "2026-02-03T07:00")
    assert "queued for" in said
    assert "User unknown" in said
    assert "@example.org" in said
    assert not re.search(r"\bada\b", said), "and no token that has these letters by chance"
    assert "bo@" not in said


def test_whom_the_roster_names_in_vain_is_counted_by_a_pass_and_named_by_status(program: Program, relay: Sink) -> None:
    program.run("2026-02-03T07:00Z")
    store = app.store(program.settings)
    store.subscribers.set_state("ada@example.org", SubscriberState.UNSUBSCRIBED, at("2026-02-03T08:00Z"))
    store.close()
    program.roster(entries("ada@example.org", "bo@example.org", "cy@example.org", zone="UTC"))
    said = cron(program, "2026-02-03T09:00")
    assert "1 of the roster unsubscribed or signed up on the web; see: digest status" in said
    assert "ada@" not in said
    assert "unsubscribed, though it still names them: ada@example.org" in app.status(program.settings)["roster"]


def cron(program: Program, moment: str) -> str:
    """What a pass writes into a file."""
    command = [sys.executable, "-m", "digest", "run", "--at", moment]
    surroundings = os.environ | program.environment()
    done = subprocess.run(
        command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.stdout


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<ada.l+x@example.org>: no such user", "<…@example.org>: no such user"),
        ("see https://example.org/?a=ada@example.org", "see https://example.org/?a=…@example.org"),
        ("to:ada@[192.0.2.1], bo@example.org", "to:…@[192.0.2.1], …@example.org"),
        ("2 sent @ 07:00", "2 sent @ 07:00"),
    ],
)
def test_domains_stay(text: str, kept: str) -> None:
    assert without_addresses(text) == kept


def test_a_log_is_lines_of_json_whatever_stands_in_it() -> None:
    """The name of a file may be no UTF-8, and a value may be of any kind."""
    logging = "from digest.cli.common import configure_logs; configure_logs(verbose=False, terminal=False)"
    events = "log.info('read', path='caf\\udce9'); log.info('sent', reply='grüß', by=object)"
    code = f"{logging}; import structlog; log = structlog.get_logger(); {events}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    read, sent = map(json.loads, done.stderr.splitlines())
    assert (read["event"], read["path"], read["level"]) == ("read", "caf\udce9", "info")
    assert (sent["reply"], sent["by"]) == ("grüß", "<class 'object'>")
    assert "grüß" in done.stderr, "to be searched for"
