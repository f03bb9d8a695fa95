"""The invented papers of the sample day, as written in papers.toml, and when each of them happened.

What an upstream stamps on a paper without meaning anything by it (database ids, the second of a submission) is drawn
from a fixed hash, so that the same day always has the same bytes.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
"""Where arXiv's day begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """How Hugging Face Daily Papers showed a paper. Empty texts are fields that upstream leaves out."""

    day: int
    """The listing's day, counted from the sample day: 0, -1 or -2."""
    upvotes: tuple[int, ...]
    """Readings on that day and on every later one up to the sample day."""
    comments: int
    """At the last reading."""
    tldr: str = ""
    keywords: tuple[str, ...] = ()
    organization: str = ""
    code: str = ""
    """Name of the repository."""
    stars: int = 0
    project: bool = False
    media: bool = False
    thumbnail: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Invention:
    """A paper that nobody wrote."""

    id: str
    title: str
    """With LaTeX, as authors type it."""
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    abstract: str
    """One line, with LaTeX."""
    announced: bool = True
    """Whether arXiv's feed of the sample day has it."""
    version: int = 1
    """2 is a replacement of a paper that is some weeks old."""
    showing: Showing | None = None

    @property
    def day(self) -> int:
        """When this version became public, counted from the sample day."""
        return 0 if self.announced or self.showing is None else self.showing.day

    def updated(self, today: date) -> datetime:
        """When this version was submitted: in the day that ends at 18:00 UTC on the eve of its announcement.

        arXiv closes at 14:00 in New York and announces at 20:00, dated the next day.
        """
        closing = datetime.combine(today + timedelta(days=self.day - 1), time(18), UTC)
        return closing - timedelta(seconds=draw(self.id, "submitted", below=86_400))

    def published(self, today: date) -> datetime:
        """When the first version was submitted; 20 to 49 days earlier if this is a replacement."""
        weeks_ago = timedelta(days=20 + draw(self.id, "first version", below=30)) if self.version > 1 else timedelta()
        return self.updated(today) - weeks_ago


@cache
def inventions() -> tuple[Invention, ...]:
    """All seventy, in the order of papers.toml."""
    text = files(__package__).joinpath("papers.toml").read_text(encoding="utf-8")
    return tuple(map(_invention, tomllib.loads(text)["paper"]))


def draw(*what: str, below: int) -> int:
    """A number in 0..below-1 that depends on `what` only."""
    return int(hexdigits(*what), 16) % below


def hexdigits(*what: str) -> str:
    """24 of them, the form of a MongoDB ObjectId, which is what Hugging Face uses."""
    return hashlib.sha256("\0".join(what).encode()).hexdigest()[:24]


def _invention(entry: dict[str, Any]) -> Invention:
    showing = entry.pop("huggingface", None)
    if showing is not None:
        showing["upvotes"] = tuple(showing["upvotes"])
        showing["keywords"] = tuple(filter(None, showing.get("keywords", "").split(", ")))
        entry["showing"] = Showing(**showing)
    entry["authors"] = tuple(entry["authors"].split(", "))
    entry["categories"] = tuple(entry["categories"].split())
    entry["abstract"] = " ".join(entry["abstract"].split())
    return Invention(**entry)
