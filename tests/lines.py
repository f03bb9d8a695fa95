"""A line to a server that can be cut, and mended: a TCP proxy between the program and its database or relay."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Far = Callable[[], socket.socket]
"""Connects to the server."""

RESET = b"\x01\0\0\0\0\0\0\0"
"""SO_LINGER of no seconds: closing sends a TCP reset, and forgets what was under way."""


def tcp(host: str, port: int) -> Far:
    """A server at an address."""
    return lambda: socket.create_connection((host, port))


def unix(path: str) -> Far:
    """A server on a socket in the file system."""

    def connect() -> socket.socket:
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(path)
        except OSError:
            far.close()
            raise
        return far

    return connect


@dataclass
class Line:
    """Carries bytes while it is whole."""

    far: Far
    port: int = 0
    _whole: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ends: set[socket.socket] = field(default_factory=set)

    def cut(self) -> None:
        """Reset every connection, and each new one: what was under way is lost on both sides."""
        with self._lock:
            self._whole = False
            for end in self._ends:
                self._reset(end)
            self._ends.clear()

    def mend(self) -> None:
        """Carry new connections again."""
        with self._lock:
            self._whole = True

    def serve(self, listener: socket.socket) -> None:
        """Accept until *listener* is shut down."""
        with suppress(OSError):
            while True:
                self._join(listener.accept()[0])

    def _join(self, near: socket.socket) -> None:
        try:
            far = self.far()
        except OSError:
            self._reset(near)
            return
        with self._lock:
            if not self._whole:
                self._reset(near)
                self._reset(far)
                return
            self._ends |= {near, far}
        threading.Thread(target=self._connect, args=(near, far), daemon=True).start()

    def _connect(self, near: socket.socket, far: socket.socket) -> None:
        back = threading.Thread(target=self._carry, args=(far, near), daemon=True)
        back.start()
        self._carry(near, far)
        back.join()
        with self._lock:
            self._ends -= {near, far}
            near.close()
            far.close()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    @staticmethod
    def _reset(end: socket.socket) -> None:
        with suppress(OSError):
            if end.family == socket.AF_INET:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.shutdown(socket.SHUT_RDWR)  # wakes who waits in recv
        end.close()


@contextmanager
def line(far: Far, host: str = "127.0.0.1") -> Iterator[Line]:
    """A running line, whose near end is at *host*; cut in the end."""
    with socket.create_server((host, 0), backlog=128) as listener:
        made = Line(far, listener.getsockname()[1])
        thread = threading.Thread(target=made.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
            thread.join()
            made.cut()
