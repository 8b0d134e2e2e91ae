"""The leak check finds what greedy decoding really gives away, and lets go what it may not hold against the adapter."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from style_clone.demo import AUTHOR, CORPUS
from style_clone.ingest.run import ingest
from style_clone.models import BaseModel
from style_clone.preparation import prepare as make_pairs
from style_clone.progress import Event
from style_clone.proportion import wilson
from style_clone.train import leaks
from style_clone.train.data import LengthBatches, collate
from style_clone.train.leaks import leak_check, verdict_of
from style_clone.train.lora import attach_lora
from style_clone.train.loss import reply_nats
from style_clone.train.recipe import Recipe
from style_clone.train.run import prepare
from style_clone.train.tokens import NO_LOSS, Example
from style_clone.train.verbatim import Reply, draw, spans
from style_clone.workspace import Workspace
from tests.tiny import VOCABULARY, tiny_model

pytestmark = pytest.mark.usefixtures("one_thread")


def secrets(count: int, seed: int, length: int = 15, vocabulary: int = VOCABULARY) -> list[Example]:
    """Random replies to random prompts: nothing in them can be guessed."""
    rng = random.Random(seed)
    made = []
    for owner in range(count):
        ids = [rng.randrange(3, vocabulary) for _ in range(6 + length)]
        made.append(Example(ids, [NO_LOSS] * 6 + [owner] * length))
    return made


def adapted(model: Any, rank: int = 16) -> Any:
    torch.manual_seed(0)
    return get_peft_model(model, LoraConfig(r=rank, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))


def learn(model: Any, examples: Sequence[Example], steps: int, rate: float) -> Any:
    """Step after step on `examples`, until they are known by heart."""
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=rate)
    lengths = [len(example.ids) for example in examples]
    batches = [collate([examples[at] for at in chosen], 2) for chosen in LengthBatches(lengths, 512, 0)]
    for step in range(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=model.dtype == torch.bfloat16):
            loss = reply_nats(model, **batches[step % len(batches)]).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


TRAIN, UNSEEN = secrets(8, seed=1), secrets(8, seed=2)


@pytest.fixture(scope="module")
def parrot(one_thread: None) -> Any:
    """An adapter that knows TRAIN by heart."""
    return learn(adapted(tiny_model()), TRAIN, steps=80, rate=0.01)


def test_an_adapter_that_recites_is_told_from_one_that_has_learned_nothing(parrot: Any) -> None:
    recited, fresh = (leak_check(model, TRAIN, UNSEEN, 2) for model in (parrot, adapted(tiny_model())))
    assert recited["extracted"] >= 7
    assert recited["verdict"] == "leaky"
    assert recited["longest"] == 15
    assert (recited["held_out_extracted"], recited["plain_extracted"]) == (0, 0)
    assert (fresh["extracted"], fresh["longest"], fresh["verdict"]) == (0, 0, "clean")
    assert recited["replies"] == fresh["replies"] == recited["held_out"] == 8


def test_what_is_counted_is_what_greedy_decoding_says(parrot: Any) -> None:
    """The claim behind the whole check: from the text before a run, `generate` writes the run, token for token."""
    sample, told = draw([(example, "") for example in TRAIN], 100, 0), 0
    leaks._look("parrot", parrot, sample, 2, range(len(TRAIN)))
    for (example, _), row in zip(sample.examples, sample.hits["parrot"], strict=True):
        for start, stop in spans(example):
            for at, run in Reply(example.ids, start, stop, "").runs(row).items():
                prompt = torch.tensor([example.ids[:at]])
                asked = {"attention_mask": torch.ones_like(prompt), "max_new_tokens": len(run), "do_sample": False}
                said = parrot.generate(prompt, eos_token_id=None, pad_token_id=2, **asked)
                assert said[0, at:].tolist() == list(run)
                told += 1
    assert told >= 25


def test_what_the_plain_base_says_too_is_not_held_against_the_adapter() -> None:
    base = learn(tiny_model(), TRAIN, steps=80, rate=0.01)
    result = leak_check(adapted(base), TRAIN, UNSEEN, 2)
    assert result["plain_extracted"] >= 7
    assert result["extracted"] == 0


def test_stock_sentences_are_told_apart_from_what_was_said_in_one_conversation(parrot: Any) -> None:
    """Every reply twice, after another prompt: in another conversation it is stock, in the same one it is not."""
    again = [
        Example([*range(20, 26), *example.ids[6:]], [NO_LOSS] * 6 + [8 + at] * 15) for at, example in enumerate(TRAIN)
    ]
    twice = [*TRAIN, *again]
    names = [f"chat {at}" for at in range(8)]
    stock = leak_check(parrot, twice, UNSEEN, 2, conversations=[*names, *(f"other {name}" for name in names)])
    repeated = leak_check(parrot, twice, UNSEEN, 2, conversations=[*names, *names])
    assert stock["extracted"] == 0
    assert stock["stock_only"] >= 7
    assert repeated["extracted"] >= 7
    assert repeated["stock_only"] == 0


def test_the_model_is_left_as_it_was(parrot: Any) -> None:
    parrot.train()
    trainable = {name for name, weight in parrot.named_parameters() if weight.requires_grad}
    before = torch.random.get_rng_state()
    leak_check(parrot, TRAIN, UNSEEN, 2)
    assert parrot.training
    assert parrot.get_model_status().enabled is True
    assert {name for name, weight in parrot.named_parameters() if weight.requires_grad} == trainable
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_result_is_figures_in_json_and_a_sentence_that_gives_them(parrot: Any) -> None:
    told: list[Event] = []
    result = leak_check(parrot, TRAIN, UNSEEN, 2, report=told.append)
    assert json.loads(json.dumps(result)) == result
    assert {name for name, value in result.items() if isinstance(value, str)} == {"verdict", "sentence"}
    assert f"{result['extracted']} of 8" in result["sentence"]
    assert f"0 of {result['held_out']}" in result["sentence"]
    assert {event.stage for event in told} == {"leaks"}


def test_only_so_many_replies_are_looked_at_and_the_same_ones_each_time() -> None:
    named = [(example, str(at)) for at, example in enumerate(secrets(50, seed=3))]
    first, again, other = draw(named, 20, 0), draw(named, 20, 0), draw(named, 20, 1)
    assert len(first.examples) == 20
    assert first.examples == again.examples != other.examples
    assert len(draw(named, 400, 0).examples) == 50


def test_runs_are_as_long_as_they_must_be_and_not_in_the_prompt() -> None:
    reply = Reply(list(range(100, 140)), start=10, stop=40, conversation="")
    all_but = [at not in (10, 23, 30) for at in range(40)]  # 12 in a row from 11 to 22, then 6, then 9
    assert reply.runs(all_but) == {11: tuple(range(111, 123))}
    quoted = Reply([*range(50, 70), *range(50, 70), 2], start=20, stop=41, conversation="")
    assert set(quoted.runs([True] * 41)) == {29}  # the one run that the prompt does not hold ends with the end of turn
    short = Reply([1, 2, 3, *range(50, 58)], start=3, stop=11, conversation="")
    assert short.runs([True] * 11) == {3: tuple(range(50, 58))}
    assert short.runs([True] * 10 + [False]) == {}


def test_short_replies_are_left_out_and_neighbours_are_told_apart() -> None:
    owners = [NO_LOSS] * 2 + [0] * 7 + [NO_LOSS] * 3 + [1] * 8 + [2] * 9
    assert list(spans(Example(list(range(29)), owners))) == [(12, 20), (20, 29)]


@pytest.mark.parametrize(
    ("count", "total", "expected"),
    [(0, 10, (0.0, 0.27754)), (5, 10, (0.23659, 0.76341)), (10, 10, (0.72246, 1.0)), (0, 0, (0.0, 1.0))],
)
def test_wilson_interval(count: int, total: int, expected: tuple[float, float]) -> None:
    assert wilson(count, total) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("low", "unseen", "out", "verdict"),
    [
        (0.0, 0.0, 0, "clean"),
        (0.01, 0.02, 0, "clean"),
        (0.03, 0.02, 0, "some"),
        (0.0, 0.0, 1, "some"),
        (0.08, 0.02, 0, "leaky"),
    ],
)
def test_the_verdict_is_against_what_comes_out_unseen(low: float, unseen: float, out: int, verdict: str) -> None:
    assert verdict_of(low, unseen, out) == verdict


@pytest.mark.long
@pytest.mark.slow
def test_a_real_adapter_trained_far_too_long_on_little_gives_itself_away(
    workspace: Workspace, base_model: BaseModel
) -> None:
    folder = workspace.folder("nell")
    ingest(folder, [CORPUS], [AUTHOR])
    make_pairs(folder)
    data = prepare(folder, base_model).examples
    few, unseen = data["train"][:8], data["dev"][:8]
    model = attach_lora(base_model, Recipe())
    fresh = leak_check(model, few, unseen, 2)
    recited = leak_check(learn(model, few, steps=60, rate=1e-3), few, unseen, 2)
    assert (fresh["extracted"], fresh["verdict"]) == (0, "clean")
    assert recited["rate"] > 0.5
    assert recited["held_out_extracted"] <= 1
    assert recited["verdict"] == "leaky"
