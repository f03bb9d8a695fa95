"""Who may take over what a dead process left: at most one process at a time works on an SQLite store.

The lock is the operating system's (flock on a file beside the database), so that it dies with its holder. PostgreSQL
serves many workers at once; there, leases tell the living from the dead, and nobody is ever alone.
"""

from __future__ import annotations

import enum
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa


class Hold(enum.Enum):
    """What one knows of other processes."""

    ALONE = "alone"
    SHARED = "shared"
    TAKEN = "taken"


@contextmanager
def hold(url: str) -> Iterator[Hold]:
    """Try to be the only one at work on the store at *url*, until the context ends."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        yield Hold.SHARED
        return
    file = Path(f"{parsed.database}.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield Hold.TAKEN
    else:
        yield Hold.ALONE
    finally:
        os.close(handle)
