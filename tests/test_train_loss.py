"""The loss computed only where it counts is the loss, and so are its gradients."""

from __future__ import annotations

import pytest
import torch

from style_clone.train import cross_entropy
from style_clone.train.data import IGNORED, collate
from style_clone.train.loss import reply_nats, weighted_nats
from style_clone.train.tokens import NO_LOSS, Example
from tests.tiny import counting_examples, tiny_model


def whole_loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """What transformers computes: every position's logits, then the mean over labels."""
    attention = torch.ones_like(batch["input_ids"])
    loss = model(**batch, attention_mask=attention).loss
    assert isinstance(loss, torch.Tensor)
    return loss


def test_same_loss_and_gradients_as_the_whole_projection() -> None:
    batch = collate(counting_examples(6), pad_id=2)
    ours, theirs = tiny_model(), tiny_model()
    reply_nats(ours, **batch).mean().backward()
    whole_loss(theirs, batch).backward()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(mine.grad, other.grad, atol=1e-6), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_cross_entropy_in_pieces_is_cross_entropy(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    monkeypatch.setattr(cross_entropy, "PIECE", 3 * 64)
    logits = (8 * torch.randn(10, 64)).to(dtype).requires_grad_()
    targets, weights = torch.randint(64, (10,)), torch.rand(10)
    ours = cross_entropy.nats_of(logits, targets)
    plain = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
    torch.testing.assert_close(ours, plain)
    [gradient] = torch.autograd.grad((ours * weights).sum(), logits)
    torch.testing.assert_close(gradient, *torch.autograd.grad((plain * weights).sum(), logits))


def test_one_value_a_reply_token_in_order() -> None:
    examples = counting_examples(4)
    batch = collate(examples, pad_id=2)
    nats = reply_nats(tiny_model(), **batch)
    assert nats.shape == ((batch["labels"] != IGNORED).sum(),)
    alone = reply_nats(tiny_model(), **collate(examples[:1], pad_id=2))
    assert torch.allclose(nats[: len(alone)], alone, atol=1e-5)


def test_two_replies_in_one_example_cost_the_same_as_apart() -> None:
    first, second = [5, 9, 4, 7, 8], [5, 9, 4, 7, 8, 20, 21, 30, 31]
    together = Example(second, [NO_LOSS] * 3 + [0] * 2 + [NO_LOSS] * 2 + [1] * 2)
    apart = [Example(first, [NO_LOSS] * 3 + [0] * 2), Example(second, [NO_LOSS] * 7 + [1] * 2)]
    model = tiny_model()
    joined = reply_nats(model, **collate([together], pad_id=2))
    single = torch.cat([reply_nats(model, **collate([one], pad_id=2)) for one in apart])
    assert torch.allclose(joined, single, atol=1e-5)


def test_the_model_is_left_as_it_was() -> None:
    model = tiny_model()
    batch = collate(counting_examples(2), pad_id=2)
    reply_nats(model, **batch)
    assert model(input_ids=batch["input_ids"]).logits.shape == (*batch["input_ids"].shape, 64)


def test_a_prompt_weighs_what_the_recipe_says() -> None:
    examples = counting_examples(5)
    replies, whole = collate(examples, pad_id=2), collate(examples, pad_id=2, prompt_weight=1.0)
    model = tiny_model()
    learned, count = weighted_nats(model, **replies)
    everything, total = weighted_nats(model, **whole)
    assert int(count) == sum(sum(example.mask) for example in examples)
    assert int(total) == sum(len(example.ids) - 1 for example in examples), "nothing predicts a first token"
    mixed, weight = weighted_nats(model, **collate(examples, pad_id=2, prompt_weight=0.25))
    assert torch.allclose(mixed, learned + 0.25 * (everything - learned), atol=1e-4)
    assert torch.allclose(weight, count + 0.25 * (total - count))
    assert "weights" not in replies
