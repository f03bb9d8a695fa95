"""What the program says in its own voice: why a paper was picked, the subject, the summary, the status line.

What thousands of readers are told alike is remembered by the few values that decide it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from math import ceil

from digest.compose.text import fit, line, width
from digest.compose.words import NO_BREAK, Words
from digest.models import (
    EVERY_DAY,
    WEEKDAYS,
    Digest,
    Reason,
    ReasonKind,
    Section,
    Signal,
    SourceStatus,
    Subscriber,
    WhenQuiet,
)

SUBJECT = 70
"""Columns of a subject; phones show about 40, which is why the date comes last."""
PREHEADER = 110
_SOURCES = {"huggingface": "Hugging Face", "arxiv": "arXiv"}


def source_name(source: str) -> str:
    """What people call it."""
    return _SOURCES.get(source) or line(source)


def reason(reasons: Sequence[Reason], w: Words, most: int = 2) -> str:
    """The strongest *reasons* as one sentence; empty where there are none."""
    topics = tuple(r for r in reasons if r.kind is ReasonKind.TOPIC and r.subject)[:2]
    said: dict[ReasonKind, str] = {}
    for each in reasons:
        if each.kind not in said and len(said) < most:
            said[each.kind] = _predicate(each, topics, w)
    if not said:
        return ""
    return w.gettext("It %(reasons)s.") % {"reasons": w.both(tuple(said.values()))}


def _predicate(reason: Reason, topics: Sequence[Reason], w: Words) -> str:
    match reason.kind:
        case ReasonKind.TOPIC:
            return _topics(topics, w)
        case ReasonKind.RISING:
            return _rising(reason, w)
        case ReasonKind.SEEN if reason.day:
            return w.gettext("was in your digest of %(day)s and is trending now") % {"day": w.day(reason.day)}
        case ReasonKind.TRENDING | ReasonKind.SEEN:
            return _trending(reason, w)
    texts = {
        ReasonKind.LIKED: w.gettext("is close to “%(subject)s” from your liked papers"),
        ReasonKind.AUTHOR: w.gettext("is by %(subject)s from your list of authors"),
        ReasonKind.CATEGORY: w.gettext("is in your category %(subject)s"),
    }
    return texts[reason.kind] % {"subject": fit(line(reason.subject), 90)}


def _topics(topics: Sequence[Reason], w: Words) -> str:
    quoted = tuple(_in_quotes(topic.subject, w) for topic in topics)
    if not quoted:
        return w.gettext("matches your interests")
    if len(topics) == 1 and (terms := _telling(topics[0])):
        text = w.gettext("matches your topic %(topic)s through %(terms)s")
        return text % {"topic": quoted[0], "terms": ", ".join(_in_quotes(term, w) for term in terms)}
    text = w.ngettext("matches your topic %(topics)s", "matches your topics %(topics)s", len(quoted))
    return text % {"topics": w.both(quoted)}


def _telling(topic: Reason, most: int = 3) -> tuple[str, ...]:
    """The words of the paper that matched, the strongest first, where they are not simply those of the topic.

    None where they hold every word of the topic; a part of them or other words are worth saying.
    """
    wanted, found = _stems(topic.subject), [(term, _stems(term)) for term in topic.terms]
    if all(any(_alike(each, stem) for _, stems in found for stem in stems) for each in wanted):
        return ()
    named: list[str] = []
    said: list[str] = []
    for term, stems in found:
        if len(named) < most and not all(any(_alike(stem, each) for each in said) for stem in stems):
            named.append(term)
            said += stems
    return tuple(named)


def _stems(phrase: str) -> list[str]:
    """Its words, but for the short ones between them ("of", "for")."""
    words = re.findall(r"\w+", phrase.casefold())
    return [word for word in words if len(word) > 3] or words


def _alike(one: str, other: str) -> bool:
    """Whether two words differ in their ends only: "mechanism" and "mechanisms"."""
    shorter, longer = sorted((one, other), key=len)
    return longer.startswith(shorter) if len(shorter) > 3 else longer == shorter


def _in_quotes(phrase: str, w: Words) -> str:
    return w.gettext("“%(phrase)s”") % {"phrase": fit(line(phrase), 60)}


def _trending(reason: Reason, w: Words) -> str:
    share = max(1, ceil(100 - reason.percentile))
    if share <= 25:
        return w.gettext("is in the day’s top %(percent)s by upvotes") % {"percent": w.percent(share)}
    if reason.upvotes:
        text = w.ngettext("has %(count)s upvote", "has %(count)s upvotes", reason.upvotes)
        return text % {"count": w.about(reason.upvotes)}
    return w.gettext("is being read today")


def _rising(reason: Reason, w: Words) -> str:
    if reason.percentile < 50:
        return w.gettext("is gaining upvotes")
    percent = w.percent(min(99, int(reason.percentile)))
    return w.gettext("is gaining upvotes faster than %(percent)s of the day’s papers") % {"percent": percent}


def signals(signal: Signal | None, w: Words) -> list[str]:
    """What the public thought: `["132 upvotes", "5 comments", "1.2K stars"]`."""
    if signal is None:
        return []
    shown = (
        (signal.upvotes, w.ngettext("%(count)s upvote", "%(count)s upvotes", signal.upvotes)),
        (signal.comments, w.ngettext("%(count)s comment", "%(count)s comments", signal.comments)),
        (signal.stars or 0, w.ngettext("%(count)s GitHub star", "%(count)s GitHub stars", signal.stars or 0)),
    )
    said = [text % {"count": w.about(number)} for number, text in shown if number > 0]
    return [text.replace(" ", NO_BREAK) for text in said]


def since(digest: Digest, w: Words) -> str:
    """When the last digest came, where this one covers more than the usual: "Thursday", "Jan 12"."""
    if digest.since is None:
        return ""
    near = 0 < (digest.issue - digest.since).days < 7
    return w.weekday(digest.since.weekday()) if near else w.day(digest.since)


def subject(digest: Digest, w: Words) -> str:
    """The lead paper, how many more, and the day; never the same twice, because no paper comes twice."""
    if digest.picks:
        trending = all(pick.section is Section.TRENDING for pick in digest.picks)
        lead, rest = digest.picks[0].paper.title, len(digest.picks) - 1
        return _headline(lead, rest, digest.issue, since(digest, w), trending, w)
    tail = f" · {w.day(digest.issue)}"
    if digest.since:
        return w.gettext("Nothing new for you since %(day)s") % {"day": w.day(digest.since)} + tail
    return w.gettext("A quiet day: nothing new for you") + tail


@lru_cache(4096)
def _headline(lead: str, rest: int, issue: date, since: str, trending: bool, w: Words) -> str:
    tail = f" · {w.day(issue)}"
    if rest:
        tail = " " + w.ngettext("and %(count)s more", "and %(count)s more", rest) % {"count": w.count(rest)} + tail
    head = ""
    if since:
        head = w.gettext("Since %(day)s") % {"day": since} + ": "
    elif trending:
        head = w.gettext("Trending") + ": "
    return head + fit(line(lead), SUBJECT - width(head + tail)) + tail


def summary(digest: Digest, w: Words) -> str:
    """12 of 412 papers; 3 rising."""
    rising = [pick for pick in digest.picks if ReasonKind.RISING in [reason.kind for reason in pick.reasons]]
    return _measure(len(digest.picks), _considered(digest), len(rising), w)


@lru_cache(4096)
def _measure(shown: int, considered: int, rising: int, w: Words) -> str:
    if not considered:
        return w.gettext("No new papers")
    text = w.ngettext("%(shown)s of %(all)s paper", "%(shown)s of %(all)s papers", considered)
    said = text % {"shown": w.count(shown), "all": w.count(considered)}
    if rising:
        said += "; " + w.ngettext("%(count)s rising", "%(count)s rising", rising) % {"count": w.count(rising)}
    return said


def preheader(digest: Digest, w: Words) -> str:
    """What a mailbox shows beside the subject: the papers after the lead."""
    if not digest.picks:
        return w.gettext("No new paper matched today; the next digest comes as usual.")
    if len(digest.picks) == 1:
        return fit(summary(digest, w), PREHEADER)
    return _also(tuple([pick.paper.title for pick in digest.picks[1:3]]), w)


@lru_cache(4096)
def _also(titles: tuple[str, ...], w: Words) -> str:
    room = (PREHEADER - 10) // len(titles)
    shown = " · ".join(fit(line(title), room) for title in titles)
    return fit(w.gettext("Also: %(titles)s") % {"titles": shown}, PREHEADER)


def greeting(digest: Digest, w: Words) -> str:
    """One sentence on what kind of day it is; empty on an ordinary one."""
    sections = {pick.section for pick in digest.picks}
    if not sections and digest.since:
        return w.gettext(
            "Nothing new has matched since %(day)s; this is to say that we still look every day. "
            "Broader topics would find more."
        ) % {"day": w.day(digest.since)}
    if not sections:
        return w.gettext("Nothing new matched today. Enjoy the quiet; the next digest comes as usual.")
    if digest.since:
        return w.gettext("This digest covers everything since %(day)s.") % {"day": since(digest, w)}
    if Section.FOR_YOU not in sections and digest.subscriber.interests:
        return w.gettext("Nothing new on your topics today. This is what others are reading.")
    return ""


def because(to: str, site: str, w: Words) -> str:
    """You get this because ada@example.org subscribed to Paper Digest."""
    text = w.gettext("You get this because %(to)s subscribed to %(name)s.")
    return text % {"to": fit(to, 120), "name": site}


def schedule(subscriber: Subscriber, w: Words) -> str:
    """A digest comes on Monday and Thursday at 07:00 (Europe/Berlin)."""
    said = [_days(subscriber, w)]
    if _wants_none(subscriber):
        said.append(w.gettext("Days on which no new paper matches bring none."))
    return " ".join(said)


def _wants_none(subscriber: Subscriber) -> bool:
    """Whether a day without a match brings them no digest."""
    return bool(subscriber.interests) and subscriber.profile.when_quiet is not WhenQuiet.TRENDING


def _days(subscriber: Subscriber, w: Words) -> str:
    days = subscriber.schedule.days
    names = {
        "time": w.clock(subscriber.schedule.at),
        "zone": subscriber.schedule.zone,
        "days": w.both(tuple(w.weekday(day) for day in sorted(days))),
    }
    if days == EVERY_DAY:
        return w.gettext("A digest comes every day at %(time)s (%(zone)s).") % names
    if days == WEEKDAYS:
        return w.gettext("A digest comes from Monday to Friday at %(time)s (%(zone)s).") % names
    return w.gettext("A digest comes on %(days)s at %(time)s (%(zone)s).") % names


def interests(subscriber: Subscriber, w: Words) -> str:
    """What a digest looks for; empty where nothing is named."""
    wanted = subscriber.interests
    named = [topic.phrase for topic in wanted.topics] + [*wanted.authors, *wanted.categories]
    return w.both(tuple(fit(line(each), 60) for each in named[:20]))


def chosen(digest: Digest, w: Words) -> str:
    """Chosen from 412 papers. Read today: Hugging Face (33 new) and arXiv (379 new)."""
    considered = _considered(digest) if digest.picks else 0
    return _chosen(considered, not digest.picks and _wants_none(digest.subscriber), digest.sources, w)


@lru_cache(512)
def _chosen(considered: int, none_wanted: bool, sources: tuple[SourceStatus, ...], w: Words) -> str:
    said = []
    if considered:
        text = w.ngettext("Chosen from %(count)s paper.", "Chosen from %(count)s papers.", considered)
        said.append(text % {"count": w.count(considered)})
    elif none_wanted:
        said.append(w.gettext("No new paper matched; such days bring no digest, as you chose."))
    read = tuple(_brought(status, w) for status in sources if not status.failure)[:12]
    if read:
        said.append(w.gettext("Read today: %(sources)s.") % {"sources": w.both(read)})
    return " ".join(said)


def _considered(digest: Digest) -> int:
    return max(digest.considered, len(digest.picks))


def _brought(status: SourceStatus, w: Words) -> str:
    return w.gettext("%(source)s (%(count)s new)") % {
        "source": fit(source_name(status.source), 40),
        "count": w.count(status.papers),
    }


def failures(digest: Digest, w: Words) -> list[str]:
    """One sentence for each source that was down, with the reason."""
    return [_failure(status, digest.issue, w) for status in digest.sources if status.failure][:12]


def _failure(status: SourceStatus, today: date, w: Words) -> str:
    names = {
        "source": fit(source_name(status.source), 40),
        "why": fit(line(status.failure), 120).rstrip("."),
        "count": w.count(status.papers),
    }
    if status.papers:
        return w.gettext("%(source)s was read only in part (%(count)s new): %(why)s.") % names
    if status.failing_since and status.failing_since.date() < today:
        names["day"] = w.day(status.failing_since)
        return w.gettext("%(source)s could not be read, since %(day)s: %(why)s.") % names
    return w.gettext("%(source)s could not be read: %(why)s.") % names
