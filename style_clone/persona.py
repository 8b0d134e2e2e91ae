"""persona.json: who is cloned, on which base model, and how the clone is prompted and sampled."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import Any

from style_clone.errors import StorageError, UsageError
from style_clone.prompt import Prompt, clone_system
from style_clone.workspace import PersonaFolder, read_json, write_json

DRAWING = ("temperature", "top_p", "min_p", "repetition_penalty")
"""The settings that say how a reply is drawn; the others say where it ends."""
BOUNDS: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0.01, 1),
    "min_p": (0, 1),
    "repetition_penalty": (0.5, 2),
    "max_tokens": (0, 4096),
}
"""Least and most of the settings that a command changes."""
USUAL_TOKENS = 160
"""Room for a reply before training has seen how long the author's are, and the least there is unless somebody sets less."""


@dataclass(frozen=True)
class Sampling:
    """Defaults for a reply where the caller gives none. `max_tokens` is in tokens; 0 is room for nearly all that its author
    writes.

    Unlikely tokens are cut off by `min_p`, the least chance relative to the likeliest token's (Nguyen et al. 2024, "Turning
    Up the Heat"), and not by `top_p`, which sorts the vocabulary for each token: on a CPU with 16 users that takes a third of
    vLLM's speed. `stop` are texts that end a reply, beside those the caller gives; a clone ends its turn by itself.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    min_p: float = 0.05
    repetition_penalty: float = 1.05
    max_tokens: int = 0
    stop: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, float]:
        """All that a command changes, by name."""
        return {name: getattr(self, name) for name in BOUNDS}

    @property
    def drawing(self) -> dict[str, float]:
        """How a reply is drawn, by setting."""
        return {name: getattr(self, name) for name in DRAWING}

    def with_overrides(self, overrides: Mapping[str, str], among: Collection[str] = tuple(BOUNDS)) -> Sampling:
        """This sampling with some values, `among` these settings, replaced by text from the command line.

        Raises UsageError.
        """
        for key in overrides:
            if key not in among:
                raise UsageError(
                    f"{key} is none of the settings that can be changed here", mend=f"Settings: {', '.join(among)}."
                )
        return replace(self, **{key: self._read(key, text) for key, text in overrides.items()})

    def _read(self, key: str, text: str) -> Any:
        kind, (least, most) = type(getattr(self, key)), BOUNDS[key]
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            number = "a whole number" if kind is int else "a number"
            raise UsageError(f"{key}={text}: expected {number} from {least:g} to {most:g}")
        return value


@dataclass(frozen=True)
class Persona:
    """One persona's settings; frozen, so a change is a new object saved over the old.

    `sampling` is as somebody chose it, `effective_sampling` what it comes to; `reply_tokens` is room for nearly all of the
    author's replies, as training found.
    """

    slug: str
    author: str
    aliases: tuple[str, ...]
    consent: str | None = None
    base_model: str | None = None
    base_source: str | None = None
    base_revision: str | None = None
    base_sha256: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    reply_tokens: int = USUAL_TOKENS
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def prompt(self) -> Prompt:
        """The clone's prompt."""
        return Prompt(system=clone_system(self.author))

    @property
    def effective_sampling(self) -> Sampling:
        """The sampling with the length that was learnt where none was chosen."""
        return replace(self.sampling, max_tokens=self.sampling.max_tokens or self.reply_tokens)

    def is_author(self, name: str) -> bool:
        """Whether `name` is the author: one of the aliases exactly, but for case, width of spaces and Unicode form."""
        return fold_name(name) in map(fold_name, self.aliases)

    def save(self, folder: PersonaFolder) -> None:
        """Write persona.json, all or nothing. Raises StorageError."""
        write_json(folder.persona, {**asdict(self), "system_prompt": self.prompt.system})

    @classmethod
    def load(cls, folder: PersonaFolder) -> Persona:
        """Read persona.json. Raises StorageError where it is damaged."""
        row: dict[str, Any] = read_json(folder.persona)
        try:
            row.pop("system_prompt", None)
            sampling = Sampling(**{**row["sampling"], "stop": tuple(row["sampling"].get("stop", ()))})
            return cls(**{**row, "aliases": tuple(row["aliases"]), "sampling": sampling})
        except (AttributeError, KeyError, TypeError) as error:
            raise StorageError(
                f"{folder.persona} is not as this version writes it: {error}",
                mend=f"Read the writing into it anew: style-clone delete {folder.slug}, then style-clone ingest.",
            ) from error

    def with_sampling(self, sampling: Sampling) -> Persona:
        """This persona, its replies drawn in that way."""
        return replace(self, sampling=sampling)

    def with_consent(self, words: str, day: date) -> Persona:
        """This persona, its author having agreed: in what words, noted on which day."""
        return replace(self, consent=f"{words} ({day.isoformat()})")

    def with_base(self, name: str, source: str, revision: str, sha256: str) -> Persona:
        """This persona, trained on that base model; `source` is what finds it again: a name, a hub id or a folder."""
        return replace(self, base_model=name, base_source=source, base_revision=revision, base_sha256=sha256)

    def with_room(self, tokens: int) -> Persona:
        """This persona, nearly all of its author's replies being no longer than that."""
        return replace(self, reply_tokens=max(USUAL_TOKENS, tokens))


@lru_cache(maxsize=1 << 12)
def fold_name(name: str) -> str:
    """A name as it is compared: composed (NFC), case and spaces folded, invisible characters gone; "Ann" is not "Anna"."""
    visible = "".join(
        letter for letter in name if unicodedata.category(letter) != "Cf" and not "\ufe00" <= letter <= "\ufe0f"
    )
    return " ".join(unicodedata.normalize("NFC", visible).casefold().split())
