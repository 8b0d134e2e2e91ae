"""The quantized base model: said plainly where it cannot be had, and really trained where it can."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
import torch

from style_clone.errors import UsageError
from style_clone.models import BaseModel
from style_clone.precision import autocast
from style_clone.train import lora
from style_clone.train.data import collate
from style_clone.train.leaks import leak_check
from style_clone.train.lora import attach_lora
from style_clone.train.loss import reply_nats
from style_clone.train.recipe import Recipe
from style_clone.train.run import train
from style_clone.workspace import Workspace
from tests.tiny import counting_examples
from tests.tiny_base import paired, tiny_base

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE = Recipe(quantization="4bit", rank=8, seed=3)
needs_bitsandbytes = pytest.mark.skipif(
    find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed (pip install 'style-clone[quantized]')"
)


def lora_weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if "lora_" in name}


def test_without_bitsandbytes_the_user_is_told_what_to_do(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lora, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="bitsandbytes") as told:
        attach_lora(tiny_base(workspace), RECIPE)
    assert "--set quantization=none" in told.value.mend


def test_the_same_seed_gives_the_same_lora_whatever_was_drawn_before(workspace: Workspace) -> None:
    base = tiny_base(workspace)
    first = lora_weights(attach_lora(base, Recipe(seed=1)))
    torch.rand(7)
    again, other = lora_weights(attach_lora(base, Recipe(seed=1))), lora_weights(attach_lora(base, Recipe(seed=2)))
    assert all(torch.equal(weight, again[name]) for name, weight in first.items())
    assert any(not torch.equal(weight, other[name]) for name, weight in first.items())


def test_targets_choose_the_layers(workspace: Workspace) -> None:
    weights = lora_weights(attach_lora(tiny_base(workspace), Recipe(targets="q_proj,v_proj")))
    assert {name.split(".lora_")[0].rsplit(".", 1)[1] for name in weights} == {"q_proj", "v_proj"}


@needs_bitsandbytes
def test_a_4bit_base_is_trained_and_its_adapter_is_as_any_other(workspace: Workspace) -> None:
    base = tiny_base(workspace)
    model, plain = attach_lora(base, RECIPE), attach_lora(base, Recipe(rank=8, seed=3))
    linear = model.get_base_model().model.layers[0].self_attn.q_proj
    assert linear.base_layer.weight.dtype == torch.uint8
    assert lora_weights(model).keys() == lora_weights(plain).keys()
    losses = _train(model, steps=60)
    assert losses[-1] < losses[0] - 0.3
    assert leak_check(model, counting_examples(8), [], 2)["plain_extracted"] == 0


@needs_bitsandbytes
def test_measuring_in_between_changes_no_gradient(workspace: Workspace) -> None:
    model = attach_lora(tiny_base(workspace), RECIPE)
    _train(model, steps=1)  # LoRA's B matrices are nothing at first, and so are the gradients of A
    before = _gradients(model)
    model.eval()
    with torch.inference_mode():
        reply_nats(model, **collate(counting_examples(4), 2))
    model.train()
    assert all(torch.equal(gradient, before[name]) for name, gradient in _gradients(model).items())


@needs_bitsandbytes
def test_the_whole_of_training_runs_on_a_4bit_base(workspace: Workspace) -> None:
    run = train(paired(workspace), tiny_base(workspace), overrides={"quantization": "4bit", "epochs": "1"})
    assert run["recipe"]["quantization"] == "4bit"
    assert run["best_dev_nats"] < run["curve"][0]["dev_nats"]


@pytest.mark.slow
@needs_bitsandbytes
def test_the_real_base_model_learns_in_4_bits_as_in_16(base_model: BaseModel) -> None:
    four, sixteen = (_train(attach_lora(base_model, Recipe(quantization=of)), steps=6) for of in ("4bit", "none"))
    assert four[-1] < four[0] - 1
    assert four[-1] == pytest.approx(sixteen[-1], rel=0.1)


def _train(model: Any, steps: int) -> list[float]:
    """Loss (nats a token) of each of some steps on the same batch."""
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=3e-3)
    batch = {name: of.to(model.device) for name, of in collate(counting_examples(12), 2).items()}
    losses = []
    for _ in range(steps):
        with autocast(model.device.type):
            loss = reply_nats(model, **batch).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses


def _gradients(model: Any) -> dict[str, torch.Tensor]:
    """The gradients of one batch."""
    model.zero_grad()
    reply_nats(model, **collate(counting_examples(4), 2)).mean().backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
