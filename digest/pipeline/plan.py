"""Choose papers for everybody whose issue is due, and freeze the choice in the outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from functools import cache
from typing import Self, TypeVar

import structlog

from digest import ranking
from digest.due import decide, local_day, next_due
from digest.models import Digest, Pick, Profile, SourceStatus, Subscriber, WhenQuiet
from digest.pipeline import meaning
from digest.pipeline.parts import Parts
from digest.ranking import Pool, Reader, Selection, Statistics
from digest.store import EVERYBODY, Claim, Learned, Opinions, Share, is_away, patient

log = structlog.get_logger(__name__)

BLOCK = 500
"""Subscribers planned together: one query each for people, past issues and opinions, one transaction."""

WINDOW = timedelta(days=4)
"""How long a paper stays a candidate: strong runners-up, and whatever came over a weekend, get another chance."""

LONGEST_WINDOW = timedelta(days=30)
"""After a downtime the window reaches back to a subscriber's last issue, but no further than this."""

TOLD_AGAIN = timedelta(days=60)
"""A reader for whom there is nothing for months hears of it so often."""

BACKGROUND = 20_000
"""Stored papers that word statistics are learned from."""

STALE = timedelta(days=7)
GROWN = 1.2
"""Statistics are learned again after a week, or when there are so many times more papers."""


T = TypeVar("T")
Digests = Sequence[Digest]
Due = Mapping[int, datetime]
"""Subscriber id -> when the next issue is due."""


@dataclass(slots=True)
class Planned:
    """What planning did."""

    issues: int = 0
    empty: int = 0
    """Issues without a paper worth a reader's minute; nothing is mailed."""
    waiting: int = 0
    """Overdue, merged into their next regular issue."""
    failed: int = 0
    matched: int = 0
    """Papers that were worth their reader's minute, of all readers together."""
    shown: int = 0
    """Papers in all digests together."""

    def __iadd__(self, other: Planned) -> Self:
        for f in fields(self):
            setattr(self, f.name, getattr(self, f.name) + getattr(other, f.name))
        return self


@dataclass(slots=True)
class Reading:
    """The day's papers as the ranking has prepared them, once per process and window."""

    parts: Parts
    now: datetime
    statistics: Statistics
    sources: tuple[SourceStatus, ...]
    pools: dict[timedelta, Pool] = field(default_factory=dict)
    oldest: dict[timedelta, date] = field(default_factory=dict)

    def pool(self, window: timedelta) -> Pool:
        """What became news within *window*."""
        if window not in self.pools:
            candidates = self.parts.store.papers.candidates(self.now - window, self.now)
            embedding = meaning.vectors(self.parts, [c.paper for c in candidates])
            self.pools[window] = ranking.prepare(candidates, self.statistics, self.now, embedding=embedding)
            seen = [c.first_seen for c in candidates if c.first_seen]
            self.oldest[window] = (min(seen) if seen else self.now).date() - timedelta(days=1)
        return self.pools[window]

    def select(self, people: Sequence[Subscriber], window: timedelta) -> list[Selection]:
        """Choose for each of *people*."""
        pool = self.pool(window)
        return ranking.choose(pool, self.readers(people, window))

    def readers(self, people: Sequence[Subscriber], window: timedelta) -> list[Reader]:
        """What the ranking needs to know of each of *people*, read in a few queries for all of them."""
        self.pool(window)
        store, ids = self.parts.store, [person.id for person in people]
        seen = store.deliveries.seen(ids, self.oldest[window])
        chosen_at = store.deliveries.chosen_at(ids)
        opinions = store.feedback.opinions(ids)
        named = {id_ for p in people for id_ in (*p.interests.liked, *p.interests.disliked)}
        papers = store.papers.by_id(named) if named else {}
        again = [person.id for person in people if person.profile.again]
        twice = store.deliveries.twice(again, self.oldest[window]) if again else {}

        def reader(person: Subscriber) -> Reader:
            said = opinions.get(person.id, Opinions())
            interests = person.interests
            return Reader(
                interests=interests,
                papers=person.profile.papers,
                liked=(*(papers[i] for i in interests.liked if i in papers), *said.more),
                disliked=(*(papers[i] for i in interests.disliked if i in papers), *said.less),
                seen=seen[person.id],
                resurface=person.profile.again,
                resurfaced=twice.get(person.id, frozenset()),
                since=chosen_at.get(person.id),
            )

        return meaning.understand(self.parts, [reader(person) for person in people])

    def quiet(self, issues: Sequence[tuple[Subscriber, date]]) -> dict[int, date]:
        """Who is to be told that there was nothing for them, and since when, should these *issues* be empty."""
        days = self.parts.settings.quiet_note
        if not (days and issues):
            return {}
        oldest = min(issue for _, issue in issues) - TOLD_AGAIN
        told = [(p, issue) for p, issue in issues if p.profile.when_quiet is not WhenQuiet.SILENCE]
        since = self.parts.store.deliveries.quiet([person.id for person, _ in told], oldest)
        return {p.id: since[p.id] for p, issue in told if p.id in since and (issue - since[p.id]).days >= days}


def read_day(parts: Parts) -> Reading:
    """Prepare what choosing needs: word statistics, and how the sources fared."""
    now = parts.clock()
    return Reading(parts, now, _statistics(parts, now), _source_statuses(parts, now))


def plan(parts: Parts, share: Share = EVERYBODY) -> Planned:
    """Plan an issue for everybody of *share* who is due; safe to repeat, and to run in many processes."""
    report = Planned()
    keep = parts.store.deliveries.plan
    for _ in _blocks(parts, share, keep, report):
        parts.progress("choosing papers", report.issues + report.empty, None)
    return report


def plan_and_claim(parts: Parts, share: Share, report: Planned) -> Iterator[list[Claim]]:
    """The same for a process that sends what it has chosen, block by block, and counts in *report*.

    Yields:
        What is to be mailed of each block, claimed.
    """

    def keep(digests: Digests, due: Due) -> list[Claim]:
        return parts.store.deliveries.plan_claimed(digests, due, parts.clock(), parts.owner)

    return _blocks(parts, share, keep, report)


def _blocks(parts: Parts, share: Share, keep: Callable[[Digests, Due], T], report: Planned) -> Iterator[T]:
    """Yields what *keep* returns for each block."""
    planning = _Planning(parts, share, report)
    while not parts.stop.is_set() and (kept := planning.block(keep)) is not None:
        yield kept


class _Planning:
    """One pass over everybody of *share* who is due when it begins."""

    def __init__(self, parts: Parts, share: Share, report: Planned) -> None:
        self._parts, self._share, self._report = parts, share, report
        self._now = parts.clock()
        self._reading: Reading | None = None
        parts.store.suppressions.stop_due(self._now)

    @patient
    def block(self, keep: Callable[[Digests, Due], T]) -> T | None:
        """Plan the next ones; returns what *keep* returned, or None when nobody is due any more."""
        people = self._parts.store.subscribers.due(self._now, BLOCK, self._share)
        if not people:
            return None
        self._reading = self._reading or read_day(self._parts)
        report = Planned()  # counted only once the block is kept
        kept = _plan_block(self._reading, people, keep, report)
        self._report += report
        return kept


def digest_for(reading: Reading, person: Subscriber, issue: date) -> Digest:
    """The digest that *person* would get as *issue* now."""
    window = window_of(person, reading.now)
    quiet = reading.quiet([(person, issue)]).get(person.id)
    return _digest(reading, person, issue, reading.select([person], window)[0], quiet)


def picks_for(profile: Profile, selection: Selection) -> tuple[Pick, ...]:
    """What is sent of *selection*: nothing where no paper matched and the reader wants no digest then."""
    wanted = selection.matched or not profile.interests or profile.when_quiet is WhenQuiet.TRENDING
    return selection.picks if wanted else ()


def window_of(person: Subscriber, now: datetime) -> timedelta:
    """How far back to look for *person*: the usual window, or further after a gap, in steps that many share."""
    if person.last_issue is None:
        return WINDOW
    gap = timedelta(days=(local_day(person.schedule, now) - person.last_issue).days + 1)
    steps = (WINDOW, 2 * WINDOW, 4 * WINDOW, LONGEST_WINDOW)
    return next((step for step in steps if gap <= step), LONGEST_WINDOW)


def _plan_block(
    reading: Reading, people: Sequence[Subscriber], keep: Callable[[Digests, Due], T], report: Planned
) -> T:
    due: dict[int, datetime] = {}
    groups: dict[timedelta, list[tuple[Subscriber, date]]] = {}
    decide_alike = cache(decide)  # for all who live by the same clock
    for person in people:
        decision = decide_alike(person.schedule, reading.now, person.next_due_at or reading.now, person.last_issue)
        due[person.id] = decision.next_due_at
        if decision.issue is None:
            report.waiting += 1
        else:
            groups.setdefault(window_of(person, reading.now), []).append((person, decision.issue))
    digests = [digest for window, group in groups.items() for digest in _digests(reading, window, group, report)]
    kept = keep(digests, due)
    mailed = sum(digest.worth_mailing for digest in digests)
    report.issues += mailed
    report.empty += len(digests) - mailed
    report.shown += sum(len(digest.picks) for digest in digests)
    return kept


def _digests(
    reading: Reading, window: timedelta, group: Sequence[tuple[Subscriber, date]], report: Planned
) -> Iterable[Digest]:
    """The digests of *group*; if the block fails, one by one, so that one odd profile costs nobody else."""
    try:
        selections = reading.select([person for person, _ in group], window)
        chosen = [(p, issue, s) for (p, issue), s in zip(group, selections, strict=True)]
        quiet = reading.quiet([(p, issue) for p, issue, s in chosen if not picks_for(p.profile, s)])
        digests = [_digest(reading, p, issue, s, quiet.get(p.id)) for p, issue, s in chosen]
    except Exception as error:
        if is_away(error):
            raise
        if len(group) == 1:
            report.failed += 1
            log.exception("choosing failed", subscriber=group[0][0].token)
            return []
        return [digest for one in group for digest in _digests(reading, window, [one], report)]
    report.matched += sum(selection.matched for selection in selections)
    return digests


def _digest(reading: Reading, person: Subscriber, issue: date, selection: Selection, quiet: date | None) -> Digest:
    picks = picks_for(person.profile, selection)
    return Digest(
        subscriber=person,
        issue=issue,
        planned_at=reading.now,
        picks=picks,
        considered=selection.considered,
        sources=reading.sources,
        since=_gap(person, issue, reading.now) if picks else quiet,
    )


def _gap(person: Subscriber, issue: date, now: datetime) -> date | None:
    """The day of the last issue, when a due one lies between it and *issue*."""
    if person.last_issue is None:
        return None
    expected = local_day(person.schedule, next_due(person.schedule, now - LONGEST_WINDOW, person.last_issue))
    return person.last_issue if expected < issue else None


def _statistics(parts: Parts, now: datetime) -> Statistics:
    known, papers = parts.store.runs.statistics(), parts.store.papers.count()
    fresh = known and timedelta(0) <= now - known.learned_at < STALE and papers <= known.papers * GROWN
    if known and fresh:
        return Statistics.from_bytes(known.data)
    parts.progress("learning word statistics", 0, papers)
    statistics = ranking.learn(parts.store.papers.newest(BACKGROUND))
    parts.store.runs.keep_statistics(Learned(now, papers, statistics.to_bytes()))
    return statistics


def _source_statuses(parts: Parts, now: datetime) -> tuple[SourceStatus, ...]:
    records = parts.store.sources.records()
    news: Mapping[str, int] = parts.store.papers.news_by_source(now - timedelta(days=1), now)
    return tuple(
        SourceStatus(s.name, news.get(s.name, 0), record.failure, record.failing_since)
        for s in parts.sources
        if (record := records.get(s.name))
    )
