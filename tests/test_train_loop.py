"""The training loop on a model of a few thousand weights: it learns, keeps its best epoch, and can be interrupted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from style_clone.progress import Event, silent
from style_clone.train.data import LengthBatches, collate
from style_clone.train.loop import Outcome, run_loop
from style_clone.train.loss import reply_nats
from style_clone.train.recipe import Recipe
from style_clone.train.tokens import Example
from tests.tiny import counting_examples, tiny_model

RECIPE = Recipe(epochs=3, learning_rate=1e-2, rank=8, batch_tokens=128, max_tokens=64)
DATA = {"train": counting_examples(60), "dev": counting_examples(16, seed=1)}


pytestmark = pytest.mark.usefixtures("one_thread")


class Interrupted(Exception):
    """What the listener raises to stop a run."""


def fresh(seed: int = 0, dropout: float = 0.0) -> Any:
    model = tiny_model()
    torch.manual_seed(seed)
    return get_peft_model(
        model, LoraConfig(r=8, lora_alpha=16, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM")
    )


def run(model: Any, folder: Path, recipe: Recipe = RECIPE, **more: Any) -> Outcome:
    more = {"report": silent, **more}
    data: Mapping[str, Sequence[Example]] = more.pop("data", DATA)
    return run_loop(model, data, recipe, folder, 2, **more)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters() if "lora_" in name}


def dev_nats(model: Any) -> float:
    """Held-out nats per reply token, in one batch."""
    model.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        return float(reply_nats(model, **collate(DATA["dev"], 2)).mean())


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(first[name], second[name], atol=1e-5) for name in first)


def test_the_loss_falls_and_the_curve_says_so(tmp_path: Path) -> None:
    outcome = run(fresh(), tmp_path)
    dev = [point for point in outcome.curve if "dev_nats" in point]
    train = [point for point in outcome.curve if "train_nats" in point]
    assert [point["epoch"] for point in dev] == [0, 1, 2, 3]
    assert dev[-1]["dev_nats"] < dev[0]["dev_nats"] - 0.3
    steps = len(LengthBatches([len(example.ids) for example in DATA["train"]], RECIPE.batch_tokens, 0))
    assert len(train) == outcome.steps == 3 * steps
    assert [point["epoch"] for point in outcome.curve] == sorted(point["epoch"] for point in outcome.curve)
    assert outcome.seconds > 0
    assert outcome.tokens_per_second > 0


def test_what_is_measured_first_is_the_untrained_model(tmp_path: Path) -> None:
    model = fresh()
    before = dev_nats(model)
    assert run(model, tmp_path).curve[0] == {"epoch": 0.0, "dev_nats": pytest.approx(before, rel=0.01)}


def test_the_base_weights_stay_as_they_were(tmp_path: Path) -> None:
    model = fresh()
    before = {name: value.clone() for name, value in model.named_parameters() if "lora_" not in name}
    adapter = weights(model)
    run(model, tmp_path)
    assert all(torch.equal(before[name], value) for name, value in model.named_parameters() if name in before)
    assert not same(adapter, weights(model))


def test_the_weights_kept_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    """A few examples learned far too fast and too often: the held-out loss is lowest early and worse at the end."""
    few = {"train": counting_examples(6), "dev": DATA["dev"]}
    model = fresh()
    outcome = run(model, tmp_path, Recipe(epochs=8, learning_rate=0.05, batch_tokens=128, max_tokens=64), data=few)
    dev = {point["epoch"]: point["dev_nats"] for point in outcome.curve if "dev_nats" in point}
    assert outcome.best_dev_nats == min(value for epoch, value in dev.items() if epoch > 0)
    assert dev[outcome.best_epoch] == outcome.best_dev_nats < dev[8]
    assert dev_nats(model) == pytest.approx(outcome.best_dev_nats, rel=0.01)


def test_training_that_only_harms_still_names_the_epoch_it_kept(tmp_path: Path) -> None:
    opposite = [Example(example.ids[::-1], example.owner) for example in counting_examples(24)]
    model = fresh()
    recipe = Recipe(epochs=2, learning_rate=0.05, batch_tokens=128, max_tokens=64)
    outcome = run(model, tmp_path, recipe, data={"train": opposite, "dev": DATA["dev"]})
    assert outcome.curve[0]["dev_nats"] < outcome.best_dev_nats
    assert outcome.best_epoch > 0
    assert dev_nats(model) == pytest.approx(outcome.best_dev_nats, rel=0.01)


def test_events_tell_the_figures_and_no_words(tmp_path: Path) -> None:
    told: list[Event] = []
    outcome = run(fresh(), tmp_path, report=told.append)
    steps = [event for event in told if event.total]
    assert {event.stage for event in told} == {"train"}
    assert {event.text for event in told} == {""}
    assert steps[-1].done == steps[-1].total == outcome.steps
    assert set(steps[-1].figures) == {"loss", "dev loss", "tokens/s"}
    assert all(event.figures["tokens/s"] > 0 for event in steps)
    assert [event.done for event in steps] == sorted(event.done for event in steps)


def test_the_same_seed_ends_at_the_same_weights_and_another_does_not(tmp_path: Path) -> None:
    ends = []
    for number, seed in enumerate((0, 0, 1)):
        model = fresh()
        run(model, tmp_path / str(number), Recipe(**{**vars(RECIPE), "seed": seed, "epochs": 1}))
        ends.append(weights(model))
    assert same(ends[0], ends[1])
    assert not same(ends[0], ends[2])


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path: Path, dropout: float) -> None:
    whole = fresh(dropout=dropout)
    expected = run(whole, tmp_path / "whole")
    _interrupt_after_an_epoch(fresh(dropout=dropout), tmp_path / "cut")
    resumed = fresh(dropout=dropout)
    outcome = run(resumed, tmp_path / "cut", resume=True)
    assert same(weights(whole), weights(resumed))
    assert outcome.curve == [pytest.approx(point, rel=0.01) for point in expected.curve]
    assert (outcome.best_epoch, outcome.steps) == (expected.best_epoch, expected.steps)


def test_a_resumed_run_is_not_credited_with_tokens_it_did_not_compute(tmp_path: Path) -> None:
    _interrupt_after_an_epoch(fresh(), tmp_path)
    outcome = run(fresh(), tmp_path, resume=True)
    all_tokens = RECIPE.epochs * sum(len(example.ids) for example in DATA["train"])
    assert outcome.tokens_per_second * outcome.seconds == pytest.approx(all_tokens * 2 / 3, rel=0.01)


def _interrupt_after_an_epoch(model: Any, folder: Path) -> None:
    def listen(event: Event) -> None:
        if event.total and event.done > event.total / 3 + 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(model, folder, report=listen)
