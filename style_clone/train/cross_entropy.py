"""Cross entropy, a few rows at a time.

A vocabulary of 50,000 makes the logits of a batch the largest tensor of a step by far, and the plain way holds five of their
kind at once: as they are, in float32, their log softmax, its gradient and that rounded again. Here there are two, the logits
and their gradient; what is in float32 fits the processor's caches. The sums are the same, taken in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

PIECE = 1 << 21
"""Logits that are float32 at a time: 8 MB of them."""


def nats_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Minus the log probability of each row's target, (N,) in float32: (N, V) logits and (N,) token ids."""
    nats: Tensor = _Nats.apply(logits, targets)
    return nats


class _Nats(torch.autograd.Function):
    """log sum exp(logits) - logits[target], whose gradient is softmax(logits) less 1 at the target."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        sums = logits.new_empty(len(logits), dtype=torch.float32)
        for rows in _pieces(logits):
            torch.logsumexp(logits[rows].float(), dim=1, out=sums[rows])
        ctx.save_for_backward(logits, targets, sums)
        return sums - logits.gather(1, targets[:, None])[:, 0].float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        logits, targets, sums = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        for rows in _pieces(logits):
            chances = logits[rows].float().sub_(sums[rows, None]).exp_()
            chances.scatter_add_(1, targets[rows, None], chances.new_full((len(chances), 1), -1.0))
            gradient[rows] = chances.mul_(grads[0][rows, None])
        return gradient, None


def _pieces(logits: Tensor) -> Iterator[slice]:
    height = max(1, PIECE // logits.shape[1])
    return (slice(start, start + height) for start in range(0, len(logits), height))
