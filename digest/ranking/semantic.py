"""The semantic extra: sentence embeddings, run by onnxruntime from a folder on this machine.

The folder holds `model.onnx` (a BERT-like encoder with `input_ids` and `attention_mask`) and `tokenizer.json`, as
sentence-embedding models are published. Vectors are mean-pooled over the words and of unit length (Reimers and
Gurevych 2019). Why onnxruntime: docs/ranking.md.

Nothing here is imported unless the operator names a model; the two libraries are imported when the model is loaded.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digest.errors import SettingsError
from digest.models import Candidate, Paper
from digest.ranking.meaning import Vectors
from digest.ranking.profiles import Reader
from digest.ranking.text import Floats, text_of

TOKENS = 256
"""Longer texts are cut; an abstract has about 250."""
BATCH = 16

Progress = Callable[[int, int], None]
"""Called with how many texts are done, and of how many."""


class Embedder:
    """A loaded model."""

    def __init__(self, folder: Path) -> None:
        """Load the model in *folder*.

        Raises:
            SettingsError: the extra is not installed, or the folder holds no such model.
        """
        try:
            import onnxruntime  # noqa: PLC0415 - heavy, and only here of use
            import tokenizers  # noqa: PLC0415
        except ImportError as error:
            raise SettingsError("the semantic extra is missing: pip install 'digest[semantic]'") from error
        model, words = folder / "model.onnx", folder / "tokenizer.json"
        if not (model.is_file() and words.is_file()):
            raise SettingsError(f"{folder}: a folder with model.onnx and tokenizer.json is needed")
        self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(words))
        self._tokenizer.enable_truncation(TOKENS)
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._inputs = {i.name for i in self._session.get_inputs()}
        self.model = f"{folder.name}-{_fingerprint(model):08x}"
        """Names exactly this model; vectors of another are of no use."""

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> Floats:
        """One row of unit length for each of *texts*."""
        # Texts of like length share a batch, because every text of a batch costs as much as its longest.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        rows: dict[int, Floats] = {}
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            rows.update(zip(batch, self._batch([texts[i] for i in batch]), strict=True))
            if progress:
                progress(len(rows), len(texts))
        return np.array([rows[i] for i in range(len(texts))], np.float32)

    def _batch(self, texts: Sequence[str]) -> Floats:
        encoded = self._tokenizer.encode_batch(list(texts))
        mask = np.array([e.attention_mask for e in encoded], np.int64)
        feed = {"input_ids": np.array([e.ids for e in encoded], np.int64), "attention_mask": mask}
        feed["token_type_ids"] = np.zeros_like(mask)
        hidden = self._session.run(None, {k: v for k, v in feed.items() if k in self._inputs})[0]
        pooled = (hidden * mask[:, :, None]).sum(axis=1)
        norms = np.linalg.norm(pooled, axis=1, keepdims=True)
        return np.asarray(pooled / np.maximum(norms, 1e-9), np.float32)


def texts_for(candidates: Iterable[Candidate], readers: Iterable[Reader]) -> tuple[dict[str, Paper], set[str]]:
    """Papers by id, and phrases, whose vectors are needed to choose from *candidates* for *readers*."""
    papers = {c.paper.id: c.paper for c in candidates}
    phrases: set[str] = set()
    for reader in readers:
        papers.update((p.id, p) for p in (*reader.liked, *reader.disliked))
        phrases.update(topic.phrase for topic in reader.interests.topics)
    return papers, phrases


def embed_all(
    embedder: Embedder, papers: Mapping[str, Paper], phrases: Iterable[str], progress: Progress | None = None
) -> Vectors:
    """Vectors of all of them in one go; keep those of papers (`to_bytes`), and ask only for what is missing."""
    listed = sorted(phrases)
    rows = embedder.embed([*map(text_of, papers.values()), *listed], progress)
    named = dict(zip(papers, rows, strict=False))
    return Vectors(named, dict(zip(listed, rows[len(papers) :], strict=True)))


def to_bytes(vector: Floats) -> bytes:
    """For the store: two bytes a dimension, which rank as four do."""
    return vector.astype("<f2").tobytes()


def from_bytes(data: bytes) -> Floats:
    """What `to_bytes` wrote."""
    return np.frombuffer(data, "<f2").astype(np.float32)


def _fingerprint(file: Path) -> int:
    crc = 0
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc
