"""The probe: right where a clock is known, harmless to the model, at work on corpora of any size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from style_clone.errors import TrainingError
from style_clone.train import probe as probing
from style_clone.train.callbacks import Schedule
from style_clone.train.machine import peak_memory_bytes, this_machine
from style_clone.train.probe import Batch, Cost, held_out_batches, probe, training_batches
from style_clone.train.recipe import Recipe
from style_clone.train.samples import NEW_TOKENS
from style_clone.train.tokens import NO_LOSS, Example
from tests.pairs_chats import many_chats, persona
from tests.tiny import counting_examples, tiny_model

RECIPE = Recipe(epochs=2, rank=4, batch_tokens=128, max_tokens=64)
DATA = {"train": counting_examples(40), "dev": counting_examples(12, seed=1)}

pytestmark = pytest.mark.usefixtures("one_thread")


def fresh(dropout: float = 0.0) -> Any:
    config = LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(tiny_model(), config)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, Batch]]]:
    """Time that goes by a second and what a batch costs, and what was done in it."""
    now, done = [0.0], []

    def act(kind: str, seconds_per_cost: float) -> Any:
        def acted(stepper: probing.Stepper, batch: Batch) -> None:
            done.append((kind, batch))
            now[0] += 1 + seconds_per_cost * Cost.of(stepper.model, RECIPE)(batch)

        return acted

    monkeypatch.setattr(probing.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(probing.Stepper, "step", act("step", 1e-6))
    monkeypatch.setattr(probing.Stepper, "measure", act("measure", 5e-7))
    yield done


def expected(model: Any) -> float:
    """What a run takes by that clock."""
    cost = Cost.of(model, RECIPE)
    steps = list(training_batches(DATA["train"], RECIPE))
    dev = sum(1 + 5e-7 * cost(batch) for batch in held_out_batches(DATA["dev"], RECIPE))
    sample = NEW_TOKENS * (1 + 5e-7 * cost([Example([2], [0])]))
    measured = 1 + len(Schedule(len(steps) // 2, 2, RECIPE.evaluations).due)
    return sum(1 + 1e-6 * cost(batch) for batch in steps) + measured * (dev + sample)


def test_a_machine_as_regular_as_the_model_of_it_is_predicted_exactly(clock: list[tuple[str, Batch]]) -> None:
    model = fresh()
    found = probe(model, DATA, RECIPE, 2, seconds=1e9)
    assert found.seconds == pytest.approx(expected(model))
    tokens = RECIPE.epochs * sum(len(example.ids) for example in DATA["train"])
    assert found.tokens_per_second == pytest.approx(tokens / found.seconds)


def test_the_costliest_batch_of_all_passes_goes_first(clock: list[tuple[str, Batch]]) -> None:
    model = fresh()
    probe(model, DATA, RECIPE, 2)
    kind, batch = clock[0]
    assert kind == "step"
    assert Cost.of(model, RECIPE)(batch) == max(map(Cost.of(model, RECIPE), training_batches(DATA["train"], RECIPE)))


def test_more_time_sees_more_batches_but_none_without_end(clock: list[tuple[str, Batch]]) -> None:
    counts = []
    for seconds in (0.0, 20.0, 1e9):
        clock.clear()
        probe(fresh(), DATA, RECIPE, 2, seconds=seconds)
        counts.append(sum(kind == "step" for kind, _ in clock))
    steps = len(list(training_batches(DATA["train"], RECIPE)))
    assert counts[0] == 1 + probing.LEAST_STEPS < counts[1] < counts[2] == 1 + steps


def test_a_cost_is_weights_times_tokens() -> None:
    model = fresh()
    cost = Cost.of(model, RECIPE)
    embedding = 64 * 32
    assert (cost.body + 2 * embedding, cost.head) == (sum(weight.numel() for weight in model.parameters()), embedding)
    batch = [Example([3] * 10, [NO_LOSS] * 6 + [0] * 4), Example([3] * 4, [0] * 4)]
    assert cost(batch) == cost.body * 20 + cost.head * 8
    assert Cost.of(model, Recipe(prompt_loss_weight=0.1))(batch) == cost.body * 20 + cost.head * 14


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_model_stays_as_it_was(dropout: float) -> None:
    model = fresh(dropout)
    weights = {name: value.detach().clone() for name, value in model.named_parameters()}
    modes = [module.training for module in model.modules()]
    random_state = torch.random.get_rng_state()
    probe(model, DATA, RECIPE, 2, seconds=0.2)
    assert all(torch.equal(weights[name], value) for name, value in model.named_parameters())
    assert [module.training for module in model.modules()] == modes
    assert all(value.grad is None for value in model.parameters())
    assert torch.equal(random_state, torch.random.get_rng_state())


def test_a_single_pair_is_enough() -> None:
    one = counting_examples(1)
    found = probe(fresh(), {"train": one, "dev": one}, RECIPE, 2)
    assert found.seconds > 0
    assert found.peak_memory_bytes > 0
    assert found.tokens_per_second * found.seconds == pytest.approx(2 * len(one[0].ids))


def test_several_processes_share_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = list(training_batches(DATA["train"], RECIPE))
    monkeypatch.setenv("WORLD_SIZE", "2")
    shares = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        shares.append(list(training_batches(DATA["train"], RECIPE)))
        assert list(held_out_batches(DATA["dev"][:1], RECIPE)), "each has something to time"
    assert len(shares[0]) == len(shares[1]) <= len(alone) / 2 + RECIPE.epochs
    together = [id(example) for share in shares for batch in share for example in batch]
    assert set(together) == {id(example) for example in DATA["train"]}


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_the_end_of_memory_is_told(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(stepper: probing.Stepper, batch: Batch) -> None:
        raise error

    monkeypatch.setattr(probing.Stepper, "step", broken)
    model = fresh()
    modes = [module.training for module in model.modules()]
    with pytest.raises(TrainingError, match="not enough memory") as caught:
        probe(model, DATA, RECIPE, 2)
    assert "--set batch_tokens=" in caught.value.mend
    assert [module.training for module in model.modules()] == modes


def test_another_error_of_pytorch_s_is_no_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(stepper: probing.Stepper, batch: Batch) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(probing.Stepper, "step", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        probe(fresh(), DATA, RECIPE, 2)


def test_the_machine_s_numbers_make_sense(tmp_path: Path) -> None:
    machine = this_machine(tmp_path / "not" / "there" / "yet")
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert min(machine.memory_bytes, machine.disk_bytes) > 1 << 20
    block = torch.ones(64 << 20, dtype=torch.uint8)
    assert peak_memory_bytes() > len(block) or machine.device != "cpu"


@pytest.mark.slow
@pytest.mark.long
def test_a_real_run_comes_out_as_predicted(home_with_model: Path) -> None:
    """The real base model on a small corpus, each within a factor of two in one of two tries: other programs on the machine
    count into time, and memory still grows a little over the first steps."""
    from style_clone.preparation import prepare
    from style_clone.workspace import Workspace

    prepare(persona(Workspace(home_with_model), many_chats(40, replies=2), "Nell Quayle", "Nell"))
    took = []
    for _ in range(2):
        command = [sys.executable, "-m", "style_clone", "train", "nell", "--json", "--set", "epochs=1"]
        environment = {**os.environ, "STYLE_CLONE_HOME": str(home_with_model)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        run = json.loads(done.stdout)["run"]
        assert run["stopped"] == "finished"
        took.append([run[name] / run["predicted"][name] for name in ("seconds", "peak_memory_bytes")])
        if all(0.5 < ratio < 2 for ratio in took[-1]):
            return
    pytest.fail(f"took so many times what was predicted: {took}")
