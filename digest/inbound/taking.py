"""What is done with a mail that was taken. Doing it twice changes nothing: a mail server that lost our answer repeats.

RFC 3834, section 2, on what a program must not answer: empty senders, other programs, lists.
"""

from __future__ import annotations

import re
from email.message import Message as Header
from email.parser import BytesHeaderParser
from email.utils import getaddresses

import structlog

from digest.errors import SettingsError
from digest.inbound.addresses import Address, Box, shown_in
from digest.models import Message
from digest.pipeline import incoming
from digest.subscription import Desk, leaving, signup
from digest.subscription.signup import Gate

log = structlog.get_logger(__name__)

_MESSAGE_ID = re.compile(r"<[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,120}@[A-Za-z0-9.-]{1,120}>")
NOBODY = frozenset({"", "<>"})
"""Envelope senders of bounces, which are never answered."""


def take(desk: Desk, address: Address, message: Message) -> None:
    """See to *message*, which came to *address*; on return it is done and durable."""
    match address.box:
        case Box.RETURNED:
            incoming.returned(desk.parts, address.token, message)
        case Box.LEAVE:
            _leave(desk, address.token, message)
        case Box.JOIN:
            _join(desk, message)
        case Box.ROLE:
            incoming.complaint(desk.parts, shown_in(desk, message.data), message)


def _leave(desk: Desk, token: str, message: Message) -> None:
    """End the subscription, whatever the mail says, unless a program merely answers us.

    A mailbox's own unsubscribe button writes this mail and may say so: "auto-generated". An answer is "auto-replied".
    Whoever wrote it themselves gets a goodbye.
    """
    header = _header(message)
    if message.sender in NOBODY or _field(header, "Auto-Submitted").startswith("auto-replied"):
        log.info("automatic mail ignored", to="unsubscribe")
    elif _by_program(header):
        leaving.leave(desk, token)
    else:
        leaving.leave_by_mail(desk, token, _message_id(header))


def _join(desk: Desk, message: Message) -> None:
    """Ask whoever wrote whether they mean it; nothing else of the mail is used."""
    header = _header(message)
    named = [address for _, address in getaddresses(header.get_all("From", []))]
    if message.sender in NOBODY or _by_program(header) or len(named) != 1:
        log.info("automatic mail ignored", to="subscribe")
        return
    try:
        wanted = signup.profile({"email": named[0]})
    except SettingsError:
        incoming.keep(desk.parts, message)
        return
    # The mail server in front hides the network, so that the sender's domain stands in for it.
    if signup.admit(desk, wanted.email, f"mail {wanted.email.rpartition('@')[2]}") is Gate.OPEN:
        signup.sign_up(desk, wanted, "")


def _header(message: Message) -> Header:
    return BytesHeaderParser().parsebytes(message.data)


def _message_id(header: Header) -> str:
    """What an answer refers to; empty where it is not plainly an id, because the answer repeats it."""
    found = _MESSAGE_ID.fullmatch(str(header.get("Message-ID", "")).strip())
    return found[0] if found else ""


def _by_program(header: Header) -> bool:
    return (
        _field(header, "Auto-Submitted") not in {"", "no"}
        or _field(header, "Precedence") in {"bulk", "junk", "list", "auto_reply"}
        or "List-Id" in header
    )


def _field(header: Header, name: str) -> str:
    return str(header.get(name, "")).strip().lower()
