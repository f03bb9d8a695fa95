"""Many connections in one thread, each written as if it were alone.

A *strand* is a function that runs until it has to wait: for a socket, or for something that another thread will say.
Then the next one goes on. Threads would do the same, but two that compute only take turns, and what they share needs
locks: with sixteen of them a process switched six times as often, and sent 4 % less mail. greenlet does the switching.

The functions here may also be called where no strand runs; then they just wait.
"""

from __future__ import annotations

import select
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count
from time import monotonic
from typing import Generic, TypeVar

from greenlet import getcurrent, greenlet

LOOK = 0.25
"""Seconds after which somebody looks whose time is over."""

T = TypeVar("T")


class _Here(threading.local):
    strands: Strands | None = None
    """Those of this thread, while they run."""


_here = _Here()


def _ours() -> Strands | None:
    """The strands to which the caller belongs; None where it is none of them."""
    strands = _here.strands
    return strands if strands is not None and getcurrent() is not strands.hub else None


def wait_for(sock: socket.socket, deadline: float, *, writing: bool = False) -> None:
    """Return when *sock* has something to read, or with *writing* room for more.

    Raises:
        TimeoutError: it had not at *deadline*, by the monotonic clock.
    """
    if strands := _ours():
        strands.park(sock, deadline, writing)
        return
    poll = select.poll()
    poll.register(sock, select.POLLOUT if writing else select.POLLIN)
    if not poll.poll(max(deadline - monotonic(), 0) * 1000):
        raise TimeoutError


def aside(call: Callable[[], T]) -> T:
    """What *call* returns or raises; it takes its time in a thread of its own, if any other strand could go on."""
    if not _ours():
        return call()
    answer: Answer[T] = Answer()

    def work() -> None:
        try:
            answer.give(call())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            answer.fail(error)

    threading.Thread(target=work, name="aside", daemon=True).start()
    return answer.wait()


class Answer(Generic[T]):
    """Something that another thread will say, once, to the thread that made this."""

    __slots__ = ("_failure", "_lock", "_said", "_strands", "_value", "sleeper")

    def __init__(self) -> None:
        self.sleeper: greenlet | None = None
        """The strand that waits; its own thread's affair."""
        self._said = False
        self._failure: BaseException | None = None
        self._strands = _ours()
        self._lock: threading.Lock | None = None
        if self._strands is None:
            self._lock = threading.Lock()
            self._lock.acquire()

    def wait(self) -> T:
        """What was given; raises what failed."""
        if self._lock:
            self._lock.acquire()
        elif self._strands and not self._said:
            self._strands.sleep(self)
        if self._failure:
            raise self._failure
        return self._value

    def give(self, value: T) -> None:
        """Say it, from any thread."""
        self._value = value
        self._say()

    def fail(self, error: BaseException) -> None:
        """Have it raised where somebody waits."""
        self._failure = error
        self._say()

    def _say(self) -> None:
        self._said = True
        if self._lock:
            self._lock.release()
        elif self._strands:
            self._strands.soon(self._awake)

    def _awake(self) -> None:
        """In the thread of the sleeper, where there is one: an answer may be given before anybody waits."""
        if self.sleeper and self._strands:
            self._strands.resume(self.sleeper)
            self.sleeper = None


class Strands:
    """The strands of one thread."""

    def __init__(self) -> None:
        self.hub = getcurrent()
        self._selector = selectors.DefaultSelector()
        self._ready: deque[tuple[greenlet, BaseException | None]] = deque()
        self._parked: dict[socket.socket, tuple[greenlet, float]] = {}
        self._alive = 0
        self._failure: BaseException | None = None
        self._calls: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._bell, self._button = socket.socketpair()
        self._ringing = threading.Lock()
        self._rung = True  # nobody listens yet
        self._looked = monotonic()

    def run(self, works: Iterable[Callable[[], None]]) -> None:
        """Let each of *works* be a strand; return when all have ended, and raise what the first that failed raised."""
        _here.strands = self
        self._bell.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._rung = False
        self.soon(lambda: None)  # so that earlier calls are heard, too
        try:
            for work in works:
                self._alive += 1
                self._ready.append((greenlet(lambda work=work: self._live(work)), None))
            while self._alive:
                while self._ready:
                    strand, failure = self._ready.popleft()
                    strand.throw(failure) if failure else strand.switch()
                if self._alive:
                    self._look_around()
        finally:
            _here.strands = None
            with self._ringing:
                self._rung = True  # nobody listens any more
            for end in (self._selector, self._bell, self._button):
                end.close()
        if self._failure:
            raise self._failure

    def _live(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again by `run`
            self._failure = self._failure or error
        finally:
            self._alive -= 1

    # -- called by strands

    def park(self, sock: socket.socket, deadline: float, writing: bool) -> None:
        """See `wait_for`."""
        self._selector.register(sock, selectors.EVENT_WRITE if writing else selectors.EVENT_READ)
        self._parked[sock] = getcurrent(), deadline
        self.hub.switch()

    def sleep(self, answer: Answer[T]) -> None:
        """Return when *answer* was given."""
        answer.sleeper = getcurrent()
        self.hub.switch()

    # -- called by anybody

    def resume(self, strand: greenlet, failure: BaseException | None = None) -> None:
        """Let *strand*, of this thread, go on soon."""
        self._ready.append((strand, failure))

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have *call* made by the hub, in this thread, after so many *seconds*, if any strand still lives then."""
        heappush(self._timers, (monotonic() + seconds, next(self._numbers), call))

    def soon(self, call: Callable[[], None]) -> None:
        """Likewise, at once and from any thread."""
        self._calls.append(call)
        with self._ringing:
            if not self._rung:
                self._rung = True
                self._button.send(b"!")

    # -- the hub

    def _look_around(self) -> None:
        """Wait until somebody can go on."""
        for key, _ in self._selector.select(self._patience()):
            if key.fileobj is self._bell:
                self._bell.recv(64)
                self._rung = False  # before looking: who calls from now on rings again
                while self._calls:
                    self._calls.popleft()()
            else:
                self._unpark(key.fileobj)  # type: ignore[arg-type]  # a socket
        now = monotonic()
        while self._timers and self._timers[0][0] <= now:
            heappop(self._timers)[2]()
        if now >= self._looked + LOOK:
            self._looked = now
            for sock in [sock for sock, (_, deadline) in self._parked.items() if deadline <= now]:
                self._unpark(sock, TimeoutError())

    def _patience(self) -> float | None:
        """Seconds until there is something to do, should nobody ring."""
        until_timer = [max(self._timers[0][0] - monotonic(), 0)] if self._timers else []
        return min([*until_timer, *([LOOK] if self._parked else [])], default=None)

    def _unpark(self, sock: socket.socket, failure: BaseException | None = None) -> None:
        self._selector.unregister(sock)
        self.resume(self._parked.pop(sock)[0], failure)
