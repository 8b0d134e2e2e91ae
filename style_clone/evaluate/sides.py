"""The two adapters of a comparison: found, seen to be comparable, and laid out side by side where an endpoint serves both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from style_clone.errors import UsageError
from style_clone.evaluate.aside import home_aside
from style_clone.evaluate.material import Adapter
from style_clone.models import BaseModel
from style_clone.persona import Persona
from style_clone.settings import ServeAs, Settings
from style_clone.train import artifact
from style_clone.workspace import SLUG, PersonaFolder, Workspace, file_hash, read_json, storage_errors

NEEDED = ("adapter_config.json", artifact.WEIGHTS, "run.json")
"""What a folder with an adapter holds at least."""
_KEEP = "keep the old one first with: style-clone export {slug} --adapter --out DIR"


@dataclass(frozen=True)
class Sides:
    """`names` are as given and `adapters` what they name, both by "a" and "b"; `folder` is the persona whose pairs,
    prompts and impostors both are measured with: the first one that is a persona."""

    folder: PersonaFolder
    names: dict[str, str]
    adapters: dict[str, Adapter]

    @classmethod
    def find(cls, workspace: Workspace, first: str, second: str) -> Sides:
        """Each a persona's name or a folder with an adapter.

        Raises PersonaNotFound, MissingStage for a persona without an adapter, and UsageError where no persona is named, a
        folder holds no whole adapter, or the two cannot be compared: other base models, other pairs, the same weights.
        """
        names = {"a": first, "b": second}
        places = {side: _place(workspace, name) for side, name in names.items()}
        personas = [place for place in places.values() if isinstance(place, PersonaFolder)]
        if not personas:
            raise UsageError(
                f"neither {first} nor {second} is a persona, which gives pairs, prompts and other people to compare with",
                mend=f"Name the persona they were trained for: style-clone compare PERSONA {second}",
            )
        adapters = {side: _adapter(names[side], place, personas[0]) for side, place in places.items()}
        found = cls(personas[0], names, adapters)
        found._check()
        return found

    def _check(self) -> None:
        (one, other), slug = self.adapters.values(), self.folder.slug
        first, second = self.names.values()
        keep = _KEEP.format(slug=slug)
        if one.run["base"]["sha256"] != other.run["base"]["sha256"]:
            bases = f"{first} to {one.run['base']['name']}, {second} to {other.run['base']['name']}"
            raise UsageError(
                f"the two adapters belong to different base models: {bases}",
                mend=f"Train one again on the other's: style-clone train {slug} --base BASE; {keep}",
            )
        if one.run["pairs_sha256"] != other.run["pairs_sha256"]:
            raise UsageError(
                f"{first} and {second} were trained on different pairs, so recipes are not all that differs",
                mend=f"Train again on the same pairs: style-clone train {slug} --set KEY=VALUE; {keep}",
            )
        if one.run["adapter_sha256"] == other.run["adapter_sha256"]:
            raise UsageError(
                f"{first} and {second} are the same adapter, weight for weight",
                mend=f"Train another: style-clone train {slug} --set KEY=VALUE; {keep}",
            )

    @property
    def changes(self) -> dict[str, dict[str, Any]]:
        """The settings in which the two recipes differ, `{"rank": {"a": 16, "b": 8}}`; a setting one lacks is None."""
        one, other = (adapter.run["recipe"] for adapter in self.adapters.values())
        return {
            name: {"a": one.get(name), "b": other.get(name)}
            for name in dict.fromkeys([*one, *other])
            if one.get(name) != other.get(name)
        }


@contextmanager
def side_by_side(settings: Settings, sides: Sides, base: BaseModel, serve_as: ServeAs) -> Iterator[Settings]:
    """Settings of a home folder that lasts for the block and holds the two adapters as personas, and the same base models.

    Adapters are copied, since a training meanwhile would put another in their place. Raises StorageError.
    """
    with home_aside(settings, sides.folder, "compare", serve_as) as aside:
        with storage_errors(aside.home):
            for adapter in sides.adapters.values():
                folder = aside.workspace.folder(adapter.persona.slug)
                folder.adapter.mkdir(parents=True)
                for name in NEEDED:
                    shutil.copyfile(adapter.path / name, folder.adapter / name)
                trained = adapter.persona.with_base(base.name, base.source, base.revision, base.sha256)
                trained.save(folder)
        yield aside


def _place(workspace: Workspace, name: str) -> PersonaFolder | Path:
    """A persona goes before a folder of the same name, which can be told apart as ./name."""
    if SLUG.fullmatch(name) and workspace.folder(name).persona.exists():
        return workspace.folder(name)
    path = Path(name).expanduser()
    if not path.is_dir():
        if SLUG.fullmatch(name):
            return workspace.existing(name)
        raise UsageError(
            f"{name} is neither a persona nor a folder with an adapter",
            mend="Give a persona's name, or what this wrote: style-clone export PERSONA --adapter --out DIR",
        )
    missing = [each for each in NEEDED if not (path / each).is_file()]
    if missing:
        raise UsageError(
            f"{name} holds no whole adapter: {', '.join(missing)} is missing",
            mend="Give a persona's name, or what this wrote: style-clone export PERSONA --adapter --out DIR",
        )
    return path


def _adapter(name: str, place: PersonaFolder | Path, ground: PersonaFolder) -> Adapter:
    """The adapter there, of a persona called after its weights: so what it answers is known again, on either side."""
    if isinstance(place, PersonaFolder):
        persona, path, run = Persona.load(place), place.adapter, artifact.load_run(place)
    else:
        persona, path, run = Persona.load(ground), place, read_json(place / "run.json")
    for key in ("base", "recipe", "pairs_sha256", "adapter_sha256", "leaks"):
        if key not in run:
            raise UsageError(
                f"the run.json of {name} does not say its {key}: an earlier version wrote it",
                mend="Export the adapter again (style-clone export PERSONA --adapter), or copy the persona's adapter folder.",
            )
    digest = file_hash(path / artifact.WEIGHTS)
    if digest != run["adapter_sha256"]:
        raise UsageError(
            f"{name} holds other weights than its run.json is about",
            mend="Take adapter_model.safetensors and run.json from the same training.",
        )
    return Adapter(replace(persona, slug=f"adapter-{digest[:12]}"), path, run)
