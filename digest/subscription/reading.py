"""What there is to read: a preview before subscribing, what is trending, past issues, the reading list."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from digest import ranking
from digest.compose import Sheet
from digest.due import local_day
from digest.models import Digest, Origin, Profile, Subscriber, SubscriberState
from digest.pipeline import Reading, picks_for
from digest.pipeline.plan import WINDOW
from digest.store import Said
from digest.subscription.desk import Desk

PAST_DAYS = 60
"""How far back the public pages of trending papers go."""

_TRENDING = 15
_LEARNED = 1500
"""Papers that topics are suggested from."""


_SUGGESTED = 60


def preview(desk: Desk, profile: Profile, person: Subscriber | None = None) -> Digest:
    """What a digest would hold now for exactly this *profile*, with what *person* has said of papers."""
    reading = desk.days.today()
    reader = replace(person or _passer_by(profile), token="", profile=profile, last_issue=None)
    prepared = reading.readers([reader], WINDOW)[0]
    # what was in a digest may be shown here once more
    prepared = replace(prepared, seen={}, resurface=False)
    selection = ranking.choose(reading.pool(WINDOW), [prepared])[0]
    return _digest(reading, reader, local_day(profile.schedule, desk.now), selection)


def unknown(desk: Desk, profile: Profile) -> list[str]:
    """The liked papers that the store does not know yet; they are looked up once somebody subscribes."""
    known = desk.parts.store.papers.by_id(profile.interests.liked)
    return [paper for paper in profile.interests.liked if paper not in known]


def trending(desk: Desk, limit: int = _TRENDING) -> Digest:
    """What others read now."""
    return desk.days.shared(f"trending {limit}", lambda: preview(desk, Profile("", papers=limit)))


def trending_on(desk: Desk, day: date) -> Digest | None:
    """What others read on *day* (UTC); None for a day that is not kept, or without papers."""
    today = desk.now.date()
    if day == today:
        return trending(desk)
    if not today - timedelta(days=PAST_DAYS) <= day < today:
        return None
    return desk.days.remembered(day, lambda: _trending_then(desk, day))


def days_with_papers(desk: Desk) -> list[tuple[date, int]]:
    """The days that have a public page, the latest first, with how many papers were listed."""
    since = datetime.combine(desk.now.date() - timedelta(days=PAST_DAYS), time(), UTC)
    news = desk.days.shared("days with papers", lambda: desk.parts.store.census.news(since))
    return sorted(news.items(), reverse=True)


def suggestions(desk: Desk) -> list[str]:
    """Phrases that many of the latest papers are about, the most frequent first; for the form's lists."""
    return desk.days.shared("suggestions", lambda: _suggestions(desk))


def _suggestions(desk: Desk) -> list[str]:
    counted = Counter(
        word.casefold().strip()
        for paper in desk.parts.store.papers.newest(_LEARNED)
        for word in dict.fromkeys(paper.keywords)
        if 3 < len(word) < 40
    )
    return [word for word, number in counted.most_common(_SUGGESTED) if number > 1]


def issue(desk: Desk, token: str, day: date) -> Digest | None:
    """One digest as it was sent; None when it never was, or is not kept any more."""
    person = desk.parts.store.subscribers.by_token(token)
    found = desk.parts.store.deliveries.find(person.id, day) if person else None
    return found[1] if found else None


def without_links(digest: Digest) -> Digest:
    """For whoever may read it and no more: feed readers keep the archive's link, and "more like this" leads on."""
    return replace(digest, subscriber=replace(digest.subscriber, token=""))


def issues(desk: Desk, person: Subscriber) -> list[tuple[date, int]]:
    """The days and sizes of the past issues of one reader, the latest first."""
    return desk.parts.store.shelf.issues(person.id)


def latest(desk: Desk, person: Subscriber, most: int = 10) -> list[Digest]:
    """The last issues of one reader, the latest first, for a feed."""
    days = [day for day, _ in desk.parts.store.shelf.issues(person.id, most)]
    found = [desk.parts.store.deliveries.find(person.id, day) for day in days]
    return [each[1] for each in found if each and each[1]]


def saved(desk: Desk, person: Subscriber) -> list[Said]:
    """The reading list, the latest first."""
    return desk.parts.store.shelf.saved(person.id)


def reader(desk: Desk, token: str) -> Subscriber | None:
    """Whose pages they are."""
    return desk.parts.store.subscribers.by_token(token)


def language(desk: Desk, token: str) -> str:
    """In which language somebody reads, whether they have confirmed already or not; empty where nobody is known."""
    store = desk.parts.store
    person = store.subscribers.by_token(token)
    if person:
        return person.profile.language
    waiting = store.signups.get(token)
    return waiting[0].language if waiting else ""


def sheet(desk: Desk, digest: Digest, language: str = "") -> Sheet:
    """What a page shows of *digest*, in its reader's language or in *language*."""
    reader = digest.subscriber
    if language and language != reader.profile.language:
        digest = replace(digest, subscriber=replace(reader, profile=replace(reader.profile, language=language)))
    return desk.parts.writer.sheet(digest)


def _passer_by(profile: Profile) -> Subscriber:
    return Subscriber(0, "", profile, SubscriberState.PENDING, Origin.WEB)


def _trending_then(desk: Desk, day: date) -> Digest | None:
    """As it stood at the end of that day."""
    today = desk.days.today()
    evening = datetime.combine(day + timedelta(days=1), time(), UTC) - timedelta(seconds=1)
    then = Reading(desk.parts, evening, today.statistics, ())
    reader = _passer_by(Profile("", papers=_TRENDING))
    window = timedelta(days=1)
    selection = ranking.choose(then.pool(window), then.readers([reader], window))[0]
    return _digest(then, reader, day, selection) if selection.picks else None


def _digest(reading: Reading, person: Subscriber, day: date, selection: ranking.Selection) -> Digest:
    picks = picks_for(person.profile, selection)
    return Digest(person, day, reading.now, picks, selection.considered, reading.sources)
