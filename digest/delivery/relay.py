"""The next hop, as the settings describe it.

RFC 8314: TLS from the first byte or by STARTTLS, verified, unless the relay is this machine. Contradictions are found
here, before anything is sent.
"""

from __future__ import annotations

import enum
import ipaddress
import socket
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from digest.errors import SettingsError
from digest.settings import Settings


class Tls(enum.StrEnum):
    """How the connection is secured."""

    REQUIRED = "required"
    """STARTTLS, verified, or no mail."""
    OPPORTUNISTIC = "opportunistic"
    """STARTTLS where it is offered, not verified (RFC 7435): against listeners, not against attackers."""
    NONE = "none"
    IMPLICIT = "implicit"
    """From the first byte, verified."""


@dataclass(frozen=True, slots=True)
class Relay:
    """The next hop, as `smtp_url` describes it."""

    host: str
    port: int
    tls: Tls
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> Relay:
        """Read `smtp_url` and `smtp_password`.

        The port is 465 for smtps, else 587 with a user and 25 without; TLS is required unless the host is this machine.

        Raises:
            SettingsError: it contradicts itself or would send the password in the clear.
        """
        parts = urlsplit(settings.smtp_url or "")
        host, user = parts.hostname or "", unquote(parts.username or "")
        tls = _tls(parts.scheme, parts.query, is_loopback(host))
        if user and not settings.smtp_password:
            raise SettingsError(f"smtp_password: missing for the user {user!r} of smtp_url")
        if user and tls in {Tls.NONE, Tls.OPPORTUNISTIC} and not is_loopback(host):
            raise SettingsError(f"smtp_url: tls={tls} would show the password to the network; use tls=required")
        port = parts.port or (465 if tls is Tls.IMPLICIT else 587 if user else 25)
        return cls(host, port, tls, user, settings.smtp_password if user else "")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def _tls(scheme: str, query: str, loopback: bool) -> Tls:
    options = parse_qs(query, keep_blank_values=True)
    asked = options.pop("tls", [""])[-1]
    if options:
        raise SettingsError(f"smtp_url: unknown option {', '.join(options)}; only tls= is known")
    if scheme == "smtps":
        if asked not in {"", Tls.REQUIRED}:
            raise SettingsError(f"smtp_url: smtps:// is TLS from the first byte; tls={asked} contradicts it")
        return Tls.IMPLICIT
    if not asked:
        return Tls.OPPORTUNISTIC if loopback else Tls.REQUIRED
    if asked not in {Tls.REQUIRED, Tls.OPPORTUNISTIC, Tls.NONE}:
        raise SettingsError(f"smtp_url: tls={asked} must be required, opportunistic or none")
    return Tls(asked)


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, by its name or address alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def hello_name(sender: str) -> str | None:
    """What to call ourselves in EHLO: this machine's full name, else the sender's domain, else None (its address)."""
    name, domain = socket.getfqdn(), sender.rpartition("@")[2]
    return next((n for n in (name, domain) if "." in n and not n.endswith((".localdomain", ".arpa"))), None)
