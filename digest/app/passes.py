"""One pass, as cron, the daemon and a cluster make it, and what the operator hears of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

import structlog

from digest import pipeline
from digest.app.build import (
    links,
    opened,
    roster,
    signer,
    system_clock,
    writer,
)
from digest.delivery import connect
from digest.errors import DigestError, SourceError
from digest.pipeline import Parts, Progress, Report, Worked, no_progress
from digest.settings import Settings
from digest.sources import Client, Limits
from digest.sources.http import Traffic
from digest.store import Held, Hold, hold
from digest.subscription import rights

log = structlog.get_logger(__name__)


Crew = Callable[[datetime, str, Held], Iterable[Worked]]
"""Processes that choose and send, at that moment, while the lock is held, as owners whose names end in that string;
yields what each of them did."""


def run_once(
    settings: Settings,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = no_progress,
    *,
    dry_run: bool = False,
    crew: Crew | None = None,
) -> Report:
    """One pass, as cron makes it; a dry one does everything but send, on a copy of the store.

    A *crew* chooses and sends in our place.
    """
    if dry_run:
        with opened(settings, clock, progress, rehearse=True) as parts:
            return pipeline.run(parts, roster(settings, check=False), alone=True, send=False)
    try:
        return run_for(settings, roster(settings, check=False), clock, progress, crew=crew)
    except Exception as error:
        _alert_anyway(settings, error)
        raise


def run_for(
    settings: Settings,
    people: pipeline.Roster | None,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = no_progress,
    stop: threading.Event | None = None,
    crew: Crew | None = None,
) -> Report:
    """One pass for a roster that was read before; the operator hears of it when something is wrong.

    Args:
        settings: the operator's.
        people: the roster; None where there is none.
        clock: the time.
        progress: who watches.
        stop: set by somebody to end the pass early.
        crew: chooses and sends in our place.
    """
    with hold(settings.resolved_database_url) as held:
        if held.hold is Hold.TAKEN:
            return Report(clock(), taken=True)
        with opened(settings, clock, progress, stop=stop) as parts:
            hands = partial(crew, parts.clock(), parts.owner, held) if crew else None
            report = pipeline.run(parts, people, alone=held.hold is Hold.ALONE, crew=hands)
            if not parts.stop.is_set():
                afterwards(parts, report)
    sign_of_life(settings, report)
    return report


def afterwards(parts: Parts, report: Report) -> None:
    """What ends a pass, on one machine or in a cluster: tell the operator what is wrong, and forget what is old."""
    pipeline.alert(parts, pipeline.troubles(parts, report))
    if pipeline.tidy(parts):
        rights.forget(parts)


def alert(settings: Settings, cause: str, text: str) -> None:
    """Tell the operator of something that no pass could find, because it kept the pass from beginning."""
    with opened(settings.model_copy(update={"semantic_model": ""})) as parts:  # the model may be the trouble
        pipeline.alert(parts, {cause: text})


def trouble_of(error: Exception) -> tuple[str, str]:
    """Why a pass could not be made, or not to its end: the cause, and what to tell the operator of it."""
    if isinstance(error, DigestError):
        return "failed", f"No pass can be made: {error}"
    return "crashed", f"A pass crashed: {error!r}; the log says where."


def _alert_anyway(settings: Settings, error: Exception) -> None:
    """Tell the operator, unless that is out of reach as well: *error* is what counts."""
    try:
        alert(settings, *trouble_of(error))
    except Exception as another:  # noqa: BLE001 - see above
        log.warning("the operator could not be told", reason=repr(another))


def tell(settings: Settings, cause: str, text: str) -> bool:
    """The same where the store cannot be opened, so that nothing remembers that it was told."""
    writing, sign = writer(settings, links(settings)), signer(settings)
    return pipeline.tell(settings.operator, writing, connect(settings), sign, {cause: text}, system_clock())


def sign_of_life(settings: Settings, report: Report) -> None:
    """Ask for the operator's `ping_url` after a pass without a failure; that it fails concerns only whoever watches."""
    if not settings.ping_url or report.failed:
        return
    try:
        with Client(settings.contact, limits=Limits(connect=5, read=5, total=10, retries=0)) as client:
            client.get(settings.ping_url, traffic=Traffic(), understood=range(200, 300), remembered=False)
    except SourceError as error:
        log.warning("ping failed", reason=str(error))
