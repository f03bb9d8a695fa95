"""What a delivery keeps of its digest: all that decides the bytes of the message, as lines of JSON.

The first line is the reader's profile, the second the day, every further one a pick, which names the *edition* of its
paper: the paper as it was then, kept once for all. Thousands of readers share a day and a pick. So a line that was
written or read lately is not written or read again, and equal picks of many digests are one object, whose card the
writer of mails keeps as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Generic, TypeVar

from digest.models import Digest, Paper, Pick, Profile, Reason, Section, Signal, SourceStatus
from digest.store import codec
from digest.store.codec import Codec

REMEMBERED = 10_000
"""Picks in memory, about 1 KB each beside their papers."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Kept:
    """A pick, with the edition of its paper in place of the paper."""

    edition: str
    score: float
    section: Section
    reasons: tuple[Reason, ...]
    listed_at: datetime
    sources: tuple[str, ...]
    signal: Signal | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """What all readers of a morning are told alike."""

    considered: int = 0
    sources: tuple[SourceStatus, ...] = ()
    since: date | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """The lines, read."""

    profile: Profile
    """As it was at planning, without the lists of papers."""
    day: Day
    picks: tuple[Pick, ...]


_kept: Codec[Kept] = Codec(Kept)
_days: Codec[Day] = Codec(Day)


class Memory(Generic[K, V]):
    """The latest answers, at least half of *most*."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most // 2
        self._new: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """None for what was not met lately."""
        found = self._new.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self[key] = found
        return found

    def keep(self, key: K, make: Callable[[], V]) -> V:
        """What is known of *key*; made now for what was not met lately."""
        found = self.get(key)
        if found is None:
            self[key] = found = make()
        return found

    def __setitem__(self, key: K, value: V) -> None:
        if len(self._new) >= self._most:
            self._old, self._new = self._new, {}
        self._new[key] = value


class ByIdentity(Generic[K, V]):
    """A function whose answers are remembered for the very object that was asked for, which then stays alive."""

    def __init__(self, function: Callable[[K], V]) -> None:
        self._function = function
        self._known: Memory[int, tuple[K, V]] = Memory()

    def __call__(self, thing: K) -> V:
        """What the function says of *thing*."""
        found = self._known.get(id(thing))
        if found is None or found[0] is not thing:
            self._known[id(thing)] = found = thing, self._function(thing)
        return found[1]


class Contents:
    """Writes and reads contents."""

    def __init__(self) -> None:
        self.edition = ByIdentity(codec.edition)
        """The edition of a paper."""
        self._pick_lines = ByIdentity(self._pick_line)
        self._picks: Memory[bytes, Pick] = Memory()
        self._day_lines: Memory[Day, bytes] = Memory()
        self._days: Memory[bytes, Day] = Memory()

    def write(self, digest: Digest) -> bytes:
        """The lines of *digest*."""
        day = Day(digest.considered, digest.sources, digest.since)
        profile = codec.profiles.dump_json(bare(digest.subscriber.profile))
        of_day = self._day_lines.keep(day, lambda: _days.dump_json(day))
        return b"\n".join([profile, of_day, *map(self._pick_lines, digest.picks)])

    def _pick_line(self, pick: Pick) -> bytes:
        edition = self.edition(pick.paper)
        return _kept.dump_json(
            Kept(edition, pick.score, pick.section, pick.reasons, pick.listed_at, pick.sources, pick.signal)
        )

    def read(
        self, contents: Sequence[bytes], editions: Callable[[Iterable[str]], Mapping[str, Paper]]
    ) -> list[Content]:
        """What was written; *editions* finds the papers of those that it is given."""
        lines = [content.split(b"\n") for content in contents]
        picks: dict[bytes, Pick] = {}
        new: dict[bytes, Kept] = {}
        for line in {line for each in lines for line in each[2:]}:
            if known := self._picks.get(line):
                picks[line] = known
            else:
                new[line] = _kept.load_json(line)
        papers = editions({kept.edition for kept in new.values()}) if new else {}
        for line, kept in new.items():
            self._picks[line] = picks[line] = _pick(kept, papers[kept.edition])
        return [
            Content(codec.profiles.load_json(profile), self._day(day), tuple([picks[line] for line in chosen]))
            for profile, day, *chosen in lines
        ]

    def _day(self, line: bytes) -> Day:
        return self._days.keep(line, lambda: _days.load_json(line))


def bare(profile: Profile) -> Profile:
    """Without the lists of papers, which may be long and decide nothing that is written."""
    interests = profile.interests
    if not (interests.liked or interests.disliked):
        return profile
    return replace(profile, interests=replace(interests, liked=(), disliked=()))


def _pick(kept: Kept, paper: Paper) -> Pick:
    return Pick(paper, kept.score, kept.section, kept.reasons, kept.listed_at, kept.sources, kept.signal)
