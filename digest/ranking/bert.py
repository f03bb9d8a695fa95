"""A BERT encoder in numpy, from `model.safetensors` and `config.json`: what published sentence models come as.

The network is that of Devlin et al. 2019 (post-norm, learned positions, exact GELU); only its last hidden states are
computed. It is about as fast as onnxruntime in 32 bits (docs/ranking.md).
The file's format: huggingface.co/docs/safetensors, eight bytes of length, a JSON header, the tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from digest.ranking.text import Floats

Ids = NDArray[np.int64]
KINDS = {"F32": "<f4", "F16": "<f2"}
EMBEDDINGS = "embeddings"


class Bert:
    """The loaded network."""

    def __init__(self, weights: Path, config: Path) -> None:
        """Read both files.

        Raises:
            ValueError: they hold no BERT that is known here.
            KeyError: a part of it is missing.
        """
        told = json.loads(config.read_text(encoding="utf-8"))
        if told.get("model_type") != "bert" or told.get("hidden_act", "gelu") != "gelu":
            raise ValueError(f"config.json: {told.get('model_type')} with {told.get('hidden_act')} is no plain BERT")
        self._heads, self._layers = int(told["num_attention_heads"]), int(told["num_hidden_layers"])
        self._epsilon = float(told.get("layer_norm_eps", 1e-12))
        self._tensors = tensors(weights)
        positions, kinds = (
            self._tensors[f"{EMBEDDINGS}.{part}_embeddings.weight"] for part in ("position", "token_type")
        )
        self._places = positions + kinds[0]

    def __call__(self, ids: Ids) -> Floats:
        """The last hidden states of one text, tokens x dimensions."""
        words = self._tensors[f"{EMBEDDINGS}.word_embeddings.weight"][ids]
        states = self._norm(words + self._places[: len(ids)], EMBEDDINGS)
        for number in range(self._layers):
            layer = f"encoder.layer.{number}"
            heard = self._attention(states, f"{layer}.attention.self")
            states = self._norm(
                states + self._linear(heard, f"{layer}.attention.output.dense"), f"{layer}.attention.output"
            )
            inner = self._linear(states, f"{layer}.intermediate.dense")
            inner *= 0.5 + 0.5 * erf(inner * np.float32(math.sqrt(0.5)))
            states = self._norm(states + self._linear(inner, f"{layer}.output.dense"), f"{layer}.output")
        return states

    def _attention(self, states: Floats, name: str) -> Floats:
        query, key, value = (
            self._linear(states, f"{name}.{part}").reshape(len(states), self._heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / np.float32(math.sqrt(query.shape[-1]))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return np.asarray((scores @ value).swapaxes(0, 1).reshape(states.shape), np.float32)

    def _linear(self, states: Floats, name: str) -> Floats:
        return np.asarray(states @ self._tensors[f"{name}.weight"].T + self._tensors[f"{name}.bias"], np.float32)

    def _norm(self, states: Floats, name: str) -> Floats:
        states = states - states.mean(axis=-1, keepdims=True)
        spread = np.sqrt((states * states).mean(axis=-1, keepdims=True) + np.float32(self._epsilon))
        weight, bias = (self._tensors[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        return np.asarray(states / spread * weight + bias, np.float32)


def tensors(file: Path) -> Mapping[str, Floats]:
    """The float tensors of a safetensors *file*, by name, without the prefix "bert.".

    Raises:
        ValueError: it is not such a file, or not whole.
    """
    data = file.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    if not 8 < begin <= len(data):
        raise ValueError(f"{file.name} is not whole")
    header: dict[str, Any] = json.loads(data[8:begin])
    found = {}
    for name, told in header.items():
        if told.get("dtype") in KINDS:
            start, end = (begin + offset for offset in told["data_offsets"])
            values = np.frombuffer(data[start:end], KINDS[told["dtype"]]).reshape(told["shape"])
            found[name.removeprefix("bert.")] = values.astype(np.float32, copy=False)
    return found
