"""Mail that comes back: what it says, and when to stop writing to an address.

RFC 3464 (delivery status notifications; RFC 6533 with UTF-8), RFC 5965 (complaints), RFC 3834 (automatic replies), and
a last resort for prose, since older servers explain themselves in words. *Who* bounced is known from the envelope,
which names the delivery; this says *what* happened. Its verdicts come from the table in `digest.delivery.replies`: an
address is dead only where the mailbox is said to be gone, and never because we were blocked.
"""

from __future__ import annotations

import binascii
import enum
import quopri
import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from itertools import pairwise

from digest.delivery.replies import Phase, Verdict, enhanced_status, one_line, verdict


class BounceKind(enum.StrEnum):
    """What a returned mail means for the address."""

    HARD = "hard"
    """The mailbox or its domain does not exist."""
    SOFT = "soft"
    """Full, slow, or refused for a reason that says nothing final of the address."""
    OURS = "ours"
    """Refused because of us: never held against a reader, always shown to the operator."""
    COMPLAINT = "complaint"
    """The reader pressed "spam"."""
    IGNORED = "ignored"
    """An automatic reply, a delay, a success: nothing to do."""
    UNKNOWN = "unknown"
    """Not understood: for a person to read."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a returned mail says of one recipient."""

    kind: BounceKind
    recipient: str = ""
    """As the report names it; "" where it names none."""
    status: str = ""
    """Enhanced status code such as "5.1.1", or ""."""
    text: str = ""
    """The reason as given, on one line."""
    message_id: str = ""
    """Of the message that came back, or ""."""


def parse(raw: bytes) -> tuple[Bounce, ...]:
    """What the mail *raw* reports, one value for each recipient; never empty, and no input makes it fail."""
    try:
        message = message_from_bytes(raw)
        return (
            _complaint(message)
            or _status_report(message)
            or _away(message)
            or _prose(message)
            or _automatic(message)
            or (Bounce(BounceKind.UNKNOWN),)
        )
    except RecursionError:  # parts within parts within parts
        return (Bounce(BounceKind.UNKNOWN),)


# ---- reports for machines --------------------------------------------------------------------------------------------

Fields = dict[str, str]


def _status_report(message: Message) -> tuple[Bounce, ...]:
    """RFC 3464, section 2: after the block on the message, one block for each recipient."""
    original = _original_message_id(message)
    blocks = [
        block
        for part in message.walk()
        if part.get_content_type() in {"message/delivery-status", "message/global-delivery-status"}
        for block in _blocks(part)
    ]
    return tuple(_recipient(block, original) for block in blocks if block.keys() & {"final-recipient", "action"})


_NO_FAILURE = frozenset({"delayed", "delivered", "relayed", "expanded"})
"""RFC 3464, section 2.3.3; what is none of these and not "failed" was meant as a failure by who wrote it."""


def _recipient(block: Fields, message_id: str) -> Bounce:
    text = one_line(_typed(block.get("diagnostic-code", "")))
    reply = re.match(r"[45]\d\d(?=[ -])", text)
    found = re.match(r"[245]\.\d{1,3}\.\d{1,3}(?!\d)", block.get("status", ""))
    status = found[0] if found else ""
    code = int(reply[0]) if reply else 450 if status.startswith("4") else 550
    # The server's own words beat "5.0.0" and its like, by which the reporting host says that it does not know.
    status = enhanced_status(code, text) or status
    action = block.get("action", "failed").split(" ")[0].lower()
    return Bounce(
        kind=BounceKind.IGNORED if action in _NO_FAILURE else _kind(code, status, text),
        recipient=_typed(block.get("original-recipient") or block.get("final-recipient", "")).strip("<>"),
        status=status,
        text=text,
        message_id=message_id,
    )


def _kind(code: int, status: str, text: str) -> BounceKind:
    known = "" if status.endswith(".0.0") else status
    match verdict(Phase.RCPT, code, known, text):
        case Verdict.DEAD:
            return BounceKind.HARD
        case Verdict.OURS:
            return BounceKind.OURS
        case _:
            return BounceKind.SOFT


_NO_COMPLAINT = {"not-spam": BounceKind.IGNORED, "auth-failure": BounceKind.OURS}


def _complaint(message: Message) -> tuple[Bounce, ...]:
    """RFC 5965: a mailbox provider passes on that the reader pressed "spam"."""
    for part in message.walk():
        if part.get_content_type() == "message/feedback-report":
            fields = {name: value for block in _blocks(part) for name, value in block.items()}
            kind = fields.get("feedback-type", "abuse").lower()
            return (
                Bounce(
                    kind=_NO_COMPLAINT.get(kind, BounceKind.COMPLAINT),
                    recipient=fields.get("original-rcpt-to", "").strip("<>"),
                    text=kind,
                    message_id=_original_message_id(message),
                ),
            )
    return ()


def _blocks(part: Message) -> list[Fields]:
    """The header-like blocks of a report; Python parses some of its types and not others, so from the bytes."""
    payload = part.get_payload()
    inner = payload if isinstance(payload, list) else [payload]
    raw = b"\n\n".join(p.as_bytes() if isinstance(p, Message) else str(p).encode("utf-8", "replace") for p in inner)
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    text = _decoded(raw, encoding).decode("utf-8", "replace")
    return [_fields(block) for block in re.split(r"\r?\n[ \t]*\r?\n", text) if block.strip()]


def _decoded(raw: bytes, encoding: str) -> bytes:
    if encoding == "quoted-printable":
        return quopri.decodestring(raw)
    if encoding == "base64":
        try:
            return b64decode(raw)
        except binascii.Error:
            return raw
    return raw


def _fields(block: str) -> Fields:
    unfolded = re.sub(r"\r?\n[ \t]+", " ", block)
    lines = (line.partition(":") for line in unfolded.splitlines())
    return {name.strip().lower(): value.strip() for name, colon, value in lines if colon}


def _typed(value: str) -> str:
    """The value behind a type: `rfc822; ada@example.org`, `smtp; 550 no`."""
    return value.partition(";")[2].strip() if ";" in value else value


def _original_message_id(message: Message) -> str:
    """Of the copy of the message, whole or headers only, that a report carries."""
    for part in message.walk():
        if part.get_content_type() in {"message/rfc822", "message/global", "message/global-headers"}:
            originals = part.get_payload()
            original = originals[0] if isinstance(originals, list) and originals else None
            return str(original.get("Message-ID", "")).strip() if isinstance(original, Message) else ""
        if part.get_content_type() == "text/rfc822-headers":
            return _fields(_text_of(part)).get("message-id", "")
    return ""


# ---- mail by programs that is no report ------------------------------------------------------------------------------

_AWAY = re.compile(r"(re: )?(out of (the )?office|automatic reply|auto(matic)?[ -]?(re(ply|sponse))|vacation)\b", re.I)


def _away(message: Message) -> tuple[Bounce, ...]:
    """Somebody is away, as programs say it that know no RFC 3834: the address lives."""
    away = (
        _AWAY.match(_header(message, "Subject"))
        or _header(message, "Precedence").lower() in {"auto_reply", "auto-reply"}
        or any(name in message for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Reply", "X-Vacation"))
    )
    return (Bounce(BounceKind.IGNORED, text=_header(message, "Subject")),) if away else ()


def _automatic(message: Message) -> tuple[Bounce, ...]:
    """RFC 3834, section 5: by a program, and no bounce, since those that also say so were seen to before."""
    by_program = _header(message, "Auto-Submitted").lower() not in {"", "no"}
    return (Bounce(BounceKind.IGNORED, text=_header(message, "Subject")),) if by_program else ()


_DAEMON = re.compile(r"daemon|postmaster|mail.?(admin|delivery|system|router)|administrator", re.I)
_RETURNED = re.compile(
    r"undeliver|non.?deliver|return|fail|delivery (status|report|notif|problem|error)|bounce|warning|not be deliver",
    re.I,
)
_COPY = re.compile(
    r"^[ >-]*(the )?(below this line|this is a copy|copy of|original message|unsent message|message headers? follow"
    r"|your (original )?message (reads|follows)|returned message|received: |return-path: )",
    re.I | re.M,
)
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)[ -](?=[\w#<\"(\[])")
_WORDS: tuple[tuple[BounceKind, re.Pattern[str]], ...] = (
    (
        BounceKind.IGNORED,
        re.compile(
            r"will (continue|keep|be retried|try again)|do not need to resend|delayed|warning message only", re.I
        ),
    ),
    (
        BounceKind.OURS,
        re.compile(r"spamhaus|block ?list|black ?list|blocked|rejected as spam|relay.{0,20}denied", re.I),
    ),
    (BounceKind.SOFT, re.compile(r"quota|mailbox (is )?full|too (large|big)|storage|timed? ?out|too long", re.I)),
    (
        BounceKind.HARD,
        re.compile(
            r"user.{0,12}unknown|unknown.{0,12}(user|recipient|address|account)|no such"
            r"|n[o']t (listed|exist|have an?|recognized)\b|(user|mailbox|recipient|account|address) "
            r".{0,60}(not found|n[o']t exist|invalid|disabled|inactive|closed)"
            r"|invalid (recipient|address|mailbox|user)|no (mailbox|user|account)|no longer|n[o']t a (valid|known)"
            r"|couldn't find|discontinued|not our customer",
            re.I | re.S,
        ),
    ),
)


def _prose(message: Message) -> tuple[Bounce, ...]:
    """A bounce in words, as servers wrote them before RFC 3464 and some still do."""
    if not _looks_returned(message):
        return ()
    whole = "\n".join(_text_of(part) for part in message.walk() if part.get_content_maintype() == "text")
    cut = _COPY.search(whole)
    said = whole[: cut.start()] if cut and whole[: cut.start()].strip() else whole
    code = _REPLY.search(said)
    status = enhanced_status(int(code[1]) if code else 550, said)
    kind = _kind_of_words(int(code[1]) if code else 0, status, said)
    named = [*_ADDRESS.findall(_header(message, "X-Failed-Recipients")), *_ADDRESS.findall(said)]
    ours = {*_ADDRESS.findall(_header(message, "From")), *_ADDRESS.findall(_header(message, "To"))}
    recipient = next((a for a in named if a not in ours and not _DAEMON.search(a)), "")
    original = _fields(whole[cut.start() :]).get("message-id", "") if cut else ""
    return (Bounce(kind, recipient, status, one_line(said), original or _original_message_id(message)),)


def _looks_returned(message: Message) -> bool:
    return bool(
        _RETURNED.search(_header(message, "Subject"))
        or _DAEMON.search(_header(message, "From"))
        or "X-Failed-Recipients" in message
        or message.get_content_type() == "multipart/report"
    )


def _kind_of_words(code: int, status: str, said: str) -> BounceKind:
    if code or status:
        kind = _kind(code or int(status[0]) * 100 + 50, status, said)
        if kind is not BounceKind.SOFT:
            return kind
    return next((kind for kind, words in _WORDS if words.search(said)), BounceKind.SOFT)


def _header(message: Message, name: str) -> str:
    value = str(message.get(name, ""))
    try:
        return one_line(str(make_header(decode_header(value))))
    except (LookupError, ValueError, HeaderParseError):  # an unknown or broken encoding
        return one_line(value)


def _text_of(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


# ---- when to stop ----------------------------------------------------------------------------------------------------

HARD_APART = timedelta(hours=24)
"""A second hard bounce counts only so much later: a broken server bounces everyone for an hour."""
SOFT_DAYS = 5
"""On so many days an address may bounce softly; Mailman's `bounce_score_threshold`."""
STALE_AFTER = timedelta(days=10)
"""Without a bounce for so long, all is forgiven; longer than a week, so that a weekly digest's bounces add up."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that came back from an address."""

    at: datetime
    kind: BounceKind


def score(events: Iterable[Event], now: datetime) -> BounceKind | None:
    """Why to stop writing to an address with these *events*, in any order; None: go on.

    A complaint at once; two hard bounces a day apart; five days with bounces. What was our fault never counts.
    """
    past = sorted((event for event in events if event.at <= now), key=lambda event: event.at)
    if any(event.kind is BounceKind.COMPLAINT for event in past):
        return BounceKind.COMPLAINT
    recent = _unbroken([e for e in past if e.kind in {BounceKind.HARD, BounceKind.SOFT}], now)
    hard = [event.at for event in recent if event.kind is BounceKind.HARD]
    if hard and hard[-1] - hard[0] >= HARD_APART:
        return BounceKind.HARD
    return BounceKind.SOFT if len({event.at.date() for event in recent}) >= SOFT_DAYS else None


def _unbroken(events: list[Event], now: datetime) -> list[Event]:
    """Those of *events* (oldest first) after the last long silence."""
    if not events or now - events[-1].at > STALE_AFTER:
        return []
    breaks = [i + 1 for i, (a, b) in enumerate(pairwise(events)) if b.at - a.at > STALE_AFTER]
    return events[breaks[-1] if breaks else 0 :]
