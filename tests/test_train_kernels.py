"""The kernels compute what PEFT and PyTorch compute, and leave the model as they found it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch.nn import functional
from transformers import Lfm2Config, Lfm2ForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

from style_clone.train import attention, kernels
from style_clone.train.data import collate
from style_clone.train.loss import reply_nats
from tests.tiny import VOCABULARY, counting_examples, tiny_model


def adapted(base: Any, dtype: torch.dtype = torch.float32, **options: Any) -> Any:
    """A PEFT model whose B is no longer zero, so that every gradient has something to say."""
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", **options)
    model = get_peft_model(base.to(dtype), config)
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data = torch.randn(weight.shape) * 0.1  # float32, as in training
    return model.train()


@contextmanager
def grouped(model: Any) -> Iterator[None]:
    """Like `fused`, but also for float32, where results can be compared to the last digits."""
    changed = [*map(kernels.Group, kernels._groups(model)), *map(kernels.Norm, kernels._norms(model))]
    attention = model.config._attn_implementation
    for each in changed:
        each.attach()
    kernels._use_attention(model, kernels.ATTENTION)
    yield
    for each in changed:
        each.detach()
    kernels._use_attention(model, attention)


def loss_and_gradients(model: Any, ids: torch.Tensor) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    return loss.item(), {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad}


def nats_and_gradients(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    nats = reply_nats(model, **batch)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    return nats.detach(), list(torch.autograd.grad(nats.sum(), weights))


def mistral() -> Any:
    """As Llama, but each token sees only the last six."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return MistralForCausalLM(
        MistralConfig(vocab_size=VOCABULARY, num_key_value_heads=2, sliding_window=6, pad_token_id=2, **sizes)
    )


def with_convolutions() -> Any:
    """One layer mixes each token with its neighbours, whatever their positions."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    layers = ["conv", "full_attention"]
    return Lfm2ForCausalLM(
        Lfm2Config(vocab_size=VOCABULARY, num_key_value_heads=2, layer_types=layers, pad_token_id=2, **sizes)
    )


def qwen() -> Any:
    """As Llama, but with a bias in q, k and v."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=VOCABULARY, num_key_value_heads=2, **sizes))
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            weight.data.normal_()
    return model


@pytest.mark.parametrize("base", [tiny_model, qwen])
def test_loss_and_every_gradient_are_those_of_peft(base: Any) -> None:
    model, ids = adapted(base()), torch.randint(3, VOCABULARY, (3, 20))
    loss, gradients = loss_and_gradients(model, ids)
    with grouped(model):
        ours, our_gradients = loss_and_gradients(model, ids)
    assert ours == pytest.approx(loss, rel=1e-6)
    assert len(our_gradients) == 2 * 2 * 7, "an A and a B for seven layers in two blocks"
    for name, gradient in gradients.items():
        torch.testing.assert_close(our_gradients[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("base", [tiny_model, qwen, mistral])
def test_examples_in_one_row_are_computed_as_if_alone(base: Any) -> None:
    model, examples = adapted(base()), counting_examples(5)
    nats, gradients = nats_and_gradients(model, collate(examples, pad_id=2))
    row = collate(examples, pad_id=2, in_one_row=True)
    assert row["input_ids"].shape == row["position_ids"].shape == (1, sum(len(each.ids) for each in examples))
    with grouped(model):
        ours, our_gradients = nats_and_gradients(model, row)
    torch.testing.assert_close(ours, nats, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(our_gradients, gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    ("base", "keeps"), [(tiny_model, True), (qwen, True), (mistral, True), (with_convolutions, False)]
)
def test_one_row_only_where_a_model_keeps_sequences_apart(base: Any, keeps: bool, dtype: torch.dtype) -> None:
    model = adapted(base(), dtype)
    with kernels.fused(model) as in_one_row:
        assert in_one_row is keeps
        assert model.training


def test_in_half_precision_gradients_point_the_same_way() -> None:
    ids = torch.randint(3, VOCABULARY, (2, 200))
    _, exact = loss_and_gradients(adapted(tiny_model(positions=256)), ids)
    model = adapted(tiny_model(positions=256), torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16), kernels.fused(model):
        _, ours = loss_and_gradients(model, ids)
    for name, gradient in exact.items():
        assert functional.cosine_similarity(ours[name].flatten(), gradient.flatten(), dim=0) > 0.99, name
        assert ours[name].dtype == torch.float32


@pytest.mark.parametrize(
    "optimiser",
    [partial(torch.optim.SGD, lr=1.0), partial(torch.optim.AdamW, lr=0.1, fused=True)],
    ids=["SGD", "fused AdamW"],  # which does not count a weight's version up
)
def test_a_step_of_the_optimiser_is_seen_at_the_next_pass(optimiser: Callable[..., torch.optim.Optimizer]) -> None:
    model, ids = adapted(tiny_model()), torch.randint(3, VOCABULARY, (1, 8))
    with grouped(model):
        before = model(input_ids=ids).logits
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        loss_and_gradients(model, ids)
        optimiser(weights).step()
        after = model(input_ids=ids).logits.detach()
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, model(input_ids=ids).logits, rtol=1e-4, atol=1e-5)


def test_afterwards_the_model_is_as_it_was() -> None:
    model = adapted(tiny_model(), torch.bfloat16)
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    attention = model.config._attn_implementation
    with kernels.fused(model):
        assert model.config._attn_implementation == kernels.ATTENTION
        assert any("forward" in vars(module) for module in model.modules())
    assert model.config._attn_implementation == attention
    assert not any("forward" in vars(module) for module in model.modules())
    for name, weight in model.state_dict().items():
        assert weight.is_contiguous()
        assert torch.equal(weight, weights[name])


def test_a_switched_off_adapter_is_off_here_too() -> None:
    model, ids = adapted(tiny_model(), torch.bfloat16), torch.randint(3, VOCABULARY, (1, 8))
    with model.disable_adapter():
        plain = model(input_ids=ids).logits
        with kernels.fused(model):
            torch.testing.assert_close(model(input_ids=ids).logits, plain, rtol=0.05, atol=0.01)


def test_it_writes_the_same_with_a_cache() -> None:
    model, ids = adapted(tiny_model(), torch.bfloat16).eval(), torch.randint(3, VOCABULARY, (1, 8))
    options = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 2, "attention_mask": torch.ones_like(ids)}
    with torch.inference_mode(), kernels.fused(model):
        cached = model.generate(input_ids=ids, **options)
        assert torch.equal(cached, model.generate(input_ids=ids, use_cache=False, **options))


@pytest.mark.parametrize(
    "model",
    [
        adapted(tiny_model(), torch.float16),
        adapted(tiny_model(), torch.bfloat16, lora_dropout=0.1),
        adapted(tiny_model(), torch.bfloat16, use_dora=True),
    ],
    ids=["float16", "dropout", "DoRA"],
)
def test_where_they_do_not_apply_peft_does_it(model: Any) -> None:
    with kernels.fused(model):
        assert not any("forward" in vars(module) for module in model.modules())


@settings(max_examples=25, deadline=None)
@given(length=st.integers(1, 3 * attention.BLOCK), shared=st.sampled_from([1, 2, 4]), seed=st.integers(0, 99))
def test_attention_by_blocks_is_attention(length: int, shared: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((2, 4, length, 8), (2, shared, length, 8), (2, shared, length, 8))
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]
    check_attention(tensors, None, torch.ones(length, length, dtype=torch.bool).tril(), generator)


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(1, 2 * attention.BLOCK), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_attention_of_sequences_in_one_row_is_that_of_each(lengths: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((1, 4, sum(lengths), 8), (1, 2, sum(lengths), 8), (1, 2, sum(lengths), 8))
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    seen = torch.block_diag(*(torch.ones(length, length).tril() for length in lengths)).bool()
    check_attention(tensors, positions, seen, generator)


def check_attention(
    tensors: list[torch.Tensor], positions: torch.Tensor | None, seen: torch.Tensor, generator: torch.Generator
) -> None:
    """Our attention and its gradients are PyTorch's with the mask `seen`."""
    ours, _ = attention.causal_blocks(torch.nn.Module(), *tensors, None, scaling=0.3, position_ids=positions)
    plain = functional.scaled_dot_product_attention(*tensors, attn_mask=seen, scale=0.3, enable_gqa=True)
    torch.testing.assert_close(ours, plain.transpose(1, 2))
    gradient = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    for mine, theirs in zip(
        torch.autograd.grad(ours, tensors, gradient),
        torch.autograd.grad(plain, tensors, gradient.transpose(1, 2)),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)
