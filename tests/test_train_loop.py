"""The training loop on a model of a few thousand weights: it learns, tells how, stops early and keeps its best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from style_clone.precision import autocast
from style_clone.progress import Event, silent
from style_clone.train.callbacks import Schedule
from style_clone.train.data import LengthBatches, collate
from style_clone.train.loop import Outcome, run_loop
from style_clone.train.loss import reply_nats
from style_clone.train.recipe import Recipe
from style_clone.train.step import measured
from style_clone.train.tokens import Example
from tests.tiny import counting_examples, tiny_model

RECIPE = Recipe(epochs=3, learning_rate=1e-2, rank=8, batch_tokens=128, max_tokens=64, evaluations=2)
DATA = {"train": counting_examples(60), "dev": counting_examples(16, seed=1)}


pytestmark = pytest.mark.usefixtures("one_thread")


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
    with torch.inference_mode(), autocast("cpu"):
        return float(reply_nats(model, **collate(DATA["dev"], 2)).mean())


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(first[name], second[name], atol=1e-5) for name in first)


def test_the_loss_falls_and_the_curve_says_so(tmp_path: Path) -> None:
    outcome = run(fresh(), tmp_path)
    dev = [point for point in outcome.curve if "dev_nats" in point]
    train = [point for point in outcome.curve if "train_nats" in point]
    assert [point["epoch"] for point in dev] == pytest.approx([0, 5 / 9, 1, 14 / 9, 2, 23 / 9, 3])
    assert dev[-1]["dev_nats"] < dev[0]["dev_nats"] - 0.3
    steps = len(LengthBatches([len(example.ids) for example in DATA["train"]], RECIPE.batch_tokens, 0))
    assert len(train) == outcome.steps == 3 * steps
    assert [point["epoch"] for point in outcome.curve] == sorted(point["epoch"] for point in outcome.curve)
    assert outcome.seconds > 0
    assert outcome.tokens_per_second > 0


def test_each_pass_has_an_order_of_its_own_also_in_a_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    monkeypatch.setattr(LengthBatches, "set_epoch", lambda self, epoch: passes.append(epoch))
    stop: list[bool] = []

    def listen(event: Event) -> None:
        stop.extend([True] if event.done == 12 else [])

    run(fresh(), tmp_path, report=listen, cancelled=lambda: bool(stop))
    assert passes == [0, 1]
    run(fresh(), tmp_path)
    assert passes == [0, 1, 1, 2]


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
    """A few examples learned far too often: the held-out loss is lowest midway and worse at the end."""
    few = {"train": counting_examples(6), "dev": DATA["dev"]}
    model = fresh()
    recipe = Recipe(epochs=40, learning_rate=0.02, batch_tokens=128, max_tokens=64, evaluations=1, patience=40)
    outcome = run(model, tmp_path, recipe, data=few)
    dev = {point["epoch"]: point["dev_nats"] for point in outcome.curve if "dev_nats" in point}
    assert outcome.best_dev_nats == min(value for epoch, value in dev.items() if epoch > 0)
    assert dev[outcome.best_epoch] == outcome.best_dev_nats < dev[40]
    assert dev_nats(model) == pytest.approx(outcome.best_dev_nats, rel=0.01)


def test_training_that_only_harms_still_names_the_epoch_it_kept(tmp_path: Path) -> None:
    opposite = [Example(example.ids[::-1], example.owner) for example in counting_examples(24)]
    model = fresh()
    recipe = Recipe(epochs=2, learning_rate=0.05, batch_tokens=128, max_tokens=64, evaluations=1)
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
    assert set(steps[0].figures) == {"dev loss", "memory GB"}, "the untrained model's"
    assert set(steps[-1].figures) == {"loss", "dev loss", "tokens/s", "seconds left", "memory GB"}
    assert all(event.figures["tokens/s"] > 0 for event in steps[1:])
    assert [event.done for event in steps] == sorted(event.done for event in steps)


def test_the_same_seed_ends_at_the_same_weights_and_another_does_not(tmp_path: Path) -> None:
    ends = []
    for number, seed in enumerate((0, 0, 1)):
        model = fresh()
        run(model, tmp_path / str(number), Recipe(**{**vars(RECIPE), "seed": seed, "epochs": 1}))
        ends.append(weights(model))
    assert same(ends[0], ends[1])
    assert not same(ends[0], ends[2])


def test_the_seconds_left_count_down_to_nothing(tmp_path: Path) -> None:
    told: list[Event] = []
    run(fresh(), tmp_path, report=told.append)
    left = [event.figures["seconds left"] for event in told if "seconds left" in event.figures]
    assert left[-1] == 0
    assert left[len(left) // 2] > 0


def test_each_measurement_shows_a_sample_the_untrained_one_too(tmp_path: Path) -> None:
    told: list[Event] = []

    def sample(model: Any, number: int) -> dict[str, str]:
        return {"prompt": f"{number}", "clone": "hi", "author": "hey"}

    run(fresh(), tmp_path, report=told.append, sample=sample)
    asked = [(event.sample["prompt"], event.done) for event in told if event.sample]
    assert asked == [("0", 0), ("1", 5), ("2", 9), ("3", 14), ("4", 18), ("5", 23), ("6", 27)]


def test_asking_for_samples_changes_nothing(tmp_path: Path) -> None:
    ends = []
    for name, more in {"mute": {}, "asked": {"sample": generate}}.items():
        model = fresh(dropout=0.2)
        run(model, tmp_path / name, replace(RECIPE, epochs=1), **more)
        ends.append(weights(model))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def generate(model: Any, number: int) -> dict[str, str]:
    """A sample of a model that has no tokenizer."""
    ids = torch.tensor([[5, 6, 7]])
    model.eval()
    model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False)
    return {"prompt": "5", "clone": "8", "author": "8"}


SPOILED = Recipe(epochs=8, learning_rate=0.05, batch_tokens=128, max_tokens=64, evaluations=1, patience=2)
FEW = {"train": counting_examples(6), "dev": DATA["dev"]}


def test_training_stops_early_once_it_only_gets_worse_and_warns_of_each_rise(tmp_path: Path) -> None:
    told: list[Event] = []
    model = fresh()
    outcome = run(model, tmp_path, SPOILED, data=FEW, report=told.append)
    dev = [point["dev_nats"] for point in outcome.curve if "dev_nats" in point][1:]
    assert outcome.stopped == "early"
    assert outcome.steps < 8 * outcome.best_step / outcome.best_epoch
    assert dev.index(min(dev)) == len(dev) - 1 - SPOILED.patience, "the last two brought no new best"
    assert dev_nats(model) == pytest.approx(outcome.best_dev_nats, rel=0.01)
    warned = [event.text for event in told if event.text]
    assert len(warned) == sum(loss > min(dev[:at]) for at, loss in enumerate(dev) if at) > 0
    assert warned[-1] == (
        f"warning: held-out loss rose from {min(dev):.3f} to {dev[-1]:.3f}; the adapter of step {outcome.best_step} is kept"
    )


def test_a_run_that_gets_better_to_the_end_is_finished(tmp_path: Path) -> None:
    outcome = run(fresh(), tmp_path, replace(RECIPE, patience=1))
    assert (outcome.stopped, outcome.best_step) == ("finished", outcome.steps)


@pytest.mark.parametrize(
    ("steps", "evaluations", "due"),
    [(10, 2, [5, 10, 15, 20]), (9, 2, [5, 9, 14, 18]), (3, 5, [1, 2, 3, 4, 5, 6]), (7, 3, [3, 5, 7, 10, 12, 14])],
)
def test_measurements_are_spread_over_a_pass_and_end_with_it(steps: int, evaluations: int, due: list[int]) -> None:
    assert Schedule(steps, 2, evaluations).due == due


def test_a_measurement_reads_no_more_than_it_may_and_the_same_each_time() -> None:
    few = measured(DATA["dev"], replace(RECIPE, dev_tokens=60))
    assert sum(len(example.ids) for example in few) <= 60
    assert few == measured(DATA["dev"], replace(RECIPE, dev_tokens=60))
    assert few != measured(DATA["dev"], replace(RECIPE, dev_tokens=60, seed=1))
    assert len(measured(DATA["dev"], replace(RECIPE, dev_tokens=1))) == 1, "there is always something to measure"
    assert len(measured(DATA["dev"], RECIPE)) == len(DATA["dev"])
