"""How a step is computed and what is measured, for the loop and for the probe that foretells it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from style_clone.train.recipe import Recipe
from style_clone.train.tokens import Example


@contextmanager
def as_in_training(model: Any) -> Iterator[bool]:
    """Within the block, `model`, a PEFT model, computes as in training; yields whether batches may come in one row.

    Where bfloat16 is computed in, autocast makes LoRA's float32 weights bfloat16 for each product; PEFT would make every
    activation float32 instead.
    """
    from peft.helpers import disable_input_dtype_casting

    from style_clone.train.kernels import fused

    with disable_input_dtype_casting(model), fused(model) as in_one_row:
        yield in_one_row


def measured(examples: Sequence[Example], recipe: Recipe) -> list[Example]:
    """The held-out examples a measurement reads: some by chance, always the same, of `recipe.dev_tokens` tokens at most."""
    kept: list[Example] = []
    tokens = 0
    for example in random.Random(recipe.seed).sample(examples, len(examples)):
        if kept and tokens + len(example.ids) > recipe.dev_tokens:
            break
        kept.append(example)
        tokens += len(example.ids)
    return kept
