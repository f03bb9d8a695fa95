"""Bodies as they travel: quoted-printable (RFC 2045, section 6.7), in stretches that can be put together.

Encoding is the larger part of making a message, and most of a digest is the same for thousands of readers. So what is
shared is encoded once. Each stretch ends where a line does, if need be at a soft line break, which the encoding allows
anywhere: putting stretches together is putting bytes together. Lines have at most 76 letters, end in CRLF, and none
begins with a dot, which SMTP would have to double.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from digest.compose.slots import MARK, OWN_MARK
from digest.errors import SettingsError

_MARKS = re.compile(f"[{MARK}{OWN_MARK}]")
_DOTS = re.compile(rb"^\.+", re.MULTILINE)


def quoted(text: str) -> bytes:
    """*text*, whose lines end in LF, as it travels."""
    # the x keeps room on the last line for the sign of the soft break
    data = binascii.b2a_qp(text.encode() + b"x")[:-1]
    if data.startswith(b".") or b"\n." in data:
        data = _DOTS.sub(lambda dots: b"=2E=\n" * len(dots[0]), data)
    if data and not data.endswith(b"\n"):
        data += b"=\n"
    # only now: `b2a_qp` guesses the line end from its input, and a stretch may hold none
    return data.replace(b"\n", b"\r\n")


def plain(data: bytes) -> str:
    """The text that `quoted` made *data* of."""
    return binascii.a2b_qp(data).decode().replace("\r\n", "\n")


def size(data: bytes) -> int:
    """Bytes of that text in UTF-8; never more than *data* has."""
    decoded = binascii.a2b_qp(data)
    return len(decoded) - decoded.count(b"\r")


@dataclass(frozen=True, slots=True)
class Blank:
    """Encoded text with open slots."""

    pattern: bytes
    """Stretches with `%(name)s` between them: the operator % of bytes puts all in at once."""
    names: frozenset[str]
    """Of the slots."""

    def fill(self, contents: Mapping[bytes, bytes]) -> bytes:
        """The text with *contents*, encoded, in its slots; there may be more of them than slots."""
        return self.pattern % contents


EMPTY = Blank(b"", frozenset())


def blank(rendered: str, file: str, known: Collection[str]) -> Blank:
    """*rendered*, encoded.

    Args:
        rendered: text of a template, with names between marks.
        file: of the template.
        known: names that can be filled in.

    Raises:
        SettingsError: the template has not left a slot as it was.
    """
    texts_and_names = _MARKS.split(rendered)
    names = frozenset(texts_and_names[1::2])
    if not names <= set(known):
        raise SettingsError(f"{file}: papers can only be printed as they are: they are put in later")
    pattern = [
        b"%%(%b)s" % part.encode() if i % 2 else quoted(part).replace(b"%", b"%%")
        for i, part in enumerate(texts_and_names)
    ]
    return Blank(b"".join(pattern), names)
