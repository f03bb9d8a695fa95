"""Signing up: the form, the confirmation, and what keeps strangers from abusing either.

Confirmed opt-in, always. Whoever fills in the form gets the same answer whether the address is new, known or one that
must never be written to; the mail that follows holds nothing that the form's sender typed. An address is asked once a
day and three times ever; networks, domains and the whole site have limits; and when almost nobody confirms, somebody is
using the form to bomb mailboxes, and it closes for a while.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from digest.compose.text import clean
from digest.compose.words import Words, words
from digest.models import Profile, Subscriber
from digest.store import Asked, Letter, Limit, address, key_of
from digest.store import roster as rosters
from digest.store.readers import ALIVE
from digest.store.signups import LIFE
from digest.subscription.desk import Desk

log = structlog.get_logger(__name__)

YOUNGEST, OLDEST = timedelta(seconds=2), timedelta(hours=12)
"""Of a form when it comes back: programs are quicker, and a page that was open for longer is drawn anew."""

PER_NETWORK = (8, 300.0)
"""So many sign-ups at once, then one each so many seconds; likewise below."""
PER_DOMAIN = (60, 30.0)
PER_MAILBOX = (3, 7 * 86400.0)
"""Confirmations that end in one mailbox, under however many addresses."""
OVERALL = (200, 5.0)

_WATCHED = timedelta(hours=6)
_SUSPICIOUS = 300
_CONFIRMED_SHARE = 0.03


class Gate(enum.Enum):
    """Whether a form is taken."""

    OPEN = "open"
    CAPPED = "capped"
    """Too many forms from this network, for this domain, or at all: said to everybody alike."""
    CLOSED = "closed"
    """Almost nobody confirms; or the installation has no public address to confirm at."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Somebody who subscribes now."""

    person: Subscriber
    again: bool
    """They had confirmed before: nothing was changed."""


def wording(w: Words) -> str:
    """What is agreed to; kept with every consent in the language in which it was read."""
    return w.gettext(
        "Send me a digest of new papers by e-mail on the days I chose. My address and my interests are kept for that "
        "and nothing else, until I unsubscribe or have them deleted."
    )


def profile(values: Mapping[str, Any]) -> Profile:
    """The profile of a filled-in form, whose keys are those of a roster entry.

    Raises:
        SettingsError: with every mistake as `key: what is wrong`.
    """
    return rosters.entry(_clean(dict(values)))


def address_of(text: str) -> str:
    """The address in normal form.

    Raises:
        UsageError: it is none.
    """
    return address(clean(text).strip())


def mailbox_of(email: str) -> str:
    """Where mail to *email* ends, as far as a stranger can tell: without its subaddress (RFC 5233), or Gmail's dots."""
    local, _, domain = key_of(email).rpartition("@")
    plain = local.partition("+")[0] or local
    if domain in {"gmail.com", "googlemail.com"}:
        plain, domain = plain.replace(".", "") or plain, "gmail.com"
    return f"{plain}@{domain}"


def network_of(host: str) -> str:
    """The network of an address, for limits and as evidence: /24, or /48 of IPv6."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


def admit(desk: Desk, email: str, network: str) -> Gate:
    """Take a place under the limits, before anything is looked up about *email*."""
    if not desk.site.web or _nobody_confirms(desk):
        return Gate.CLOSED
    domain = key_of(email).rpartition("@")[2]
    limits = [
        Limit("sign-up:all", *OVERALL),
        Limit(f"sign-up:network:{desk.seal.hash(network)}", *PER_NETWORK),
        Limit(f"sign-up:domain:{desk.seal.hash(domain)}", *PER_DOMAIN),
    ]
    full = desk.parts.store.limits.take(limits, desk.now)
    if full:
        log.warning("sign-ups capped", limit=full.name)
    return Gate.CAPPED if full else Gate.OPEN


def allow(desk: Desk, what: str, who: str, burst: int, interval: float) -> bool:
    """Whether *who* may do *what* once more, beside signing up."""
    return desk.parts.store.limits.take([_limit(desk, what, who, burst, interval)], desk.now) is None


def spent(desk: Desk, what: str, who: str, burst: int, interval: float) -> bool:
    """Whether *who* may not do *what* now; looking takes no place."""
    return desk.parts.store.limits.full([_limit(desk, what, who, burst, interval)], desk.now) is not None


def sign_up(desk: Desk, wanted: Profile, network: str, language: str = "en") -> None:
    """Have the right mail sent to whoever reads mail at that address; which one is nobody else's business.

    Args:
        desk: where it is done.
        wanted: what was asked for.
        network: where the form came from.
        language: in which its sender read what they agree to.
    """
    store, tokens, mailbox = desk.parts.store, desk.tokens_of(key_of(wanted.email)), mailbox_of(wanted.email)
    person = store.subscribers.get(wanted.email)
    if store.suppressions.any([*tokens, *desk.tokens_of(mailbox), *([person.token] if person else [])]):
        log.info("sign-up of a suppressed address")
    elif person and person.state in ALIVE:
        send_link(desk, person)
    elif spent(desk, "mailbox", mailbox, *PER_MAILBOX):
        log.warning("sign-ups capped", limit="mailbox")
    else:
        token = person.token if person else tokens[0]
        mailed = store.signups.ask(token, replace(wanted, name=""), Asked(network, wording(words(language))), desk.now)
        if mailed:  # a form that is not takes no place
            allow(desk, "mailbox", mailbox, *PER_MAILBOX)
        log.info("sign-up", mailed=mailed)


def send_link(desk: Desk, person: Subscriber) -> None:
    """Mail somebody a dated link to their preferences, at most a few a day."""
    if not allow(desk, "link", person.token, burst=3, interval=12 * 3600.0):
        return
    letter = Letter("preferences", person.token, person.email, desk.now, person.profile.language)
    desk.parts.store.letters.add(letter)


def send_link_to(desk: Desk, email: str) -> None:
    """Mail whoever has that address their links, if they are known; for people without any mail of ours left.

    Also to those who unsubscribed: what is left of them is theirs to take along or to have deleted.
    """
    person = desk.parts.store.subscribers.get(email)
    if person and not desk.parts.store.suppressions.any([person.token]):
        send_link(desk, person)


def confirm(desk: Desk, token: str, asked_at: datetime | None, network: str) -> Confirmed | None:
    """Start the subscription that was asked for at *asked_at*; None when there is nothing to confirm any more.

    Confirming twice is no mistake: mail programs open links before people do, and people press twice.
    """
    store = desk.parts.store
    waiting = store.signups.get(token)
    if waiting and asked_at and int(waiting[1].timestamp()) == int(asked_at.timestamp()):
        person = store.readers.confirm(token, network, desk.now, partial(_welcome, desk.now))
        if person:
            log.info("confirmed", subscriber=person.token)
            return Confirmed(person, again=False)
    person = store.subscribers.by_token(token)
    return Confirmed(person, again=True) if person and person.state in ALIVE else None


def not_me(desk: Desk, token: str) -> None:
    """Never write to that address again, and forget what is known of it: only the hash stays."""
    desk.parts.store.suppressions.add(token, "not me", desk.now)
    desk.parts.store.readers.erase(token)
    log.info("suppressed", reason="not me")


def link_life() -> timedelta:
    """How long a confirmation link works."""
    return LIFE


def _welcome(now: datetime, person: Subscriber) -> Letter:
    return Letter("welcome", person.token, person.email, now, person.profile.language)


def _limit(desk: Desk, what: str, who: str, burst: int, interval: float) -> Limit:
    return Limit(f"{what}:{desk.seal.hash(who)}", burst, interval)


def _nobody_confirms(desk: Desk) -> bool:
    """Most sign-ups of a bombing are never confirmed, while of honest ones most are."""
    waiting, confirmed = desk.parts.store.signups.recent(desk.now - _WATCHED)
    suspicious = waiting > _SUSPICIOUS and confirmed < waiting * _CONFIRMED_SHARE
    if suspicious:
        log.error("sign-up closed: almost nobody confirms", waiting=waiting, confirmed=confirmed)
    return suspicious


def _clean(value: Any) -> Any:
    match value:
        case str():
            return clean(value).strip()
        case list():
            return [_clean(item) for item in value]
        case dict():
            return {key: _clean(item) for key, item in value.items()}
    return value
