"""Every number of a run can be set by text, and nonsense is refused before anything is loaded."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.conversation import read_lines
from style_clone.errors import UsageError
from style_clone.train.recipe import Recipe
from style_clone.train.recipes import row_for

SWEEP = Path(__file__).resolve().parent.parent / "benchmarks" / "records" / "sweep-135m.jsonl"


def test_text_becomes_the_setting_s_own_kind() -> None:
    recipe = Recipe().with_overrides({"epochs": "5", "learning_rate": "3e-4", "dropout": "0.1"})
    assert (recipe.epochs, recipe.learning_rate, recipe.dropout) == (5, 3e-4, 0.1)
    assert recipe.rank == Recipe().rank
    assert Recipe().with_overrides({}) == Recipe()


@given(st.sampled_from([field.name for field in fields(Recipe)]))
def test_every_setting_can_be_given_as_its_own_text(name: str) -> None:
    assert Recipe().with_overrides({name: str(getattr(Recipe(), name))}) == Recipe()


@pytest.mark.parametrize(("text", "value"), [("false", False), ("TRUE", True)])
def test_a_switch_takes_true_and_false(text: str, value: bool) -> None:
    assert Recipe().with_overrides({"registers": text}).registers is value


@pytest.mark.parametrize("text", ["", "0", "no"])
def test_a_switch_takes_nothing_else(text: str) -> None:
    with pytest.raises(UsageError, match=f"--set registers={text}: expected true or false"):
        Recipe().with_overrides({"registers": text})


def test_an_unknown_setting_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="--set lr: there is no such setting") as caught:
        Recipe().with_overrides({"lr": "1"})
    assert all(field.name in caught.value.mend for field in fields(Recipe))


@pytest.mark.parametrize(("name", "text"), [("epochs", "two"), ("epochs", "2.5"), ("learning_rate", ""), ("seed", "x")])
def test_a_value_of_the_wrong_kind_is_named(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"--set {name}={text}: expected a"):
        Recipe().with_overrides({name: text})


@pytest.mark.parametrize("name", ["epochs", "learning_rate", "rank", "alpha", "batch_tokens", "max_tokens"])
@pytest.mark.parametrize("text", ["0", "-1"])
def test_what_must_be_positive_is(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is .*; it must be above 0"):
        Recipe().with_overrides({name: text})


@pytest.mark.parametrize(("name", "text"), [("dropout", "1"), ("dropout", "-0.1"), ("warmup_share", "1.5")])
def test_shares_are_shares(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is"):
        Recipe().with_overrides({name: text})


@pytest.mark.parametrize("name", ["learning_rate", "dropout", "warmup_share"])
@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_what_is_no_number_is_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError):
        Recipe().with_overrides({name: text})


@pytest.mark.parametrize("text", ["-1", str(2**32)])
def test_a_seed_no_generator_takes_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="seed is"):
        Recipe().with_overrides({"seed": text})


def test_an_example_must_fit_a_step() -> None:
    with pytest.raises(UsageError, match="one example must fit a step") as caught:
        Recipe().with_overrides({"max_tokens": "4096"})
    assert "batch_tokens" in caught.value.mend


def test_the_evidence_is_what_the_sweep_found() -> None:
    best = {tuple(row["change"].items()): float(row["best_dev_nats"]) for row in read_lines(SWEEP)}
    evidence = row_for(135_000_000).evidence
    for name in ("learning_rate", "rank", "targets"):
        found = {f"{nats:.2f}" for change, nats in best.items() if not change or change[0][0] == name}
        assert set(re.findall(r"\d\.\d\d", evidence[name])) == found
    for name in ("dropout", "prompt_loss_weight"):
        [nats] = [nats for change, nats in best.items() if change and change[0][0] == name]
        assert nats == pytest.approx(best[()], abs=0.01), f"{name} was left out because it changes nothing"
