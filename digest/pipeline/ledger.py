"""Commits for all connections of a process.

A connection must know that `in_data` is durable before the first body byte goes out, and a commit to disk costs
milliseconds, and half of one of CPU. So marks are gathered and committed together, in a thread of their own: while one
commit is on its way, the next group forms, and a small one waits a little for the connections that are nearly there.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from digest.store import Beginning, Outcome, Store
from digest.strands import Answer, Strands

if TYPE_CHECKING:
    from types import TracebackType


LINGER = 0.02
"""Seconds that outcomes wait for a beginning. What a crash leaves unknown stays at most what the connections had in
hand: each begins its next message in the same commit that ends the one before."""

COMPANY = 0.02
"""Seconds that a beginning waits for those of other connections, until half of them are in."""

_Waiting = tuple[Beginning, Answer[bool]]
"""A beginning, and the connection that waits to hear whether its body may go out."""
_Mark = _Waiting | Outcome


class LostClaim(Exception):
    """The delivery is no longer ours to send: its lease ran out, or its reader left."""


class Ledger:
    """Marks deliveries, many at a time; leaving the context commits what is still gathered.

    All but the commits is done in the thread of the *strands* that are the connections.
    """

    def __init__(self, store: Store, owner: str, strands: Strands) -> None:
        self._store, self._owner, self._strands = store, owner, strands
        self._group: list[_Mark] = []
        self._since = 0.0
        """When the first of the group came, by the monotonic clock."""
        self._committing = False
        self._connections = 0
        self._failure: Exception | None = None
        self._groups: queue.SimpleQueue[list[_Mark] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def __enter__(self) -> Ledger:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._groups.put(self._group)
        self._groups.put(None)
        self._thread.join()
        if self._failure and error is None:
            raise self._failure

    @contextmanager
    def connection(self) -> Iterator[None]:
        """As long as a connection is at work: whose marks are worth waiting for."""
        self._connections += 1
        try:
            yield
        finally:
            self._connections -= 1

    def begin(self, beginning: Beginning) -> None:
        """Return once it is durable that this body is about to go out.

        Raises:
            LostClaim: it must not go out.
        """
        may_go_on: Answer[bool] = Answer()
        self._add((beginning, may_go_on))
        if not may_go_on.wait():
            raise LostClaim

    def finish(self, outcome: Outcome) -> None:
        """Have *outcome* committed soon; a crash before that leaves the delivery unknown."""
        self._add(outcome)

    def _add(self, mark: _Mark) -> None:
        if self._failure:
            raise self._failure
        if not self._group:
            self._since = monotonic()
        self._group.append(mark)
        self._consider()

    def _consider(self) -> None:
        """Commit the group, or have it considered again when it has waited enough."""
        if self._committing or not self._group:
            return
        patience = self._since + self._patience() - monotonic()
        if patience > 0:
            self._strands.later(patience, self._consider)
            return
        self._committing = True
        self._groups.put(self._group)
        self._group = []

    def _patience(self) -> float:
        """Seconds that the group may wait from its first mark on."""
        beginnings = sum([isinstance(mark, tuple) for mark in self._group])
        if not beginnings:
            return LINGER
        return COMPANY if 2 * beginnings < self._connections else 0.0

    def _committed(self) -> None:
        self._committing = False
        self._consider()

    # -- the thread that commits

    def _run(self) -> None:
        while (group := self._groups.get()) is not None:
            self._commit(group)
            self._strands.soon(self._committed)

    def _commit(self, group: list[_Mark]) -> None:
        waiting = [mark for mark in group if isinstance(mark, tuple)]
        outcomes = [mark for mark in group if isinstance(mark, Outcome)]
        try:
            began = self._store.deliveries.mark([beginning for beginning, _ in waiting], outcomes, self._owner)
        except Exception as error:  # noqa: BLE001 - raised again in every connection's strand
            self._failure = error
            for _, may_go_on in waiting:
                may_go_on.fail(error)
            return
        for beginning, may_go_on in waiting:
            may_go_on.give(beginning.id in began)
