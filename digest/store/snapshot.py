"""A copy of an SQLite file as it is at this moment, made while others write to it.

SQLite's own backup (sqlite.org/backup.html) in one step: writers wait for as long as the disk needs for the bytes, and
not for as long as somebody reads the rows.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from digest.errors import SettingsError
from digest.store.engine import WHERE


def snapshot(source: Path, target: Path) -> None:
    """Copy *source*, which stays as it is; where there is none yet, nothing is made.

    Raises:
        SettingsError: it cannot be read.
    """
    if not source.is_file():
        return
    uri = f"{source.absolute().as_uri()}?mode=ro"
    if _is_idle_wal(source):  # reading it would leave a -wal and a -shm file behind
        uri += "&immutable=1"
    try:
        try:
            _backup(uri, target)
        except sqlite3.OperationalError:
            # somebody was killed in mid-write: what they left half done must be rolled back before anybody can read
            _backup(source.absolute().as_uri(), target)
    except sqlite3.Error as error:
        raise SettingsError(f"{WHERE}: cannot read {source}: {error}") from error


def _backup(uri: str, target: Path) -> None:
    with closing(sqlite3.connect(uri, uri=True)) as origin, closing(sqlite3.connect(target)) as copied:
        origin.backup(copied)


def _is_idle_wal(file: Path) -> bool:
    """Whether *file* is in WAL mode (sqlite.org/fileformat.html, offset 18) and nobody has it open."""
    with file.open("rb") as head:
        return head.read(19)[18:] == b"\2" and not file.with_name(f"{file.name}-wal").exists()
