"""Causal attention on a CPU, for sequences of unlike lengths in one row.

It looks, block by block of queries, only at what stands before them in their own sequence: the plain form computes the whole
square and throws half of it away, and wants sequences of unlike lengths padded through the whole model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCK = 128
"""Queries that attention takes at a time."""


def causal_blocks(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Causal attention: query (B, H, T, D), key and value (B, K, T, D) -> (B, T, H, D).

    Several sequences in one row are told by their positions, which transformers hands on. With another mask, a sliding
    window shorter than a sequence, a cache or dropout it is PyTorch's own.
    """
    heads, length, size = query.shape[1:]
    scaling = size**-0.5 if scaling is None else scaling
    starts = _starts_in(kwargs.get("position_ids"), length)
    in_sight = (kwargs.get("sliding_window") or length) >= max(
        end - start for start, end in pairwise([*starts, length])
    )
    whole = key.shape[2] == length and in_sight and (attention_mask is None or len(starts) > 1)
    if not whole or dropout:
        out = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attention_mask,
            dropout,
            is_causal=whole and len(starts) == 1,
            scale=scaling,
            enable_gqa=key.shape[1] != heads,
        )
    else:
        with torch.autocast(query.device.type, enabled=False):
            if len(starts) == 1:
                out = _CausalBlocks.apply(query * scaling, key, value)
            else:
                row = _Row([*starts, length], query.device)
                out = row.join(_CausalBlocks.apply(row.part(query * scaling), row.part(key), row.part(value)))
    return out.transpose(1, 2), None


class _Row:
    """One row of several sequences and a batch with a row for each, padded on the right, made of each other.

    `edges` are where the sequences begin, and where the last one ends. Attention alone works on the batch: LengthBatches
    puts like lengths together, so that it is hardly larger than the row.
    """

    def __init__(self, edges: Sequence[int], device: torch.device) -> None:
        lengths = [end - start for start, end in pairwise(edges)]
        self.count, self.width = len(lengths), max(lengths)
        places = [
            number * self.width + place for number, length in enumerate(lengths) for place in range(length)
        ]  # of each token of the row in the batch
        self.places = torch.tensor(places, device=device)
        self.tokens = torch.zeros(self.count * self.width, dtype=torch.long, device=device)  # and the other way round
        self.tokens[self.places] = torch.arange(len(places), device=device)

    def part(self, row: Tensor) -> Tensor:
        """(1, H, T, D) -> (S, H, L, D); what stands behind a sequence's end is no matter."""
        flat: Tensor = _Chosen.apply(row[0].transpose(0, 1), self.tokens, self.places)  # (S L, H, D)
        return flat.unflatten(0, (self.count, self.width)).transpose(1, 2)

    def join(self, batch: Tensor) -> Tensor:
        """(S, H, L, D) -> (1, H, T, D)."""
        flat: Tensor = _Chosen.apply(batch.transpose(1, 2).flatten(0, 1), self.places, None)  # (T, H, D)
        return flat.transpose(0, 1)[None]


class _Chosen(torch.autograd.Function):
    """The rows of a tensor at `places`, each once at most but for padding; gradients go back to where the rows came from.

    `inverse` says from where, if it is known: adding up, as index_select's own gradient does, takes far longer.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, places: Tensor, inverse: Tensor | None) -> Tensor:
        ctx.places, ctx.inverse, ctx.shape = places, inverse, rows.shape
        return rows.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        if ctx.inverse is not None:
            return grads[0].index_select(0, ctx.inverse), None, None
        return grads[0].new_zeros(ctx.shape).index_copy_(0, ctx.places, grads[0]), None, None


class _CausalBlocks(torch.autograd.Function):
    """Attention of scaled queries (B, H, T, D) over keys and values (B, K, T, D), a block of queries at a time."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = torch.empty_like(query)
        ahead = torch.ones(BLOCK, BLOCK, dtype=torch.bool, device=query.device).triu(1)
        chances = []
        for here, seen in _blocks(query):
            q = _by_key_head(query[:, :, here], key)  # (B, K, H/K Q, D); S keys are seen
            scores = q @ key[:, :, seen].transpose(2, 3)  # (B, K, H/K Q, S)
            size = here.stop - here.start
            square = scores.view(*scores.shape[:2], -1, size, here.stop)[..., here]
            square.masked_fill_(ahead[:size, :size], float("-inf"))
            chances.append(scores.softmax(-1))  # the sum is taken in float32 within
            out[:, :, here] = (chances[-1] @ value[:, :, seen]).view_as(out[:, :, here])
        ctx.save_for_backward(query, key, value, *chances)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        query, key, value, *chances = ctx.saved_tensors
        dquery, dkey, dvalue = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        for chance, (here, seen) in zip(chances, _blocks(query), strict=True):
            dout = _by_key_head(grads[0][:, :, here], key)
            dvalue[:, :, seen] += chance.transpose(2, 3) @ dout
            dchance = dout @ value[:, :, seen].transpose(2, 3)
            dscores = torch.ops.aten._softmax_backward_data(dchance, chance, -1, chance.dtype)
            dquery[:, :, here] = (dscores @ key[:, :, seen]).view_as(dquery[:, :, here])
            dkey[:, :, seen] += dscores.transpose(2, 3) @ _by_key_head(query[:, :, here], key)
        return dquery, dkey, dvalue


def _blocks(query: Tensor) -> Iterator[tuple[slice, slice]]:
    """The positions of each block of queries, and those it may look at."""
    length = query.shape[2]
    for start in range(0, length, BLOCK):
        end = min(start + BLOCK, length)
        yield slice(start, end), slice(0, end)


def _starts_in(positions: Tensor | None, length: int) -> list[int]:
    """Where sequences begin in a row of so many tokens: at position 0, if there is one row alone and nothing before it."""
    if positions is None or len(positions) > 1 or positions.shape[1] != length or int(positions[0, 0]):
        return [0]
    return [int(start) for start in (positions[0] == 0).nonzero()]


def _by_key_head(query: Tensor, key: Tensor) -> Tensor:
    """Query heads that share a key head, below each other: (B, H, Q, D) -> (B, K, H/K Q, D)."""
    return query.reshape(*key.shape[:2], -1, query.shape[-1])
