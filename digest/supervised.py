"""What a process owes its supervisor: signals taken as values, and a word on how it is.

Signals come through a pipe (`signal.set_wakeup_fd`), so that no handler runs in the midst of anything. The words are
those of sd_notify(3); where no supervisor listens, nothing is said.
"""

from __future__ import annotations

import os
import select
import signal
import socket


class Signals:
    """Holds back *numbers* while its block runs, for `wait` to hand out."""

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = numbers

    def __enter__(self) -> Signals:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._handlers = [(number, signal.signal(number, _left_to_the_pipe)) for number in self._numbers]
        return self

    def __exit__(self, *_raised: object) -> None:
        for number, handler in self._handlers:
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._reader.close()
        self._writer.close()

    def wait(self, seconds: float | None = None) -> set[int]:
        """The signals that came, or none when *seconds* went by first."""
        ready, _, _ = select.select([self._reader], [], [], seconds)
        return set(self._reader.recv(64)) if ready else set()


def _left_to_the_pipe(_number: int, _frame: object) -> None:
    pass


def notify(*words: str) -> None:
    """Tell the supervisor, such as `READY=1`, `STOPPING=1`, `STATUS=…`."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto("\n".join(words).encode(), f"\0{address[1:]}" if address[0] == "@" else address)


def watchdog_interval() -> float | None:
    """Seconds after which to say `WATCHDOG=1`: half of what the supervisor allows; None when it does not ask."""
    mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    allowed = os.environ.get("WATCHDOG_USEC", "") if mine else ""
    return int(allowed) / 2_000_000 if allowed else None
