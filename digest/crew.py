"""Several processes for one pass on one machine, because one Python process uses one core.

Each opens the parts for itself, sends what waits in the outbox, whoever chose it, and chooses for its share of the
readers. Should one die, their parent does what it left. They are given the lock of an SQLite store: should their parent
be killed, nobody else takes over before the last of them is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.reduction import DupFd
from typing import Any

from digest import app, forks, pipeline
from digest.pipeline import Delivered, Planned, Share, Worked
from digest.settings import Settings
from digest.store import Held


def crew(settings: Settings, processes: int, prepare: Callable[[], None], *, fixed: bool = False) -> app.Crew | None:
    """So many processes for `app.run_once`; None for one, which does the work itself.

    Args:
        settings: what each opens its parts from.
        processes: how many.
        prepare: called first in each, to have logs go where they should.
        fixed: the clock stands still, for a replay, in all of them.
    """
    return partial(_work, settings, processes, prepare, fixed) if processes > 1 else None


def _work(
    settings: Settings, processes: int, prepare: Callable[[], None], fixed: bool, now: datetime, run: str, held: Held
) -> Iterator[Worked]:
    context = forks.context()
    hands = []
    for number in range(processes):
        ours, theirs = context.Pipe(duplex=False)
        lock = None if held.descriptor is None else DupFd(held.descriptor)
        share = Share(number, processes)
        moment = now if fixed else None
        process = context.Process(target=_hand, args=(prepare, settings, moment, run, share, theirs, lock))
        process.start()
        theirs.close()
        hands.append((process, ours))
    for process, ours in hands:
        yield _outcome(ours)
        process.join()


def _outcome(ours: Connection) -> Worked:
    """What one process did."""
    try:
        worked: Worked = ours.recv()
    except EOFError:  # it was killed, or said in the log what ended it
        return Worked(Planned(), Delivered(stopped="a process of the crew died"), died=True)
    return worked


def _hand(
    prepare: Callable[[], None],
    settings: Settings,
    moment: datetime | None,
    run: str,
    share: Share,
    result: Connection,
    lock: Any,
) -> None:
    """The life of one process; what it does not send back is found in the outbox."""
    prepare()
    if lock is not None:
        lock.detach()  # ours now, until this process ends; where the parent is gone already, this fails
    with app.opened(settings, app.clock_at(moment)) as parts:
        result.send(pipeline.work(replace(parts, owner=parts.owner + run), share))
