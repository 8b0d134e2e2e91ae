"""The same LoRA training in fewer and larger matrix products, for CPUs.

PEFT computes a LoRA layer as x W' + s (x A') B': two thin products beside the one that does the work, with a cast and a sum
between them. Here layers that read the same tensor (q, k and v; gate and up) become one layer whose weight stands beside
its scaled B matrices in one block, so that a pass is one thin and one whole product:

    u = x A'                  y = [x u] [W sB]'
    [dx t] = dy [W sB]        dx += t A      dA = t' x      dB = s dy' u

Attention is attention.py's, and RMS norms are one step with the gradient written out. Results differ from PEFT's only by
rounding, in the direction of less of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from style_clone.precision import autocast
from style_clone.train.attention import causal_blocks

SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Layers that read the same tensor, by the names that Llama's family of models gives them."""
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
    on a GPU, with dropout or with a quantized base, it trains as PEFT does.
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
    with torch.inference_mode(), autocast("cpu"):
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
        weights = [layer.base_layer.weight for layer in layers]  # (O, I) each
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


def _applies(model: Any) -> bool:
    bases = [layer.base_layer for layer in _lora_layers(model)]
    return (
        {base.weight.dtype for base in bases} in ({torch.bfloat16}, {torch.float32})
        and {base.weight.device.type for base in bases} == {"cpu"}
        and {type(base) for base in bases} == {nn.Linear}
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
