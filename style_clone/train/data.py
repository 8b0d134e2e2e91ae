"""Batches: examples of like length together, so that little is spent on padding."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from style_clone.train.tokens import NO_LOSS, Example

if TYPE_CHECKING:
    import torch

IGNORED = -100
"""The label PyTorch's cross entropy leaves out."""

STRIDE = 16
"""Lengths are rounded up to a multiple of this many tokens before they are compared."""


class LengthBatches:
    """Indices of examples, grouped so that a batch's padded size stays within `batch_tokens`.

    Each pass shuffles the examples, sorts them by rounded length, cuts batches and shuffles those: who meets whom
    differs from pass to pass, the number of batches does not. The same seed gives the same passes.
    """

    def __init__(self, lengths: Sequence[int], batch_tokens: int, seed: int) -> None:
        self.lengths = [-(-length // STRIDE) * STRIDE for length in lengths]
        self.batch_tokens = batch_tokens
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the pass the next iteration gives."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        rng = random.Random(self.seed * 1_000_003 + self.epoch)
        order = list(range(len(self.lengths)))
        rng.shuffle(order)
        order.sort(key=lambda index: self.lengths[index])
        batches = list(self._cut(order))
        rng.shuffle(batches)
        return iter(batches)

    def __len__(self) -> int:
        return sum(1 for _ in self._cut(sorted(range(len(self.lengths)), key=lambda index: self.lengths[index])))

    def _cut(self, order: Sequence[int]) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in order:  # shortest first, so the newcomer is always the batch's longest
            if batch and self.lengths[index] * (len(batch) + 1) > self.batch_tokens:
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch


def collate(
    examples: Sequence[Example], pad_id: int, prompt_weight: float = 0.0, *, in_one_row: bool = False
) -> dict[str, torch.Tensor]:
    """`input_ids` and `labels`, each (B, T), padded on the right.

    With a `prompt_weight` the prompts' tokens are labelled too, and `weights` (B, T) says what each token's loss weighs.
    No attention mask: attention looks only back, so padding on the right cannot reach a token that carries loss.

    `in_one_row` sets the examples one behind the other, (1, T) without padding, with `position_ids` (1, T) that begin anew
    at each: for models that then keep them apart (`kernels.fused`).
    """
    import torch

    if in_one_row:
        rows = [collate([example], pad_id, prompt_weight) for example in examples]
        starts = [torch.arange(len(example.ids))[None] for example in examples]
        joined = {name: torch.cat([row[name] for row in rows], dim=1) for name in rows[0]}
        return {**joined, "position_ids": torch.cat(starts, dim=1)}
    width = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), width), pad_id)
    weights = torch.zeros(len(examples), width)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        is_reply = torch.tensor(example.owner) != NO_LOSS
        weights[row, : len(example.ids)] = torch.where(is_reply, 1.0, prompt_weight)
    weights[:, 0] = 0.0  # nothing stands before it to predict it from
    batch = {"input_ids": ids, "labels": torch.where(weights > 0, ids, IGNORED)}
    return {**batch, "weights": weights} if prompt_weight else batch
