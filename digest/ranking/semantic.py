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

Encoder = Callable[[NDArray[np.int64]], Floats]
"""Hidden states, tokens x dimensions, from the ids of a text's tokens."""


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
        tokenizer, encode, first = self._loaded
        # One by one: batches, measured, are no faster here, and in 8 bits a text's vector depends on its neighbours.
        # A text without a word is one of padding.
        hidden = [encode(np.array(tokenizer.encode(text).ids or [0], np.int64)) for text in texts]
        pooled = np.array([states[0] if first else states.mean(axis=0) for states in hidden], np.float32)
        return np.asarray(pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-9), np.float32)

    @cached_property
    def _loaded(self) -> tuple[Any, Encoder, bool]:
        """The tokenizer, the network, and whether the first token speaks for the text."""
        files = self._files
        try:
            import tokenizers  # noqa: PLC0415 - heavy, and only here of use

            tokenizer = tokenizers.Tokenizer.from_file(str(files.tokenizer))
            tokenizer.enable_truncation(TOKENS)
            tokenizer.no_padding()
            encode = _onnx(files) if files.weights.suffix == ".onnx" else Bert(files.weights, files.config)
            encode(np.zeros(1, np.int64))
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

    def encode(ids: NDArray[np.int64]) -> Floats:
        one = np.ones_like(ids)
        feed = {"input_ids": ids, "attention_mask": one, "token_type_ids": 0 * one}
        states: Floats = session.run(None, {name: row[None] for name, row in feed.items() if name in inputs})[0][0]
        return states

    return encode
