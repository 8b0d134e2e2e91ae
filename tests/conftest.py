"""Fixtures every test may use: a home folder of its own, and the real corpora where they are at hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from style_clone.models import DEFAULT_BASE, BaseModel, resolve
from style_clone.workspace import PersonaFolder, Workspace

if TYPE_CHECKING:
    from tests.serving_fakes import FakeVllm

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty STYLE_CLONE_HOME, so that no test sees or touches the user's own."""
    for name in [name for name in os.environ if name.startswith("STYLE_CLONE_") and name != "STYLE_CLONE_CORPORA"]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("STYLE_CLONE_HOME", str(folder))
    # In half a minute nobody gains by an engine that takes one to make; tests/test_serving_real.py has a test that does.
    monkeypatch.setenv("STYLE_CLONE_SERVE_AS", "adapters")
    return folder


@pytest.fixture
def seen(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file for which a stand-in's plan waits, and its training at two thirds (tests/training_fakes.py)."""
    path = home / "seen"
    monkeypatch.setenv("FAKE_SEEN", str(path))
    return path


@pytest.fixture
def workspace(home: Path) -> Workspace:
    """The workspace in the test's own home."""
    return Workspace(home)


@pytest.fixture
def corpora() -> Path:
    """Real writing and real exports; tests that need them skip where they are absent."""
    folder = Path(os.environ.get("STYLE_CLONE_CORPORA") or ROOT.parent / "shared" / "corpora")
    if not folder.is_dir():
        pytest.skip(f"the real corpora are not at {folder} (set STYLE_CLONE_CORPORA)")
    return folder


@pytest.fixture(scope="session")
def base_model() -> BaseModel:
    """The bundled base model, fetched and converted once into the checkout's .cache and kept there."""
    return resolve(DEFAULT_BASE, Workspace(ROOT / ".cache"))


@pytest.fixture
def base(workspace: Workspace) -> BaseModel:
    """A base model of a few thousand weights; PyTorch is only loaded for the tests that ask for one."""
    from tests.tiny_base import tiny_base

    return tiny_base(workspace)


@pytest.fixture
def folder(workspace: Workspace) -> PersonaFolder:
    """A persona with some messages, pairs and a prompted baseline; tests of a stage before those have one of their own."""
    from tests.tiny_base import paired

    return paired(workspace)


@pytest.fixture
def sam(workspace: Workspace) -> PersonaFolder:
    """A persona whose pairs were made from a WhatsApp export."""
    from tests.sams_chat import paired_sam

    return paired_sam(workspace)


@pytest.fixture
def vllm() -> FakeVllm:
    """A vLLM of a few lines."""
    from tests.serving_fakes import FakeVllm

    return FakeVllm()


@pytest.fixture
def ann(workspace: Workspace) -> PersonaFolder:
    """A persona that the gateway finds complete before that vLLM."""
    from tests.serving_fakes import make_persona

    return make_persona(workspace)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """PyTorch on one core: models of a few thousand weights gain nothing from two, and threads that wait for each other
    on a busy machine make seconds into minutes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def home_with_model(home: Path, base_model: BaseModel) -> Path:
    """The test's own home, with the bundled base model in it."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "models").symlink_to(base_model.path.parent)
    return home
