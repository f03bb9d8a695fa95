"""Signatures, judged by dkimpy."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from types import SimpleNamespace

import dkim
import pytest
import time_machine
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.delivery.dkim import Signer
from digest.errors import SettingsError

NOW = datetime(2026, 2, 4, 12, 0, tzinfo=UTC)
MESSAGE = (
    b"From: Paper Digest <digest@digest.example>\r\n"
    b"To: ada@example.org\r\n"
    b"Subject: An invented digest\r\n with a folded   subject\r\n"
    b"Date: Wed, 04 Feb 2026 12:00:00 +0000\r\n"
    b"Message-ID: <1@digest.example>\r\n"
    b"List-Id: Daily papers <daily.digest.example>\r\n"
    b"List-Unsubscribe: <https://digest.example/u/abc>,\r\n <mailto:u+abc@digest.example>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"Feedback-ID: 20260204:daily:digest:example\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"X-Unimportant: yes\r\n"
    b"\r\n"
    b"Hello.\r\n\r\n  Two words.  \r\n\r\n\r\n"
)


def pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


RSA_KEY = pem(rsa.generate_private_key(65537, 2048))
ED25519_KEY = pem(ed25519.Ed25519PrivateKey.generate())


class VerifyKey:
    """What dkimpy needs of PyNaCl, by cryptography: the canonical forms and the hashes stay dkimpy's own."""

    def __init__(self, key: bytes, encoder: object) -> None:
        self._key = ed25519.Ed25519PublicKey.from_public_bytes(b64decode(key))

    def verify(self, message: bytes, signature: bytes) -> None:
        self._key.verify(signature, message)


@pytest.fixture(autouse=True)
def _nacl(monkeypatch: pytest.MonkeyPatch) -> None:
    nacl = SimpleNamespace(
        signing=SimpleNamespace(VerifyKey=VerifyKey),
        encoding=SimpleNamespace(Base64Encoder=object()),
        exceptions=SimpleNamespace(BadSignatureError=InvalidSignature, ValueError=ValueError),
    )
    monkeypatch.setattr(dkim, "nacl", nacl, raising=False)


def verified(signer: Signer, data: bytes, now: datetime = NOW) -> bool:
    def txt(name: bytes, timeout: int = 5) -> bytes:
        assert name.decode().rstrip(".") == signer.record_name
        return signer.record.encode()

    with time_machine.travel(now):
        return bool(dkim.verify(data, dnsfunc=txt))


def tags(data: bytes) -> dict[str, str]:
    header = str(message_from_bytes(data)["DKIM-Signature"])
    return dict(part.split("=", 1) for part in re.sub(r"\s", "", header).split(";"))


@pytest.fixture(params=[RSA_KEY, ED25519_KEY], ids=["RSA", "Ed25519"])
def signer(request: pytest.FixtureRequest) -> Signer:
    return Signer("digest.example", "s1", request.param)


def test_dkimpy_verifies_it(signer: Signer) -> None:
    signed = signer.sign(MESSAGE, NOW)
    assert signed.endswith(MESSAGE)
    assert verified(signer, signed)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    subject=st.text(st.sampled_from("ab \t:=;"), max_size=30),
    body=st.lists(st.sampled_from([b"\r\n", b" ", b"\t", b"x", b".", b"line\r\n"])).map(b"".join),
)
def test_dkimpy_verifies_any_spacing(signer: Signer, subject: str, body: bytes) -> None:
    data = f"From: d@digest.example\r\nSUBJECT:{subject}\r\nTo:ada@example.org\r\n\r\n".encode() + body
    assert verified(signer, signer.sign(data))


@pytest.mark.parametrize(
    "change",
    [
        (b"An invented", b"An altered"),
        (b"ada@example.org", b"bob@example.org"),
        (b"/u/abc", b"/u/xyz"),
        (b"One-Click", b"Two-Clicks"),
        (b"daily.digest", b"other.digest"),
        (b"20260204:daily", b"20260205:daily"),
        (b"text/plain", b"text/html"),
        (b"Hello", b"Adieu"),
        (b"  Two words.  ", b" Two words. "),
    ],
)
def test_what_is_altered_does_not_verify(signer: Signer, change: tuple[bytes, bytes]) -> None:
    assert not verified(signer, signer.sign(MESSAGE, NOW).replace(*change))


@pytest.mark.parametrize("header", [b"From: evil@example", b"Subject: Evil", b"To: all@example", b"Date: never"])
def test_a_second_header_cannot_be_added(signer: Signer, header: bytes) -> None:
    signed = signer.sign(MESSAGE, NOW)
    assert not verified(signer, header + b"\r\n" + signed)
    assert not verified(signer, signed.replace(b"X-Unimportant: yes", header))


def test_a_header_added_on_the_way_does_no_harm(signer: Signer) -> None:
    assert verified(signer, b"Received: from a by b\r\n" + signer.sign(MESSAGE, NOW))


def test_both_unsubscribe_headers_are_covered(signer: Signer) -> None:
    """RFC 8058, section 4: without that, Gmail and Yahoo do not offer the one-click."""
    covered = tags(signer.sign(MESSAGE, NOW))["h"].split(":")
    assert {"list-unsubscribe", "list-unsubscribe-post", "list-id", "feedback-id", "mime-version"} <= set(covered)
    assert [covered.count(name) for name in ("from", "to", "subject", "date")] == [2, 2, 2, 2]
    assert "x-unimportant" not in covered


def test_of_several_headers_of_one_name_each_is_covered(signer: Signer) -> None:
    signed = signer.sign(b"List-Help: one\r\nFrom: a@digest.example\r\nList-Help: two\r\n\r\n")
    assert verified(signer, signed)
    assert not verified(signer, signed.replace(b"one", b"eno"))
    assert not verified(signer, signed.replace(b"two", b"owt"))


def test_a_retry_is_the_same_bytes(signer: Signer) -> None:
    assert signer.sign(MESSAGE, NOW) == signer.sign(MESSAGE, NOW)
    assert signer.sign(MESSAGE) == signer.sign(MESSAGE)


def test_a_signature_is_good_for_a_week(signer: Signer) -> None:
    signed = signer.sign(MESSAGE, NOW)
    assert verified(signer, signed, NOW + timedelta(days=6))
    assert not verified(signer, signed, NOW + timedelta(days=8))
    assert verified(signer, signer.sign(MESSAGE), NOW + timedelta(days=8)), "no times, no end"


def test_two_keys_may_sign_one_message() -> None:
    """RFC 8463: Ed25519 for those who know it, RSA for the others."""
    old, new = Signer("digest.example", "s1", RSA_KEY), Signer("digest.example", "s2", ED25519_KEY)
    records = {f"{s.record_name}.".encode(): s.record.encode() for s in (old, new)}
    signed = new.sign(old.sign(MESSAGE))
    for index in (0, 1):
        assert dkim.DKIM(signed).verify(idx=index, dnsfunc=lambda name, timeout=5: records[name])


def test_the_signature_is_folded_and_changes_nothing_else(signer: Signer) -> None:
    signed = signer.sign(MESSAGE, NOW)
    assert max(map(len, signed.removesuffix(MESSAGE).split(b"\r\n"))) <= 78
    assert message_from_bytes(signed, policy=policy.default).defects == []


@pytest.mark.parametrize(
    ("domain", "selector", "key", "problem"),
    [
        ("digest.example", "s1", b"", "dkim_key: is no"),
        ("digest.example", "s1", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "dkim_key: is no"),
        ("digest.example", "s1", pem(rsa.generate_private_key(65537, 1024)), "at least 2048"),
        ("digest.example", "s1", pem(ec.generate_private_key(ec.SECP256R1())), "must be Ed25519"),
        ("bücher.example", "s1", RSA_KEY, "dkim_domain"),
        ("digest.example", "s 1; d=evil", RSA_KEY, "dkim_selector"),
    ],
)
def test_a_key_that_would_not_verify_is_refused(domain: str, selector: str, key: bytes, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        Signer(domain, selector, key)
