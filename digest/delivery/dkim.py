"""Signs messages where the relay does not: DKIM (RFC 6376), RSA by RFC 8301, Ed25519 by RFC 8463.

Headers are canonicalised "relaxed", the body "simple": our bodies are 7-bit with short lines, so no relay rewrites
them, and "simple" costs no pass over them. From, To, Subject and Date are named once more than they are there, so that
a second one cannot be added; both unsubscribe headers are covered, which RFC 8058, section 4, demands.

Needs the extra `dkim` (cryptography).
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from digest.errors import SettingsError

OVERSIGNED = ("from", "to", "subject", "date")
SIGNED = frozenset(
    {
        *OVERSIGNED,
        *("sender", "reply-to", "cc", "message-id", "in-reply-to", "references"),
        *("mime-version", "content-type", "content-transfer-encoding", "content-language"),
        *("archived-at", "auto-submitted", "feedback-id", "precedence"),
    }
)
"""And every List-* header."""
SMALLEST_RSA_KEY = 2048
LIFETIME = timedelta(days=7)
"""How long a signature is good for; after that, a replay of the message fails."""

_LABELS = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_NEXT_FIELD = re.compile(rb"\r\n(?![ \t])")
_SPACE = re.compile(rb"[ \t]+")
_WIDTH = 72


class Signer:
    """Signs for one domain with one key."""

    def __init__(self, domain: str, selector: str, key_pem: bytes) -> None:
        """Take a private key in PEM, RSA of at least 2048 bits or Ed25519.

        Raises:
            SettingsError: the key, the domain or the selector cannot be used.
        """
        for name, value in (("domain", domain), ("selector", selector)):
            if not _LABELS.fullmatch(value):
                raise SettingsError(f"dkim_{name}: {value!r} is no DNS name in lower-case ASCII")
        self._domain, self._selector = domain, selector
        self._algorithm, self._sign, self.record = _load(key_pem)
        self.record_name = f"{selector}._domainkey.{domain}"
        """Where the TXT record `record` must be published."""

    def sign(self, data: bytes, now: datetime | None = None) -> bytes:
        """*data* with a DKIM-Signature before it; the same for the same *now*, so a retry is the same bytes.

        Args:
            data: a whole message with CRLF line ends.
            now: the time of signing; the signature is good for a week after it. None: no times in the signature.
        """
        header, _, body = data.partition(b"\r\n\r\n")
        fields = [(_name(field), field) for field in _NEXT_FIELD.split(header)]
        names = _names_to_sign([name for name, _ in fields])
        tags = [
            *("v=1", f"a={self._algorithm}-sha256", "c=relaxed/simple", f"d={self._domain}", f"s={self._selector}"),
            *_times(now),
            f"h={':'.join(names)}",
            f"bh={_encoded(hashlib.sha256(simple_body(body)).digest())}",
        ]
        unsigned = f"{_folded('DKIM-Signature: ', tags)}\r\n b=".encode()
        covered = [relaxed(field) for field in _in_order(names, fields)]
        signature = _encoded(self._sign(b"\r\n".join([*covered, relaxed(unsigned)])))
        chunks = [signature[i : i + _WIDTH] for i in range(0, len(signature), _WIDTH)]
        return unsigned + "\r\n ".join(chunks).encode() + b"\r\n" + data


def relaxed(field: bytes) -> bytes:
    """A header field, canonicalised by RFC 6376, section 3.4.2, without its CRLF."""
    name, _, value = field.partition(b":")
    return name.strip().lower() + b":" + _SPACE.sub(b" ", _FOLD.sub(b"", value)).strip(b" ")


def simple_body(body: bytes) -> bytes:
    """A body, canonicalised by RFC 6376, section 3.4.3: empty lines at its end do not count."""
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n"


def _load(key_pem: bytes) -> tuple[str, Callable[[bytes], bytes], str]:
    """The name of the key's algorithm, what signs with it, and its public record."""
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"dkim_key: is no unencrypted private key in PEM: {error}") from error
    if isinstance(key, Ed25519PrivateKey):
        raw = key.public_key().public_bytes_raw()
        # RFC 8463, section 3: what Ed25519 signs is the hash of the headers.
        return "ed25519", lambda text: key.sign(hashlib.sha256(text).digest()), f"v=DKIM1; k=ed25519; p={_encoded(raw)}"
    if not isinstance(key, RSAPrivateKey) or key.key_size < SMALLEST_RSA_KEY:
        raise SettingsError(f"dkim_key: must be Ed25519, or RSA of at least {SMALLEST_RSA_KEY} bits")
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    rsa_sign = partial(key.sign, padding=padding.PKCS1v15(), algorithm=hashes.SHA256())
    return "rsa", rsa_sign, f"v=DKIM1; k=rsa; p={_encoded(der)}"


def _names_to_sign(present: list[str]) -> list[str]:
    counts = Counter(name for name in present if name in SIGNED or name.startswith("list-"))
    counts.update(OVERSIGNED)
    return list(counts.elements())


def _in_order(names: list[str], fields: list[tuple[str, bytes]]) -> list[bytes]:
    """The fields that *names* stand for: of several with one name, the last comes first (RFC 6376, section 5.4.2)."""
    left = list(fields)
    found: list[bytes] = []
    for wanted in names:
        for place in reversed(range(len(left))):
            if left[place][0] == wanted:
                found.append(left.pop(place)[1])
                break
    return found


def _times(now: datetime | None) -> list[str]:
    if now is None:
        return []
    return [f"t={int(now.timestamp())}", f"x={int((now + LIFETIME).timestamp())}"]


def _folded(name: str, tags: list[str]) -> str:
    """The header *name* with *tags* on short lines; to "relaxed" a fold is but a space."""
    lines = [name]
    for tag in tags:
        for part in re.findall(r"[^:]+:?", f"{tag};"):
            if len(lines[-1]) + len(part) > _WIDTH:
                lines.append("")
            lines[-1] += part
        lines[-1] += " "
    return "\r\n ".join(line.strip() for line in lines)


def _name(field: bytes) -> str:
    return field.partition(b":")[0].strip().lower().decode("latin-1")


def _encoded(data: bytes) -> str:
    return b64encode(data).decode()
