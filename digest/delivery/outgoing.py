"""A message in the form of the wire: checked, dot-stuffed, with the commands that announce it.

RFC 5321, sections 2.3.8 and 4.5.2; RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8), RFC 5890 (A-labels).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from email_validator import EmailNotValidError, validate_email
from numpy.typing import NDArray

from digest.delivery.replies import Phase
from digest.errors import Refused, SenderAtFault
from digest.models import Message

LONGEST_LINE = 998
"""RFC 5322, section 2.1.1, without CRLF."""
LF, CR, DOT = b"\n\r."
Places = NDArray[np.intp]
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>]")


@dataclass(frozen=True, slots=True)
class Outgoing(Message):
    """A message in the form of the wire, its addresses with domains as A-labels."""

    body: bytes
    """Dot-stuffed and ended by the lone dot."""
    seven_bit: bool
    original: Message

    @classmethod
    def prepare(cls, message: Message) -> Outgoing:
        """Check *message* and put it into form, unless it is already.

        Raises:
            Refused: a recipient or a line that SMTP cannot carry.
            SenderAtFault: a sender that it cannot carry.
        """
        if isinstance(message, Outgoing):
            return message
        data, ends = crlf(message.data)
        if longest_line(ends) > LONGEST_LINE:
            raise Refused(f"a line of the message is longer than {LONGEST_LINE} bytes", enhanced="5.6.0")
        try:
            sender = ascii_domain(message.sender) if message.sender else ""
        except ValueError as error:
            raise SenderAtFault(f"sender: {error}", enhanced="5.1.7") from error
        try:
            recipient = ascii_domain(message.recipient)
        except ValueError as error:
            raise Refused(f"recipient: {error}", enhanced="5.1.3", address_is_dead=True) from error
        return cls(sender, recipient, data, stuff(data, ends), data.isascii(), message)

    def speaks_of(self, message: Message) -> bool:
        """Whether *message* is this one, in whatever form."""
        return message is self or message is self.original

    def commands(self, offered: dict[str, str]) -> list[tuple[Phase, bytes]]:
        """MAIL, RCPT and DATA for a server that *offered* these extensions (lower case -> parameters).

        Raises:
            Refused: the message needs an extension that the server lacks, or is longer than it takes.
        """
        options = ""
        if "size" in offered:
            limit = offered["size"]
            if limit.isdecimal() and 0 < int(limit) < len(self.data):
                raise Refused(f"the message has {len(self.data)} bytes, the server takes {limit}", enhanced="5.3.4")
            options += f" SIZE={len(self.data)}"
        if not self.seven_bit:
            if "8bitmime" not in offered:
                raise Refused("the message is 8-bit, the server takes 7-bit only", enhanced="5.6.3")
            options += " BODY=8BITMIME"
        if not (self.sender + self.recipient).isascii():
            if "smtputf8" not in offered:
                raise Refused(
                    "the address has letters beyond ASCII before the @, and the server does not offer SMTPUTF8",
                    enhanced="5.6.7",
                )
            options += " SMTPUTF8"
        return [
            (Phase.MAIL, f"MAIL FROM:<{self.sender}>{options}\r\n".encode()),
            (Phase.RCPT, f"RCPT TO:<{self.recipient}>\r\n".encode()),
            (Phase.DATA, b"DATA\r\n"),
        ]


@lru_cache(1024)
def ascii_domain(address: str) -> str:
    """*address* with its domain as A-labels (RFC 5890); the part before the @ stays as it is.

    Raises:
        ValueError: it could break out of its command, or its domain is none.
    """
    local, _, domain = address.rpartition("@")
    if not (local and domain) or _FORBIDDEN.search(address):
        raise ValueError(f"not an address: {address!r}")
    if domain.isascii():
        return address
    try:
        found = validate_email(f"x@{domain}", check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise ValueError(f"not an address: {address!r}: {error}") from error
    return f"{local}@{found.ascii_domain}"


def crlf(data: bytes) -> tuple[bytes, Places]:
    """*data* with every line, the last one too, ended by CRLF, and where its line feeds stand.

    A bare CR or LF ends a line, and smuggles nothing.
    """
    letters = np.frombuffer(data, np.uint8)
    ends = (letters == LF).nonzero()[0]
    clean = data.endswith(b"\r\n") and data[:1] != b"\n" and np.count_nonzero(letters == CR) == len(ends)
    if not data or (clean and (letters[ends - 1] == CR).all()):
        return data, ends
    return crlf(b"\r\n".join([*data.splitlines(), b""]))


def longest_line(ends: Places) -> int:
    """Bytes of the longest line, without its CRLF, where lines end at *ends*."""
    if not len(ends):
        return 0
    return max(int(ends[0]) - 1, int((ends[1:] - ends[:-1]).max(initial=2)) - 2)


def stuff(data: bytes, ends: Places) -> bytes:
    """The body of RFC 5321, section 4.5.2: leading dots doubled, a lone dot at the end; *data* has CRLF line ends."""
    letters = np.frombuffer(data, np.uint8)
    if (letters[ends[:-1] + 1] == DOT).any():
        data = data.replace(b"\n.", b"\n..")
    return (b"." if data.startswith(b".") else b"") + data + b".\r\n"
