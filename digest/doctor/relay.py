"""The way out: whether the relay lets us in, over TLS, and takes mail from our sender. Nothing is sent."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Generator, Iterator
from datetime import datetime

from digest.compose.message import ascii_domain
from digest.compose.site import bare
from digest.delivery.relay import Relay, hello_name, is_loopback
from digest.delivery.replies import Phase, one_line
from digest.delivery.session import Session, Timeouts, faults, open_session, verifying_context
from digest.doctor.finding import Finding
from digest.errors import Deferred, DeliveryError, SettingsError
from digest.settings import Settings

PATIENCE = Timeouts(connect=5, greeting=10, command=10)
EXPIRES_SOON = 14
"""Days that a certificate should still be good for."""
ACCEPTED = 250


def login(settings: Settings, now: datetime) -> Generator[Finding, None, str]:
    """Connect, secure, log in, name the sender; returns what the relay calls itself, "" where it was not reached."""
    if settings.smtp_url is None:
        text = f"no relay: digests go into the local mailbox {settings.path(settings.mailbox)}"
        yield Finding.warn("relay", text, "set DIGEST_SMTP_URL to send them; `digest inbox` shows the mailbox")
        return ""
    yield from _placeholder(settings)
    try:
        relay = Relay.from_settings(settings)
        session = open_session(relay, hello_name(bare(settings.sender)), PATIENCE, verifying_context())
    except SettingsError as error:
        yield Finding.fail("relay", str(error), "mend DIGEST_SMTP_URL")
        return ""
    except DeliveryError as error:
        advice = "is it running, and does a firewall let us out?" if isinstance(error, Deferred) else _mend(error)
        yield Finding.fail("relay", str(error), advice)
        return ""
    with session:
        yield Finding.ok("relay", f"{relay} answers" + (f", and takes the login of {relay.user}" if relay.user else ""))
        yield _security(session, relay, now)
        yield _sender(session, relay, settings)
        return _name(session)


def _placeholder(settings: Settings) -> Iterator[Finding]:
    address = bare(settings.sender)
    if "." not in address.rpartition("@")[2]:
        advice = "set DIGEST_SENDER to a mailbox of your domain, such as 'Paper Digest <digest@example.org>'"
        yield Finding.fail("sender", f"{address} is no address that anybody accepts mail from", advice)


def _mend(error: DeliveryError) -> str:
    said = str(error)
    if said.startswith(Phase.LOGIN):
        return "check the user in DIGEST_SMTP_URL and DIGEST_SMTP_PASSWORD; some providers want an app password"
    if "TLS" in said:
        return "use the host name that the certificate names; ?tls=none only for a relay on this machine"
    return "check the host in DIGEST_SMTP_URL, and whether the relay knows this machine"


def _security(session: Session, relay: Relay, now: datetime) -> Finding:
    if not isinstance(session.sock, ssl.SSLSocket):
        if is_loopback(relay.host):
            return Finding.ok("TLS", "none, within this machine")
        text = f"none: anybody on the way to {relay.host} reads the digests"
        return Finding.warn("TLS", text, "use smtps:// or ?tls=required in DIGEST_SMTP_URL")
    certificate = session.sock.getpeercert() or {}
    expiry = certificate.get("notAfter")
    if not isinstance(expiry, str):
        return Finding.ok("TLS", f"{session.sock.version()}, certificate not verified")
    days = int((ssl.cert_time_to_seconds(expiry) - now.timestamp()) // 86400)
    said = f"{session.sock.version()}, certificate good for {days} days"
    if days < EXPIRES_SOON:
        return Finding.warn("TLS", said, f"have the certificate of {relay.host} renewed; without it no mail leaves")
    return Finding.ok("TLS", said)


def _sender(session: Session, relay: Relay, settings: Settings) -> Finding:
    address = ascii_domain(bare(settings.sender))
    envelope = f"b+0@{settings.mail_domain}" if settings.mail_domain else address
    try:
        with faults(Phase.MAIL, relay):
            code, text = session.docmd("MAIL", f"FROM:<{envelope}>")
            session.docmd("RSET")
    except DeliveryError as error:
        return Finding.fail("sender", str(error), "the relay hung up on our sender; ask its operator")
    if code != ACCEPTED:
        said = f"the relay does not take mail from {envelope}: {code} {one_line(text.decode('utf-8', 'replace'))}"
        return Finding.fail("sender", said, "let the user of DIGEST_SMTP_URL send as that address, or use another one")
    return Finding.ok("sender", f"the relay takes mail from {envelope}")


def _name(session: smtplib.SMTP) -> str:
    words = (session.ehlo_resp or b"").split()
    return words[0].decode("ascii", "replace") if words else ""
