"""Past issues again: where the ranking of today would put the papers that readers said something of.

Each issue is rebuilt as of the moment it was planned: the candidates and upvotes known then, the wishes frozen with the
digest, and of the reader's opinions only those given before. Readers judge only what they were shown, which is
what suited them, so that *ranks* among all candidates flatter whatever chose the papers; the order *within one
mail* does so less, as all its papers were shown, though those at the top are read more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from digest.models import Digest, Interests, Subscriber
from digest.pipeline import meaning
from digest.pipeline.parts import Parts
from digest.pipeline.plan import Reading, read_day, window_of
from digest.ranking import Pool, Reader
from digest.ranking.evaluate import by_score, order_for
from digest.store import Opinions
from digest.store.tidy import SIGNALS

REPLAYING = "replaying past issues"
GOOD, BAD = frozenset({"more", "save"}), frozenset({"less"})
TAKEN_BACK = {"none": frozenset({"more", "less"}), "unsave": frozenset({"save"})}
"""What a word takes back."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One past issue, ordered by the ranking of today and by upvotes."""

    shown: tuple[str, ...]
    """Ids of the papers in the mail."""
    liked: frozenset[str]
    disliked: frozenset[str]
    ours: tuple[str, ...]
    """Every candidate of that morning, best first."""
    upvoted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Issue:
    """An issue that was sent."""

    digest: Digest
    subscriber: Subscriber
    """As they were, before it."""
    last_chosen_at: datetime | None
    """When the papers of the issue before were chosen."""


def replay(parts: Parts) -> Iterator[Replayed]:
    """The issues of the last weeks whose readers said something of a paper in them, oldest first.

    Upvotes are kept for five weeks; older issues could not be rebuilt.
    """
    since = parts.clock() - SIGNALS
    people = {person.id: person for person in parts.store.subscribers.everyone()}
    judged = _judged(parts, since)
    issues = [issue for id_ in judged if id_ in people for issue in _issues(parts, people[id_], since.date())]
    issues.sort(key=lambda issue: issue.digest.planned_at)
    statistics, then = read_day(parts).statistics, None
    for number, issue in enumerate(issues):
        parts.progress(REPLAYING, number, len(issues))
        shown = tuple(pick.paper.id for pick in issue.digest.picks)
        said = {i: verbs for i, verbs in judged[issue.subscriber.id].items() if i in shown}
        if then is None or then.now != issue.digest.planned_at:  # those of one pass share a morning
            then = Reading(parts, issue.digest.planned_at, statistics, ())
        pool = then.pool(window_of(issue.subscriber, then.now))
        liked = frozenset(i for i, verbs in said.items() if verbs & GOOD and i in pool.index)
        disliked = frozenset(i for i, verbs in said.items() if verbs & BAD and i in pool.index)
        if liked or disliked:
            reader = _reader(parts, issue, people[issue.subscriber.id], pool)
            yield Replayed(shown, liked, disliked, tuple(order_for(pool, reader)), tuple(_by_upvotes(pool)))
    parts.progress(REPLAYING, len(issues), len(issues))


def _judged(parts: Parts, since: datetime) -> dict[int, dict[str, set[str]]]:
    """What stands of what readers said, by reader and paper."""
    judged: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for event in parts.store.feedback.events(since):
        said = judged[event.subscriber_id][event.paper_id]
        said -= TAKEN_BACK.get(event.verb, TAKEN_BACK["none"] if event.verb in {"more", "less"} else frozenset())
        said |= {event.verb} & (GOOD | BAD)
    return judged


def _issues(parts: Parts, person: Subscriber, since: date) -> Iterator[_Issue]:
    days = {each["issue"]: each["planned_at"] for each in parts.store.shelf.records(person.id)["deliveries"]}
    for day, _ in parts.store.shelf.issues(person.id):
        found = parts.store.deliveries.find(person.id, day) if day >= since else None
        if found and found[1]:
            last = max((each for each in days if each < day), default=None)
            then = replace(found[1].subscriber, id=person.id, last_issue=last)
            yield _Issue(found[1], then, days[last] if last else None)


def _reader(parts: Parts, issue: _Issue, now: Subscriber, pool: Pool) -> Reader:
    """The reader as they were; papers of that very morning which they named since are no hint that one had then."""
    store, then = parts.store, issue.digest.planned_at
    named = store.papers.by_id((*now.interests.liked, *now.interests.disliked))
    known = {i: paper for i, paper in named.items() if i not in pool.index}
    said = store.feedback.opinions([now.id], until=then).get(now.id, Opinions())
    seen = store.deliveries.seen([now.id], (then - timedelta(days=60)).date())[now.id]
    wishes = _wishes(issue.subscriber.interests, now.interests, known)
    reader = Reader(
        interests=wishes,
        papers=issue.subscriber.profile.papers,
        liked=(*(known[i] for i in wishes.liked), *said.more),
        disliked=(*(known[i] for i in wishes.disliked), *said.less),
        seen={i: day for i, day in seen.items() if day < issue.digest.issue},
        since=issue.last_chosen_at,
    )
    return meaning.understand(parts, [reader])[0]


def _wishes(then: Interests, now: Interests, known: Mapping[str, object]) -> Interests:
    """The wishes frozen with a digest lack the lists of papers."""
    liked, disliked = (tuple(i for i in ids if i in known) for ids in (now.liked, now.disliked))
    return replace(then, liked=liked, disliked=disliked)


def _by_upvotes(pool: Pool) -> Sequence[str]:
    upvotes = [c.signal.upvotes if c.signal else 0 for c in pool.candidates]
    return by_score([c.paper.id for c in pool.candidates], upvotes)
