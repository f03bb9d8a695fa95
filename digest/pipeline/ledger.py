"""One thread that commits for all connections of a process.

A connection must know that `in_data` is durable before the first body byte goes out, and a commit to disk costs
milliseconds. So marks are gathered and committed together: while one commit is on its way, the next group forms.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from digest.store import Beginning, Outcome, Store

if TYPE_CHECKING:
    from types import TracebackType


LINGER = 0.02
"""Seconds. What a crash leaves unknown stays at most what the connections had in hand: each begins its next message in
the same commit that ends the one before."""

_Mark = tuple[Beginning, "Future[bool]"] | Outcome


class LostClaim(Exception):
    """The delivery is no longer ours to send: its lease ran out, or its reader left."""


class Ledger:
    """Marks deliveries, many at a time; leaving the context commits what is still gathered."""

    def __init__(self, store: Store, owner: str) -> None:
        self._store, self._owner = store, owner
        self._marks: queue.SimpleQueue[_Mark | None] = queue.SimpleQueue()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def __enter__(self) -> Ledger:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._marks.put(None)
        self._thread.join()
        if self._failure and error is None:
            raise self._failure

    def begin(self, beginning: Beginning) -> None:
        """Return once it is durable that this body is about to go out.

        Raises:
            LostClaim: it must not go out.
        """
        done: Future[bool] = Future()
        self._marks.put((beginning, done))
        if self._failure:
            raise self._failure
        if not done.result():
            raise LostClaim

    def finish(self, outcome: Outcome) -> None:
        """Have *outcome* committed soon; a crash before that leaves the delivery unknown."""
        if self._failure:
            raise self._failure
        self._marks.put(outcome)

    def _run(self) -> None:
        open_ = True
        while open_:
            group = self._gather()
            open_ = None not in group
            self._commit([m for m in group if m is not None])

    def _gather(self) -> list[_Mark | None]:
        """What there is; outcomes alone wait a little for a beginning, which most often follows at once."""
        group = [self._marks.get()]
        patience = LINGER
        while not self._marks.empty() or (patience and all(isinstance(mark, Outcome) for mark in group)):
            try:
                group.append(self._marks.get(timeout=patience))
            except queue.Empty:
                patience = 0.0
        return group

    def _commit(self, group: list[_Mark]) -> None:
        beginnings = [mark for mark in group if isinstance(mark, tuple)]
        outcomes = [mark for mark in group if isinstance(mark, Outcome)]
        if not group:
            return
        try:
            began = self._store.deliveries.mark([b for b, _ in beginnings], outcomes, self._owner)
        except Exception as error:  # noqa: BLE001 - raised again in every connection's thread
            self._failure = error
            for _, done in beginnings:
                done.set_exception(error)
            return
        for beginning, done in beginnings:
            done.set_result(beginning.id in began)
