"""The local mailbox takes messages as a relay would, and shows them."""

from __future__ import annotations

import mailbox
import os
import threading
from pathlib import Path

import pytest

from digest.delivery import connect
from digest.delivery.mailbox import Mailbox
from digest.errors import SenderAtFault
from digest.models import Message
from digest.settings import Settings


def a_message(subject: str = "An invented digest", body: str = "Hello.") -> Message:
    data = f"From: Digest <d@d.example>\r\nTo: ada@example.org\r\nSubject: {subject}\r\n\r\n{body}\r\n"
    return Message("b@d.example", "ada@example.org", data.encode())


def ready() -> None:
    """Before the body there is nothing to do."""


def test_a_message_is_kept_byte_for_byte(tmp_path: Path) -> None:
    kept = Mailbox(tmp_path / "box")
    answer = kept.send(a_message(), ready)
    [summary] = kept.summaries()
    assert kept.read(summary.key) == a_message().data
    assert answer == f"250 kept as {summary.key}"
    assert (summary.sender, summary.recipient) == ("Digest <d@d.example>", "ada@example.org")
    assert (summary.subject, summary.size) == ("An invented digest", len(a_message().data))
    assert summary.received_at.tzinfo is not None


def test_pythons_own_maildir_reads_it(tmp_path: Path) -> None:
    Mailbox(tmp_path / "box").send(a_message(), ready)
    [message] = mailbox.Maildir(tmp_path / "box", create=False)
    assert message["Subject"] == "An invented digest"


def test_it_is_recorded_before_it_is_kept_and_not_kept_if_that_fails(tmp_path: Path) -> None:
    kept = Mailbox(tmp_path / "box")
    seen: list[int] = []
    kept.send(a_message(), lambda: seen.append(len(kept.summaries())))
    assert seen == [0]

    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        kept.send(a_message("never"), fail)
    assert [s.subject for s in kept.summaries()] == ["An invented digest"]


def test_the_same_message_delivered_twice_is_there_once(tmp_path: Path) -> None:
    kept = Mailbox(tmp_path / "box")
    threads = [threading.Thread(target=kept.send, args=(a_message(), ready)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept.summaries()) == 1
    assert list((tmp_path / "box" / "tmp").iterdir()) == []


def test_the_newest_comes_first_and_the_list_ends(tmp_path: Path) -> None:
    kept = Mailbox(tmp_path / "box")
    for number in range(5):
        key = kept.send(a_message(f"number {number}"), ready).removeprefix("250 kept as ")
        os.utime(tmp_path / "box" / "new" / key, (1000 + number, 1000 + number))
    assert [s.subject for s in kept.summaries(limit=3)] == ["number 4", "number 3", "number 2"]


def test_a_message_that_a_mail_program_has_filed_is_still_there(tmp_path: Path) -> None:
    kept = Mailbox(tmp_path / "box")
    key = kept.send(a_message(), ready).removeprefix("250 kept as ")
    (tmp_path / "box" / "new" / key).rename(tmp_path / "box" / "cur" / f"{key}:2,S")
    [summary] = kept.summaries()
    assert kept.read(summary.key) == a_message().data


@pytest.mark.parametrize("key", ["", "nothing", "../../secret", "..", "/etc/passwd", "a\0b"])
def test_no_key_leads_out_of_the_mailbox(tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").write_text("secret")
    kept = Mailbox(tmp_path / "box")
    kept.send(a_message(), ready)
    with pytest.raises(KeyError):
        kept.read(key)


def test_a_mailbox_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert Mailbox(tmp_path / "box").summaries() == []


def test_a_message_of_any_shape_is_listed(tmp_path: Path) -> None:
    kept = Mailbox(tmp_path / "box")
    for data in (b"", b"\xff\xfe\0", b"Subject: =?utf-8?q?caf=C3=A9?=\r\n\r\n", b"To: <<>>;,@\r\nFrom:\r\n\r\n"):
        kept.send(Message("", "ada@example.org", data), ready)
    assert "café" in {s.subject for s in kept.summaries()}
    assert len(kept.summaries()) == 4


def test_a_mailbox_that_cannot_be_written_is_the_operators_to_mend(tmp_path: Path) -> None:
    (tmp_path / "box").write_text("a file where a folder should be")
    with pytest.raises(SenderAtFault, match="cannot be written"):
        Mailbox(tmp_path / "box").send(a_message(), ready)


def test_it_stands_in_while_no_relay_is_set(tmp_path: Path) -> None:
    transport = connect(Settings(home=tmp_path))()
    transport.send(a_message(), ready)
    transport.close()
    assert len(Mailbox(tmp_path / "var" / "mailbox").summaries()) == 1
