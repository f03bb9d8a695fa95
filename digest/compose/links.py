"""Signed links and addresses: who, what for, and nothing that could be guessed or used for anything else.

Each purpose signs with its own salt, so that a feedback link never opens the preferences. A link holds the subscriber's
opaque token, never an address. Mails get forwarded: whatever may change more than a subscription's end needs a dated
link, mailed on request, whose age the reader of the link limits. RFC 8058 wants an unsubscribe link that keeps
working; ours has no date.

The text of a link is base64url(fields) "." base64url(keyed BLAKE2b, 144 bits; RFC 7693). What a reader says of a paper
is signed for the reader and the issue; the word and the paper follow, so that one signature serves a whole mail.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from itsdangerous import BadSignature, Signer
from itsdangerous.signer import SigningAlgorithm


class Purpose(enum.StrEnum):
    """What a link is for; the value is the first part of its path."""

    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    CONFIRM = "confirm"
    WEBVIEW = "issue"
    ARCHIVE = "archive"
    """All that can only be read: past issues, the reading list, the feed."""
    FEEDBACK = "feedback"
    NOT_ME = "not-me"
    BOUNCE = "bounce"
    """Not a page: the envelope sender of one subscriber's mail."""


class Verb(enum.StrEnum):
    """What a reader says of a paper."""

    MORE = "more"
    LESS = "less"
    SAVE = "save"
    HIDE = "hide"
    """Of the paper: one of its authors."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a genuine link says."""

    purpose: Purpose
    subscriber: str
    """The subscriber's token."""
    issue: date | None = None
    paper: str = ""
    verb: Verb | None = None
    at: datetime | None = None
    """When it was signed, to the second; None for links that carry no date."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Genuine, but too old for what is asked, or without the date that is needed."""

    link: Link


@dataclass(frozen=True, slots=True)
class Forged:
    """Not ours, mangled on its way, or signed for another purpose or with a key that is gone."""


class Links:
    """Makes and reads signed links.

    Args:
        public_url: the base of every link.
        keys: secrets, newest first; the first one signs, all of them verify.
    """

    def __init__(self, public_url: str, keys: Sequence[str]) -> None:
        if not keys or not all(keys):
            raise ValueError("a link needs a key to be signed with")
        self._bases = {purpose: f"{public_url.rstrip('/')}/{purpose}/" for purpose in Purpose}
        self._key = _derived(keys[0].encode(), "ids")
        self._signers = {purpose: _signer(keys, purpose) for purpose in Purpose}

    def unsubscribe(self, token: str) -> str:
        """Never expires."""
        return self._url(Purpose.UNSUBSCRIBE, token)

    def preferences(self, token: str, at: datetime | None = None) -> str:
        """With *at*, for a link that was asked for; without, for the footer, whose page offers to mail a dated one."""
        return self._url(Purpose.PREFERENCES, token, *_seconds(at))

    def confirm(self, token: str, at: datetime) -> str:
        """Ends a sign-up that began at *at*."""
        return self._url(Purpose.CONFIRM, token, *_seconds(at))

    def not_me(self, token: str) -> str:
        """For whoever was signed up by another."""
        return self._url(Purpose.NOT_ME, token)

    def webview(self, token: str, issue: date) -> str:
        """One digest as a page."""
        return self._url(Purpose.WEBVIEW, token, issue.isoformat())

    def archive(self, token: str) -> str:
        """All issues, the reading list and the feed of one reader; it changes nothing, and feed readers keep it."""
        return self._url(Purpose.ARCHIVE, token)

    def feedback(self, token: str, issue: date, paper_id: str, verb: Verb) -> str:
        """One word about one paper of an issue."""
        return self.feedback_base(token, issue) + feedback_tail(paper_id, verb)

    def feedback_base(self, token: str, issue: date) -> str:
        """What all such links of an issue begin with."""
        return self._url(Purpose.FEEDBACK, token, issue.isoformat())

    def read(
        self, purpose: Purpose, text: str, *, now: datetime | None = None, max_age: timedelta | None = None
    ) -> Link | Expired | Forged:
        """What *text*, the last part of a link's path, says.

        Args:
            purpose: what the page that was asked for does.
            text: untrusted.
            now: needed with *max_age*.
            max_age: how long ago the link may have been made; None takes links of any age.
        """
        signed, _, tail = text.partition("/")
        try:
            fields = _unpack(self._signers[purpose].unsign(signed.encode()))
            link = _about(_link(purpose, *fields), tail)
        except (BadSignature, ValueError):
            return Forged()
        if max_age is not None and (now is None or link.at is None or now - link.at > max_age):
            return Expired(link)
        return link

    def bounce_address(self, token: str, domain: str) -> str:
        """A subscriber's envelope sender (VERP), known by its signature, so that a forged bounce is refused at RCPT."""
        return f"b+{self._local(Purpose.BOUNCE, token)}@{domain}"

    def unsubscribe_address(self, token: str, domain: str) -> str:
        """Mail to it ends the subscription."""
        return f"u+{self._local(Purpose.UNSUBSCRIBE, token)}@{domain}"

    def read_address(self, local_part: str) -> Link | Forged:
        """Whose `b+…` or `u+…` it is; relays may have changed its case."""
        kind, _, rest = local_part.lower().partition("+")
        purpose = {"b": Purpose.BOUNCE, "u": Purpose.UNSUBSCRIBE}.get(kind)
        name = rest.rpartition("-")[0]
        try:
            token = base64.b32decode(name.upper() + "=" * (-len(name) % 8)).decode()
        except (binascii.Error, UnicodeError, ValueError):
            return Forged()
        keys = self._signers[purpose].secret_keys if purpose else []
        if purpose and any(hmac.compare_digest(rest.encode(), _local(key, token).encode()) for key in keys):
            return Link(purpose, token)
        return Forged()

    def digest_id(self, *parts: str) -> str:
        """32 hexadecimal letters that depend on *parts* and the newest key: the same again for the same digest."""
        return _mac(self._key, "\n".join(parts).encode(), 16).hex()

    def _url(self, purpose: Purpose, *fields: str) -> str:
        # what `Signer.sign` makes, at a third of its price
        packed = _pack(fields)
        mac = base64.urlsafe_b64encode(_mac(self._signers[purpose].secret_key, packed, _MAC))
        return f"{self._bases[purpose]}{packed.decode()}.{mac.decode()}"

    def _local(self, purpose: Purpose, token: str) -> str:
        return _local(self._signers[purpose].secret_key, token)


def feedback_tail(paper_id: str, verb: Verb) -> str:
    """What follows `Links.feedback_base`."""
    return f"/{verb.value}/{_pack([paper_id]).decode()}"


_MAC = 18
"""Bytes of a signature: more than RFC 2104 asks for, and no letter of their base64 is left undecided."""


class _Mac(SigningAlgorithm):
    """For `itsdangerous`."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return _mac(key, value, _MAC)


def _mac(key: bytes, value: bytes, size: int) -> bytes:
    return hashlib.blake2b(value, key=key, digest_size=size).digest()


def _signer(keys: Sequence[str], purpose: Purpose) -> Signer:
    # Derived here, once, as itsdangerous would do for every single link; it wants the oldest key first.
    derived = [_derived(key.encode(), purpose) for key in reversed(keys)]
    return Signer(derived, key_derivation="none", algorithm=_Mac())


def _derived(key: bytes, purpose: str) -> bytes:
    # a secret may be longer than BLAKE2b's 64 bytes
    return hmac.digest(key, f"digest.links.{purpose}".encode(), "sha256")


def _pack(fields: Sequence[str]) -> bytes:
    return base64.urlsafe_b64encode("\n".join(fields).encode(errors="surrogatepass")).rstrip(b"=")


def _unpack(packed: bytes) -> list[str]:
    return base64.urlsafe_b64decode(packed + b"=" * (-len(packed) % 4)).decode(errors="surrogatepass").split("\n")


def _seconds(at: datetime | None) -> tuple[str, ...]:
    return () if at is None else (str(int(at.timestamp())),)


def _link(purpose: Purpose, token: str, *rest: str) -> Link:
    """The fields of a text whose signature was good."""
    match purpose, rest:
        case ((Purpose.WEBVIEW | Purpose.FEEDBACK), [issue]):
            return Link(purpose, token, date.fromisoformat(issue))
        case _, [seconds]:
            return Link(purpose, token, at=datetime.fromtimestamp(int(seconds), UTC))
    return Link(purpose, token)


def _about(link: Link, tail: str) -> Link:
    """*link* with what follows its signed part.

    Raises:
        ValueError: something is missing, too much, or not to be read.
    """
    if link.purpose is not Purpose.FEEDBACK:
        if tail:
            raise ValueError("nothing follows such a link")
        return link
    verb, _, paper = tail.partition("/")
    return replace(link, verb=Verb(verb), paper="\n".join(_unpack(paper.encode())))


def _local(key: bytes, token: str) -> str:
    """Base32, because a relay may change the case of an address."""
    mac = _mac(key, f"address\n{token}".encode(), 10)
    return f"{_base32(token.encode())}-{_base32(mac)}"


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
