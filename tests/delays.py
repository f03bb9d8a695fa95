"""A line to a server far away: a TCP proxy whose bytes travel for a while, as many as there are, in their order."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def delayed(url: str, round_trip: float) -> Iterator[str]:
    """The URL of a way to *url* on which an answer takes *round_trip* seconds longer."""
    there = urlsplit(url)
    assert there.hostname
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = (there.hostname, there.port or 25)
        threading.Thread(target=_accept, args=(listener, target, round_trip / 2), daemon=True).start()
        yield f"{there.scheme}://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept


def _accept(listener: socket.socket, target: tuple[str, int], delay: float) -> None:
    with suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(target)
            for one, other in ((near, far), (far, near)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Way(one, other, delay).start()


class _Way:
    """One direction of one connection: a thread that listens, and one that hands on when it is time."""

    def __init__(self, source: socket.socket, sink: socket.socket, delay: float) -> None:
        self._source, self._sink, self._delay = source, sink, delay
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._news = threading.Semaphore(0)

    def start(self) -> None:
        for work in (self._listen, self._hand_on):
            threading.Thread(target=work, daemon=True).start()

    def _listen(self) -> None:
        data = b"?"
        while data:
            try:
                data = self._source.recv(1 << 16)
            except OSError:
                data = b""
            self._under_way.append((time.monotonic() + self._delay, data))
            self._news.release()

    def _hand_on(self) -> None:
        with suppress(OSError):
            while True:
                self._news.acquire()
                due, data = self._under_way.popleft()
                time.sleep(max(0, due - time.monotonic()))
                if not data:
                    self._sink.shutdown(socket.SHUT_WR)
                    return
                self._sink.sendall(data)
