"""Ask every source for what is new, and keep it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from digest.pipeline.parts import Parts
from digest.sources import Pull, Source, Task
from digest.store import SourceRecord

log = structlog.get_logger(__name__)

AGAIN = timedelta(minutes=30)
"""A source that was read more recently is not asked again, unless it has announced something since."""

REFRESH = timedelta(hours=3)
"""Sources are read this often even while nobody is due, so that upvotes have a history."""

RETRY = timedelta(minutes=5)
"""Before a source that failed is asked again: one that hangs must not slow down every pass."""

LATE = timedelta(hours=3)
"""So long after an announcement a source is read every `AGAIN`, because its feed may come late."""

ASKING, LOOKING_UP = "asking the sources", "looking up liked papers"
"""What progress calls the two stages; nothing is lost when a process ends in them."""

LOOK_UPS = 200
"""Papers named by readers that one pull looks up at most."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one source brought."""

    source: str
    listings: int = 0
    new: int = 0
    """Papers never heard of before."""
    merged: int = 0
    """Papers that another source had brought."""
    failure: str = ""
    requests: int = 0
    waited: float = 0.0
    """Seconds spent waiting for the upstream."""
    skipped: bool = False
    """Read so recently that it was not asked."""


def pull(parts: Parts) -> list[Pulled]:
    """Ask every source that was not read just now; what parsed is kept, whatever failed is recorded."""
    now = parts.clock()
    records = parts.store.sources.records()
    categories = tuple(dict.fromkeys([*parts.settings.arxiv_categories, *parts.store.subscribers.categories()]))
    begun = parts.store.papers.begun()

    def ask(source: Source) -> tuple[Source, Pull | None]:
        record = records.get(source.name)
        if not is_stale(source, record, now, AGAIN):
            return source, None
        covered = record.covered_until if record else None
        return source, _safely(source, parts, Task(now, covered, categories, begun))

    done: list[Pulled] = []
    parts.progress(ASKING, 0, len(parts.sources))
    with ThreadPoolExecutor(max_workers=max(1, len(parts.sources)), thread_name_prefix="pull") as pool:
        for source, found in pool.map(ask, parts.sources):
            done.append(_keep(parts, source, found, now) if found else Pulled(source.name, skipped=True))
            parts.progress(ASKING, len(done), len(parts.sources))
    _look_up(parts, now)
    return done


def is_stale(source: Source, record: SourceRecord | None, now: datetime, patience: timedelta) -> bool:
    """Whether to ask *source*: it was last asked longer ago than *patience*, or has something to tell since."""
    if record is None or record.attempted_at is None or record.attempted_at > now:  # the last: the past is replayed
        return True
    age = now - record.attempted_at
    if record.failure:
        return age >= RETRY
    if source.announced(record.attempted_at, now):
        return True
    return age >= (min(patience, AGAIN) if source.announced(now - LATE, now) else patience)


def _safely(source: Source, parts: Parts, task: Task) -> Pull:
    """A mistake in one source's code must not cost the others."""
    try:
        return source.pull(parts.client, task)
    except Exception as error:
        log.exception("source crashed", source=source.name)
        return Pull(source.name, failure=f"crashed: {error!r}", covered_until=task.covered_until)


def _keep(parts: Parts, source: Source, found: Pull, now: datetime) -> Pulled:
    usable = [x for x in found.listings if x.listed_at <= now]
    stored = parts.store.papers.add(usable, now)
    parts.store.sources.record(source.name, now, found.covered_until, found.failure)
    parts.client.remember(found.validators)  # only now: what was not stored must be asked for again in full
    if found.failure:
        log.warning("source failed", source=source.name, reason=found.failure, kept=len(usable))
    return Pulled(
        source.name, len(usable), stored.new, stored.merged, found.failure, found.requests, round(found.waited, 3)
    )


def _look_up(parts: Parts, now: datetime) -> None:
    """Fetch what is only known by its id: the papers that readers say they like."""
    wanted = parts.store.papers.wanted(now, LOOK_UPS)
    if not wanted:
        return
    parts.progress(LOOKING_UP, 0, len(wanted))
    found, failure = parts.look_up(parts.client, wanted)
    if failure:
        log.warning("look-up failed", reason=failure, asked=len(wanted), found=len(found))
    answered = [paper.id for paper in found] if failure else wanted
    parts.store.papers.add_looked_up(answered, found, now)
    parts.progress(LOOKING_UP, len(found), len(wanted))
