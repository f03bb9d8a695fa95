"""Sentence-embedding models that are real, tiny and invented: written byte by byte in the published formats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tokenizers
from numpy.typing import NDArray

WORDS = ["[PAD]", "[UNK]", "owl", "bird", "bread", "loaf"]
MEANING = np.array([[0, 0], [0, 0], [1, 0.1], [1, 0], [0, 1], [0.1, 1]], np.float32)
"""What the ONNX model knows: an owl is much like a bird, and bread like a loaf; other words mean nothing to it."""

HIDDEN, HEADS, LAYERS, INNER = 8, 2, 2, 16
"""The shape of the BERT."""


def onnx_model(folder: Path) -> Path:
    """A folder with a model that looks each word up in `MEANING`: one Gather."""
    node = _field(1, "table") + _field(1, "input_ids") + _field(2, "last_hidden_state") + _field(4, "Gather")
    table = _field(1, 6) + _field(1, 2) + _field(2, 1) + _field(8, "table") + _field(9, MEANING.tobytes())
    inputs = _field(11, _tensor_type("input_ids", 7, "b", "l"))
    output = _field(12, _tensor_type("last_hidden_state", 1, "b", "l", "d"))
    graph = _field(1, node) + _field(2, "lookup") + _field(5, table) + inputs + output
    body = (
        _field(1, 8) + bytes([7 << 3 | 2, len(graph) & 127 | 128, len(graph) >> 7]) + graph + _field(8, _field(2, 13))
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(body)
    return _with_tokenizer(folder)


def bert_model(folder: Path) -> Path:
    """A folder with a BERT in safetensors whose weights are dice, always the same."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(safetensors(bert_weights()))
    shape = {"num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "layer_norm_eps": 1e-12}
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_act": "gelu", **shape}))
    return _with_tokenizer(folder)


def bert_weights() -> dict[str, NDArray[np.float32]]:
    dice = np.random.default_rng(7)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(WORDS), HIDDEN),
        "embeddings.position_embeddings.weight": (256, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
    }
    norms = ["embeddings"]
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        linear = dict.fromkeys((f"attention.self.{part}" for part in ("query", "key", "value")), (HIDDEN, HIDDEN))
        linear |= {"attention.output.dense": (HIDDEN, HIDDEN)}
        linear |= {"intermediate.dense": (INNER, HIDDEN), "output.dense": (HIDDEN, INNER)}
        for name, shape in linear.items():
            shapes |= {f"{layer}.{name}.weight": shape, f"{layer}.{name}.bias": shape[:1]}
        norms += [f"{layer}.attention.output", f"{layer}.output"]
    shapes |= {f"{norm}.LayerNorm.{part}": (HIDDEN,) for norm in norms for part in ("weight", "bias")}
    return {name: dice.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def safetensors(tensors: dict[str, NDArray[np.float32]]) -> bytes:
    """huggingface.co/docs/safetensors: a length, a JSON header, the numbers."""
    header, body = {}, b""
    for name, values in tensors.items():
        data = values.tobytes()
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": offsets}
        body += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def _with_tokenizer(folder: Path) -> Path:
    words = tokenizers.models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def _field(number: int, value: int | bytes | str) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    data = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2, len(data)]) + data


def _tensor_type(name: str, element: int, *dimensions: str) -> bytes:
    shape = b"".join(_field(1, _field(2, d)) for d in dimensions)
    return _field(1, name) + _field(2, _field(1, _field(1, element) + _field(2, shape)))
