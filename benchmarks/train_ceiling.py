"""The fastest any program could train: the work that cannot be left out, over the speed of this machine's matrix products.

Work is counted in floating-point operations (FLOP); a product of (m, k) by (k, n) has 2 m k n of them. For a frozen base
with a LoRA, a token needs

    frozen matrices   2 in out forward, 2 in out for the gradient of the input; none for the weight's: 4 FLOP a weight
    LoRA's matrices   the same and 2 for the weight's gradient: 6 FLOP a weight
    vocabulary        as frozen, 4 d V, but only for a token that carries loss
    attention         query by key and weights by value look at t tokens each at position t: 4 d t forward, and twice that
                      backward, so 6 d T (T + 1) for a whole example of T tokens in each layer, d = heads * head size

Norms, activations, softmax and the optimiser are left out, as is that the first layer's input needs no gradient (0.3% of the
135M model). The tokens of an example that holds several replies of one conversation count once, and padding not at all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from train_turns import Line

from style_clone import precision
from style_clone.train.tokens import Example

SQUARE = 2048
"""Rows and columns of the square product that is tried beside the model's own shapes."""
SECONDS = 3.0
"""How long the products are timed in one turn."""


@dataclass(frozen=True)
class Work:
    """FLOP of a training step by what they depend on."""

    a_token: int
    a_target: int
    attention: int
    """To be multiplied by T (T + 1)."""

    def total(self, examples: Sequence[Example]) -> int:
        """FLOP of one pass over `examples`."""
        tokens = sum(len(example.ids) for example in examples)
        targets = sum(sum(example.mask) for example in examples)
        squares = sum(len(example.ids) * (len(example.ids) + 1) for example in examples)
        return self.a_token * tokens + self.a_target * targets + self.attention * squares


def work(model: Any) -> Work:
    """What training `model`, a base with a fresh LoRA, costs."""
    head = model.get_output_embeddings()
    config = model.config.get_text_config()
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Work(
        a_token=sum(
            (6 if module.weight.requires_grad else 4) * module.weight.numel()
            for module in model.modules()
            if isinstance(module, nn.Linear) and module is not head
        ),
        a_target=4 * head.weight.numel(),
        attention=6 * config.num_hidden_layers * config.num_attention_heads * size,
    )


def shapes(model: Any, rows: int) -> list[tuple[int, int, int]]:
    """(m, k, n) of the model's products with `rows` tokens, each once, and of a large square one."""
    frozen = {tuple(m.weight.shape) for m in model.modules() if isinstance(m, nn.Linear) and not m.weight.requires_grad}
    return [(SQUARE, SQUARE, SQUARE), *((rows, inputs, outputs) for outputs, inputs in sorted(frozen))]


def products(given: Sequence[tuple[int, int, int]], line: Line) -> dict[str, float]:
    """A contestant's process that says, each turn, the best rate of the products in FLOP a second, until it is stopped."""
    kind: dict[str, Any] = {
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "dtype": getattr(torch, precision.here()),
    }
    made = [(torch.randn(m, k, **kind), torch.randn(n, k, **kind)) for m, k, n in given]
    while True:
        line.wait()
        line.tell(max(rate(left, right, SECONDS / len(made)) for left, right in made))


def rate(left: torch.Tensor, right: torch.Tensor, seconds: float) -> float:
    """FLOP a second of left (m, k) by the transpose of right (n, k): the best of repeated products, as many as fit."""
    cost = 2 * left.shape[0] * left.shape[1] * right.shape[0]
    best, end = 0.0, time.perf_counter() + seconds
    with torch.inference_mode():
        while time.perf_counter() < end:
            began = _now(left)
            nn.functional.linear(left, right)
            best = max(best, cost / (_now(left) - began))
    return best


def _now(tensor: torch.Tensor) -> float:
    if tensor.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter()
