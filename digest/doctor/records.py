"""What the DNS records of SPF and DMARC say; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LOOKS_UP = re.compile(r"[+?~-]?(include:|a(?=[:/]|$)|mx(?=[:/]|$)|ptr(?=:|$)|exists:)|redirect=", re.IGNORECASE)
_OTHER = re.compile(r"(?:[+?~-]?include:|redirect=)(\S+)", re.IGNORECASE)
_ALL = re.compile(r"([+?~-]?)all", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spf:
    """A record of RFC 7208."""

    lookups: int
    """Terms that make a receiver ask again (section 4.6.4), in this record alone."""
    others: tuple[str, ...]
    """Domains whose records belong to it."""
    everybody: bool
    """Whether it ends in +all."""
    ends: bool
    """Whether it says what of all others, or leaves that to another record."""

    @classmethod
    def parse(cls, text: str) -> Spf:
        """Of a text that begins with v=spf1."""
        terms = text.split()[1:]
        alls = [match[1] for term in terms if (match := _ALL.fullmatch(term))]
        redirects = any(term.lower().startswith("redirect=") for term in terms)
        return cls(
            lookups=sum(bool(_LOOKS_UP.match(term)) for term in terms),
            others=tuple(match[1].lower() for term in terms if (match := _OTHER.fullmatch(term))),
            everybody=bool(alls) and alls[0] in {"", "+"},
            ends=bool(alls) or redirects,
        )


def tags(text: str) -> dict[str, str]:
    """`v=DKIM1; p=abc` -> {"v": "DKIM1", "p": "abc"}: RFC 6376, section 3.2; spaces inside of values are folding."""
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip().lower(): re.sub(r"\s+", "", value) for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class Dmarc:
    """A record of RFC 9989, section 4.7."""

    p: str
    sp: str
    psd: str
    testing: bool
    reports: bool
    """Whether aggregate reports are asked for."""
    strict_spf: bool
    strict_dkim: bool
    obsolete: tuple[str, ...]
    """Tags that RFC 7489 had."""

    @classmethod
    def parse(cls, text: str) -> Dmarc | None:
        """None for what is no such record."""
        if not re.match(r"v\s*=\s*DMARC1\s*(;|$)", text):
            return None
        found = tags(text)
        known = {"none", "quarantine", "reject"}
        p = found.get("p", "").lower()
        p = p if p in known else "none"
        sp = found.get("sp", "").lower()
        return cls(
            p=p,
            sp=sp if sp in known else p,
            psd=found.get("psd", "u").lower(),
            testing=found.get("t", "n").lower() == "y",
            reports="rua" in found,
            strict_spf=found.get("aspf", "r").lower() == "s",
            strict_dkim=found.get("adkim", "r").lower() == "s",
            obsolete=tuple(name for name in ("pct", "rf", "ri") if name in found),
        )

    def policy(self, *, subdomain: bool) -> str:
        """What it asks receivers to do with mail that fails: none, quarantine or reject."""
        return self.sp if subdomain else self.p
