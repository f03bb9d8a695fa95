"""What a reply means: whom it blames, and when to try again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.replies import (
    LONGEST_ASKED,
    LONGEST_RETRY,
    OPENING,
    RULES,
    Phase,
    asked_to_wait,
    classify,
    enhanced_status,
    retry_delay,
)
from digest.errors import Deferred, Refused, SenderAtFault

LATER, CLOSE, REFUSED, DEAD, OURS = "later", "close", "refused", "dead", "ours"


def meaning(phase: Phase, reply: str) -> str:
    error = classify(phase, int(reply[:3]), reply[4:])
    match error:
        case Deferred():
            return CLOSE if error.close else LATER
        case Refused():
            return DEAD if error.address_is_dead else REFUSED
    assert isinstance(error, SenderAtFault)
    return OURS


@pytest.mark.parametrize(
    ("phase", "reply", "expected"),
    [
        # transient, whatever it speaks of
        (Phase.MAIL, "451 4.3.0 try later", LATER),
        (Phase.RCPT, "450 4.2.0 <ada@example.org>: Recipient address rejected: Greylisted for 300 seconds", LATER),
        (Phase.RCPT, "452 4.2.2 The recipient's inbox is out of storage space", LATER),
        (Phase.END, "421 4.7.28 Our system has detected an unusual rate of unsolicited mail", CLOSE),
        (Phase.END, "421 4.7.0 [TSS04] Messages temporarily deferred due to user complaints", CLOSE),
        (Phase.RCPT, "451 4.7.650 The mail server has been temporarily rate limited due to IP reputation", LATER),
        (Phase.END, "450 4.7.26 This mail is unauthenticated", LATER),
        (Phase.LOGIN, "454 4.7.0 Temporary authentication failure", CLOSE),
        (Phase.CONNECT, "421 too many connections", CLOSE),
        (Phase.EHLO, "450 4.3.2 not now", CLOSE),
        # full is not gone
        (Phase.RCPT, "552 5.2.2 mailbox full", LATER),
        (Phase.RCPT, "552 too many recipients", LATER),
        (Phase.RCPT, "550 5.2.2 over quota", REFUSED),
        (Phase.MAIL, "552 insufficient storage", LATER),
        # too long, or odd content: no one's address, no one's reputation
        (Phase.MAIL, "552 5.3.4 Message size exceeds fixed limit", REFUSED),
        (Phase.END, "552 5.2.3 Your message exceeded Google's message size limits", REFUSED),
        (Phase.END, "552 5.7.0 This message was blocked because its content presents a security issue", REFUSED),
        (Phase.END, "554 5.6.0 message content rejected", REFUSED),
        # the address is gone
        (Phase.RCPT, "550 5.1.1 The email account that you tried to reach does not exist", DEAD),
        (Phase.RCPT, "550 5.1.2 no such domain", DEAD),
        (Phase.RCPT, "553 5.1.3 bad syntax", DEAD),
        (Phase.RCPT, "551 5.1.6 moved", DEAD),
        (Phase.RCPT, "550 5.1.10 RESOLVER.ADR.RecipientNotFound", DEAD),
        (Phase.RCPT, "556 5.1.10 Recipient address has null MX", DEAD),
        (Phase.RCPT, "556 domain takes no mail", DEAD),
        (Phase.RCPT, "550 5.2.1 The email account that you tried to reach is disabled", DEAD),
        (Phase.END, "550 5.1.1 no such user", DEAD),
        (Phase.RCPT, "550 User unknown in virtual mailbox table", DEAD),
        (Phase.END, "554 delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0]", DEAD),
        # refused, but who knows why
        (Phase.RCPT, "550 mailbox unavailable", REFUSED),
        (Phase.RCPT, "550 5.4.1 Recipient address rejected: Access denied", REFUSED),
        (Phase.RCPT, "500 5.3.0 Error: command failed", REFUSED),
        (Phase.RCPT, "550 this account is blocked", REFUSED),
        (Phase.RCPT, "550 5.7.134 RESOLVER.RST.SenderNotAuthenticatedForMailbox", REFUSED),
        (Phase.RCPT, "550 5.2.1 is receiving mail at a rate that prevents additional messages", LATER),
        # our fault, never the reader's
        (Phase.RCPT, "554 5.7.1 Service unavailable; client host [192.0.2.1] blocked using zen.spamhaus.org", OURS),
        (Phase.RCPT, "554 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", OURS),
        (Phase.RCPT, "550 5.1.1 <a@b.org>: undeliverable address: host mx blocked using zen.spamhaus.org", OURS),
        (Phase.RCPT, "554 5.7.1 <ada@example.org>: Relay access denied", OURS),
        (Phase.RCPT, "550 relaying denied", OURS),
        (Phase.RCPT, "550 5.1.8 <b@b.example>: Sender address rejected: Domain not found", OURS),
        (Phase.RCPT, "550 5.1.7 bad sender", OURS),
        (Phase.END, "550-5.7.26 This mail has been blocked because the sender is unauthenticated.", OURS),
        (Phase.END, "550 5.7.515 Access denied, sending domain does not meet the required authentication level", OURS),
        (Phase.MAIL, "553 5.7.1 [BL21] Connections will not be accepted", OURS),
        (Phase.MAIL, "530 5.7.0 Must issue a STARTTLS command first", OURS),
        (Phase.MAIL, "550 5.1.1 odd", OURS),
        (Phase.MAIL, "501 syntax", OURS),
        (Phase.LOGIN, "535 5.7.8 Username and Password not accepted", OURS),
        (Phase.TLS, "501 no", OURS),
        (Phase.EHLO, "550 who are you", OURS),
        (Phase.CONNECT, "554 no SMTP service here", OURS),
        (Phase.CONNECT, "521 does not accept mail", OURS),
        # out of turn
        (Phase.DATA, "250 ok", CLOSE),
        (Phase.RCPT, "354 go", CLOSE),
    ],
)
def test_whom_a_reply_blames(phase: Phase, reply: str, expected: str) -> None:
    assert meaning(phase, reply) == expected


@given(st.sampled_from(Phase), st.integers(400, 499), st.text(max_size=40))
def test_a_4yz_is_never_final(phase: Phase, code: int, text: str) -> None:
    assert isinstance(classify(phase, code, text), Deferred)


@given(st.sampled_from(Phase), st.integers(500, 599), st.integers(0, 600), st.text(max_size=40))
def test_a_policy_refusal_never_kills_an_address(phase: Phase, code: int, detail: int, text: str) -> None:
    error = classify(phase, code, f"5.7.{detail} {text}")
    assert not (isinstance(error, Refused) and error.address_is_dead)


@given(st.sampled_from(sorted(OPENING | {Phase.MAIL})), st.integers(400, 599), st.text(max_size=40))
def test_nothing_said_before_a_recipient_is_named_is_held_against_one(phase: Phase, code: int, text: str) -> None:
    error = classify(phase, code, text)
    assert not (isinstance(error, Refused) and error.address_is_dead)


def test_every_rule_names_its_source() -> None:
    assert all(rule.source for rule in RULES)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("try again in 5 minutes", 300),
        ("4.2.0 Greylisted for 300 seconds", 300),
        ("Greylisting in action, please come back in 00:05:00", 300),
        ("please retry after 90 sec", 90),
        ("come back in 1 hour", 3600),
        ("wait 30s", 30),
        ("too many connections from 192.0.2.5", None),
        ("mailbox full", None),
        ("for 3 recipients", None),
    ],
)
def test_what_a_server_asks_for(text: str, seconds: float | None) -> None:
    assert asked_to_wait(text) == seconds


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [
        (550, "5.1.1 no such user", "5.1.1"),
        (550, "sorry, no mailbox here by that name (#5.1.1)", "5.1.1"),
        (550, "5.7.1 5.1.1", "5.7.1"),
        (550, "4.2.2 class of the other kind", ""),
        (550, "client 5.1.1.7 refused", ""),
        (550, "version 15.1.10", ""),
        (451, "4.7.650 rate limited", "4.7.650"),
        (550, "", ""),
    ],
)
def test_the_enhanced_status(code: int, text: str, status: str) -> None:
    assert enhanced_status(code, text) == status


@given(st.integers(1, 1000), st.text(max_size=30), st.none() | st.floats(0, 1e7))
def test_a_retry_waits_as_long_as_asked_and_not_for_ever(attempt: int, key: str, asked: float | None) -> None:
    delay = retry_delay(attempt, key, asked)
    assert min(60 * 2 ** min(attempt - 1, 20), LONGEST_RETRY) <= delay <= LONGEST_ASKED * 1.25
    assert delay >= min(asked or 0, LONGEST_ASKED)
    assert delay == retry_delay(attempt, key, asked), "the same on every machine"


def test_messages_deferred_together_do_not_return_together() -> None:
    delays = [retry_delay(3, f"<{n}@digest.example>") for n in range(200)]
    assert min(delays) >= 240
    assert max(delays) <= 300
    assert len({int(d) for d in delays}) > 50
