"""The DNS: whether receivers can tell that our mail is ours.

SPF (RFC 7208), DKIM (RFC 6376 and 8301), DMARC as of 2026 (RFC 9989: the organizational domain is found by a walk up
the tree, and `pct`, `rf` and `ri` are gone), MX (RFC 5321, section 5.1; RFC 7505), and the forward-confirmed reverse
name that Gmail asks for. Receivers want SPF or DKIM to speak for the domain in From: that is what "aligned" means.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import dns.exception
import dns.resolver
import dns.reversename
from dns.resolver import Resolver

from digest.compose.message import ascii_domain
from digest.compose.site import bare
from digest.doctor.finding import Finding
from digest.doctor.records import Dmarc, Spf, tags
from digest.settings import Settings

PATIENCE = 5.0
"""Seconds for one question."""
MOST_LOOKUPS = 10
"""RFC 7208, section 4.6.4."""
MOST_LABELS = 8
"""RFC 9989, the tree walk: a longer name is cut to one label less than this after its own record was asked for."""

NOT_IN_THE_DNS = frozenset({"localhost", "test", "example", "invalid", "local", "internal", "lan"})


class Silent(Exception):
    """The DNS did not answer, which is not the same as "there is no such record"."""


class Dns:
    """Asks questions."""

    def __init__(self, resolver: Resolver | None) -> None:
        try:
            self._resolver = resolver or Resolver()
        except dns.resolver.NoResolverConfiguration as error:
            raise Silent(str(error)) from error

    def texts(self, name: str) -> list[str]:
        """The TXT records of *name*, each in one piece."""
        return [b"".join(record.strings).decode("utf-8", "replace") for record in self._ask(name, "TXT")]

    def addresses(self, name: str) -> list[str]:
        """IPv4 and IPv6."""
        return [record.address for kind in ("A", "AAAA") for record in self._ask(name, kind)]

    def mail_servers(self, name: str) -> list[str]:
        """Of the domain *name*, the preferred first; "" stands for "takes no mail" (RFC 7505)."""
        found = sorted((record.preference, record.exchange.to_text(True)) for record in self._ask(name, "MX"))
        return [exchange.rstrip(".") for _, exchange in found]

    def reverse(self, address: str) -> list[str]:
        """The names of an address."""
        question = dns.reversename.from_address(address).to_text()
        return [record.target.to_text(True).lower() for record in self._ask(question, "PTR")]

    def _ask(self, name: str, kind: str) -> list[Any]:
        try:
            return list(self._resolver.resolve(name, kind, lifetime=PATIENCE))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.YXDOMAIN):
            return []
        except dns.exception.DNSException as error:
            raise Silent(f"{kind} {name}: {error}") from error


def look(settings: Settings, server: str, resolver: Resolver | None = None) -> Iterator[Finding]:
    """What receivers will find out about our mail.

    Args:
        settings: sender, envelope domain, own signature.
        server: what the relay calls itself; "" where it was not reached.
        resolver: None asks as this machine does.
    """
    domain = ascii_domain(bare(settings.sender)).rpartition("@")[2]
    if domain.rpartition(".")[2] in NOT_IN_THE_DNS:
        yield Finding.warn("DNS", f"{domain} is in no DNS, so that nothing was looked at", "set DIGEST_SENDER")
        return
    try:
        asking = Dns(resolver)
        yield from _spf(asking, settings.mail_domain or domain)
        yield from _dkim(asking, settings)
        yield from _dmarc(asking, domain, settings)
        yield from _mx(asking, settings.mail_domain or domain)
        yield from _reverse(asking, server)
    except Silent as error:
        yield Finding.warn("DNS", f"no answer ({error}); the rest was not looked at", "try again with a network")


# -- SPF


def _spf(asking: Dns, domain: str) -> Iterator[Finding]:
    found = [text for text in asking.texts(domain) if re.match(r"v=spf1( |$)", text, re.IGNORECASE)]
    if not found:
        advice = f'add a TXT record at {domain}: "v=spf1 include:<what your relay tells you> -all"'
        yield Finding.fail("SPF", f"{domain} has no record", advice)
        return
    if len(found) > 1:
        text = f"{domain} has {len(found)} records, which counts as an error"
        yield Finding.fail("SPF", text, "join them into one")
        return
    record = Spf.parse(found[0])
    if record.everybody:
        text = f"{domain} lets everybody send: {found[0]}"
        yield Finding.fail("SPF", text, "end the record with -all or ~all")
        return
    if _lookups(asking, record, domain) > MOST_LOOKUPS:
        text = f"the record of {domain} needs more than the {MOST_LOOKUPS} look-ups after which receivers give up"
        yield Finding.fail("SPF", text, "take out includes that nobody needs, or name the addresses")
        return
    if not record.ends:
        text = f"the record of {domain} does not say what of the others: {found[0]}"
        yield Finding.warn("SPF", text, "end it with -all or ~all")
        return
    yield Finding.ok("SPF", f"{domain}: {found[0]}")


def _lookups(asking: Dns, record: Spf, domain: str) -> int:
    """How many look-ups a receiver makes, counted no further than it matters."""
    count, seen, waiting = 0, {domain}, [record]
    while waiting and count <= MOST_LOOKUPS:
        record = waiting.pop()
        count += record.lookups
        for name in record.others:
            if name not in seen and "%" not in name:  # a macro is filled in by the mail that comes
                seen.add(name)
                texts = asking.texts(name)
                waiting += [Spf.parse(text) for text in texts if text.lower().startswith("v=spf1")]
    return count


# -- DKIM


def _dkim(asking: Dns, settings: Settings) -> Iterator[Finding]:
    if not settings.dkim_domain:
        yield Finding.ok("DKIM", "left to the relay; look for DKIM-Signature in a mail that arrived")
        return
    name = f"{settings.dkim_selector}._domainkey.{settings.dkim_domain}"
    public = _public_key(settings.dkim_key)
    found = [tags(text) for text in asking.texts(name)]
    record = next((each for each in found if each.get("v", "DKIM1") == "DKIM1" and "p" in each), None)
    if record is None:
        kind = "ed25519" if len(public) < 50 else "rsa"
        advice = f'add a TXT record at {name}: "v=DKIM1; k={kind}; p={public}"'
        yield Finding.fail("DKIM", f"there is no key at {name}, so that every signature fails", advice)
    elif not record["p"]:
        yield Finding.fail("DKIM", f"the key at {name} is withdrawn", "sign with another key and selector")
    elif record["p"] != public:
        yield Finding.fail("DKIM", f"the key at {name} does not belong to DIGEST_DKIM_KEY", f"publish p={public}")
    elif "y" in record.get("t", "").split(":"):
        yield Finding.warn("DKIM", f"the key at {name} is marked as a test", "take t=y out of the record")
    else:
        yield Finding.ok("DKIM", f"{name} holds our key")


def _public_key(pem: str) -> str:
    """As a DKIM record writes it: RFC 6376, section 3.6.1, and 8463, section 4; "" where there is no key to read."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - of the extra `dkim`, which signs
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    key = serialization.load_pem_private_key(pem.encode(), None)
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if isinstance(key, Ed25519PrivateKey):
        encoding, form = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    return b64encode(key.public_key().public_bytes(encoding, form)).decode()


# -- DMARC


def _dmarc(asking: Dns, domain: str, settings: Settings) -> Iterator[Finding]:
    walk = _walk(asking, domain)
    if not walk:
        advice = f'add a TXT record at _dmarc.{domain}: "v=DMARC1; p=none; rua=mailto:you@{domain}"'
        yield Finding.fail("DMARC", f"neither {domain} nor a domain above has a record; bulk mail is refused", advice)
        return
    home = organizational(walk, domain)
    at, record = next(((name, each) for name, each in walk if name == domain), (home, dict(walk).get(home)))
    if record is None:
        at, record = walk[-1]
    yield from _policy(at, record, domain)
    yield from _alignment(asking, domain, home, record, settings)


def _policy(at: str, record: Dmarc, domain: str) -> Iterator[Finding]:
    if record.obsolete:
        text = f"the record at _dmarc.{at} has {', '.join(record.obsolete)}, which RFC 9989 has taken out"
        yield Finding.warn("DMARC", text, "delete them; t=y says what pct=0 was used for")
    policy = record.policy(subdomain=at != domain)
    if record.testing:
        yield Finding.ok("DMARC", f"p={policy} at _dmarc.{at}, as a test (t=y)")
    elif policy == "none" and not record.reports:
        text = f"p=none at _dmarc.{at}, and no rua= to tell you who sends in your name"
        yield Finding.warn("DMARC", text, f"add rua=mailto:you@{domain}")
    else:
        yield Finding.ok("DMARC", f"p={policy} at _dmarc.{at}")


def _alignment(asking: Dns, domain: str, home: str, record: Dmarc, settings: Settings) -> Iterator[Finding]:
    """RFC 9989: SPF or DKIM must speak for From's domain; strict: for exactly it, relaxed: for its organization."""

    def aligned(other: str, strict: bool) -> bool:
        return other == domain or (not strict and organizational(_walk(asking, other), other) == home)

    envelope, signature = settings.mail_domain or domain, settings.dkim_domain
    by_spf = aligned(envelope, record.strict_spf)
    by_dkim = bool(signature) and aligned(signature, record.strict_dkim)
    if by_spf or by_dkim:
        by = " and ".join(name for name, good in (("SPF", by_spf), ("DKIM", by_dkim)) if good)
        yield Finding.ok("alignment", f"{by} speaks for {domain}")
        return
    others = " nor ".join(filter(None, (envelope, signature)))
    text = f"not {others} speaks for {domain} in From, unless the relay signs for it"
    yield Finding.warn("alignment", text, f"use a mail domain under {home}, or sign with DIGEST_DKIM_DOMAIN={domain}")


def _walk(asking: Dns, domain: str) -> list[tuple[str, Dmarc]]:
    """The records from *domain* upwards, until one that ends the walk."""
    found: list[tuple[str, Dmarc]] = []
    for name in names_upwards(domain):
        records = [r for text in asking.texts(f"_dmarc.{name}") if (r := Dmarc.parse(text))]
        if len(records) == 1:  # several are none
            found.append((name, records[0]))
            if records[0].psd in {"y", "n"}:
                break
    return found


def names_upwards(domain: str) -> list[str]:
    """Which names the walk asks at: the domain's own, then at most seven labels, one less each time."""
    labels = domain.lower().split(".")
    above = labels[1:] if len(labels) < MOST_LABELS else labels[-(MOST_LABELS - 1) :]
    return [".".join(labels), *(".".join(above[i:]) for i in range(len(above)))]


def organizational(walk: list[tuple[str, Dmarc]], domain: str) -> str:
    """The domain that *domain* belongs to, by the records of its walk; itself where there are none."""
    for name, record in walk:
        if record.psd == "n":
            return name
        if record.psd == "y" and name != domain:
            return ".".join(domain.split(".")[-(name.count(".") + 2) :])
    return walk[-1][0] if walk else domain


# -- hosts


def _mx(asking: Dns, domain: str) -> Iterator[Finding]:
    servers = asking.mail_servers(domain)
    if servers == [""] or not (servers or asking.addresses(domain)):
        advice = f"add an MX record at {domain}; mail from a domain that takes none is suspect, and bounces get lost"
        yield Finding.fail("MX", f"{domain} takes no mail", advice)
    else:
        yield Finding.ok("MX", f"{domain} takes mail at {servers[0] if servers else domain}")


def _reverse(asking: Dns, server: str) -> Iterator[Finding]:
    """RFC 8601, section 2.7.3: the address has a name, and the name that address. Asked of the relay's own name."""
    if "." not in server or server.rpartition(".")[2] in NOT_IN_THE_DNS:
        return
    addresses = [a for a in asking.addresses(server) if ipaddress.ip_address(a).is_global]
    if not addresses:
        text = f"the relay calls itself {server}, which has no public address"
        yield Finding.warn("reverse name", text, "if it delivers by itself: give it a name that the DNS knows")
        return
    for address in addresses:
        if not any(address in asking.addresses(name) for name in asking.reverse(address)):
            text = f"{address} of {server} has no reverse name that leads back to it; Gmail refuses such senders"
            yield Finding.fail("reverse name", text, "have whoever gave you the address set its PTR record")
            return
    yield Finding.ok("reverse name", f"{server} is forward-confirmed")
