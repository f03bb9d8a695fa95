"""The daemon: the clock, and beside it the pages and incoming mail.

One tick a minute makes the same pass that `digest run` makes, for whoever is due. It is one job in UTC and has no state
of its own: the database knows who is due, so a tick that is late, missed or repeated does no harm. A job per subscriber
would cost 2 ms each to add, and 190 s to load 100,000 (measured with APScheduler 3.11).
"""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from digest import app, inbound
from digest.errors import DigestError
from digest.settings import Settings
from digest.web.server import serving

log = structlog.get_logger(__name__)


def serve(settings: Settings) -> None:
    """Tick and answer until SIGTERM or SIGINT; the pass and the requests in hand are finished first."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    app.roster(settings)  # a mistake in it stops the start, not the first tick
    scheduler = BackgroundScheduler(timezone="UTC")
    ticked: datetime | None = None

    def beat() -> None:
        nonlocal ticked
        tick(settings)
        ticked = app.system_clock()

    job = scheduler.add_job(
        beat,
        CronTrigger.from_crontab("* * * * *", timezone="UTC"),
        next_run_time=datetime.now(UTC),
        coalesce=True,
        max_instances=1,
        misfire_grace_time=None,
    )

    def wake() -> None:
        job.modify(next_run_time=datetime.now(UTC))

    with inbound.serving(settings), serving(settings, wake, lambda: ticked) as address:
        log.info("serving", pages=address, database=settings.database_url, smtp=bool(settings.smtp_url))
        scheduler.start()
        stop.wait()
        log.info("stopping")
    scheduler.shutdown(wait=True)


def tick(settings: Settings) -> None:
    """One pass; whatever goes wrong is logged, and the next minute tries again."""
    try:
        report = app.run_once(settings)
    except DigestError as error:
        log.warning("pass failed", reason=str(error))
    except Exception:
        log.exception("pass crashed")
    else:
        if not report.idle:
            (log.error if report.failed else log.info)("pass", summary=report.line())
