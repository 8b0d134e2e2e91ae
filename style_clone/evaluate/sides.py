"""The two sides of a comparison: found, seen to be comparable, and laid out side by side where an endpoint serves both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from style_clone.conversation import Pair, Split, read_pairs
from style_clone.errors import UsageError
from style_clone.evaluate.aside import home_aside
from style_clone.evaluate.material import Adapter, current_run
from style_clone.models import BaseModel
from style_clone.persona import DRAWING, Persona
from style_clone.settings import ServeAs, Settings
from style_clone.train import artifact
from style_clone.workspace import SLUG, PersonaFolder, Workspace, file_hash, read_json, storage_errors

NEEDED = ("adapter_config.json", artifact.WEIGHTS, "run.json")
"""What a folder with an adapter holds at least."""
_KEEP = "keep the old one first with: style-clone export {slug} --adapter --out DIR"


@dataclass(frozen=True)
class Sides:
    """`names` are as given and `adapters` what they name, both by "a" and "b"; `folder` is the persona whose pairs,
    prompts and impostors both are measured with: the first one that is a persona. `elsewhere` is the other persona, where
    it was trained on other pairs."""

    folder: PersonaFolder
    names: dict[str, str]
    adapters: dict[str, Adapter]
    elsewhere: PersonaFolder | None = None

    @classmethod
    def find(
        cls, workspace: Workspace, first: str, second: str, samplings: Mapping[str, Mapping[str, str]] | None = None
    ) -> Sides:
        """Each a persona's name or a folder with an adapter; `samplings` are changes to a side's sampling, by side.

        Raises PersonaNotFound, MissingStage for a persona without an adapter, and UsageError where no persona is named, a
        folder holds no whole adapter, or the two cannot be compared: other base models, other pairs than the persona's in a
        folder, which does not hold them, the same weights drawn from in the same way.
        """
        names = {"a": first, "b": second}
        places = {side: _place(workspace, name) for side, name in names.items()}
        personas = [place for place in places.values() if isinstance(place, PersonaFolder)]
        if not personas:
            raise UsageError(
                f"neither {first} nor {second} is a persona, which gives pairs, prompts and other people to compare with",
                mend=f"Name the persona they were trained for: style-clone compare PERSONA {second}",
            )
        adapters = {
            side: _sampled(_adapter(names[side], place, personas[0]), (samplings or {}).get(side, {}))
            for side, place in places.items()
        }
        one, other = (adapter.run["pairs_sha256"] for adapter in adapters.values())
        found = cls(personas[0], names, adapters, personas[1] if one != other and len(personas) == 2 else None)
        found._check()
        return found

    def others(self, on: Literal["dev", "test"]) -> list[Pair]:
        """What the persona elsewhere was trained on and, where test is measured on, what chose its best weights."""
        if self.elsewhere is None:
            return []
        parts: tuple[Split, ...] = ("train", "dev") if on == "test" else ("train",)
        return [pair for part in parts for pair in read_pairs(self.elsewhere.split(part))]

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
        if self.elsewhere is None and one.run["pairs_sha256"] != other.run["pairs_sha256"]:
            raise UsageError(
                f"{first} and {second} were trained on different pairs, and only a persona has its pairs beside it: nobody "
                "can tell which messages are new to both",
                mend=f"Train again on the same pairs: style-clone train {slug} --set KEY=VALUE; {keep}. Or name two personas",
            )
        if self.elsewhere is not None:
            current_run(self.elsewhere)  # its pairs are those its adapter was trained on, or it is refused
        same = one.run["adapter_sha256"] == other.run["adapter_sha256"]
        if same and one.persona.sampling.drawing == other.persona.sampling.drawing:
            raise UsageError(
                f"{first} and {second} are the same adapter, weight for weight, and their replies are drawn alike",
                mend=f"Train another: style-clone train {slug} --set KEY=VALUE; {keep}. Or draw B's replies in another way: "
                "--sampling-b temperature=0.5",
            )

    @property
    def changes(self) -> dict[str, dict[str, Any]]:
        """In what the recipes differ, sampling and number of pairs too: `{"rank": {"a": 16, "b": 8}}`; one lacks it: None."""
        one, other = (
            {**adapter.run["recipe"], **adapter.persona.sampling.drawing} for adapter in self.adapters.values()
        )
        if self.elsewhere is not None:
            one, other = (
                {**settings, "train_pairs": len(read_pairs(persona.split("train")))}
                for settings, persona in ((one, self.folder), (other, self.elsewhere))
            )
        return {
            name: {"a": one.get(name), "b": other.get(name)}
            for name in dict.fromkeys([*one, *other])
            if one.get(name) != other.get(name)
        }


@contextmanager
def side_by_side(settings: Settings, sides: Sides, base: BaseModel, serve_as: ServeAs) -> Iterator[Settings]:
    """Settings of a home folder that lasts for the block and holds the two adapters as personas, and the same base models.

    Adapters are copied, since a training meanwhile would put another in their place; one that is on both sides is served
    once. Raises StorageError.
    """
    served = {adapter.persona.slug: adapter for adapter in sides.adapters.values()}
    with home_aside(settings, sides.folder, "compare", serve_as) as aside:
        with storage_errors(aside.home):
            for adapter in served.values():
                folder = aside.workspace.folder(adapter.persona.slug)
                folder.adapter.mkdir(parents=True)
                for name in NEEDED:
                    shutil.copyfile(adapter.path / name, folder.adapter / name)
                trained = adapter.persona.with_base(base.name, base.source, base.revision, base.sha256)
                trained.save(folder)
        yield aside


def _sampled(adapter: Adapter, changes: Mapping[str, str]) -> Adapter:
    """The adapter with its replies drawn in another way; how long they may be is the same for everybody."""
    sampling = adapter.persona.sampling.with_overrides(changes, DRAWING)
    return replace(adapter, persona=adapter.persona.with_sampling(sampling))


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
