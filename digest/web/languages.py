"""The pages' language: a reader's own where a genuine link names one, else what the browser asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from babel.dates import format_date

from digest.subscription.desk import Words

LANGUAGES = (("en", "English"), ("de", "Deutsch"))
"""What pages and mails can be read in; the first is for who asks for none of them."""


def preferred(accepted: str) -> str:
    """The best of ours in an Accept-Language header (RFC 9110, 12.5.4), whatever stands in it."""
    ours = {code for code, _ in LANGUAGES}
    found = sorted(_weighted(accepted), key=lambda each: -each[1])  # stable: of equals the first counts
    return next((code for code, weight in found if code in ours and weight > 0), LANGUAGES[0][0])


def for_templates(w: Words) -> Mapping[str, Any]:
    """What templates say days, names and lists with."""

    def names(authors: Sequence[str], most: int) -> str:
        if len(authors) <= most:
            return w.both(tuple(authors))
        left = len(authors) - most
        more = w.ngettext("%(names)s and %(count)s more", "%(names)s and %(count)s more", left)
        return more % {"names": ", ".join(authors[:most]), "count": left}

    return {
        "lang": w.tag,
        "long_day": w.long_day,
        "short_day": w.day,
        "date": lambda day: format_date(day, "medium", locale=w.locale),
        "weekday": lambda number: str(w.locale.days["stand-alone"]["abbreviated"][number]).rstrip("."),
        "both": lambda parts: w.both(tuple(parts)),
        "names": names,
    }


def quoting(w: Words) -> Callable[[str], str]:
    """Puts a phrase into that language's quotation marks."""
    return lambda phrase: w.gettext("“%(phrase)s”") % {"phrase": phrase}


def _weighted(accepted: str) -> Iterator[tuple[str, float]]:
    """Primary language tags, each with its weight; what cannot be read weighs nothing."""
    for part in accepted[:1000].split(","):
        tag, _, quality = part.partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            weight = 0.0
        yield tag.strip().partition("-")[0].lower(), weight
