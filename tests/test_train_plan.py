"""The plan: strengths by what there is, sentences that name the way out, estimates for larger models, and a whole card."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import Any

import pytest

from style_clone.errors import MissingStage, TrainingError, UsageError
from style_clone.models import BaseModel
from style_clone.progress import Event
from style_clone.train import plan as planning
from style_clone.train import recipes
from style_clone.train.larger import KNOWN, Seen, Shape, larger
from style_clone.train.machine import Machine
from style_clone.train.plan import Plan, plan
from style_clone.train.prepared import prepare
from style_clone.train.probe import Prediction
from style_clone.train.recipe import Recipe
from style_clone.train.recipes import recipe_for
from style_clone.train.strength import LEVELS, TRAIN_SHARE, Amount, more, strength_of
from style_clone.workspace import PersonaFolder, Workspace
from tests.tiny_base import paired, tiny_base

pytestmark = pytest.mark.usefixtures("one_thread")
ROOMY = Machine(cores=2, memory_bytes=16 * 10**9, disk_bytes=10**12, device="cpu")
PREDICTED = Prediction(seconds=120.0, peak_memory_bytes=2 * 10**9, tokens_per_second=500.0)


@pytest.mark.parametrize(
    ("amount", "strength"),
    [
        (Amount(0, 0, 0), "exploratory"),
        (Amount(199, 100, 10**6), "exploratory"),
        (Amount(5000, 19, 10**6), "exploratory"),
        (Amount(200, 20, 10), "comparable"),
        (Amount(1000, 20, 59_999), "comparable"),
        (Amount(1000, 20, 60_000), "strong"),
    ],
)
def test_strength_needs_pairs_conversations_and_tokens(amount: Amount, strength: str) -> None:
    assert strength_of(amount) == strength


@pytest.mark.parametrize(
    "amount",
    [Amount(1, 1, 60), Amount(150, 30, 9000), Amount(300, 5, 20_000), Amount(900, 60, 30_000), Amount(0, 0, 0)],
)
def test_as_many_more_pairs_as_it_says_do_bring_the_next_strength(amount: Amount) -> None:
    told = more(amount)
    added = int(told["pairs"]) * TRAIN_SHARE
    grown = (amount.pairs + added) / max(amount.pairs, 1)
    there = Amount(*(math.ceil(max(number, 1) * grown) for number in asdict(amount).values()))
    names = [level.name for level in LEVELS]
    assert names.index(strength_of(there)) >= names.index(str(told["strength"])) > names.index(strength_of(amount))
    assert f"{told['pairs']:,} more pairs" in str(told["sentence"])


def test_nothing_is_above_strong() -> None:
    assert more(Amount(5000, 200, 10**6))["pairs"] == 0


def test_known_models_are_in_order_and_of_a_size_their_shapes_allow() -> None:
    sizes = [known.shape.parameters for known in KNOWN]
    assert sizes == sorted(sizes)
    for known in KNOWN:
        shape = known.shape
        body = shape.parameters - shape.vocabulary * shape.width
        assert 8 < body / (shape.layers * shape.width**2) < 20, f"{known.name}: about 12 layers x width^2"


SMALL = Shape(134_515_008, 30, 576, 49_152)


def seen(recipe: Recipe | None = None) -> Seen:
    return Seen(SMALL, recipe or Recipe(), seconds=100.0, peak_memory_bytes=1_800_000_000, before=600_000_000)


def test_estimates_grow_with_the_model_and_the_machine_s_memory_decides() -> None:
    rows = larger(seen(), 4 * 10**9, {})
    assert [row["name"] for row in rows] == [known.name for known in KNOWN]
    assert rows[0]["seconds"] == pytest.approx(100 * KNOWN[0].shape.parameters / SMALL.parameters)
    assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)
    assert all(row["memory_bytes"] > 600_000_000 + 2 * row["parameters"] for row in rows)
    assert {row["fits"] for row in rows if row["memory_bytes"] <= 4 * 10**9} == {True}
    assert {row["fits"] for row in rows if row["memory_bytes"] > 4 * 10**9} == {False}


def test_a_model_of_the_same_shape_would_need_what_was_seen() -> None:
    shape = replace(SMALL, parameters=SMALL.parameters + 1)
    known = [replace(KNOWN[0], shape=shape)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("style_clone.train.larger.KNOWN", known)
        [row] = larger(seen(), 10**10, {})
    assert row["memory_bytes"] == pytest.approx(1_800_000_000, rel=1e-6)
    assert row["seconds"] == pytest.approx(100)


def test_smaller_models_are_not_listed_and_settings_that_fit_only_this_size_do_not_break_it() -> None:
    big = Seen(Shape(5 * 10**9, 32, 4096, 50_000), recipe_for(5 * 10**9), 100.0, 30 * 10**9, 10**9)
    assert [row["name"] for row in larger(big, 10**12, {})] == [KNOWN[-1].name]
    assert len(larger(seen(), 10**12, {"batch_tokens": "600"})) == len(KNOWN), "600 is under the longest of others"


@pytest.fixture
def nell(workspace: Workspace) -> PersonaFolder:
    return paired(workspace)


def quick(
    monkeypatch: pytest.MonkeyPatch, prediction: Prediction = PREDICTED, machine: Machine = ROOMY, **amount: int
) -> None:
    """A plan without five seconds of training, on a machine of our choice."""
    monkeypatch.setattr(planning, "probe", lambda *arguments, **options: prediction)
    monkeypatch.setattr(planning, "this_machine", lambda folder: machine)


def test_the_whole_card(nell: PersonaFolder, workspace: Workspace) -> None:
    """Probed for real, on a base model of a few thousand weights."""
    told: list[Event] = []
    before = sorted(nell.root.rglob("*"))
    found = plan(nell, tiny_base(workspace), report=told.append)
    row = json.loads(json.dumps(asdict(found)))
    assert row["persona"] == "nell"
    assert row["base"]["license"] == "unknown"
    assert row["base"]["parameters"] < 100_000
    assert row["pairs"] == {
        split: len(nell.split(split).read_text().splitlines()) for split in ("train", "dev", "judge", "test")
    }
    assert 0 < row["num_target_tokens"] < row["num_train_tokens"]
    assert row["recipe"] == asdict(Recipe())
    assert set(row["why"]) <= set(row["recipe"])
    assert row["steps"] >= row["recipe"]["epochs"]
    assert set(row["predicted"]) == {"seconds", "peak_memory_bytes", "disk_bytes", "tokens_per_second"}
    assert min(row["predicted"].values()) > 0
    assert set(row["machine"]) == {"cores", "memory_bytes", "disk_bytes", "device"}
    assert row["strength"] == "exploratory"
    assert {event.stage for event in told} == {"plan", "probe"}
    assert sorted(nell.root.rglob("*")) == before, "nothing is written"


def test_what_the_user_set_is_used_and_said(
    nell: PersonaFolder, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    base = tiny_base(workspace)
    plain, changed = plan(nell, base), plan(nell, base, overrides={"epochs": "5", "rank": "4"})
    assert changed.recipe["epochs"] == 5
    assert changed.steps == plain.steps // 2 * 5
    assert changed.why["epochs"].startswith("you set it")
    assert not plain.why["epochs"].startswith("you set it")
    assert changed.predicted["disk_bytes"] == plain.predicted["disk_bytes"] / 4
    with pytest.raises(UsageError, match="there is no such setting"):
        plan(nell, base, overrides={"lr": "1"})


def test_much_writing_is_read_once_unless_the_user_says_otherwise(
    nell: PersonaFolder, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "ONE_PASS_TOKENS", 10)
    assert prepare(nell, base).recipe.epochs == 1
    assert prepare(nell, base, {"epochs": "3"}).recipe.epochs == 3
    monkeypatch.setattr(recipes, "ONE_PASS_TOKENS", 10**9)
    assert prepare(nell, base).recipe.epochs == Recipe().epochs


def test_too_little_writing_sends_to_the_prompt(
    nell: PersonaFolder, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    found = plan(nell, tiny_base(workspace))
    said = " ".join(found.advice)
    assert "Use a prompt instead" in said
    assert "nell@prompted" in said
    assert found.more["sentence"] in said
    assert "larger base model" not in said
    assert any("names no licence" in warning for warning in found.warnings)
    assert any("pairs to test" in warning for warning in found.warnings)


def warned(found: Plan) -> str:
    return " ".join(found.warnings)


def test_a_machine_too_small_is_warned_of_with_a_way_out(
    nell: PersonaFolder, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tiny_base(workspace)
    quick(monkeypatch, machine=replace(ROOMY, memory_bytes=10**9, disk_bytes=1000))
    found = plan(nell, base)
    assert "2.0 GB of memory and 1.0 GB are free" in warned(found)
    assert "--set batch_tokens=256 --set max_tokens=256" in warned(found)
    assert "of disk and" in warned(found)
    assert "--set rank=8" in warned(found)
    assert not any(row["fits"] for row in found.larger)
    quick(monkeypatch)
    assert "are free" not in warned(plan(nell, base))


def test_the_way_out_is_one_that_can_be_taken(nell: PersonaFolder) -> None:
    assert Recipe().with_overrides({"batch_tokens": "256", "max_tokens": "256"}).batch_tokens == 256


def test_weights_that_cannot_fit_are_told_before_they_are_loaded(
    nell: PersonaFolder, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any) -> None:
        raise AssertionError("loaded")

    quick(monkeypatch, machine=replace(ROOMY, memory_bytes=1000))
    monkeypatch.setattr(planning, "attach_lora", never)
    with pytest.raises(TrainingError, match="weights alone need") as caught:
        plan(nell, tiny_base(workspace))
    assert "smaller --base" in caught.value.mend


def test_without_pairs_or_anything_held_out_it_says_what_training_would(
    nell: PersonaFolder, workspace: Workspace
) -> None:
    base = tiny_base(workspace)
    nell.split("dev").write_text("")
    with pytest.raises(TrainingError, match="no dev pairs"):
        plan(nell, base)
    nell.split("train").unlink()
    with pytest.raises(MissingStage, match="no pairs yet"):
        plan(nell, base)
