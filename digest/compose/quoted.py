"""Stretches of text that know their own quoted-printable form (RFC 2045, section 6.7).

Encoding is the larger part of making a message, and most of a digest is the same for thousands of readers. So what is
shared is encoded once; each stretch ends where a line does, if need be at a soft line break, which the encoding allows
anywhere, and so putting stretches together is putting bytes together.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

SHORT = 300


@dataclass(frozen=True, slots=True)
class Quoted:
    """A stretch of a body."""

    text: str
    """Lines end in LF."""
    data: bytes
    """*text* as quoted-printable, at most 76 letters to a line; lines end in CRLF."""
    size: int
    """Bytes of *text* in UTF-8."""


@dataclass(frozen=True, slots=True)
class Body:
    """All stretches of a body, in order."""

    stretches: Sequence[Quoted]

    @property
    def text(self) -> str:
        """As the reader sees it; lines end in LF."""
        return "".join([each.text for each in self.stretches])

    @property
    def data(self) -> bytes:
        """As it travels."""
        return b"".join([each.data for each in self.stretches])

    @property
    def size(self) -> int:
        """Bytes of the text in UTF-8."""
        return sum([each.size for each in self.stretches])


def quoted(text: str) -> Quoted:
    """*text*, encoded; what is short is remembered, for it is what stands between the papers of every mail."""
    return _remembered(text) if len(text) < SHORT else _quoted(text)


def _quoted(text: str) -> Quoted:
    utf8 = text.encode()
    # the x keeps room on the last line for the sign of the soft break
    data = binascii.b2a_qp(utf8 + b"x")[:-1]
    # `b2a_qp` guesses the line end from its input, and a stretch may hold none
    return Quoted(
        text, (data if data.endswith(b"\n") or not data else data + b"=\n").replace(b"\n", b"\r\n"), len(utf8)
    )


_remembered = lru_cache(1024)(_quoted)


def join(stretches: Sequence[Quoted]) -> Quoted:
    """All *stretches* as one."""
    whole = Body(stretches)
    return Quoted(whole.text, whole.data, whole.size)
