"""What the corridor works with; `app` builds it from settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.compose import Writer
from digest.delivery import Transport
from digest.models import Paper
from digest.pipeline.rates import Turns
from digest.settings import Settings
from digest.sources import Client, Source
from digest.store import Store

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how many are done, and of how many where that is known."""


LookUp = Callable[[Client, Sequence[str]], tuple[tuple[Paper, ...], str]]
"""Papers by id, and why some could not be asked for; empty when all were."""


def no_progress(_what: str, _done: int, _total: int | None) -> None:
    """Nobody is watching."""


@dataclass(frozen=True)
class Parts:
    """The rooms' real things, opened."""

    settings: Settings
    store: Store
    clock: Callable[[], datetime]
    """The moment, aware and in UTC; a replay's clock starts where `--at` says."""
    sources: tuple[Source, ...]
    client: Client
    look_up: LookUp
    writer: Writer
    transports: Callable[[], Transport]
    turns: Turns
    sign: Callable[[bytes, datetime], bytes] | None
    """Adds a DKIM signature made at that moment; None where the relay signs."""
    owner: str
    """Names this process in the outbox."""
    progress: Progress = no_progress
