"""Fields of a form become a roster entry, which is checked as one, and a profile becomes fields again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from digest.errors import SettingsError
from digest.models import Profile
from digest.subscription import signup
from digest.subscription.desk import Words
from digest.web.visit import Visit

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOST = {
    "topics": 40,
    "authors": 100,
    "categories": 40,
    "liked": 100,
    "disliked": 100,
    "mute": 100,
    "mute_authors": 100,
}


@dataclass(frozen=True, slots=True)
class Fields:
    """What a form shows; whatever was typed, right or wrong."""

    email: str = ""
    topics: tuple[tuple[str, float], ...] = ()
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    mute: tuple[str, ...] = ()
    mute_authors: tuple[str, ...] = ()
    zone: str = "UTC"
    at: str = "07:00"
    days: tuple[str, ...] = DAYS
    papers: str = "12"
    language: str = "en"
    when_quiet: str = "trending"
    again: bool = False


def given(visit: Visit) -> Fields:
    """What was typed."""
    weights = visit.texts("weight")
    phrases = visit.texts("topic")
    weighted = zip(phrases, weights, strict=True) if len(weights) == len(phrases) else ((p, "1") for p in phrases)
    return Fields(
        email=visit.text("email").strip(),
        topics=tuple({p.strip(): (p.strip(), _number(w)) for p, w in weighted if p.strip()}.values()),
        authors=_lines(visit.texts("authors")),
        categories=_parts(r"[\s,;]+", visit.texts("categories")),
        liked=_parts(r"[\s,;]+", visit.texts("liked")),
        disliked=_parts(r"[\s,;]+", visit.texts("disliked")),
        mute=_lines(visit.texts("mute")),
        mute_authors=_lines(visit.texts("mute_authors")),
        zone=visit.text("zone").strip() or "UTC",
        at=visit.text("at").strip() or "07:00",
        days=tuple(visit.texts("day")),
        papers=visit.text("papers").strip() or "12",
        language=visit.text("language") or "en",
        when_quiet=visit.text("when_quiet") or "trending",
        again=bool(visit.text("again")),
    )


def of(profile: Profile) -> Fields:
    """The fields that say the same as *profile*."""
    interests, schedule = profile.interests, profile.schedule
    return Fields(
        email=profile.email,
        topics=tuple((topic.phrase, topic.weight) for topic in interests.topics),
        authors=interests.authors,
        categories=interests.categories,
        liked=interests.liked,
        disliked=interests.disliked,
        mute=interests.muted,
        mute_authors=interests.muted_authors,
        zone=schedule.zone,
        at=schedule.at.isoformat("minutes"),
        days=tuple(DAYS[day] for day in sorted(schedule.days)),
        papers=str(profile.papers),
        language=profile.language,
        when_quiet=profile.when_quiet.value,
        again=profile.again,
    )


def profile(fields: Fields, w: Words, kept: Fields | None = None) -> tuple[Profile | None, list[str]]:
    """The profile, or every mistake in words for the person who typed.

    Args:
        fields: what was typed.
        w: the language of those words.
        kept: what is known of them already: an operator's roster may hold more than a form takes from strangers.
    """
    most = {name: max(number, len(getattr(kept, name, ()))) for name, number in _MOST.items()}
    too_many = {name: number for name, number in most.items() if len(getattr(fields, name)) > number}
    said = w.gettext("at most %(number)s")
    problems = [f"{_label(name, w)}: {said % {'number': number}}" for name, number in too_many.items()]
    if problems:
        return None, problems
    try:
        return signup.profile(_entry(fields)), []
    except SettingsError as error:
        return None, list(dict.fromkeys(_plainly(problem, w) for problem in error.problems))


def with_address(fields: Fields, email: str) -> Fields:
    """*fields* of somebody whose address is known, and not in the form."""
    return replace(fields, email=email)


def for_preview(fields: Fields, w: Words) -> tuple[Profile | None, list[str]]:
    """Likewise, without an address."""
    return profile(replace(fields, email="nobody@example.org"), w)


def weights(w: Words) -> Sequence[tuple[float, str]]:
    """How much a topic may count."""
    _ = w.gettext
    return (0.5, _("a little")), (1.0, _("normal")), (2.0, _("much")), (4.0, _("most of all"))


def quiet(w: Words) -> Sequence[tuple[str, str]]:
    """What may come on a day without a match."""
    return (
        ("trending", w.gettext("Send what others are reading")),
        ("note", w.gettext("Send nothing, but a short note if it goes on")),
        ("silence", w.gettext("Send nothing at all")),
    )


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """Names of time zones to choose from."""
    return ("UTC", *sorted(z for z in available_timezones() if "/" in z and not z.startswith(("Etc/", "SystemV/"))))


def _entry(fields: Fields) -> dict[str, Any]:
    return {
        "email": fields.email,
        "topics": [{"topic": phrase, "weight": weight} for phrase, weight in fields.topics],
        "authors": list(fields.authors),
        "categories": list(fields.categories),
        "liked": list(fields.liked),
        "disliked": list(fields.disliked),
        "mute": list(fields.mute),
        "mute_authors": list(fields.mute_authors),
        "zone": fields.zone,
        "at": fields.at,
        "days": list(fields.days),
        "papers": int(fields.papers) if re.fullmatch(r"[0-9]{1,4}", fields.papers) else 0,
        "language": fields.language,
        "when_quiet": fields.when_quiet,
        "again": fields.again,
    }


def _plainly(problem: str, w: Words) -> str:
    """`categories.0: String should match …` in the words of the form."""
    where = problem.partition(": ")[0]
    name = where.partition(".")[0]
    return f"{_label(name, w)}: {_rule(name, w, weight=where.endswith('.weight'))}"


def _rule(name: str, w: Words, *, weight: bool) -> str:
    """What holds for a field, and was broken."""
    _ = w.gettext
    if weight:
        return _("a weight is a number from 0.1 to 10")
    listed = _("choose one of the list")
    rules = {
        "email": _("this is not an e-mail address that mail can be sent to"),
        "categories": _("they are written like cs.CL or stat.ML"),
        "papers": _("from 1 to 50"),
        "days": _("choose at least one"),
        "at": _("a time of day, such as 07:00"),
        "zone": listed,
        "language": listed,
        "when_quiet": listed,
    }
    return rules.get(name, _("at most 200 characters each"))


def _label(name: str, w: Words) -> str:
    _ = w.gettext
    labels = {
        "email": _("Address"),
        "topics": _("Topics"),
        "authors": _("Authors"),
        "categories": _("Categories"),
        "liked": _("Papers you liked"),
        "disliked": _("Papers you did not like"),
        "mute": _("Muted words"),
        "mute_authors": _("Hidden authors"),
        "zone": _("Time zone"),
        "at": _("Hour"),
        "days": _("Days"),
        "papers": _("Number of papers"),
        "language": _("Language"),
        "when_quiet": _("On a day without a match"),
    }
    return labels[name]


def _number(text: str) -> float:
    try:
        return float(text) if len(text) < 8 else 1.0
    except ValueError:
        return 1.0


def _lines(texts: Sequence[str]) -> tuple[str, ...]:
    return _parts(r"[\r\n]+", texts)


def _parts(separator: str, texts: Sequence[str]) -> tuple[str, ...]:
    found = (part.strip() for text in texts for part in re.split(separator, text))
    return tuple(dict.fromkeys(part for part in found if part))
