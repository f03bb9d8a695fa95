"""What returned mail says, and when writing to an address ends."""

from __future__ import annotations

import warnings
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from flufl.bounce import all_failures
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.bounces import Bounce, BounceKind, Event, parse, score

HARD, SOFT, OURS = BounceKind.HARD, BounceKind.SOFT, BounceKind.OURS
COMPLAINT, IGNORED, UNKNOWN = BounceKind.COMPLAINT, BounceKind.IGNORED, BounceKind.UNKNOWN


def a_report(
    *recipients: str, kind: str = "delivery-status", original: str = "", encoding: str = "7bit", body: str = ""
) -> bytes:
    """A report in the form of RFC 3462 with the given blocks, one for each recipient."""
    fields = "\n\n".join(
        ("Reporting-MTA: dns; relay.example\nArrival-Date: Wed, 4 Feb 2026 07:00:00 +0000", *recipients)
    )
    payload = body or fields
    text = f"""\
From: MAILER-DAEMON@relay.example
To: b+token@b.digest.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind}; boundary="limit"

--limit
Content-Type: text/plain; charset=utf-8

I'm sorry to have to inform you that your message could not be delivered.

--limit
Content-Type: message/{kind}
Content-Transfer-Encoding: {encoding}

{payload}

--limit
{original or "Content-Type: text/rfc822-headers"}

Message-ID: <20260204.abc@digest.example>
Subject: An invented digest

--limit--
"""
    return text.replace("\n", "\r\n").encode()


def a_recipient(status: str, diagnostic: str = "", action: str = "failed") -> str:
    lines = ["Final-Recipient: rfc822; ada@example.org", f"Action: {action}", f"Status: {status}"]
    return "\n".join([*lines, f"Diagnostic-Code: smtp; {diagnostic}"] if diagnostic else lines)


# ---- reports ---------------------------------------------------------------------------------------------------------


def test_a_report_is_read_whole() -> None:
    recipient = a_recipient("5.1.1", "550 5.1.1 <ada@example.org>: Recipient\n    address rejected: no such user")
    assert parse(a_report(recipient)) == (
        Bounce(
            kind=HARD,
            recipient="ada@example.org",
            status="5.1.1",
            text="550 5.1.1 <ada@example.org>: Recipient address rejected: no such user",
            message_id="<20260204.abc@digest.example>",
        ),
    )


@pytest.mark.parametrize(
    ("status", "diagnostic", "action", "expected"),
    [
        ("5.1.1", "", "failed", HARD),
        ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound", "failed", HARD),
        ("5.2.1", "550 5.2.1 disabled", "failed", HARD),
        ("5.0.0", "550 5.1.1 no such user", "failed", HARD),
        ("5.0.0", "550 User unknown", "failed", HARD),
        ("5.2.2", "552 5.2.2 mailbox full", "failed", SOFT),
        ("4.4.7", "", "failed", SOFT),
        ("4.2.2", "452 4.2.2 over quota", "failed", SOFT),
        ("5.4.4", "", "failed", SOFT),
        ("5.0.0", "", "failed", SOFT),
        ("5.3.4", "552 5.3.4 too big", "failed", SOFT),
        ("5.7.1", "554 5.7.1 Service unavailable; blocked using zen.spamhaus.org", "failed", OURS),
        ("5.0.0", "550 5.7.1 policy", "failed", OURS),
        ("5.1.1", "550 5.7.1 policy", "failed", OURS),
        ("5.7.26", "", "failed", OURS),
        ("5.0.0", "554 rejected: listed at a blocklist", "failed", OURS),
        ("5.1.8", "550 5.1.8 sender address rejected", "failed", OURS),
        ("4.4.1", "connection timed out", "delayed", IGNORED),
        ("2.0.0", "250 ok", "delivered", IGNORED),
        ("2.0.0", "", "relayed", IGNORED),
        ("2.0.0", "", "expanded", IGNORED),
        ("553 Exceeded maximum size", "", "failure", SOFT),  # seen in flufl.bounce's corpus, like the next
        ("5.1.1", "", "error", HARD),
    ],
)
def test_what_a_status_means(status: str, diagnostic: str, action: str, expected: BounceKind) -> None:
    [bounce] = parse(a_report(a_recipient(status, diagnostic, action)))
    assert bounce.kind is expected


def test_each_recipient_has_a_fate_of_their_own() -> None:
    bounces = parse(a_report(a_recipient("5.1.1"), a_recipient("5.2.2"), a_recipient("4.4.7", action="delayed")))
    assert [bounce.kind for bounce in bounces] == [HARD, SOFT, IGNORED]


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_an_international_report(encoding: str) -> None:
    """RFC 6533: another type, another address type, and bytes beyond ASCII."""
    recipient = "Final-Recipient: utf-8; jörg@bücher.example\nAction: failed\nStatus: 5.1.1"
    block = f"Reporting-MTA: dns; relay.example\n\n{recipient}"
    body = {"8bit": block, "base64": b64encode(block.encode()).decode()}.get(encoding, block.replace("ö", "=C3=B6"))
    [bounce] = parse(a_report(kind="global-delivery-status", encoding=encoding, body=body))
    assert (bounce.kind, bounce.recipient) == (HARD, "jörg@bücher.example")


def test_an_encoding_that_is_broken_hides_a_report_and_breaks_nothing() -> None:
    [bounce] = parse(a_report(encoding="base64", body="abcde"))
    assert (bounce.kind, bounce.message_id) == (SOFT, "<20260204.abc@digest.example>")


@pytest.mark.parametrize("subject", ["=?no-such-charset?b?eHg=?=", "=?utf-8?b?=?=", "=?utf-8?q?=ff=fe?=", "\udcff"])
def test_a_subject_that_cannot_be_decoded_breaks_nothing(subject: str) -> None:
    raw = f"From: mailer-daemon@relay.example\r\nSubject: {subject}\r\n\r\n550 5.1.1 gone\r\n"
    assert parse(raw.encode("utf-8", "surrogateescape"))[0].kind is HARD


@pytest.mark.parametrize(
    "original",
    [
        "Content-Type: message/rfc822",
        "Content-Type: message/global",
        "Content-Type: text/rfc822-headers",
        "Content-Type: message/global-headers",
    ],
)
def test_the_message_that_came_back_is_named(original: str) -> None:
    [bounce] = parse(a_report(a_recipient("5.1.1"), original=original))
    assert bounce.message_id == "<20260204.abc@digest.example>"


@pytest.mark.parametrize(
    ("feedback", "expected"),
    [("abuse", COMPLAINT), ("fraud", COMPLAINT), ("opt-out", COMPLAINT), ("not-spam", IGNORED), ("auth-failure", OURS)],
)
def test_a_complaint(feedback: str, expected: BounceKind) -> None:
    block = f"Feedback-Type: {feedback}\nUser-Agent: Example/1\nVersion: 1\nOriginal-Rcpt-To: <ada@example.org>"
    [bounce] = parse(a_report(kind="feedback-report", body=block, original="Content-Type: message/rfc822"))
    assert bounce == Bounce(expected, "ada@example.org", "", feedback, "<20260204.abc@digest.example>")


# ---- other programs, and people --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated (vacation)",
        "Precedence: auto_reply",
        "X-Autoreply: yes",
        "Subject: Out of Office: your digest",
        "Subject: Automatic reply: your digest",
        "Subject: =?utf-8?q?Out_of_office?=",
    ],
)
def test_somebody_who_is_away_still_lives(header: str) -> None:
    raw = f"From: Ada <ada@example.org>\r\n{header}\r\n\r\nI am away. User unknown to me may ask 550 Bob.\r\n".encode()
    [bounce] = parse(raw)
    assert bounce.kind is IGNORED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<ada@example.org>: host mx said: 550 5.1.1 no such user", HARD),
        ("ada@example.org\n    550 User unknown", HARD),
        ("Sorry, no mailbox here by that name. (#5.1.1)", HARD),
        ("The following address failed: ada@example.org: mailbox is full", SOFT),
        ("ada@example.org: 552 over quota", SOFT),
        ("<ada@example.org>: 554 5.7.1 blocked, see spamhaus.org", OURS),
        ("<ada@example.org>: 550 rejected as spam, no such luck", OURS),
        ("Delivery to ada@example.org is delayed; it will be retried for 3 days.", IGNORED),
        ("We could not deliver your message to ada@example.org.", SOFT),
    ],
)
def test_a_bounce_in_words(text: str, expected: BounceKind) -> None:
    head = "From: Mail Delivery System <mailer-daemon@relay.example>\r\nSubject: failure notice\r\n\r\n"
    [bounce] = parse(f"{head}{text}\r\n\r\n--- Below this line is a copy of the message.\r\n\r\nSpamhaus.\r\n".encode())
    assert bounce.kind is expected


def test_a_letter_from_a_person_is_kept_for_a_person() -> None:
    raw = (
        b"From: Ada <ada@example.org>\r\nSubject: a question\r\n\r\nWhy is the paper of user unknown 550 not there?\r\n"
    )
    assert parse(raw) == (Bounce(UNKNOWN),)


@given(
    st.binary(max_size=300), st.sampled_from([b"", a_report(a_recipient("5.1.1")), a_report(kind="feedback-report")])
)
def test_no_input_makes_it_fail(noise: bytes, frame: bytes) -> None:
    for raw in (noise, frame + noise, frame[: len(noise) * 3], frame.replace(b"limit", noise)):
        assert parse(raw)


def test_parts_within_parts_within_parts_do_no_harm() -> None:
    depth = 2000
    heads = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (i, i) for i in range(depth))
    assert parse(b"From: a@b.example\r\n" + heads) == (Bounce(UNKNOWN),)


def test_a_policy_refusal_is_never_held_against_a_reader() -> None:
    """flufl.bounce 6.0 calls both of these the same "permanent"; suppressing by it empties a list on a bad day."""
    blocked = a_report(a_recipient("5.7.1", "550 5.7.1 blocked using spamhaus"))
    gone = a_report(a_recipient("5.1.1", "550 5.1.1 no such user"))
    judged = [all_failures(message_from_bytes(raw))[1] for raw in (blocked, gone)]
    assert judged[0] == judged[1] == {b"ada@example.org"}
    assert [parse(raw)[0].kind for raw in (blocked, gone)] == [OURS, HARD]


# ---- real ones -------------------------------------------------------------------------------------------------------

EXPECTED: dict[BounceKind, str] = {
    HARD: """
        dsn_10 dsn_11 dsn_12 dsn_13 dsn_14 dsn_15 dsn_16 exim_01 groupwise_01 groupwise_02 microsoft_01 microsoft_02
        microsoft_04 postfix_01 qmail_03 qmail_04 qmail_05 simple_05 simple_06 simple_08 simple_11 simple_15 simple_19
        simple_25 simple_26 simple_27 simple_29 simple_30 simple_33 simple_34 simple_36 simple_37 simple_39 simple_43
        smtp32_04 smtp32_06 yahoo_03 yahoo_05 yahoo_06 yahoo_07 yahoo_08 yahoo_09 yahoo_10 yahoo_11 yahoo_13
    """,
    OURS: "simple_42",
    IGNORED: "dsn_05 dsn_06 dsn_07 dsn_08 dsn_17 qmail_08 simple_03 simple_21 simple_22 simple_28 simple_35 simple_40",
    UNKNOWN: "groupwise_03",
    SOFT: """
        aol_01 bounce_01 bounce_02 bounce_03 caiwireless_01 dsn_01 dsn_02 dsn_03 dsn_04 dsn_09 dsn_18 dumbass_01
        hotpop_01 llnl_01 microsoft_03 netscape_01 newmailru_01 postfix_02 postfix_03 postfix_04 postfix_05 qmail_01
        qmail_02 qmail_06 qmail_07 sendmail_01 simple_01 simple_02 simple_04 simple_07 simple_09 simple_10 simple_12
        simple_13 simple_14 simple_16 simple_17 simple_18 simple_20 simple_23 simple_24 simple_31 simple_32 simple_38
        simple_41 simple_44 simple_45 sina_01 smtp32_01 smtp32_02 smtp32_03 smtp32_05 smtp32_07 yahoo_01 yahoo_02
        yahoo_04 yahoo_12 yale_01
    """,
}
"""The bounces of flufl.bounce 6.0's test corpus by the name of their file."""

BY_NAME = {name: kind for kind, names in EXPECTED.items() for name in names.split()}
OTHER_RECIPIENT = frozenset(["aol_01", "groupwise_01", "groupwise_02", "microsoft_01", "llnl_01", "yale_01"])
"""Where flufl.bounce finds the recipient and we another address; who bounced is known from the envelope."""


@pytest.mark.bounces
def test_the_corpus_is_the_one_we_know(bounces: Path) -> None:
    assert {file.stem for file in bounces.glob("*.txt")} == set(BY_NAME)


@pytest.mark.bounces
@pytest.mark.parametrize("name", BY_NAME)
def test_a_real_bounce(bounces: Path, name: str) -> None:
    raw = (bounces / f"{name}.txt").read_bytes()
    found = parse(raw)
    assert {bounce.kind for bounce in found} == {BY_NAME[name]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its affair
        temporary, permanent = all_failures(message_from_bytes(raw))
    if permanent:
        assert BY_NAME[name] in {HARD, SOFT, OURS}, "flufl.bounce calls it permanent"
    elif temporary:
        assert BY_NAME[name] in {SOFT, IGNORED}, "flufl.bounce calls it temporary"
    theirs = {address.decode().lower() for address in temporary | permanent}
    if theirs and name not in OTHER_RECIPIENT:
        assert theirs & {bounce.recipient.lower() for bounce in found}


# ---- when to stop ----------------------------------------------------------------------------------------------------

NOW = datetime(2026, 2, 20, 7, 0, tzinfo=UTC)


def ago(kind: BounceKind, *days: float) -> list[Event]:
    return [Event(NOW - timedelta(days=d), kind) for d in days]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], None),
        (ago(COMPLAINT, 300), COMPLAINT),
        (ago(HARD, 0), None),
        (ago(HARD, 0.5, 0), None),
        (ago(HARD, 1, 0), HARD),
        (ago(HARD, 7, 0), HARD),
        (ago(HARD, 11, 0), None),
        (ago(HARD, 12, 11), None),
        (ago(SOFT, 3, 2, 1, 0), None),
        (ago(SOFT, 4, 3, 2, 1, 0), SOFT),
        (ago(SOFT, 28, 21, 14, 7, 0), SOFT),
        (ago(SOFT, 40, 39, 38, 2, 1, 0), None),
        (ago(SOFT, 0.1, 0.08, 0.06, 0.04, 0.02, 0), None),
        (ago(SOFT, 3, 2, 1) + ago(HARD, 4, 4.2) + ago(HARD, 0.5), HARD),
        (ago(SOFT, 3, 2, 1, 0) + ago(HARD, 4), SOFT),
        (ago(OURS, *range(30)), None),
        (ago(IGNORED, *range(30)) + ago(UNKNOWN, *range(30)), None),
        (ago(COMPLAINT, -1), None),
    ],
)
def test_when_to_stop(events: list[Event], expected: BounceKind | None) -> None:
    assert score(events, NOW) is expected
    assert score(reversed(events), NOW) is expected
