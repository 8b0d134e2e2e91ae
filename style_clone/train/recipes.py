"""Recipes by the size of the base model and of the corpus: a table, and where each row comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from style_clone.train.recipe import Recipe


@dataclass(frozen=True)
class Row:
    """A recipe for base models of up to so many parameters, and the evidence for its settings, by their names."""

    most_parameters: float
    recipe: Recipe
    evidence: Mapping[str, str]


TABLE = (
    Row(
        250e6,
        Recipe(),
        {
            "learning_rate": "measured on half of the sample corpus, two passes (benchmarks/records/sweep-135m.jsonl): "
            "held-out nats per token of 4.12 at a rate of 3e-4, 4.02 at 5e-4, 3.99 at 1e-3, and at 2e-3 4.02 after one pass, "
            "then worse",
            "rank": "measured in the same way, 4.00 at rank 4 and 3.99 at 8, 16 and 32",
            "targets": "measured in the same way, 3.99 with all linear layers, 4.11 with attention's alone and 4.22 with "
            "queries and values alone",
        },
    ),
    Row(
        1e9,
        Recipe(learning_rate=5e-4),
        {
            "learning_rate": "not measured here: LoRA Without Regret (Thinking Machines, 2025) finds the best rate about ten "
            "times full tuning's and falling slowly with size"
        },
    ),
    Row(
        4e9,
        Recipe(learning_rate=3e-4, batch_tokens=2048, max_tokens=1024),
        {"learning_rate": "not measured here: as above"},
    ),
    Row(
        math.inf,
        Recipe(learning_rate=2e-4, batch_tokens=4096, max_tokens=1024),
        {
            "learning_rate": "not measured here: as above; 2e-4 is also QLoRA's (Dettmers and others, 2023) for 7B and 13B"
        },
    ),
)


ONE_PASS_TOKENS = 100_000
"""Tokens of training pairs from which one pass is enough. On the sample, 31,000 tokens, the first pass took held-out loss
from 5.07 to 3.87 nats and the second to 3.84, for twice the time; the more text there is, the less a second reading adds."""


def passes_for(tokens: int, recipe: Recipe) -> int:
    """Passes over training pairs of so many tokens: the recipe's, or one where the corpus is large."""
    return 1 if tokens >= ONE_PASS_TOKENS else recipe.epochs


def row_for(parameters: int) -> Row:
    """The table's row for a base model of so many parameters."""
    return next(row for row in TABLE if parameters <= row.most_parameters)


def recipe_for(parameters: int) -> Recipe:
    """The recipe for a base model of so many parameters."""
    return row_for(parameters).recipe
