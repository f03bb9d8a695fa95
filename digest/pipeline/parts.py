"""What the corridor works with; `app` builds it from settings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from digest.compose import Writer
from digest.delivery import Transport
from digest.models import Paper
from digest.pipeline.rates import Turns
from digest.settings import Settings
from digest.sources import Client, Source
from digest.store import Store

if TYPE_CHECKING:  # imported only where the operator named a model
    from digest.ranking.semantic import Embedder

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how many are done, and of how many where that is known."""


LookUp = Callable[[Client, Sequence[str]], tuple[tuple[Paper, ...], str]]
"""Papers by id, and why some could not be asked for; empty when all were."""


def no_progress(_what: str, _done: int, _total: int | None) -> None:
    """Nobody is watching."""


@dataclass(frozen=True)
class Semantic:
    """The operator's sentence-embedding model, and how freely it is used."""

    embedder: Embedder
    keep: bool = True
    """Whether what it computed is kept in the store; a preview and a page change nothing."""
    most: int | None = None
    """Texts that there is time for; more are left without a vector. None: all."""


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
    semantic: Semantic | None = None
    """None where the operator named no model."""
    progress: Progress = no_progress
    stop: threading.Event = field(default_factory=threading.Event)
    """Set by somebody who wants the pass to end soon: what is in hand is finished, nothing else is begun."""
