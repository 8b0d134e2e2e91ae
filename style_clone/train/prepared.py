"""What a run is made of before there is a model: recipe, pairs, examples; shared by `train` and `plan`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from style_clone import models
from style_clone.conversation import Pair, Split, read_pairs
from style_clone.errors import MissingStage, TrainingError
from style_clone.models import BaseModel, load_tokenizer
from style_clone.persona import Persona
from style_clone.prompt import room_for
from style_clone.register import lines_of, registers_of
from style_clone.train import artifact
from style_clone.train.canaries import Trial, plant, trials
from style_clone.train.machine import world_size
from style_clone.train.recipe import Recipe
from style_clone.train.recipes import passes_for, recipe_for
from style_clone.train.tokens import Example, Tokenised, Tokeniser
from style_clone.workspace import PersonaFolder

SPLITS: tuple[Split, ...] = ("train", "dev")
"""What training reads; the other two splits are for measuring what comes out of it."""


@dataclass(frozen=True)
class Prepared:
    """Everything a run is made of but the model. `pairs` and `data` have a "train" and a "dev" each.

    `registers` are the contacts whom half of their conversations name in the prompt, with the label each gets there;
    `identity` is what run.json says of what was trained on what; `canaries` are those among the training pairs.
    """

    recipe: Recipe
    tokenizer: Any
    pairs: dict[str, list[Pair]]
    data: dict[str, Tokenised]
    registers: dict[str, str]
    identity: dict[str, Any]
    canaries: list[Trial]

    @property
    def examples(self) -> dict[str, list[Example]]:
        """The examples of each split."""
        return {split: tokenised.examples for split, tokenised in self.data.items()}

    @property
    def pad_id(self) -> int:
        """The token that fills up a batch."""
        return int(self.tokenizer.pad_token_id or self.tokenizer.eos_token_id)

    @property
    def reply_tokens(self) -> int:
        """Room for nearly all of the author's replies, as far as an example has room for them."""
        return min(self.recipe.max_tokens, room_for(self.tokenizer, [pair.reply for pair in self.pairs["train"]]))

    @property
    def key(self) -> dict[str, Any]:
        """What makes two runs the same run, so that one can go on where the other ended: to the last token."""
        ids = repr([example.ids for examples in self.examples.values() for example in examples])
        digest = hashlib.sha256(ids.encode()).hexdigest()
        return {**self.identity, "processes": world_size(), "tokens_sha256": digest}


def prepare(folder: PersonaFolder, base: BaseModel, overrides: Mapping[str, str] | None = None) -> Prepared:
    """Read and tokenise the persona's pairs with the recipe for `base` and their size, changed by `overrides`.

    Writes nothing. Raises MissingStage without pairs, UsageError for wrong overrides, ModelError, TrainingError where nothing
    is held out.
    """
    recipe = recipe_for(models.num_parameters(base)).with_overrides(overrides or {})
    tokenizer = load_tokenizer(base)
    pairs = _read_pairs(folder)
    registers = registers_of(pairs["train"]) if recipe.registers else {}
    lines = lines_of([pair for split in pairs.values() for pair in split], registers)
    pairs["train"], canaries = plant(pairs["train"], recipe.canaries, recipe.seed)
    tokenise = Tokeniser(tokenizer, Persona.load(folder).prompt, recipe.max_tokens, lines)
    data = {split: tokenise(of_split) for split, of_split in pairs.items()}
    if "epochs" not in (overrides or {}):
        recipe = replace(recipe, epochs=passes_for(data["train"].num_tokens, recipe))
    secrets = trials(canaries, tokenise, recipe.seed)
    return Prepared(recipe, tokenizer, pairs, data, registers, _identity(folder, base, recipe), secrets)


def _read_pairs(folder: PersonaFolder) -> dict[str, list[Pair]]:
    if not folder.split("train").exists():
        raise MissingStage(f"{folder.slug} has no pairs yet", mend=f"Make them: style-clone pairs {folder.slug}")
    pairs: dict[str, list[Pair]] = {split: read_pairs(folder.split(split)) for split in SPLITS}
    for split, of_split in pairs.items():
        if not of_split:
            raise TrainingError(
                f"{folder.slug} has no {split} pairs: conversations and documents stay whole, and there are too few of them",
                mend=f"Add more writing, from other days or chats, then: style-clone pairs {folder.slug}",
            )
    return pairs


def _identity(folder: PersonaFolder, base: BaseModel, recipe: Recipe) -> dict[str, Any]:
    """What makes two runs the same run."""
    named = {"name": base.name, "revision": base.revision, "sha256": base.sha256}
    return {"base": named, "recipe": asdict(recipe), "pairs_sha256": artifact.pairs_hash(folder)}
