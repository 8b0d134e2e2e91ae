"""The home folder that lasts for a measurement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from style_clone.evaluate import aside
from style_clone.serving.catalogue import Base, Catalogue
from style_clone.settings import Settings
from style_clone.workspace import PersonaFolder, Workspace, write_json
from tests.serving_fakes import BASE, make_persona


@pytest.fixture
def found(workspace: Workspace) -> Settings:
    return replace(Settings.from_environment({"STYLE_CLONE_HOME": str(workspace.home)}), serve_as=None)


def ids(settings: Settings) -> list[str]:
    return Catalogue(settings.workspace, Base(BASE.name, BASE.sha256)).ids()


def test_one_persona_is_alone_in_it_whole_and_as_it_is(found: Settings, ann: PersonaFolder) -> None:
    bob = make_persona(found.workspace, "bob")
    (ann.root / "raw").mkdir(exist_ok=True)
    (ann.root / "raw" / "chat.txt").write_text("hi")
    before = sorted(path.name for path in ann.root.iterdir())
    with aside.alone(found, ann) as alone:
        assert ids(alone) == [name for name in ids(found) if name.partition("@")[0] != bob.slug]
        assert "ann" in ids(alone)
        mine = alone.workspace.folder("ann")
        assert not (mine.root / "raw").exists()
        write_json(ann.baseline, {"new": True})
        assert mine.baseline.read_bytes() == ann.baseline.read_bytes(), "what the evaluation saves is served at once"
        assert alone.workspace.models.resolve() == found.workspace.models.resolve()
        assert (alone.serve_as, alone.endpoint_url) == ("apart", None)
        assert alone.database_url != found.database_url
        assert mine.adapter.resolve().parent == ann.root.resolve(), "where its merged weights are kept"
    assert not alone.home.exists()
    assert sorted(path.name for path in ann.root.iterdir()) == before, "nothing of it stays, nothing else goes"
