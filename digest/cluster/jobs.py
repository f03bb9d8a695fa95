"""What a cluster does, as Procrastinate tasks; each calls the function that `digest run` calls.

Every minute `tick` runs once in the whole cluster: it takes over the roster, reads the sources when that is due, and
cuts whoever is due into shares, a `plan` job each. Planned shares make lanes, `deliver` jobs that send what is in the
outbox, whoever planned it: the ledger gives each delivery to one of them. A tick ends as every pass does: the operator
hears what is wrong, and once a day what is old is forgotten. `tidy` keeps the engine's own tables small.

What Procrastinate leaves to its user:

* a killed worker's jobs stay "doing" for ever unless somebody asks for them: `recover` does, under a queueing lock
  only, because a lock would be held by its own dead run (procrastinate#307, #1408). What such a lane had claimed in the
  outbox comes free at the same time; its lease would make a morning's mail ten minutes late
* the job that takes its place may wait already; then the dead one is closed instead
* tasks are plain functions, which run in threads: one that blocked the event loop would stop the heartbeat, and the
  worker would be taken for dead
* in a cron line of six fields the sixth is the second
* finished jobs make looking for dead workers slow (procrastinate#1454), so that `tidy` deletes them
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.tasks import Task

from digest import app as program
from digest import pipeline
from digest.pipeline import Parts, Report, Share
from digest.settings import Settings

log = structlog.get_logger(__name__)

CLOCK, PLAN, DELIVER = "clock", "plan", "deliver"
"""Queues. Each worker serves them side by side, so that a long send does not stop the clock."""

SHARE = 2_000
"""Readers in a share: some seconds of work, and a small loss when a worker dies."""

MOST_SHARES = 32
LANES = 16
"""Jobs that send at once, in the whole cluster; each has `smtp_connections` connections."""

HEARTBEAT = 10.0
STALLED = 30.0
"""Seconds without a heartbeat after which a worker counts as dead."""

KEPT_HOURS = 48


def engine(settings: Settings, conninfo: str, parts: Callable[[], Parts]) -> App:
    """Procrastinate with our tasks.

    Args:
        settings: of the program.
        conninfo: of the database.
        parts: the corridor's parts, opened once a process.
    """
    options = {"password": settings.database_password} if settings.database_password else {}
    app = App(connector=PsycopgConnector(conninfo=conninfo, kwargs=options, min_size=1, max_size=6))

    @app.task(name="deliver", queue=DELIVER, pass_context=True)
    def deliver(context: JobContext, lane: int) -> None:
        delivered = pipeline.deliver(replace(parts(), owner=parts().owner + _run(context.job)))
        if delivered.states:
            log.info("lane", lane=lane, stopped=delivered.stopped, **{s.value: n for s, n in delivered.states.items()})

    @app.task(name="plan", queue=PLAN)
    def plan(number: int, of: int) -> None:
        planned = pipeline.plan(parts(), Share(number, of))
        log.info("share", number=number, of=of, issues=planned.issues, empty=planned.empty, failed=planned.failed)
        if planned.issues:
            fill_lanes()

    def fill_lanes() -> None:
        for lane in range(LANES):
            _defer(deliver, f"deliver {lane}", lane=lane)

    @app.periodic(cron="* * * * *")
    @app.task(name="tick", queue=CLOCK, queueing_lock="tick", priority=10)
    def tick(timestamp: int) -> None:  # noqa: ARG001 - the state of the database says what is due, not the moment
        now = parts().clock()
        report = Report(now)
        pipeline.refresh(parts(), program.roster(settings, check=False), report)
        due = parts().store.subscribers.count_due(now)
        shares = min(MOST_SHARES, -(-due // SHARE))
        for number in range(shares):
            _defer(plan, f"plan {number}/{shares}", number=number, of=shares)
        waiting = parts().store.deliveries.oldest_ready()
        if waiting and waiting <= now:
            fill_lanes()
        pipeline.remember(parts(), report)
        program.afterwards(parts(), report)
        program.sign_of_life(settings, report)
        if not report.idle:
            log.info("tick", summary=report.line(), due=due, shares=shares)

    @app.periodic(cron="* * * * * */10")
    @app.task(name="recover", queue=CLOCK, queueing_lock="recover", priority=20, pass_context=True)
    async def recover(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
        manager = context.app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED):
            log.warning("a worker died", job=job.task_name, arguments=job.task_kwargs)
            await asyncio.to_thread(parts().store.deliveries.release, _run(job), parts().clock())
            try:
                await manager.retry_job(job)
            except ConnectorException:  # the same work waits in the queue already
                await manager.finish_job(job, Status.FAILED, delete_job=False)

    @app.periodic(cron="17 3 * * *")
    @app.task(name="tidy", queue=CLOCK, queueing_lock="tidy", pass_context=True)
    async def tidy(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
        await context.app.job_manager.delete_old_jobs(KEPT_HOURS, include_failed=True)

    return app


def _run(job: Job) -> str:
    """The end of the owner's name while *job* is done: each attempt at it has its own."""
    return f" job {job.id}.{job.attempts}"


def _defer(task: Task[Any, Any, Any], lock: str, **arguments: int) -> None:
    """Queue a job unless the same one waits already."""
    with suppress(AlreadyEnqueued):
        task.configure(queueing_lock=lock).defer(**arguments)
