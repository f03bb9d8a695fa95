"""Politeness on this machine: at most one request in so many seconds, over all processes of one user.

arXiv asks for one request in three seconds over everything that talks to it (info.arxiv.org/help/api/tou.html). The
store's own limit spans machines, but a preview works on a copy of the store; a locked file holds them together.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from digest.sources.http import Pace


def folder() -> Path:
    """Where the files lie: the user's cache, or a temporary folder where there is none that can be written."""
    with suppress(OSError, RuntimeError):  # the second: a user without a home
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "digest"
        cache.mkdir(parents=True, exist_ok=True)
        if os.access(cache, os.W_OK):
            return cache
    return _temporary()


def _temporary() -> Path:
    """The user's own, and the same for all processes: a sealed daemon would else leave one behind with every pass."""
    ours = Path(tempfile.gettempdir()) / f"digest-{os.getuid()}"
    with suppress(FileExistsError):
        ours.mkdir(mode=0o700)
    found = ours.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
        return ours
    return Path(tempfile.mkdtemp(prefix="digest-"))  # somebody else has taken the name


def machine_pace(where: Path) -> Pace:
    """A pace kept by files in *where*, which processes share."""

    def pace(key: str, interval: float) -> None:
        with (where / f"{key}.pace").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # whoever waits longer, waits here
            file.seek(0)
            wait = float(file.read() or 0) + interval - time.time()
            if 0 < wait <= interval:  # more would be a clock that was set back
                time.sleep(wait)
            file.seek(0)
            file.truncate()
            file.write(repr(time.time()))

    return pace
