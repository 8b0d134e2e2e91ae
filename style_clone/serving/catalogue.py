"""The endpoint's model ids, and what stands behind each: read from the workspace anew for every request.

`<persona>` is the clone, `<persona>@memory` the clone with facts from memory, `<persona>@prompted` the base model with the
prompted baseline, `<base>` the plain base model. Where a persona is called like the base model, the name is the base's.

A persona may have registers: the contacts its author writes to in ways of their own. One can be chosen for each request.

Where others than the users of this machine can ask, a persona is there only if its persona.json says that its author agreed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from style_clone import register
from style_clone.conversation import Turn
from style_clone.errors import StyleCloneError
from style_clone.persona import USUAL_TOKENS, Persona, Sampling
from style_clone.prompt import Prompt
from style_clone.register import Registers
from style_clone.serving.refusal import Refusal, not_loaded
from style_clone.workspace import SLUG, PersonaFolder, Workspace, file_hash

Kind = Literal["clone", "memory", "prompted", "base"]
Facts = Callable[[str], list[str]]
Value = TypeVar("Value")
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
_SUFFIXES: dict[str, Kind] = {"": "clone", "memory": "memory", "prompted": "prompted"}


@dataclass(frozen=True)
class Base:
    """The base model that is served, and its engine: options it is better not told, the longest prompt and reply together
    that it takes, how many adapters it keeps in memory (0: it takes none), and the layers those may change (empty: any)."""

    name: str
    sha256: str
    ignored: frozenset[str] = frozenset()
    context_tokens: int = 8192
    adapters: int = 8
    layers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Served:
    """One model id. `adapter` is the folder and the internal name of the adapter it needs; None runs on the base."""

    id: str
    kind: Kind
    sampling: Sampling
    persona: Persona | None = None
    folder: PersonaFolder | None = None
    adapter: Adapter | None = None


@dataclass(frozen=True)
class Adapter:
    """One version of a persona's adapter. `name` is what vLLM calls it: another content is another name."""

    slug: str
    path: Path
    name: str


def load_baseline(folder: PersonaFolder) -> Prompt:
    """The prompted baseline. Raises MissingStage."""
    from style_clone import baseline

    return baseline.load(folder)


def load_memory(folder: PersonaFolder) -> Facts:
    """What finds facts for a question. Raises MissingStage."""
    from style_clone.memory import run

    return run.load(folder).facts


class Kept(Generic[Value]):
    """Values made from files, kept as long as the files stay the same ones with the same size and time."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[object, Value]] = {}

    def get(self, path: Path, files: Sequence[Path], make: Callable[[], Value]) -> Value:
        """The value for `path`; made anew where one of `files` has changed."""
        state = [_state(file) for file in files]
        if path not in self._kept or self._kept[path][0] != state:
            self._kept[path] = (state, make())
        return self._kept[path][1]


@dataclass
class Catalogue:
    """Finds what a model id names. Reads files, so call it off the event loop."""

    workspace: Workspace
    base: Base
    baseline_of: Callable[[PersonaFolder], Prompt] = load_baseline
    memory_of: Callable[[PersonaFolder], Facts] = load_memory
    needs_consent: bool = False
    _hashes: Kept[str] = field(default_factory=Kept)
    _baselines: Kept[Prompt] = field(default_factory=Kept)
    _memories: Kept[Facts] = field(default_factory=Kept)
    _registers: Kept[Registers] = field(default_factory=Kept)

    def ids(self, personas: Collection[str] | None = None) -> list[str]:
        """Every id that can be asked for at this moment, the base model last; of `personas` only, if given."""
        folders = [folder for folder in self._personas() if self._may_be_served(folder)]
        if personas is not None:
            return [name for folder in folders if folder.slug in personas for name in self._ids_of(folder)]
        return [*(name for folder in folders for name in self._ids_of(folder)), self.base.name]

    def withheld(self) -> list[str]:
        """Personas that are not served because nobody has recorded that their author agreed."""
        return [folder.slug for folder in self._personas() if not self._may_be_served(folder)]

    def find(self, model_id: str, personas: Collection[str] | None = None) -> Served:
        """What stands behind an id. Raises Refusal: 404 where there is nothing, saying what is there or what is missing; 503
        for an adapter that cannot be read.

        With `personas` given, everything else is as if it did not exist.
        """
        if model_id == self.base.name and personas is None:
            return Served(model_id, "base", Sampling(max_tokens=USUAL_TOKENS))
        slug, _, suffix = model_id.partition("@")
        kind = _SUFFIXES.get(suffix)
        folder = self.workspace.folder(slug) if SLUG.fullmatch(slug) else None
        hidden = personas is not None and (slug not in personas or slug == self.base.name)
        is_there = folder is not None and folder.persona.exists() and self._may_be_served(folder)
        if hidden or kind is None or folder is None or not is_there or model_id.endswith("@"):
            known = ", ".join(self.ids(personas)) or "none"
            raise _missing(f"there is no model {model_id!r}; there are: {known}", "model_not_found")
        persona = Persona.load(folder)
        if kind == "prompted":
            if not folder.baseline.exists():
                raise _missing(f"{slug} has no prompted baseline yet: run style-clone pairs {slug}", "stage_missing")
            return Served(model_id, kind, persona.effective_sampling, persona, folder)
        if reason := self._no_clone(folder):
            raise _missing(reason, "model_not_served")
        if kind == "memory" and not folder.memory.exists():
            raise _missing(f"{slug} has no memory yet: run style-clone pairs {slug}", "stage_missing")
        return Served(model_id, kind, persona.effective_sampling, persona, folder, self._adapter(folder))

    def registers(self, model_id: str) -> Registers:
        """The registers that can be chosen for an id; none where its files are damaged, as a question to it will tell."""
        slug = model_id.partition("@")[0]
        try:
            return {} if model_id == self.base.name else self._registers_of(self.workspace.folder(slug))
        except StyleCloneError:
            return {}

    def newest(self) -> list[Adapter]:
        """The adapters that can be served, the last trained first."""
        folders = [folder for folder in self.workspace.personas() if not self._no_clone(folder)]
        made = [((folder.adapter / ADAPTER_FILES[0]).stat().st_mtime_ns, self._adapter(folder)) for folder in folders]
        return [adapter for _, adapter in sorted(made, key=lambda each: -each[0])]

    def register(self, served: Served, name: str | None) -> str | None:
        """The label of the register that `name` chooses; None where it chooses none. Raises StorageError."""
        if name is None or served.folder is None:
            return None
        return register.label_of(self._registers_of(served.folder), name)

    def messages(self, served: Served, turns: Sequence[Turn], to: str | None = None) -> list[Turn]:
        """The chat messages for `turns`, written to the contact with the label `to`, if any.

        Those for the plain base model are the caller's own. Raises MissingStage.
        """
        if served.persona is None or served.folder is None:
            return list(turns)
        folder = served.folder
        clone = served.persona.prompt.writing_to(to)
        if served.kind == "prompted":
            prompt = self._baselines.get(
                folder.root, [folder.baseline, folder.split("train")], lambda: self.baseline_of(folder)
            )
            return prompt.writing_to(to).messages(turns)
        if served.kind == "memory":
            facts = self._memories.get(
                folder.root, [folder.memory, folder.split("train")], lambda: self.memory_of(folder)
            )
            asked = next((turn["content"] for turn in reversed(turns) if turn["role"] == "user"), "")
            return clone.remembering(facts(asked)).messages(turns)
        return clone.messages(turns)

    def _personas(self) -> list[PersonaFolder]:
        return [folder for folder in self.workspace.personas() if folder.slug != self.base.name]

    def _may_be_served(self, folder: PersonaFolder) -> bool:
        """Whether to this endpoint's callers; a damaged persona.json records no consent."""
        if not self.needs_consent:
            return True
        try:
            return bool(Persona.load(folder).consent)
        except (StyleCloneError, KeyError, TypeError):
            return False

    def _registers_of(self, folder: PersonaFolder) -> Registers:
        return self._registers.get(folder.root, [folder.adapter / "run.json"], lambda: register.load(folder))

    def _ids_of(self, folder: PersonaFolder) -> list[str]:
        clone = not self._no_clone(folder)
        there = {"": clone, "@memory": clone and folder.memory.exists(), "@prompted": folder.baseline.exists()}
        return [folder.slug + suffix for suffix, is_there in there.items() if is_there]

    def _no_clone(self, folder: PersonaFolder) -> str:
        """Why a persona's clone cannot be served; empty where it can."""
        slug = folder.slug
        if not all((folder.adapter / name).exists() for name in ADAPTER_FILES):
            return f"{slug} has no adapter yet: run style-clone train {slug}"
        try:
            persona = Persona.load(folder)
        except (StyleCloneError, KeyError, TypeError):
            return f"{slug} has a damaged persona.json"
        if persona.base_model == self.base.name and persona.base_sha256 == self.base.sha256:
            return ""
        made_for = persona.base_model or "an unknown model"
        if made_for == self.base.name:
            made_for = f"other weights of {made_for}"
        return (
            f"{slug} was trained on {made_for}, and this endpoint serves {self.base.name}: serve that model with --base"
        )

    def _adapter(self, folder: PersonaFolder) -> Adapter:
        files = [folder.adapter / name for name in ADAPTER_FILES]
        try:
            digest = self._hashes.get(folder.root, files, lambda: file_hash(*files))
        except OSError as error:
            raise not_loaded(folder.slug, f"its file cannot be read ({error.strerror})") from error
        return Adapter(folder.slug, folder.adapter, f"{folder.slug}--{digest[:12]}")


def defaults(sampling: Sampling) -> Mapping[str, Any]:
    """Sampling options where the caller gives none; all are named, so that the model's own folder decides none of them."""
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": 0,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
        "max_tokens": sampling.max_tokens,
    }


def _missing(message: str, code: str) -> Refusal:
    return Refusal(404, message, code=code, param="model")


def _state(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file, or a folder swapped in whole, is another one; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
