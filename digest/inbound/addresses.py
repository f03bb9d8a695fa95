"""The addresses of the mail domain: one of each kind for every subscriber, and a few for everybody.

VERP (D. J. Bernstein, 1997): the envelope sender names the recipient, so that a bounce need not be understood to know
whose it is. Ours are signed, so that nobody can invent one. RFC 2142: postmaster and abuse exist everywhere.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from digest.subscription.desk import Desk, Forged, Purpose


class Box(enum.Enum):
    """What an address is for."""

    RETURNED = enum.auto()
    """`b+…`: the envelope sender of one subscriber's mail."""
    LEAVE = enum.auto()
    """`u+…`: the mailto of List-Unsubscribe."""
    JOIN = enum.auto()
    """The setting `subscribe_address`."""
    ROLE = enum.auto()
    """postmaster and abuse: a person, and the complaints that mailbox providers pass on."""


@dataclass(frozen=True, slots=True)
class Address:
    """One that exists."""

    box: Box
    token: str = ""
    """The subscriber's, where it belongs to one."""


ROLES = frozenset({"postmaster", "abuse"})
_SIGNED = re.compile(rb"\b([bu]\+[a-z2-7]+-[a-z2-7]+)@([a-z0-9.-]+)", re.IGNORECASE)


def look_up(desk: Desk, address: str) -> Address | None:
    """What *address* is; None when there is no such address here, or its signature is not ours."""
    local, _, domain = address.rpartition("@")
    if domain.lower() != desk.site.mail_domain:
        return None
    if local.lower() in ROLES:
        return Address(Box.ROLE)
    if desk.site.web and address.lower() == desk.parts.settings.subscribe_address.lower():
        return Address(Box.JOIN)
    link = desk.links.read_address(local)
    if isinstance(link, Forged):
        return None
    return Address(Box.RETURNED if link.purpose is Purpose.BOUNCE else Box.LEAVE, link.subscriber)


def shown_in(desk: Desk, raw: bytes) -> str | None:
    """The token of the first signed address of ours that stands in *raw*, such as a copy of our mail's headers."""
    for found in _SIGNED.finditer(raw):
        address = look_up(desk, found[0].decode("ascii"))
        if address:
            return address.token
    return None
