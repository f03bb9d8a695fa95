"""Messages as mail programs read them; the standard library is the oracle."""

from __future__ import annotations

import email
import email.policy
import hashlib
import os
import quopri
import subprocess
import sys
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.compose import Links, Site, Writer, template_folder
from digest.compose.message import ascii_domain, assemble, mailbox, unstructured
from digest.compose.quoted import plain, quoted, size
from digest.compose.text import line
from digest.models import Digest
from tests.compose_days import full_day
from tests.make import NOON, a_digest, a_subscriber

PROJECT = Path(__file__).parents[1]
URL = "https://digest.example.org"
SITE = Site("Paper Digest <digest@example.org>", reply_to="Editors <editors@example.org>", public_url=URL)
LINKS = Links(URL, ["k" * 32])


def written(site: Site = SITE, digest: Digest | None = None) -> tuple[EmailMessage, bytes]:
    data = Writer([template_folder()], site, LINKS).write(digest or full_day()).message.data
    return parsed(data), data


def fingerprint() -> str:
    return hashlib.sha256(written()[1]).hexdigest()


def parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_digest_has_the_headers_of_a_list_that_behaves() -> None:
    message, _ = written()
    assert message["From"] == "Paper Digest <digest@example.org>"
    assert message["Reply-To"] == "editors@example.org"
    assert message["To"] == "Ada <ada@example.org>"
    assert message["Date"].datetime == NOON
    assert message["List-Id"] == "Paper Digest <daily.example.org>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Precedence"] == "bulk"
    assert message["Feedback-ID"] == "20260204:daily:digest:exampleorg"
    assert message["Content-Language"] == "en"
    assert message["Archived-At"] == f"<{LINKS.webview('q3v9k2', full_day().issue)}>"
    assert all(len(message.get_all(name, [])) == 1 for name in set(message.keys())), "each header once"


def test_one_can_leave_by_one_click_and_by_mail() -> None:
    message, _ = written()
    assert message["List-Unsubscribe"].split() == [
        f"<{LINKS.unsubscribe('q3v9k2')}>,",
        "<mailto:editors@example.org?subject=unsubscribe>",
    ]


def test_without_web_pages_one_leaves_by_mail_and_nothing_promises_a_click() -> None:
    message, data = written(replace(SITE, web=False))
    assert message["List-Unsubscribe"] == "<mailto:editors@example.org?subject=unsubscribe>"
    assert message["List-Unsubscribe-Post"] is None
    assert message["Archived-At"] is None
    assert URL.encode() not in quopri.decodestring(data)


def test_one_click_is_not_promised_over_http() -> None:
    """RFC 8058, section 3.1: the URI is https."""
    site = replace(SITE, public_url="http://127.0.0.1:8000")
    assert written(site)[0]["List-Unsubscribe-Post"] is None


def test_a_mail_domain_gives_every_reader_an_envelope_sender_of_their_own() -> None:
    site = replace(SITE, mail_domain="b.example.org")
    message = Writer([template_folder()], site, LINKS).write(full_day()).message
    assert message.sender == LINKS.bounce_address("q3v9k2", "b.example.org")
    leave = LINKS.unsubscribe_address("q3v9k2", "b.example.org")
    assert f"<mailto:{leave}?subject=unsubscribe>" in parsed(message.data)["List-Unsubscribe"]


def test_the_same_digest_gives_the_same_bytes() -> None:
    assert written()[1] == written()[1]


def test_another_process_writes_the_same_bytes() -> None:
    """A retry is often another process, in which sets have another order."""
    program = "from tests.test_compose_message import fingerprint; print(fingerprint())"
    hashes = {
        subprocess.check_output([sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}, cwd=PROJECT)
        for seed in ("1", "2")
    }
    assert hashes == {fingerprint().encode() + b"\n"}


def test_two_readers_never_share_a_message_id_and_it_tells_nothing_of_them() -> None:
    first = Writer([template_folder()], SITE, LINKS).write(full_day())
    other = Writer([template_folder()], SITE, LINKS).write(replace(full_day(), subscriber=a_subscriber()))
    assert first.message_id != other.message_id
    assert "q3v9k2" not in first.message_id
    assert parsed(first.message.data)["Message-ID"] == first.message_id


def test_text_comes_first_and_html_last() -> None:
    message, _ = written()
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_what_is_read_is_what_was_written() -> None:
    result = Writer([template_folder()], SITE, LINKS).write(full_day())
    text, html = (part.get_content().replace("\r\n", "\n") for part in parsed(result.message.data).iter_parts())
    assert (text, html) == (result.text, result.html)


def test_lines_end_as_smtp_wants_and_are_short() -> None:
    _, data = written()
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
    body = data.partition(b"\r\n\r\n")[2]
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert max(map(len, data.split(b"\r\n"))) <= 200


def test_the_standard_library_would_say_the_same() -> None:
    """The oracle: EmailMessage, given the same content, is read to the same values."""
    result = Writer([template_folder()], SITE, LINKS).write(full_day())
    oracle = EmailMessage(policy=email.policy.SMTP)
    ours = parsed(result.message.data)
    oracle["Subject"] = result.subject
    oracle["From"] = Address("Paper Digest", addr_spec="digest@example.org")
    oracle["To"] = Address("Ada", addr_spec="ada@example.org")
    oracle.set_content(result.text, cte="quoted-printable")
    oracle.add_alternative(result.html, subtype="html", cte="quoted-printable")
    theirs = parsed(oracle.as_bytes())
    for name in ("Subject", "From", "To", "MIME-Version"):
        assert str(ours[name]) == str(theirs[name])
    for mine, other in zip(ours.iter_parts(), theirs.iter_parts(), strict=True):
        assert mine.get_content_type() == other.get_content_type()
        assert mine.get_content_charset() == other.get_content_charset()
        assert mine.get_content().replace("\r\n", "\n") == other.get_content().replace("\r\n", "\n")


def header(name: str, value: str) -> EmailMessage:
    message = parsed(f"{name}: {value}\r\n\r\n".encode())
    assert message[name].defects == ()
    assert all(len(each) <= 78 for each in f"{name}: {value}".split("\r\n"))
    return message


STRETCH = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=120),
    st.text(".\n =x", max_size=200),
)
ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=200)


@given(ANY_TEXT)
def test_any_subject_is_read_as_it_was_meant(text: str) -> None:
    assert header("Subject", unstructured(text, "Subject"))["Subject"] == line(text)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Ada", "Ada"),
        ('Sample, "Bo" \\', 'Sample, "Bo" \\'),
        ("Tomás Ferreira", "Tomás Ferreira"),
        ("心智理论" * 3, "心智理论" * 3),
        ("=?utf-8?Q?no?=", "=?utf-8?Q?no?="),
        ("Ada\r\nBcc: all@example.org", "Ada Bcc: all@example.org"),
        ("a.b@c <d>", "a.b@c <d>"),
    ],
)
def test_any_name_is_read_as_it_was_meant(name: str, read: str) -> None:
    found = header("To", mailbox(name, "ada@example.org"))["To"].addresses
    assert [(each.display_name, each.addr_spec) for each in found] == [(read, "ada@example.org")]


def test_a_mostly_latin_subject_stays_readable_in_a_raw_view() -> None:
    assert unstructured("Scaling laws · Feb 4", "Subject") == "=?utf-8?Q?Scaling_laws_=C2=B7_Feb_4?="


def test_a_domain_goes_out_as_a_labels() -> None:
    assert ascii_domain("bo@straße.example") == "bo@xn--strae-oqa.example"
    assert ascii_domain("bo@example.org") == "bo@example.org"


def test_an_address_beyond_ascii_keeps_its_local_part() -> None:
    """It needs SMTPUTF8, which only the transport can know to be there."""
    subscriber = a_subscriber("dörte@straße.example")
    result = Writer([template_folder()], SITE, LINKS).write(a_digest(subscriber=subscriber))
    assert result.message.recipient == "dörte@xn--strae-oqa.example"
    assert "\r\nTo: dörte@xn--strae-oqa.example\r\n".encode() in result.message.data


@given(st.lists(STRETCH, max_size=6))
def test_stretches_put_together_read_as_one(texts: list[str]) -> None:
    data = b"".join(map(quoted, texts))
    assert plain(data) == "".join(texts)
    assert quopri.decodestring(data).decode().replace("\r\n", "\n") == "".join(texts)
    assert size(data) == len("".join(texts).encode())


@given(st.lists(STRETCH, max_size=6))
def test_a_body_travels_unchanged(texts: list[str]) -> None:
    """RFC 5321, section 4.5.2: a line that begins with a dot would have to be changed on the way."""
    lines = b"".join(map(quoted, texts)).split(b"\r\n")
    assert not any(each.startswith(b".") or b"\r" in each or b"\n" in each for each in lines)
    assert all(len(each) <= 76 and each.isascii() for each in lines)


@pytest.mark.parametrize("text", [".", "..", ".\n.\n", "." * 200, "x" * 75 + "..y", "a\n...\n", "\n."])
def test_a_dot_at_the_beginning_of_a_line_is_written_so_that_it_need_not_be_doubled(text: str) -> None:
    data = quoted(text)
    assert not data.startswith(b".")
    assert b"\n." not in data
    assert max(map(len, data.split(b"\r\n"))) <= 76
    assert plain(data) == text


def test_the_boundary_cannot_stand_in_a_body() -> None:
    data = assemble([], quoted("=_x\n--=_x--\n"), quoted("=_x\n"), "=_x")
    assert [part.get_content() for part in parsed(data).iter_parts()] == ["=_x\r\n--=_x--\r\n", "=_x\r\n"]
