"""What an SMTP reply means for the message, the reader and the run; and when to try again.

RFC 5321, section 4.2.1: 4yz replies are transient, 5yz permanent. RFC 3463 and the registry of RFC 5248: the enhanced
status code that follows says why. The table below is read from the top, the first rule that fits decides; each rule
names who says so. Its purpose is fairness: a reader loses the digest only where the *mailbox* is said to be gone,
never because *we* are blocked.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from digest.errors import Deferred, DeliveryError, Refused, SenderAtFault


class Phase(enum.StrEnum):
    """Where in the conversation a reply was given."""

    CONNECT = "connect"
    EHLO = "EHLO"
    TLS = "STARTTLS"
    LOGIN = "login"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    END = "end of data"
    """After the final dot."""


OPENING = frozenset({Phase.CONNECT, Phase.EHLO, Phase.TLS, Phase.LOGIN})
"""Nothing of a message has been said yet."""
MESSAGE = frozenset({Phase.RCPT, Phase.DATA, Phase.END})
"""The reply may be about the recipient or the content."""
ANY = frozenset(Phase)


class Verdict(enum.Enum):
    """What follows from a reply."""

    LATER = enum.auto()
    """Try again on this connection or another."""
    CLOSE = enum.auto()
    """Try again, but this connection is of no more use."""
    DEAD = enum.auto()
    """The mailbox or its domain does not exist."""
    REFUSED = enum.auto()
    """This message to this recipient, for good."""
    OURS = enum.auto()
    """The sender's fault."""


class Rule(NamedTuple):
    """A row of the table; patterns must match the whole code or status, and occur in the text."""

    verdict: Verdict
    code: str
    status: str = ".*"
    """Of the enhanced status code, "" where the reply has none."""
    text: str = ""
    phases: AbstractSet[Phase] = ANY
    source: str = ""


RULES = (
    Rule(
        Verdict.CLOSE, "421", source="RFC 5321, 3.8 and 4.2.3: shutting down; Yahoo [TSSnn], Microsoft 4.7.x throttling"
    ),
    Rule(Verdict.CLOSE, "4..", phases=OPENING, source="RFC 5321, 4.2.1; RFC 4954, 6: 454 4.7.0 login fails for now"),
    Rule(Verdict.LATER, "4..", source="RFC 5321, 4.2.1; Gmail 4.7.23 to 4.7.40, 4.2.1, 4.2.2; greylisting"),
    Rule(
        Verdict.OURS, "5..", phases=OPENING, source="RFC 5321, 3.1: 554 no service for us; RFC 4954: 535; RFC 7504: 521"
    ),
    Rule(Verdict.REFUSED, "5..", r"5\.(3\.4|2\.3)", source="RFC 1870, 6.1 and RFC 3463: the message is too long"),
    Rule(Verdict.REFUSED, "552", r"5\.7\.0", phases=MESSAGE, source="Gmail: content presents a security issue"),
    Rule(Verdict.LATER, "552", r"(?!5\.7\.).*", source="RFC 5321, 4.5.3.1.10: treat as 452, storage will be freed"),
    Rule(
        Verdict.OURS,
        "5..",
        phases=frozenset({Phase.MAIL}),
        source="RFC 5321, 3.3: the sender is not acceptable; 530, 5.7.0: log in",
    ),
    Rule(Verdict.OURS, "5..", r"5\.1\.[78]", source="RFC 3463: bad sender address; Postfix says it at RCPT"),
    Rule(
        Verdict.REFUSED,
        "5..",
        r"5\.7\.(124|13[3-6])",
        source="Exchange Online: the mailbox or group takes no mail from outside; its owner's wish, not our fault",
    ),
    Rule(
        Verdict.OURS,
        "5..",
        r"5\.7\.\d+",
        source="RFC 3463, RFC 7372; Gmail 5.7.1, 5.7.26 to 5.7.40; Microsoft 5.7.515; Yahoo 5.7.9; blocklists",
    ),
    Rule(
        Verdict.OURS,
        "5..",
        text=r"spamhaus|(dns|r)bl\b|blocked using",
        phases=MESSAGE,
        source="Postfix may quote a blocklist behind 5.1.1 (undeliverable address: ... blocked using zen.spamhaus.org)",
    ),
    Rule(
        Verdict.OURS,
        "5..",
        "",
        r"block ?list|black ?list|(host|client|ip|sender)\b.{0,60} blocked|unable to relay"
        r"|relay(ing)? (access )?(is )?(denied|not permitted)",
        source="the same, from servers without RFC 2034",
    ),
    Rule(Verdict.LATER, "5..", r"5\.2\.1", r"at a rate|too quickly", source="Gmail: the account gets mail too fast"),
    Rule(
        Verdict.DEAD,
        "5..",
        r"5\.1\.(1|2|3|6|10)|5\.2\.1",
        phases=MESSAGE,
        source="RFC 3463: no such mailbox, domain or syntax, moved, disabled; RFC 7505: null MX",
    ),
    Rule(Verdict.DEAD, "556", phases=frozenset({Phase.RCPT}), source="RFC 7504: the domain takes no mail"),
    Rule(
        Verdict.DEAD,
        "55[0134]",
        "",
        r"user unknown|unknown user|no such (user|recipient|mailbox)|(user|mailbox|recipient) (is )?not found"
        r"|does ?n[o']t have an? \S+ account|mailbox .{0,80}does not exist",
        phases=MESSAGE,
        source="RFC 5321, 4.2.3: 550 mailbox not found; Yahoo 554 delivery error: dd",
    ),
    Rule(Verdict.REFUSED, "5..", source="RFC 5321, 4.2.1: do not repeat this"),
)

_STATUS = re.compile(r"(?:^|[\s(#])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_CLOCK = re.compile(r"\b(?:in|after) (\d{1,2}):(\d\d):(\d\d)\b")
_WAIT = re.compile(r"\b(?:in|after|for|wait)\s+(\d{1,6})\s*(s|sec|second|m|min|minute|h|hour)s?\b", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LONGEST_TEXT = 500


def classify(phase: Phase, code: int, text: str) -> DeliveryError:
    """What the reply *code* *text* in *phase* means, ready to be raised.

    A reply that is no refusal but does not fit the phase (250 to DATA) ends the connection and defers the message.
    """
    said = f"{phase}: {code} {one_line(text)}"
    status = enhanced_status(code, text)
    match verdict(phase, code, status, text):
        case Verdict.LATER | Verdict.CLOSE as found:
            wait = asked_to_wait(text)
            return Deferred(said, code=code, enhanced=status, retry_after=wait, close=found is Verdict.CLOSE)
        case Verdict.OURS:
            return SenderAtFault(said, code=code, enhanced=status, about_recipient=phase in MESSAGE)
        case found:
            return Refused(said, code=code, enhanced=status, address_is_dead=found is Verdict.DEAD)


def verdict(phase: Phase, code: int, status: str, text: str) -> Verdict:
    """What the first rule that fits says; a reply that none fits is out of turn and ends the connection."""
    for rule in RULES:
        if (
            phase in rule.phases
            and re.fullmatch(rule.code, str(code))
            and re.fullmatch(rule.status, status)
            and re.search(rule.text, text, re.IGNORECASE)
        ):
            return rule.verdict
    return Verdict.CLOSE


def enhanced_status(code: int, text: str) -> str:
    """The enhanced status code in *text* ("5.1.1"), or "" where there is none of the reply code's own class."""
    for found in _STATUS.findall(text):
        if found[0] == str(code)[0]:
            return str(found)
    return ""


def asked_to_wait(text: str) -> float | None:
    """Seconds that the server asks to wait: "try again in 5 minutes", "Greylisted for 300 seconds", "in 00:05:00"."""
    if clock := _CLOCK.search(text):
        hours, minutes, seconds = map(int, clock.groups())
        return float(hours * 3600 + minutes * 60 + seconds)
    if wait := _WAIT.search(text):
        return float(int(wait[1]) * _SECONDS[wait[2][0].lower()])
    return None


def one_line(text: str) -> str:
    """*text* as it may stand in a log line or a status: printable, one line, not endless."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())[:_LONGEST_TEXT]


FIRST_RETRY = 60.0
LONGEST_RETRY = 3600.0
LONGEST_ASKED = 4 * 3600.0
"""A server may ask for more than our own schedule, but not for more than a digest can wait."""


def retry_delay(attempt: int, key: str, retry_after: float | None = None) -> float:
    """Seconds to wait after *attempt* (1 is the first) has been deferred.

    Exponential from a minute to an hour, never less than the server asked for, and spread by up to a quarter so that a
    thousand messages deferred together do not return together. The spread is a hash of *key* and *attempt*: the same on
    every machine and in every test.
    """
    delay = min(FIRST_RETRY * 2.0 ** min(attempt - 1, 30), LONGEST_RETRY)
    delay = max(delay, min(retry_after or 0.0, LONGEST_ASKED))
    spread = int.from_bytes(hashlib.sha256(f"{key} {attempt}".encode()).digest()[:4], "big") / 2**32
    return delay * (1 + spread / 4)
