"""What a source is asked, what it answers, and what all of them share in between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from digest.errors import SourceError
from digest.models import Listing, ListingKind
from digest.sources.http import Answer, Client, Traffic, Validator


@dataclass(frozen=True, slots=True)
class Task:
    """What a source is asked for."""

    now: datetime
    covered_until: datetime | None = None
    """Up to when the last good pull covered this source; None before the first."""
    categories: tuple[str, ...] = ()
    """arXiv categories that anybody follows; other sources ignore them."""
    begun: datetime | None = None
    """When the first paper of all was stored: what was published before is no news, though it be unknown."""


@dataclass(frozen=True, slots=True)
class Pull:
    """What a source brought, also when it failed half-way."""

    source: str
    listings: tuple[Listing, ...] = ()
    failure: str = ""
    """Why something is missing, in words for the status line; empty when nothing is."""
    covered_until: datetime | None = None
    """To be stored, and to be given back in the next task. Whatever this pull missed lies after it."""
    requests: int = 0
    bytes: int = 0
    waited: float = 0.0
    """Seconds spent waiting for the upstream, back-off and pace included."""
    validators: tuple[Validator, ...] = ()
    """For `Client.remember`, after `listings` were stored: a crash in between must not lose them to a 304."""


class Source(Protocol):
    """Where papers come from."""

    @property
    def name(self) -> str:
        """How it is called in mails and in `digest status`."""

    def pull(self, client: Client, task: Task) -> Pull:
        """Bring everything listed after `task.covered_until`, up to `task.now`.

        Never raises a SourceError: a failure is told in the pull, beside whatever could be read.
        """

    def announced(self, since: datetime, now: datetime) -> bool:
        """Whether, by its calendar, it published after *since* and up to *now*; False for one that does so all day."""


class Gathering:
    """A pull under way: what it found, what went wrong, what it cost."""

    def __init__(self, source: str, client: Client) -> None:
        self._listings: dict[tuple[str, datetime, ListingKind], Listing] = {}
        self.problems: list[str] = []
        self.traffic = Traffic()
        self._source = source
        self._client = client
        self._validators: list[Validator] = []

    def get(
        self,
        url: str,
        *,
        pace: tuple[str, float] | None = None,
        understood: Iterable[int] = (),
        remembered: bool = True,
    ) -> Answer | None:
        """As `Client.get`; None where that raises, with the reason noted."""
        try:
            return self._client.get(url, traffic=self.traffic, pace=pace, understood=understood, remembered=remembered)
        except SourceError as error:
            self.note(str(error))
            return None

    @property
    def papers(self) -> set[str]:
        """Ids of what was found so far."""
        return {paper for paper, _, _ in self._listings}

    def take(self, answer: Answer, listings: Iterable[Listing], problem: str = "") -> bool:
        """Keep what was read from *answer*, each listing once; returns whether it was whole and read to the end."""
        found = list(listings)
        for listing in found:
            self._listings.setdefault((listing.paper.id, listing.listed_at, listing.kind), listing)
        self.note(answer.problem or problem)
        whole = not (answer.problem or problem)
        if whole and found and answer.validator:
            self._validators.append(answer.validator)
        return whole

    def note(self, problem: str) -> None:
        """Remember what went wrong, each thing once."""
        if problem and problem not in self.problems:
            self.problems.append(problem)

    def pull(self, covered_until: datetime | None) -> Pull:
        """The end of it."""
        return Pull(
            self._source,
            tuple(self._listings.values()),
            "; ".join(self.problems)[:300],
            covered_until,
            self.traffic.requests,
            self.traffic.bytes,
            self.traffic.waited,
            tuple(self._validators),
        )
