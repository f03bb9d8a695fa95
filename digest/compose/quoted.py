"""Stretches of text that know their own quoted-printable form (RFC 2045, section 6.7).

Encoding is the larger part of making a message, and most of a digest is the same for thousands of readers. So what is
shared is encoded once; each stretch ends where a line does, if need be at a soft line break, which the encoding allows
anywhere, and so putting stretches together is putting bytes together.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quoted:
    """A stretch of a body."""

    text: str
    """Lines end in LF."""
    data: bytes
    """*text* as quoted-printable, at most 76 letters to a line. Still LF: `b2a_qp` guesses the line end from its input,
    and a stretch may hold none."""
    size: int
    """Bytes of *text* in UTF-8."""


def quoted(text: str) -> Quoted:
    """*text*, encoded."""
    utf8 = text.encode()
    # the x keeps room on the last line for the sign of the soft break
    data = binascii.b2a_qp(utf8 + b"x")[:-1]
    return Quoted(text, data if data.endswith(b"\n") or not data else data + b"=\n", len(utf8))


def join(stretches: Sequence[Quoted]) -> Quoted:
    """All *stretches* as one."""
    return Quoted(
        "".join([each.text for each in stretches]),
        b"".join([each.data for each in stretches]),
        sum([each.size for each in stretches]),
    )
