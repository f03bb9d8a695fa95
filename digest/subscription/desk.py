"""What the steps work with; `app` builds it."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from digest import pipeline
from digest.compose import Expired, Forged, Link, Links, Purpose, Sheet, Site
from digest.compose.text import clean
from digest.compose.words import Words, words
from digest.models import Digest
from digest.pipeline import Parts, Reading
from digest.pipeline.plan import WINDOW

__all__ = ["Days", "Desk", "Expired", "Forged", "Link", "Purpose", "Seal", "Sheet", "Words", "clean", "words"]

T = TypeVar("T")

FRESH = timedelta(minutes=10)
"""How long pages show the same preparation of the day's papers."""


@dataclass(frozen=True)
class Seal:
    """Signs small things that a page carries to itself, such as the moment it was made."""

    keys: tuple[str, ...]
    """Newest first; the first signs."""

    def stamp(self, purpose: str, now: datetime) -> str:
        """The moment, signed."""
        seconds = str(int(now.timestamp()))
        return f"{seconds}.{self._sign(self.keys[0], purpose, seconds)}"

    def age(self, purpose: str, stamp: str, now: datetime) -> timedelta | None:
        """How long ago *stamp* was made; None where it is not ours."""
        seconds, _, signature = stamp.partition(".")
        if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 12):
            return None
        if not any(
            hmac.compare_digest(self._sign(key, purpose, seconds).encode(), signature.encode()) for key in self.keys
        ):
            return None
        return now - datetime.fromtimestamp(int(seconds), UTC)

    def hash(self, text: str) -> str:
        """A keyed hash: tells two texts apart without holding them."""
        return self._sign(self.keys[0], "hash", text)

    def _sign(self, key: str, purpose: str, text: str) -> str:
        return hmac.digest(key.encode(), f"page\n{purpose}\n{text}".encode(), "sha256")[:16].hex()


@dataclass
class Days:
    """The day's papers, prepared once for all pages of some minutes."""

    parts: Parts
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _reading: Reading | None = None
    _life: timedelta = FRESH
    """A store that is still being filled for the first time is looked at again soon."""
    _shared: dict[str, Any] = field(default_factory=dict)
    _past: dict[date, Digest | None] = field(default_factory=dict)

    def today(self) -> Reading:
        """What is known by now, at most ten minutes old."""
        now = self.parts.clock()
        with self._lock:
            if self._reading is None or not timedelta(0) <= now - self._reading.now < self._life:
                self._reading = pipeline.read_day(self.parts)
                self._life = FRESH if len(self._reading.pool(WINDOW)) else timedelta(seconds=5)
                self._shared.clear()
            return self._reading

    def shared(self, name: str, make: Callable[[], T]) -> T:
        """What is the same on every page as long as the preparation is: made once."""
        with self._lock:
            self.today()
            if name not in self._shared:
                self._shared[name] = make()
            found: T = self._shared[name]
            return found

    def remembered(self, day: date, make: Callable[[], Digest | None]) -> Digest | None:
        """What *make* found for a day that is over; the last days asked for are kept."""
        with self._lock:
            if day not in self._past:
                if len(self._past) >= 60:
                    self._past.pop(next(iter(self._past)))
                self._past[day] = make()
            return self._past[day]


@dataclass(frozen=True)
class Desk:
    """The real things, opened."""

    parts: Parts
    links: Links
    site: Site
    seal: Seal
    tokens_of: Callable[[str], tuple[str, ...]]
    """The tokens that an address (`store.key_of`) has under each key, newest first: its keyed hashes."""
    template_folders: tuple[Path, ...]
    """Where the pages' templates are; the first folder that has a file wins."""
    days: Days

    @property
    def now(self) -> datetime:
        """The moment."""
        return self.parts.clock()
