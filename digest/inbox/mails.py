"""Reads a message for showing, whatever state it is in.

`email.policy.compat32` on purpose: it takes headers as they are, where the newer policies parse them and raise on some
malformed ones. Texts are decoded as their charset says, and where that is unknown or untrue as UTF-8 with replacement
characters.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.policy import compat32

LONGEST_TEXT = 400_000
"""Characters of a text shown on a page; the source has the rest."""

_STUMBLES = (MessageError, LookupError, ValueError, TypeError, AttributeError, RecursionError)
"""What the email package has been seen to raise on malformed mail: charsets and RFC 2231 parameters that make no sense,
parts within parts a thousand deep."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A message as the pages show it."""

    headers: tuple[tuple[str, str], ...]
    """Decoded, in the order of the message."""
    html: str
    """The first HTML part; empty where there is none."""
    text: str
    """The first plain text part; empty where there is none."""

    def header(self, name: str) -> str:
        """The first header of that name; empty where there is none."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), "")


def read(data: bytes) -> Mail:
    """What can be made of *data*; never fails."""
    try:
        message = message_from_bytes(data, policy=compat32)
        headers = tuple((_sound(name), _decoded(value)) for name, value in message.raw_items())
        return Mail(headers, _first(message, "text/html"), _first(message, "text/plain"))
    except _STUMBLES:
        return Mail((), "", "")


def _first(message: Message, kind: str) -> str:
    return next((text for part in message.walk() if _is_shown(part, kind) and (text := _text(part)).strip()), "")


def _is_shown(part: Message, kind: str) -> bool:
    attached = part.get_content_disposition() == "attachment"
    return part.get_content_type() == kind and not part.is_multipart() and not attached


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        return _sound(data.decode(part.get_content_charset("utf-8")))
    except _STUMBLES:
        return data.decode("utf-8", "replace")


def _decoded(raw: object) -> str:
    """A header's value: RFC 2047 words decoded, raw UTF-8 (RFC 6532) as it is, on one line."""
    value = str(raw).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    with suppress(*_STUMBLES):  # else it is shown undecoded
        value = _sound(str(make_header(decode_header(value))))
    return " ".join(value.split())


def _sound(text: str) -> str:
    """*text* without halves of surrogate pairs, which no page can hold."""
    return text.encode("utf-8", "replace").decode()
