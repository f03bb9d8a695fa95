"""The semantic extra in the corridor: vectors from the store where they are kept, else from the operator's model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from digest.models import Paper
from digest.pipeline.parts import Parts, Progress, Semantic
from digest.ranking import Reader, Vectors
from digest.store import Store

if TYPE_CHECKING:  # imported only where a model is named
    from digest.ranking.embedding import Text

log = structlog.get_logger(__name__)

EMBEDDING = "reading with the semantic model"
MANY, STEP = 200, 1024
"""So many texts take the model some seconds, which the log tells; and so many a minute, after which it tells again."""


def prepare(parts: Parts, since: datetime) -> None:
    """Keep the vectors of all news *since* then, before several processes ask for them; ends early when told to.

    Raises:
        SettingsError: the model is needed, and cannot be loaded.
    """
    if parts.semantic is not None and parts.semantic.keep:
        papers = [candidate.paper for candidate in parts.store.papers.candidates(since, parts.clock())]
        _vectors(parts, parts.semantic, papers, stopped=parts.stop.is_set)


def vectors(parts: Parts, papers: Iterable[Paper]) -> Vectors | None:
    """The vectors of *papers*; None where the operator named no model.

    Raises:
        SettingsError: the model is needed, and cannot be loaded.
    """
    return None if parts.semantic is None else _vectors(parts, parts.semantic, papers)


def _vectors(
    parts: Parts,
    semantic: Semantic,
    papers: Iterable[Paper],
    phrases: Iterable[str] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> Vectors:
    from digest.ranking.embedding import vectors_of  # noqa: PLC0415

    embedder = semantic.embedder
    kept = Kept(parts.store, embedder.model, parts.clock(), keep=semantic.keep)
    return vectors_of(
        embedder, kept, papers, phrases, progress=told(parts.progress), most=semantic.most, stopped=stopped
    )


def told(progress: Progress) -> Callable[[int, int], None]:
    """For the model: how far it is, for *progress* and for the log."""

    def tell(done: int, total: int) -> None:
        progress(EMBEDDING, done, total)
        if total >= MANY and (done % STEP == 0 or done == total):
            log.info("embedding", done=done, texts=total)

    return tell


def understand(parts: Parts, readers: Sequence[Reader]) -> list[Reader]:
    """*readers* with the vectors of what they wish for: read together, kept no longer than they are."""
    if parts.semantic is None:
        return list(readers)
    papers = {paper.id: paper for reader in readers for paper in reader.liked}
    phrases = {topic.phrase for reader in readers for topic in reader.interests.topics}
    found = _vectors(parts, parts.semantic, papers.values(), phrases)
    return [replace(reader, vectors=found) for reader in readers]


@dataclass(frozen=True)
class Kept:
    """The vectors of one model in the store."""

    store: Store
    model: str
    now: datetime
    keep: bool

    def get(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Those that are kept; that they are in use is written down."""
        if self.keep:
            self.store.vectors.note(self.model, keys, self.now)
        return self.store.vectors.get(self.model, keys)

    def put(self, rows: Sequence[tuple[Text, bytes]]) -> None:
        """Keep these too, unless nothing may be changed."""
        if self.keep:
            self.store.vectors.put(self.model, [(text.key, text.paper, data) for text, data in rows], self.now)
