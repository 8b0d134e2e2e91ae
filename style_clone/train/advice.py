"""The sentences of a plan: why the recipe is as it is, what to do, what to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from style_clone import licenses
from style_clone.models import BaseModel
from style_clone.train.data import LengthBatches
from style_clone.train.larger import Seen, larger
from style_clone.train.machine import Machine, world_size
from style_clone.train.recipe import Recipe
from style_clone.train.recipes import ONE_PASS_TOKENS, row_for
from style_clone.train.run import Prepared
from style_clone.train.strength import PROMPT_ONLY_PAIRS, Amount, amount_of, more, strength_of
from style_clone.train.tokens import Tokenised

FLOAT_BYTES = 4
"""The adapter's weights, their gradients and the optimiser's two moments of each are float32."""
CHECKPOINTS = 3
"""Most checkpoints on disk at once: the best, the newest, and the one being written."""
NIGHT_SECONDS = 8 * 3600
"""A run that is advised should be over by the morning."""
TEST_PAIRS = 100
"""Held-out replies under which the scorecard calls itself exploratory."""
MANY_CUT = 0.05
"""Share of replies that may lose their end before it is worth a word."""


@dataclass(frozen=True)
class Facts:
    """What a plan is made from. `pairs` counts each split; `trainable` is the LoRA's weights."""

    persona: str
    base: BaseModel
    license: str
    parameters: int
    overrides: Mapping[str, str]
    prepared: Prepared
    pairs: dict[str, int]
    trainable: int
    seen: Seen
    tokens_per_second: float
    machine: Machine

    @property
    def recipe(self) -> Recipe:
        """The settings the run would have."""
        return self.prepared.recipe

    @property
    def train(self) -> Tokenised:
        """What is trained on."""
        return self.prepared.data["train"]

    @property
    def amount(self) -> Amount:
        """How much that is."""
        return amount_of(self.prepared.pairs["train"], self.train.num_tokens)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        lengths = [len(example.ids) for example in self.train.examples]
        return (
            len(LengthBatches(lengths, self.recipe.batch_tokens * world_size(), self.recipe.seed)) * self.recipe.epochs
        )

    @property
    def disk_bytes(self) -> int:
        """Checkpoints, each the weights and two moments of every weight, and the adapter."""
        return (CHECKPOINTS * 3 + 1) * FLOAT_BYTES * self.trainable

    @cached_property
    def larger(self) -> list[dict[str, Any]]:
        """Larger base models, as `larger.larger` has them."""
        return larger(self.seen, self.machine.memory_bytes, self.overrides)


def why(facts: Facts) -> dict[str, str]:
    """The reason for each of the recipe's main settings; those the user set say so."""
    recipe, evidence = facts.recipe, row_for(facts.parameters).evidence
    a_pass = facts.steps // recipe.epochs
    reasons = {
        "rank": f"{facts.trainable / 1e6:.1f} million weights learn {facts.train.num_target_tokens:,} reply tokens: how "
        f"someone writes takes little room; {evidence.get('rank', 'others who clone people use 8 to 32')}",
        "epochs": f"a pass is {facts.train.num_tokens:,} tokens, and from {ONE_PASS_TOKENS:,} on one is enough; the adapter "
        f"is kept from the best of {recipe.evaluations * recipe.epochs} measurements on held-out conversations",
        "learning_rate": f"for a base model of {facts.parameters / 1e6:,.0f} million parameters; {evidence['learning_rate']}",
        "targets": evidence.get("targets", "LoRA Without Regret finds that it takes all linear layers"),
        "batch_tokens": f"{a_pass:,} steps a pass: from little writing, many small steps learn more than few large ones, and "
        "it is what memory depends on most",
        "max_tokens": f"{facts.train.dropped_turns:,} older turns were left out and {facts.train.cut_replies:,} replies cut "
        "to fit",
    }
    return {name: f"you set it; {reason}" if name in facts.overrides else reason for name, reason in reasons.items()}


def advice(facts: Facts) -> list[str]:
    """What to do before, or instead of, training."""
    sentences = []
    strength = strength_of(facts.amount)
    prompt = f"`style-clone chat {facts.persona} --vs prompted`, or the model {facts.persona}@prompted of `style-clone serve`"
    if facts.amount.pairs < PROMPT_ONLY_PAIRS:
        sentences.append(
            f"Use a prompt instead: {facts.amount.pairs:,} training pairs are too few to tune on. {prompt}."
        )
    elif strength == "exploratory":
        sentences.append(f"Hold the clone against the prompted baseline, which may do as well: {prompt}.")
    if strength != "strong":
        sentences.append(f"Add more writing: {more(facts.amount)['sentence']}")
    fitting = [row for row in facts.larger if row["fits"] and row["seconds"] <= NIGHT_SECONDS]
    if fitting and facts.amount.pairs >= PROMPT_ONLY_PAIRS:
        best = fitting[-1]["name"]
        sentences.append(
            f"A larger base model makes more sense in what it says, and {best} should fit this machine: "
            f"`style-clone plan {facts.persona} --base {best}`."
        )
    return sentences


def warnings(facts: Facts) -> list[str]:
    """What may go wrong, and how to mend it."""
    found = [*_short_of_room(facts)]
    if facts.train.cut_replies > MANY_CUT * facts.amount.pairs:
        most = 2 * facts.recipe.max_tokens
        found.append(
            f"{facts.train.cut_replies:,} replies lose their end at {facts.recipe.max_tokens} tokens: "
            f"--set max_tokens={most} --set batch_tokens={max(most, facts.recipe.batch_tokens)} keeps more of them."
        )
    if facts.pairs["test"] < TEST_PAIRS:
        found.append(
            f"There are {facts.pairs['test']:,} pairs to test the clone on; under {TEST_PAIRS} the scorecard calls itself "
            "exploratory."
        )
    if said := licenses.caution(facts.license):
        found.append(f"{said[0].upper()}{said[1:]}.")
    return found


def _short_of_room(facts: Facts) -> list[str]:
    found, machine, needed = [], facts.machine, facts.seen.peak_memory_bytes
    if needed > machine.memory_bytes:
        half = max(64, facts.recipe.batch_tokens // 2)
        found.append(
            f"Training needs about {needed / 1e9:.1f} GB of memory and {machine.memory_bytes / 1e9:.1f} GB are free: close "
            f"other programs, make steps smaller (--set batch_tokens={half} --set max_tokens={half}), or take a smaller "
            "--base."
        )
    if facts.disk_bytes > machine.disk_bytes:
        found.append(
            f"Training needs about {facts.disk_bytes / 1e6:,.0f} MB of disk and {machine.disk_bytes / 1e6:,.0f} MB are free: "
            f"free some space, or lower the rank (--set rank={max(1, facts.recipe.rank // 2)})."
        )
    return found
