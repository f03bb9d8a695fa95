"""A message as bytes: headers, and a multipart/alternative with the text first.

RFC 5322 and 2045 to 2047 give the form. Assembled by hand, because `EmailMessage` costs several times as much; the
tests hold the result against it. Lines end in CRLF and have at most 76 characters in the body (quoted-printable), so
that no relay has to rewrite them.
"""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Iterator, Sequence

from email_validator import EmailNotValidError, validate_email

from digest.compose.text import clean, fit, line

Header = tuple[str, str]
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_FOLD_AT = 76
_LONGEST_NAME = 60
# what may stand for itself in every place of an encoded word (RFC 2047, section 5, rule 3)
_Q = {letter: letter for letter in string.ascii_letters + string.digits + "!*+-/"} | {" ": "_"}


def assemble(headers: Sequence[Header], text: bytes, html: bytes, boundary: str) -> bytes:
    """The message: every line ends in CRLF, none begins with a dot, all is ASCII unless an address needs more.

    Args:
        headers: names, and values as they go out: encoded, in ASCII unless an address needs more, perhaps folded.
        text: the plain part, made by `quoted`.
        html: the same content, likewise.
        boundary: begins with "=_", which no quoted-printable line holds.
    """
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    kind = f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"'
    return b"".join(
        [
            f"{head}MIME-Version: 1.0\r\n{kind}\r\n\r\n".encode(),
            _part_head("plain", boundary),
            text,
            b"\r\n",
            _part_head("html", boundary),
            html,
            f"\r\n--{boundary}--\r\n".encode(),
        ]
    )


def _part_head(kind: str, boundary: str) -> bytes:
    encoding = "Content-Transfer-Encoding: quoted-printable"
    return f'--{boundary}\r\nContent-Type: text/{kind}; charset="utf-8"\r\n{encoding}\r\n\r\n'.encode()


def unstructured(value: str, name: str) -> str:
    """Free text for header *name*: folded, or in encoded words (RFC 2047) where ASCII would not say it."""
    value = line(value)
    if value.isascii() and "=?" not in value:
        return _fold(value, len(name) + 2)
    return "\r\n ".join(_encoded_words(value))


def mailbox(name: str, address: str, *, always: bool = False) -> str:
    """`"Sample, Bo" <bo@example.org>`; without a name the bare address, unless there is *always* to be a bracket."""
    name = fit(line(name), _LONGEST_NAME)
    if not name:
        return f"<{address}>" if always else address
    if not name.isascii() or "=?" in name:
        return "\r\n ".join([*_encoded_words(name), f"<{address}>"])
    if not _ATOMS.fullmatch(name):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{name}\r\n <{address}>" if len(name) + len(address) > _FOLD_AT - 12 else f"{name} <{address}>"


def ascii_domain(address: str) -> str:
    """*address* with its domain as A-labels (IDNA 2008); a local part beyond ASCII stays, and needs SMTPUTF8."""
    address = "".join(clean(address).split())
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        found = validate_email(address, check_deliverability=False, allow_smtputf8=True)
    except EmailNotValidError:
        return address
    return f"{local}@{found.ascii_domain}"


def _fold(value: str, column: int) -> str:
    """Breaks before spaces so that lines stay within 78 letters (RFC 5322, section 2.1.1) where there are spaces."""
    lines, current = [], ""
    for word in value.split(" "):
        if current and column + len(current) + 1 + len(word) > _FOLD_AT:
            lines.append(current)
            current, column = word, 1
        else:
            current = f"{current} {word}" if current else word
    return "\r\n ".join([*lines, current])


def _encoded_words(value: str) -> list[str]:
    """Cut between characters, and so short that a line fits 76 letters (RFC 2047) even behind the name of a header.

    Q where that is not much longer, because it stays readable.
    """
    q = [_Q.get(letter) or "".join(f"={byte:02X}" for byte in letter.encode()) for letter in value]
    if sum(map(len, q)) * 3 <= len(value.encode()) * 4:
        return [f"=?utf-8?Q?{chunk}?=" for chunk in _chunks(q, [*map(len, q)], 54)]
    sizes = [len(letter.encode()) for letter in value]
    return [f"=?utf-8?B?{base64.b64encode(chunk.encode()).decode()}?=" for chunk in _chunks(value, sizes, 39)]


def _chunks(letters: Sequence[str], sizes: Sequence[int], room: int) -> Iterator[str]:
    """*letters* joined to strings of at most *room* bytes."""
    start, used = 0, 0
    for i, size in enumerate(sizes):
        if used + size > room:
            yield "".join(letters[start:i])
            start, used = i, 0
        used += size
    yield "".join(letters[start:])
