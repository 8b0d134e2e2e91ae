"""What all examples begin with is read once: the prompt above them, which for a letter is longer than the letter."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from style_clone.train.tokens import NO_LOSS, Example


@dataclass(frozen=True)
class Start:
    """The first `num_tokens` of every example, and the model's keys and values of them, for one row; None where there are
    no such tokens, or where the model keeps something else than keys and values."""

    num_tokens: int
    cache: Any

    @classmethod
    def of(cls, model: Any, examples: Sequence[Example]) -> Start:
        """Read by the model as it is now, its adapter switched on or off; both end with it."""
        import torch
        from transformers import DynamicCache
        from transformers.cache_utils import DynamicLayer

        shared = num_shared(examples)
        if shared:
            ids = torch.tensor([examples[0].ids[:shared]], device=next(model.parameters()).device)
            cache = model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values
            # A sliding window or a recurrent state is not cut where we would cut it.
            if type(cache) is DynamicCache and all(type(layer) is DynamicLayer for layer in cache.layers):
                return cls(shared, cache)
        return cls(0, None)

    def after(self, example: Example) -> Example:
        """What of an example is left to read."""
        return Example(example.ids[self.num_tokens :], example.owner[self.num_tokens :])

    def read_by(self, rows: int) -> Any:
        """Keys and values for that many rows, which may be added to."""
        if self.cache is None:
            return None
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(rows)
        return cache


def num_shared(examples: Sequence[Example]) -> int:
    """How many tokens all examples begin with. At least one is left before each one's first reply, to predict it from."""
    if len(examples) < 2:
        return 0
    first = examples[0].ids
    most = min(_num_before_reply(each) for each in examples) - 1
    return next((at for at in range(most) if any(each.ids[at] != first[at] for each in examples)), max(0, most))


def _num_before_reply(example: Example) -> int:
    return next((at for at, owner in enumerate(example.owner) if owner != NO_LOSS), len(example.ids))
