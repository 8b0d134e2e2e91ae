"""The same LoRA training in fewer and larger matrix products, for CPUs.

PEFT computes a LoRA layer as x W' + s (x A') B': two thin products beside the one that does the work, with a cast and a sum
between them. Here layers that read the same tensor (q, k and v; gate and up) become one layer whose weight stands beside
its scaled B matrices in one block, so that a pass is one thin and one whole product:

    u = x A'                  y = [x u] [W sB]'
    [dx t] = dy [W sB]        dx += t A      dA = t' x      dB = s dy' u

Attention looks, block by block of queries, only at what stands before them in their own sequence: the plain form computes
the whole square and throws half of it away, and wants sequences of unlike lengths padded. RMS norms are one step with the
gradient written out. Results differ from PEFT's only by rounding, in the direction of less of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from typing import Any

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Layers that read the same tensor, by the names that Llama's family of models gives them."""
BLOCK = 128
"""Queries that attention takes at a time."""
ATTENTION = "causal_blocks"
"""The name under which transformers finds our attention."""
NORMS = ("LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm", "SmolLM3RMSNorm")
"""Classes of transformers that compute the same norm, as Zhang and Sennrich (2019) give it."""
TRIAL = (12, 20)
"""Lengths of the two sequences that show whether a model keeps sequences in one row apart."""
CLOSE = 0.1
"""Rounding in a whole model, as a share of its logits' spread; a token too many in sight makes several times that."""


@contextmanager
def fused(model: Any) -> Iterator[bool]:
    """Train `model`, a PEFT model with one LoRA, by these kernels within the block.

    Yields whether it keeps the sequences of one row apart, if each begins at position 0. Where the kernels do not apply,
    on a GPU, with dropout or with a base that is not bfloat16, it trains as PEFT does.
    """
    groups = list(map(Group, _groups(model))) if _applies(model) else []
    if not groups:
        yield False
        return
    changed: list[Group | Norm] = [*groups, *map(Norm, _norms(model))]
    attention = model.config._attn_implementation
    try:
        for each in changed:
            each.attach()
        _use_attention(model, ATTENTION)
        yield keeps_apart(model)
    finally:
        for each in changed:
            each.detach()
        _use_attention(model, attention)


def keeps_apart(model: Any) -> bool:
    """Whether a sequence behind another one in the same row is computed as if it were alone.

    Not so in models with a state that is handed on (Mamba, convolutions), or with positions of their own.
    """
    sizes = model.get_input_embeddings().weight.shape[0]
    generator = torch.Generator().manual_seed(0)
    first, other, second = (torch.randint(sizes, (1, length), generator=generator) for length in (TRIAL[0], *TRIAL))
    positions = torch.cat([torch.arange(length) for length in TRIAL])[None]
    was_training = model.training
    model.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        behind, behind_other = (
            model(input_ids=torch.cat([ahead, second], dim=1), position_ids=positions, use_cache=False).logits[
                :, TRIAL[0] :
            ]
            for ahead in (first, other)
        )
        alone = model(input_ids=second, use_cache=False).logits
    model.train(was_training)
    return torch.equal(behind, behind_other) and bool((behind - alone).abs().max() <= CLOSE * alone.std())


class Group:
    """LoRA layers that read one tensor, computed as one while attached."""

    def __init__(self, layers: Sequence[LoraLinear]) -> None:
        self.layers = layers
        self.downs = [layer.lora_A["default"].weight for layer in layers]  # (r, I) each, float32
        self.ups = [layer.lora_B["default"].weight for layer in layers]  # (O, r) each, float32
        self.scales = [float(layer.scaling["default"]) for layer in layers]
        weights = [layer.base_layer.weight for layer in layers]  # (O, I) each, bfloat16
        self.inputs = weights[0].shape[1]
        self.outs = [len(weight) for weight in weights]
        self.ranks = [len(down) for down in self.downs]
        biases = [layer.base_layer.bias for layer in layers]
        self.bias = torch.cat(biases) if all(bias is not None for bias in biases) else None
        self.down = weights[0].new_zeros(sum(self.ranks), self.inputs)  # A
        self.block = weights[0].new_zeros(sum(self.outs), self.inputs + sum(self.ranks))  # [W sB]
        self.corners = list(zip(_starts(self.outs), _starts(self.ranks), strict=True))
        for layer, weight, out in zip(layers, weights, _starts(self.outs), strict=True):
            mine = self.block[out : out + len(weight), : self.inputs]
            mine.copy_(weight)
            layer.base_layer.weight.data = mine  # the only copy, so that memory does not grow
        self.waiting: tuple[Tensor, dict[int, Tensor]] | None = None

    def attach(self) -> None:
        """Let the layers' own forward be ours."""
        for index, layer in enumerate(self.layers):
            layer.forward = self._forward_of(index, layer.forward)

    def detach(self) -> None:
        """Give them back their own forward, and their weights a memory of their own."""
        self.waiting = None
        for layer in self.layers:
            del layer.forward
            layer.base_layer.weight.data = layer.base_layer.weight.data.contiguous()

    def _forward_of(self, index: int, plain: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def forward(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            if self.layers[index].disable_adapters:
                return plain(x, *args, **kwargs)
            if self.waiting is None or self.waiting[0] is not x or index not in self.waiting[1]:
                self.waiting = (x, dict(enumerate(self(x))))
            mine = self.waiting[1].pop(index)
            if not self.waiting[1]:
                self.waiting = None
            return mine

        return forward

    def __call__(self, x: Tensor) -> Sequence[Tensor]:
        """(..., I) -> the layers' results, (..., O) each."""
        with torch.autocast(x.device.type, enabled=False):
            self._refresh()
            flat = x.to(self.block.dtype).reshape(-1, self.inputs)
            y: Tensor = _Fused.apply(flat, self, *self.downs, *self.ups)
        parts: Sequence[Tensor] = y.view(*x.shape[:-1], -1).split(self.outs, dim=-1)
        return parts

    def _refresh(self) -> None:
        """Bring A and sB up to date. At every pass: PyTorch's fused AdamW leaves no sign of having changed a weight."""
        with torch.no_grad():
            torch.cat(self.downs, out=self.down)
            for up, scale, (out, rank) in zip(self.ups, self.scales, self.corners, strict=True):
                height, width = up.shape
                column = self.inputs + rank
                torch.mul(up, scale, out=self.block[out : out + height, column : column + width])


class _Fused(torch.autograd.Function):
    """The product of a group, and the gradients the module's docstring gives."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group, *weights: Tensor) -> Tensor:
        wide = torch.cat([x, functional.linear(x, group.down)], dim=1)  # (T, I + R)
        ctx.group = group
        ctx.save_for_backward(wide)
        return functional.linear(wide, group.block, group.bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        group: Group = ctx.group
        (dy,), (wide,) = grads, ctx.saved_tensors
        x, u = wide[:, : group.inputs], wide[:, group.inputs :]  # (T, I), (T, R)
        with torch.autocast(dy.device.type, enabled=False):
            back = dy @ group.block  # (T, I + R)
            t = back[:, group.inputs :]
            dx = torch.addmm(back[:, : group.inputs], t, group.down) if ctx.needs_input_grad[0] else None
            downs = (t.T @ x).float().split(group.ranks)
            cross = (u.T @ dy).float()  # (R, O): of each layer's A with each layer's B; only a layer's own are wanted
            ups = [
                cross[rank : rank + width, out : out + height].T * scale
                for height, width, scale, (out, rank) in zip(
                    group.outs, group.ranks, group.scales, group.corners, strict=True
                )
            ]
        return dx, None, *downs, *ups


class Norm:
    """An RMS norm with a frozen weight, computed in one step while attached."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def attach(self) -> None:
        """Let the module's own forward be ours."""
        weight, epsilon = self.module.weight, self.module.variance_epsilon
        self.module.forward = lambda x: _Norm.apply(x, weight, epsilon)

    def detach(self) -> None:
        """Give it back its own."""
        del self.module.forward


class _Norm(torch.autograd.Function):
    """y = w h with h = x / sqrt(mean(x^2) + epsilon), and dx = (g - h mean(g h)) / sqrt(...) with g = w dy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        wide = x.float()  # (..., D)
        shrink = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, shrink)
        return (wide * shrink).to(x.dtype).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        x, weight, shrink = ctx.saved_tensors
        h, g = x.float() * shrink, (grads[0] * weight).float()
        along = (g * h).mean(dim=-1, keepdim=True)
        return g.addcmul_(h, along, value=-1).mul_(shrink).to(x.dtype), None, None


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
        if self.count == 1:
            return row
        flat: Tensor = _Chosen.apply(row[0].transpose(0, 1), self.tokens, self.places)  # (S L, H, D)
        return flat.unflatten(0, (self.count, self.width)).transpose(1, 2)

    def join(self, batch: Tensor) -> Tensor:
        """(S, H, L, D) -> (1, H, T, D)."""
        if self.count == 1:
            return batch
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


def _applies(model: Any) -> bool:
    weights = [layer.base_layer.weight for layer in _lora_layers(model)]
    return bool(weights) and all(
        weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and type(layer.base_layer) is nn.Linear
        for weight, layer in zip(weights, _lora_layers(model), strict=True)
    )


def _lora_layers(model: Any) -> list[LoraLinear]:
    return [module for module in model.modules() if type(module) is LoraLinear]


def _groups(model: Any) -> Iterator[list[LoraLinear]]:
    """The model's LoRA layers, those that read the same tensor together."""
    for parent in model.modules():
        layers = {name: layer for name, layer in parent.named_children() if type(layer) is LoraLinear and _plain(layer)}
        for names in SIBLINGS:
            if all(name in layers for name in names):
                yield [layers.pop(name) for name in names]
        yield from ([layer] for layer in layers.values())


def _plain(layer: LoraLinear) -> bool:
    """Whether the layer does nothing but W x + s B A x: no dropout, no variant such as DoRA."""
    return (
        list(layer.lora_A) == ["default"]
        and not layer.lora_variant
        and not getattr(layer.lora_dropout["default"], "p", 0)
    )


def _norms(model: Any) -> list[nn.Module]:
    modules: Iterator[nn.Module] = model.modules()
    return [each for each in modules if type(each).__name__ in NORMS and not each.weight.requires_grad]


def _use_attention(model: Any, name: str) -> None:
    AttentionInterface.register(ATTENTION, causal_blocks)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    model.get_base_model().set_attn_implementation(name)


def _starts(sizes: Sequence[int]) -> list[int]:
    return [0, *accumulate(sizes)][:-1]
