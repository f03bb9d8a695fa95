"""Who may take over what a dead process left: at most one process at a time works on an SQLite store.

The lock is the operating system's (flock on a file beside the database), so that it dies with its holder; with the
last of them, where processes that help were given the descriptor. PostgreSQL serves many workers at once; there, leases
tell the living from the dead, and nobody is ever alone.
"""

from __future__ import annotations

import enum
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from digest.errors import SettingsError
from digest.store.engine import WHERE


class Hold(enum.Enum):
    """What one knows of other processes."""

    ALONE = "alone"
    SHARED = "shared"
    TAKEN = "taken"


class Held(NamedTuple):
    """What trying to be the only one came to."""

    hold: Hold
    descriptor: int | None = None
    """Keeps the lock for as long as any process has it open; for those that help."""


@contextmanager
def hold(url: str) -> Iterator[Held]:
    """Try to be the only one at work on the store at *url*, until the context ends.

    Raises:
        SettingsError: nothing can be written beside the database.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        yield Held(Hold.SHARED)
        return
    handle = _opened(Path(f"{parsed.database}.lock"))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield Held(Hold.TAKEN)
    else:
        yield Held(Hold.ALONE, handle)
    finally:
        os.close(handle)


def _opened(file: Path) -> int:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise SettingsError(f"{WHERE}: {error}") from error
