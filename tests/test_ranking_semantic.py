"""The semantic extra: a real (tiny, invented) model through onnxruntime, and what its vectors change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from digest.errors import SettingsError
from digest.ranking import Reader, Vectors, choose, explain, learn, prepare
from digest.ranking.semantic import Embedder, embed_all, from_bytes, texts_for, to_bytes
from digest.ranking.text import text_of
from tests.make import NOON, a_candidate, a_paper, interests
from tests.ranking_days import day

WORDS = ["[PAD]", "[UNK]", "owl", "bird", "bread", "loaf"]
MEANING = np.array([[0, 0], [0, 0], [1, 0.1], [1, 0], [0, 1], [0.1, 1]], np.float32)
"""What the invented model knows: an owl is much like a bird, and bread like a loaf."""


def field(number: int, value: int | bytes | str) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    data = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2, len(data)]) + data


def tensor_type(name: str, element: int, *dimensions: str) -> bytes:
    shape = b"".join(field(1, field(2, d)) for d in dimensions)
    return field(1, name) + field(2, field(1, field(1, element) + field(2, shape)))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with a model that looks each word up in `MEANING`: one Gather, written byte by byte as ONNX."""
    tokenizers = pytest.importorskip("tokenizers")
    pytest.importorskip("onnxruntime")
    node = field(1, "table") + field(1, "input_ids") + field(2, "last_hidden_state") + field(4, "Gather")
    table = field(1, 6) + field(1, 2) + field(2, 1) + field(8, "table") + field(9, MEANING.tobytes())
    inputs = [field(11, tensor_type(name, 7, "b", "l")) for name in ("input_ids",)]
    output = field(12, tensor_type("last_hidden_state", 1, "b", "l", "d"))
    graph = field(1, node) + field(2, "lookup") + field(5, table) + b"".join(inputs) + output
    body = field(1, 8) + bytes([7 << 3 | 2, len(graph) & 127 | 128, len(graph) >> 7]) + graph + field(8, field(2, 13))
    (tmp_path / "model.onnx").write_bytes(body)
    words = tokenizers.models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_vectors_are_means_of_words_of_unit_length(model: Path) -> None:
    """Padding counts for nothing: a text's vector is the same beside a longer one."""
    done: list[tuple[int, int]] = []
    alone = Embedder(model).embed(["owl"])
    beside = Embedder(model).embed(["bread loaf bread loaf", "owl"], lambda *n: done.append(n))
    assert np.allclose(np.linalg.norm(beside, axis=1), 1)
    assert np.allclose(alone[0], beside[1])
    assert done[-1] == (2, 2)


def test_a_synonym_is_found_by_meaning_and_not_by_words(model: Path) -> None:
    papers = [a_candidate(a_paper(title="bird", abstract="")), a_candidate(a_paper(title="loaf", abstract="")), *day()]
    reader = Reader(interests("owl"), papers=12)
    candidates = [c for c in papers if "owl" not in text_of(c.paper)]
    vectors = embed_all(Embedder(model), *texts_for(candidates, [reader]))
    known = learn(c.paper for c in day(each=30))
    plain, meant = prepare(candidates, known, NOON), prepare(candidates, known, NOON, embedding=vectors)
    bird, loaf = (c.paper.id for c in candidates[:2])
    assert explain(plain, reader, bird).relevance == explain(plain, reader, loaf).relevance
    assert explain(meant, reader, bird).relevance > explain(meant, reader, loaf).relevance + 1


def test_without_vectors_for_anything_nothing_changes() -> None:
    reader = Reader(interests("barn owls"), papers=5)
    known = learn(c.paper for c in day())
    papers = day()
    plain = choose(prepare(papers, known, NOON), [reader])
    assert choose(prepare(papers, known, NOON, embedding=Vectors()), [reader]) == plain


def test_a_vector_comes_back_from_its_bytes() -> None:
    vector = np.array([0.6, -0.8], np.float32)
    assert len(to_bytes(vector)) == 4
    assert np.allclose(from_bytes(to_bytes(vector)), vector, atol=1e-3)


def test_a_folder_without_a_model_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"model\.onnx and tokenizer\.json"):
        Embedder(tmp_path)


def test_nothing_heavy_is_imported_for_the_default() -> None:
    code = (
        "import sys, digest.ranking; print([m for m in ('sklearn', 'onnxruntime', 'tokenizers') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
