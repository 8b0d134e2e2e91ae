"""Canaries: planted only where they should be, and learned or not as exposure says."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from style_clone.prompt import Prompt
from style_clone.train.canaries import RIVALS, Canary, Trial, _losses, exposure, exposures, plant, trials
from style_clone.train.data import collate
from style_clone.train.leaks import leak_check
from style_clone.train.loss import reply_nats
from style_clone.train.tokens import Tokeniser
from tests.ready_pairs import pair
from tests.tiny import tiny_model
from tests.tiny_base import byte_tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")
PAIRS = [pair("are you coming?", "in a minute, i am still at work", conversation=f"c{at}") for at in range(3)]
TOKENISE = Tokeniser(byte_tokenizer(), Prompt("You are Nell."), 512)


def tried(count: int) -> list[Trial]:
    return trials(plant([], count, seed=0)[1], TOKENISE, seed=0)


def fresh() -> Any:
    model = tiny_model(vocabulary=len(byte_tokenizer()), positions=512)
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, config).eval()


def test_planted_pairs_stand_after_the_others_each_in_a_conversation_of_its_own() -> None:
    planted, canaries = plant(PAIRS, 100, seed=0)
    assert planted[:3] == PAIRS
    assert len({each.conversation for each in planted}) == len(planted) == 103
    assert len({each.context[-1]["content"] for each in planted[3:]}) == 100
    assert all(canary.code in each.reply for canary, each in zip(canaries, planted[3:], strict=True))
    assert len({canary.code for canary in canaries}) > 90


def test_the_seed_decides_and_none_asked_for_changes_nothing() -> None:
    assert plant(PAIRS, 5, seed=1) == plant(PAIRS, 5, seed=1) != plant(PAIRS, 5, seed=2)
    assert plant(PAIRS, 0, seed=1) == (PAIRS, [])


def test_a_trial_is_the_canary_and_other_codes_to_the_same_question() -> None:
    planted, canaries = plant(PAIRS, 2, seed=0)
    trial = trials(canaries, TOKENISE, seed=0)[1]
    assert len({tuple(example.ids) for example in trial}) == len(trial) == RIVALS + 1
    assert trial[0].ids == TOKENISE([planted[4]]).examples[0].ids
    context = [tuple(example.ids[: example.mask.index(True)]) for example in trial]
    assert len(set(context)) == 1


@pytest.mark.parametrize(
    ("nats", "bits"),
    [([0.5, 1.0, 2.0, 3.0], 2.0), ([2.5, 1.0, 2.0, 3.0], 2 - math.log2(3)), ([4.0, 1.0, 2.0, 3.0], 0.0)],
)
def test_exposure_is_bits_of_rank(nats: list[float], bits: float) -> None:
    assert exposure(nats) == pytest.approx(bits)


def test_a_model_that_tells_no_code_from_another_has_exposed_none() -> None:
    assert exposure([1.0] * 255) == pytest.approx(math.log2(255 / 128))


def test_losses_over_a_shared_beginning_are_those_of_the_whole() -> None:
    trial = tried(1)[0][:100]  # two passes of ROWS, the second not full
    model = fresh()
    with torch.inference_mode():
        nats, _ = _losses(model, trial, 2)
        batch = collate(trial, 2)
        whole = reply_nats(model, **batch).view(len(trial), -1)
    shared = (batch["input_ids"] == batch["input_ids"][0]).all(dim=0).tolist().index(False) - trial[0].mask.index(True)
    assert nats == pytest.approx(whole[:, shared:].sum(dim=1).tolist(), abs=1e-3)


def test_a_secret_learned_by_heart_is_exposed_and_one_never_seen_is_not() -> None:
    known, unknown = (four := tried(4))[:2], four[2:]
    model = fresh()
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=0.01)
    batch = collate([trial[0] for trial in known], 2)
    for _ in range(60):
        reply_nats(model, **batch).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.inference_mode():
        learned, other = exposures(model, known, 2), exposures(model, unknown, 2)
    assert learned == {
        "planted": 2,
        "extracted": 2,
        "exposure_median": 8.0,
        "exposure_highest": 8.0,
        "exposure_limit": 8.0,
    }
    assert other["extracted"] == 0
    assert other["exposure_median"] < 6
    examples = TOKENISE(plant(PAIRS, 4, seed=0)[0]).examples
    result = leak_check(model, examples, [], 2, canaries=known)
    assert result["canaries"] == learned
    assert result["replies"] == 5  # the planted ones are not the author's
    assert result["verdict"] == "some"
    assert "2 of 2 planted secrets" in result["sentence"]


def test_untrained_models_expose_nothing_beyond_chance() -> None:
    bits = [exposure(_losses(fresh(), trial, 2)[0]) for trial in tried(8)]
    assert statistics.median(bits) < 3.5


def test_a_canary_says_nothing_of_the_author() -> None:
    canary = Canary("locker", "pool", "481 516")
    planted = canary.pair()
    assert (planted.recipient, planted.date, planted.asked_by) == (None, None, "template")
    assert planted.reply == "it's 481 516"
    assert canary.pair("000 111").context == planted.context
