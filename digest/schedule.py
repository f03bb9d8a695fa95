"""The daemon: the clock, and beside it the pages and incoming mail.

One tick a minute makes the same pass that `digest run` makes, for whoever is due. It is one job in UTC and has no state
of its own: the database knows who is due, so a tick that is late, missed or repeated does no harm. A job per subscriber
would cost 2 ms each to add, and 190 s to load 100,000 (measured with APScheduler 3.11).

SIGTERM ends it within `GRACE`: the message in hand goes out, the rest waits for the next start. SIGHUP begins anew with
the settings as they are now, unless they are wrong. A roster that was edited is taken over by the next tick, unless it
is wrong: then the last good one stays, and the operator is told.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from digest import app, inbound
from digest.errors import DigestError, SettingsError
from digest.pipeline import ASKING, EMBEDDING, LOOKING_UP, Report, Roster
from digest.settings import Settings
from digest.supervised import Signals, notify, watchdog_interval
from digest.web.server import serving

log = structlog.get_logger(__name__)
logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it warns of every pass that takes more than a minute

GRACE = 8.0
"""Seconds for the message in hand. Whatever takes longer is cut off, as a crash would, and is made up for as such."""

PATIENCE = 120.0
"""Seconds for the pass in hand when settings are read anew, which nobody waits for."""

HOUR, DAY = 3600.0, 86400.0
"""Seconds between two mails to the operator about the same trouble: where the first did not leave, and where it did."""

LOOK = 60.0
"""Seconds between two looks at the clock where no supervisor asks for more."""

STUCK = 1800.0
"""A pass that shows no sign of life for so many seconds is reported dead: the longest wait of SMTP is 10 minutes."""


@dataclass(frozen=True)
class Replay:
    """Another time than the system's, which began with the process."""

    start: datetime
    speed: float
    """So many times as fast as ours."""
    began: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """The moment."""
        return self.start + timedelta(seconds=(time.monotonic() - self.began) * self.speed)

    @property
    def minute(self) -> float:
        """How long one takes, in our seconds; no shorter than leaves time to work."""
        return max(60 / self.speed, 0.1)


def serve(load: Callable[[], Settings], replay: Replay | None = None) -> None:
    """Work until SIGTERM or SIGINT.

    Args:
        load: reads the settings; called again on SIGHUP.
        replay: the time to live in, for rehearsals.

    Raises:
        SettingsError: settings or roster are wrong at the start.
    """
    settings: Settings | None = load()
    before: Settings | None = None
    with Signals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        while settings:
            try:
                fresh = _serve(settings, signals, load, replay)
            except SettingsError as error:  # a port that is taken, a key that is no key: known only once it is tried
                if before is None:
                    raise
                log.warning("not reloaded", reason=str(error))
                settings, before = before, None
            else:
                settings, before = fresh, settings
    log.info("stopped")


def _serve(
    settings: Settings, signals: Signals, load: Callable[[], Settings], replay: Replay | None
) -> Settings | None:
    """Work with *settings* until told otherwise: what to begin anew with, or None to end."""
    now = replay.now if replay else app.system_clock
    with (
        running(settings, replay) as clock,
        inbound.serving(settings, now),
        serving(settings, clock.wake, lambda: clock.ticked, now) as address,
    ):
        clock.start()  # not before all else stands: a pass in hand must not hide why it does not
        log.info("serving", pages=address, home=str(settings.home.absolute()), smtp=bool(settings.smtp_url))
        notify("READY=1", "STATUS=Waiting for the next minute")
        fresh = _attend(signals, clock, load)
        if fresh is None:
            notify("STOPPING=1")
        clock.stop(PATIENCE if fresh else 0)
    return fresh


@contextmanager
def running(settings: Settings, replay: Replay | None = None) -> Iterator[Clock]:
    """The clock, for the block to start; at its end the pass in hand is brought to an end."""
    clock = Clock(settings, replay)
    try:
        yield clock
    finally:
        if not clock.stop(GRACE):
            log.error("cut off", reason=f"the pass did not end within {GRACE:g} s; the next one takes it up")
            # threads that wait for a stranger's answer would keep the process for minutes
            os._exit(0 if clock.only_reading else 1)


def _attend(signals: Signals, clock: Clock, load: Callable[[], Settings]) -> Settings | None:
    """Until something is to be done: the settings to begin anew with, or None to end."""
    while True:
        came = signals.wait(watchdog_interval() or LOOK)
        if came & {signal.SIGTERM, signal.SIGINT}:
            log.info("stopping")
            return None
        if signal.SIGHUP in came and (fresh := _reloaded(load)):
            return fresh
        clock.catch_up()
        if not clock.stuck:
            notify("WATCHDOG=1", f"STATUS={clock.status}")


def _reloaded(load: Callable[[], Settings]) -> Settings | None:
    """The settings as they are now; None if they, the roster or the model are wrong, which is told."""
    try:
        settings = load()
        app.roster(settings)
        app.semantic(settings)
    except SettingsError as error:
        log.warning("not reloaded", reason=str(error))
        return None
    log.info("reloading")
    return settings


class Clock:
    """Makes passes, one a minute at most, and remembers how they went."""

    def __init__(self, settings: Settings, replay: Replay | None = None) -> None:
        self._settings = settings
        self._replay = replay
        self._roster = RosterFile(settings)
        self._ending = threading.Event()
        self._free = threading.Lock()
        self._alive = time.monotonic()
        self._taken = False
        self._doing = ""
        self._told: dict[str, float] = {}
        self.status = "Waiting for the next minute"
        """One line for the supervisor; holds no address."""
        self.ticked: datetime | None = None
        """When the last pass ended."""
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._minute = timedelta(seconds=replay.minute if replay else 60)
        every_minute: BaseTrigger = (
            IntervalTrigger(seconds=replay.minute) if replay else CronTrigger.from_crontab("* * * * *", timezone="UTC")
        )
        self._job = self._scheduler.add_job(
            self.tick,
            every_minute,
            next_run_time=app.system_clock(),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )

    def start(self) -> None:
        """Tick now, and then every minute."""
        self._scheduler.start()

    def wake(self) -> None:
        """Tick at once."""
        self._job.modify(next_run_time=app.system_clock())

    def catch_up(self) -> None:
        """Tick at once if the machine's clock was set back: the scheduler would wait until it is as late as before."""
        if self._job.next_run_time - app.system_clock() > 2 * self._minute:
            log.warning("the clock was set back", tick_was_at=self._job.next_run_time.isoformat())
            self.wake()

    def stop(self, patience: float) -> bool:
        """Begin nothing new; whether the pass in hand ended within *patience* seconds."""
        self._ending.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        ended = self._free.acquire(timeout=patience)
        if ended:
            self._free.release()
        return ended

    @property
    def stuck(self) -> bool:
        """Whether a pass hangs."""
        return self._free.locked() and time.monotonic() - self._alive > STUCK

    def tick(self) -> None:
        """One pass; whatever goes wrong is logged and told, and the next minute tries again."""
        with self._free:
            if self._ending.is_set():
                return
            self._progress("", 0, None)
            # a pass takes as long in a replay as ever: it stands at its moment, so that no lease runs out under it
            clock = app.clock_at(self._replay.now()) if self._replay else app.system_clock
            try:
                people = self._roster.read()
                self._tell(app.run_for(self._settings, people, clock, self._progress, self._ending))
            except DigestError as error:
                log.warning("pass failed", reason=str(error))
                self._alert(*app.trouble_of(error))
            except Exception as error:
                log.exception("pass crashed")
                self._alert(*app.trouble_of(error))
            self.ticked = clock()

    @property
    def only_reading(self) -> bool:
        """Whether the pass waits for a source or a model, which can be cut off without anything being in doubt."""
        return self._doing in {ASKING, LOOKING_UP, EMBEDDING}

    def _progress(self, what: str, _done: int, _total: int | None) -> None:
        self._alive, self._doing = time.monotonic(), what

    def _tell(self, report: Report) -> None:
        if report.taken != self._taken:
            self._taken = report.taken
            log.warning("another process works on this store" if report.taken else "alone on this store again")
        if problem := self._roster.problem:
            self._alert("roster", f"The roster is wrong; the last good one is used: {problem}")
        if not report.idle:
            (log.error if report.failed else log.info)("pass", summary=report.line())
            self.status = report.line()

    def _alert(self, cause: str, text: str) -> None:
        try:
            try:
                app.alert(self._settings, cause, text)
            except DigestError:
                self._tell_anyway(cause, text)
        except Exception as error:  # noqa: BLE001 - telling of trouble must not end the clock
            log.warning("the operator could not be told", reason=repr(error))

    def _tell_anyway(self, cause: str, text: str) -> None:
        """The store, which knows what was told, is out of reach or full: we remember it ourselves."""
        now = time.monotonic()
        if now - self._told.get(cause, -DAY) < DAY:
            return
        self._told[cause] = now - DAY + HOUR
        log.error("trouble", cause=cause, text=text)
        if app.tell(self._settings, cause, text):
            self._told[cause] = now


class RosterFile:
    """The roster, read again when its file changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen = self._state()
        self._good: Roster | None = app.roster(settings)
        self.problem = ""
        """What is wrong with the file as it is now."""

    def read(self) -> Roster | None:
        """The last good one; None where there is no such file."""
        state = self._state()
        if state != self._seen:
            self._seen = state
            try:
                self._good, self.problem = app.roster(self._settings), ""
            except SettingsError as error:
                self.problem = str(error)
                log.warning("the roster is wrong; the last good one is used", reason=self.problem)
        return self._good

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = self._settings.path(self._settings.roster).stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
