"""`digest worker`: does the cluster's jobs until it is told to stop.

Then what is on the wire goes out first, and the rest waits for others. A database that restarts, or is cut off, stops
nothing for good: mail in hand waits for it, and so do we.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from types import FrameType

import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException

from digest import app as program
from digest.cluster import schema
from digest.cluster.jobs import CLOCK, DELIVER, HEARTBEAT, PLAN, STALLED, engine
from digest.errors import SettingsError
from digest.pipeline import Parts
from digest.settings import Settings

log = structlog.get_logger(__name__)

CONCURRENCY = {CLOCK: 2, PLAN: 1, DELIVER: 1}
"""Jobs at once in a process: Python computes one at a time, and a lane waits for the relay over many connections."""

RESTART = 5.0
"""Seconds before a process that died gets a successor, and before a database that went away is asked again."""


def conninfo(settings: Settings) -> str:
    """The database, as psycopg wants to be told of it.

    Raises:
        SettingsError: it is no PostgreSQL, the only one that can serve many machines.
    """
    url = program.database_url(settings)
    if url.get_backend_name() != "postgresql":
        raise SettingsError("DIGEST_DATABASE_URL: workers need PostgreSQL; on SQLite use digest serve")
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def work(settings: Settings) -> None:
    """Be one worker, until SIGTERM or SIGINT."""
    where = conninfo(settings)
    with program.opened(settings) as parts:  # brings our own tables up to date
        schema.apply(where, settings.database_password)
        program.roster(settings)  # a mistake in it stops the start, not the first tick
        app = engine(settings, where, lambda: parts)

        log.info("working", owner=parts.owner)
        asyncio.run(_serve(app, parts))


async def _serve(app: App, parts: Parts) -> None:
    async with app.open_async():
        workers = [asyncio.create_task(_tend(app, parts, queue)) for queue in CONCURRENCY]

        def stop() -> None:
            parts.stop.set()
            for worker in workers:
                worker.cancel()  # begins nothing new

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*workers)
        await asyncio.wait(workers)


async def _tend(app: App, parts: Parts, queue: str) -> None:
    """Do the jobs of *queue*; Procrastinate's worker ends when it cannot tell the database that it lives."""
    while not parts.stop.is_set():
        reason = "no sign of life could be given"
        try:
            await app.run_worker_async(
                queues=[queue],
                name=f"{parts.owner} {queue}",
                concurrency=CONCURRENCY[queue],
                install_signal_handlers=False,  # of three, only the last one's would count
                update_heartbeat_interval=HEARTBEAT,
                stalled_worker_timeout=STALLED,
            )
        except ConnectorException as error:
            reason = str(error.__cause__ or error)
        if not parts.stop.is_set():
            log.warning("the database is away", queue=queue, reason=reason)
            await asyncio.sleep(RESTART)


def work_together(settings: Settings, processes: int, prepare: Callable[[], None]) -> None:
    """Be several workers: one process a core. A process that dies gets a successor."""
    conninfo(settings)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["digest.cluster.worker"])
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)

    def start() -> BaseProcess:
        process = context.Process(target=_one, args=(settings, prepare))
        process.start()
        return process

    workers = [start() for _ in range(processes)]
    while not stop.wait(RESTART):
        for place, process in enumerate(workers):
            if not process.is_alive():
                log.error("a worker died", exit=process.exitcode)
                workers[place] = start()
    for process in workers:
        process.terminate()
    for process in workers:
        process.join()


def _one(settings: Settings, prepare: Callable[[], None]) -> None:
    prepare()
    threading.Thread(target=_follow, args=(multiprocessing.parent_process(),), daemon=True).start()
    work(settings)


def _follow(parent: BaseProcess | None) -> None:
    """Stop when the parent is gone: nobody would be left to tell us."""
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
