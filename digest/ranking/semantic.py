"""The semantic extra: sentence embeddings, computed on this machine by a model that the operator named.

Vectors are pooled over the words and of unit length. An ONNX file is run by onnxruntime, BERT in safetensors by numpy;
docs/ranking.md measures both. Nothing here is imported unless a model is named, and the libraries only when one is
loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digest.errors import SettingsError
from digest.ranking.bert import Bert
from digest.ranking.model_files import SETTING, ModelFiles
from digest.ranking.text import Floats

TOKENS = 256
"""Longer texts are cut; an abstract has about 250."""
BATCH = 16

Encoder = Callable[[NDArray[np.int64], NDArray[np.int64]], Floats]
"""Hidden states, texts x tokens x dimensions, from the tokens' ids and their mask, texts x tokens."""


class Embedder:
    """A model, loaded when the first text is embedded."""

    def __init__(self, files: ModelFiles) -> None:
        self._files = files

    @cached_property
    def model(self) -> str:
        """Names exactly this model."""
        return self._files.fingerprint()

    def embed(self, texts: Sequence[str]) -> Floats:
        """One row of unit length for each of *texts*.

        Raises:
            SettingsError: the extra is not installed, or the files hold no model that can be run.
        """
        # Texts of like length share a batch, because to onnxruntime every text of a batch costs as much as its longest.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        rows: dict[int, Floats] = {}
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            rows.update(zip(batch, self._batch([texts[i] for i in batch]), strict=True))
        return np.array([rows[i] for i in range(len(texts))], np.float32)

    def _batch(self, texts: Sequence[str]) -> Floats:
        tokenizer, encode, first = self._loaded
        encoded = tokenizer.encode_batch(list(texts))
        mask = np.array([e.attention_mask for e in encoded], np.int64)
        hidden = encode(np.array([e.ids for e in encoded], np.int64), mask)
        pooled = hidden[:, 0] if first else (hidden * mask[:, :, None]).sum(axis=1)
        norms = np.linalg.norm(pooled, axis=1, keepdims=True)
        return np.asarray(pooled / np.maximum(norms, 1e-9), np.float32)

    @cached_property
    def _loaded(self) -> tuple[Any, Encoder, bool]:
        """The tokenizer, the network, and whether the first token speaks for the text."""
        files = self._files
        try:
            import tokenizers  # noqa: PLC0415 - heavy, and only here of use

            tokenizer = tokenizers.Tokenizer.from_file(str(files.tokenizer))
            tokenizer.enable_truncation(TOKENS)
            tokenizer.enable_padding()
            encode = _onnx(files) if files.weights.suffix == ".onnx" else Bert(files.weights, files.config)
            encode(np.zeros((1, 1), np.int64), np.ones((1, 1), np.int64))
        except ImportError as error:
            raise SettingsError(f"{SETTING}: the extra is missing: pip install 'digest[semantic]'") from error
        except Exception as error:  # each library has errors of its own, and some have none but Exception
            raise SettingsError(f"{SETTING}: {files.weights} cannot be loaded: {error}") from error
        return tokenizer, encode, files.first_token


def _onnx(files: ModelFiles) -> Encoder:
    import onnxruntime  # noqa: PLC0415 - heavy, and only here of use

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    session: Any = onnxruntime.InferenceSession(str(files.weights), options, providers=["CPUExecutionProvider"])
    inputs = {i.name for i in session.get_inputs()}

    def encode(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats:
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states: Floats = session.run(None, {name: value for name, value in feed.items() if name in inputs})[0]
        return states

    return encode
