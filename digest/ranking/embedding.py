"""Vectors of papers and phrases: taken from where they are kept, and only what is missing from the model.

A vector is kept under a hash of the text that it stands for, so that a paper whose abstract came later gets a new one,
and nothing that a reader typed can be read there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from digest.models import Paper
from digest.ranking.semantic import Embedder
from digest.ranking.text import Floats, text_of
from digest.ranking.vectors import Vectors, from_bytes, to_bytes

SLICE = 32
"""Texts, some seconds of work, after which what was computed is kept: whoever is interrupted need not begin again."""


@dataclass(frozen=True, slots=True)
class Text:
    """Something to embed."""

    key: str
    """A hash of the text."""
    text: str
    paper: str = ""
    """The id of the paper whose text it is; empty for a phrase."""


class Kept(Protocol):
    """Vectors of one model that were computed before, as bytes."""

    def get(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Those of *keys* that are kept."""

    def put(self, rows: Sequence[tuple[Text, bytes]]) -> None:
        """Keep these too."""


def vectors_of(
    embedder: Embedder,
    kept: Kept,
    papers: Iterable[Paper],
    phrases: Iterable[str] = (),
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    most: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Vectors:
    """The vectors of all of them; the model is loaded only when one is missing.

    Args:
        embedder: the model.
        kept: what was computed before; what is computed now is put there.
        papers: by their title and abstract.
        phrases: as they are.
        progress: called with how many texts are done, and of how many.
        most: where more are missing than this, they stay missing: there is no time for them.
        stopped: asked now and then; what is missing when it says so stays missing.
    """
    named = {paper.id: text(text_of(paper), paper.id) for paper in papers}
    typed = {phrase: text(phrase) for phrase in phrases}
    wanted = {each.key: each for each in (*named.values(), *typed.values())}
    rows = {key: from_bytes(data) for key, data in kept.get(list(wanted)).items()}
    missing = [each for key, each in wanted.items() if key not in rows]
    if most is None or len(missing) <= most:
        for computed in _computed(embedder, kept, missing, progress):
            rows |= computed
            if stopped():
                break
    return Vectors(_named(named, rows), _named(typed, rows))


def text(content: str, paper: str = "") -> Text:
    """*content* under its hash."""
    return Text(hashlib.blake2b(content.encode(), digest_size=12).hexdigest(), content, paper)


def _computed(
    embedder: Embedder, kept: Kept, missing: Sequence[Text], progress: Callable[[int, int], None]
) -> Iterator[dict[str, Floats]]:
    for start in range(0, len(missing), SLICE):
        progress(start, len(missing))
        part = missing[start : start + SLICE]
        data = [to_bytes(row) for row in embedder.embed([each.text for each in part])]
        kept.put(list(zip(part, data, strict=True)))
        # as they will be read again, so that a pass that computes them chooses like one that finds them
        yield {each.key: from_bytes(row) for each, row in zip(part, data, strict=True)}
    if missing:
        progress(len(missing), len(missing))


def _named(texts: Mapping[str, Text], rows: Mapping[str, Floats]) -> dict[str, Floats]:
    return {name: rows[each.key] for name, each in texts.items() if each.key in rows}
