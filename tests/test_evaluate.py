"""Held-out fit is what a hand computation gives, its interval is honest, and only the clone uses the adapter."""

from __future__ import annotations

import math
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from safetensors.torch import load_file, save_file

from style_clone import baseline
from style_clone.conversation import Pair, Turn, read_pairs, write_lines
from style_clone.errors import MissingStage
from style_clone.evaluate import quick
from style_clone.evaluate import run as evaluation
from style_clone.evaluate.fit import Measurer
from style_clone.evaluate.material import spread
from style_clone.evaluate.start import num_shared
from style_clone.evaluate.statistics import ratio_difference_interval
from style_clone.models import BaseModel, load_model, load_tokenizer
from style_clone.persona import Persona
from style_clone.progress import Event
from style_clone.prompt import Prompt, prompt_ids, reply_ids
from style_clone.train import artifact
from style_clone.train.run import train
from style_clone.train.tokens import NO_LOSS, Example
from style_clone.workspace import PersonaFolder, Workspace, file_hash, read_json, write_json
from tests.tiny_base import paired, tiny_base

pytestmark = pytest.mark.usefixtures("one_thread")

EVERYTHING = 1_000_000


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> tuple[PersonaFolder, BaseModel]:
    """A trained persona and its base model, made once and never changed."""
    workspace = Workspace(tmp_path_factory.mktemp("line"))
    folder, base = paired(workspace), tiny_base(workspace)
    train(folder, base, overrides={"epochs": "1", "batch_tokens": "1024"})
    return folder, base


@pytest.fixture
def base(line: tuple[PersonaFolder, BaseModel]) -> BaseModel:
    return line[1]


@pytest.fixture
def folder(workspace: Workspace, line: tuple[PersonaFolder, BaseModel]) -> PersonaFolder:
    shutil.copytree(line[0].root, workspace.folder("nell").root)
    return workspace.folder("nell")


def bits_by_hand(model: Any, tokenizer: Any, pair: Pair, prompt: Prompt) -> float:
    """-log2 of the probability of the reply and its end, from every position's full distribution."""
    before, reply = prompt_ids(tokenizer, prompt.messages(pair.context)), reply_ids(tokenizer, pair.reply)
    with torch.inference_mode():
        logits = model(torch.tensor([[*before, *reply]])).logits[0].double()
    chances = torch.log_softmax(logits, dim=-1)
    return -sum(float(chances[len(before) + at - 1, token]) for at, token in enumerate(reply)) / math.log(2)


@pytest.mark.parametrize("prompt", [Prompt(), Prompt("You are Nell.", (("hi", "hiya"),))], ids=["plain", "prompted"])
def test_bits_per_byte_by_hand(folder: PersonaFolder, base: BaseModel, prompt: Prompt) -> None:
    model, tokenizer = load_model(base, "float32"), load_tokenizer(base)
    pairs = read_pairs(folder.split("test"))
    fit = Measurer(model, tokenizer, 4096)(pairs, prompt)
    by_hand = [bits_by_hand(model, tokenizer, pair, prompt) for pair in pairs]
    num_bytes = sum(len(pair.reply.encode()) for pair in pairs)
    assert fit.bits_per_byte == pytest.approx(sum(by_hand) / num_bytes, rel=5e-3)  # Measurer may compute in bfloat16
    for name in {pair.conversation for pair in pairs}:
        expected = sum(bits for bits, pair in zip(by_hand, pairs, strict=True) if pair.conversation == name)
        assert fit.bits[name] == pytest.approx(expected, rel=1e-2)


def test_bytes_are_utf_8_and_of_the_reply_alone(base: BaseModel) -> None:
    turns = ({"role": "user", "content": "x" * 99}, {"role": "assistant", "content": "né 🫠"})
    pair = Pair(turns, "p", "c", "reply", "x.txt", "test")  # type: ignore[arg-type]
    fit = Measurer(load_model(base), load_tokenizer(base), 4096)([pair], Prompt())
    assert fit.num_bytes == {"c": 2 + 1 + 1 + 4}


def test_replies_to_real_messages_are_measured_apart(folder: PersonaFolder, base: BaseModel) -> None:
    model, tokenizer = load_model(base, "float32"), load_tokenizer(base)
    real, made = (read_pairs(folder.split("test"))[0], replace(read_pairs(folder.split("train"))[0], asked_by="model"))
    both = Measurer(model, tokenizer, 4096)([made, real], Prompt())
    apart = both.only(lambda pair: pair.asked_by == "person")
    alone = Measurer(model, tokenizer, 4096)([real], Prompt())
    assert apart.bits_per_byte == pytest.approx(alone.bits_per_byte, rel=1e-2)
    assert apart.bits_per_byte != both.bits_per_byte
    told = quick.measure(folder, base, pairs=EVERYTHING)["real_prompts"]
    assert told["pairs"] == len(read_pairs(folder.split("test")))
    assert told["bits_per_byte"].keys() == {"plain", "prompted", "clone"}


def test_however_pairs_are_batched_the_fit_is_the_same(folder: PersonaFolder, base: BaseModel) -> None:
    model, tokenizer = load_model(base, "float32"), load_tokenizer(base)
    pairs = read_pairs(folder.split("train"))
    fits = [Measurer(model, tokenizer, 4096, batch_tokens=size)(pairs, Prompt()) for size in (1, 4096)]
    assert fits[0].bits_per_byte == pytest.approx(fits[1].bits_per_byte, rel=1e-3)


@pytest.mark.parametrize("longest", [20, 1500])
def test_every_candidate_reads_the_same_turns_below_the_whole_of_its_prompt(base: BaseModel, longest: int) -> None:
    """However long the prompt, whether one or one a pair, and however long the conversation or a message in it."""
    measure = Measurer(None, load_tokenizer(base), window_tokens=256)
    pairs = one_chat([f"line {number} of what they say " + "and on " * longest for number in range(20)])
    prompts = {name: Prompt(f"You are {name}." + " You write as you speak." * 40) for name in ("Nell", "Tam")}
    short = Prompt("Short.")
    read = [
        [spoken(measure, prompt, example) for example in measure._examples(pairs, prompt)]
        for prompt in (*prompts.values(), short)
    ]
    assert read[0] == read[1] == read[2]
    assert len(read[0]) > 1, "it is longer than the window"
    apart = [spoken(measure, short, example) for example in measure._apart(pairs, lambda pair: short)]
    joined = "".join(read[0])
    assert all(joined.count(each) == 1 for each in apart)


def one_chat(said: Sequence[str]) -> list[Pair]:
    """A conversation in which each of these is answered."""
    turns: list[Turn] = []
    pairs = []
    for number, text in enumerate(said):
        turns += [{"role": "user", "content": text}, {"role": "assistant", "content": f"aye {number}"}]
        pairs.append(Pair(tuple(turns), str(number), "one", "reply", "x.txt", "test"))
    return pairs


def spoken(measure: Measurer, prompt: Prompt, example: Example) -> str:
    """What stands below the prompt, which stands there whole."""
    text: str = measure.tokenizer.decode(example.ids)
    above, below = text.split("<|im_end|>\n", maxsplit=1)
    assert above == f"<|im_start|>system\n{prompt.system}"
    return below


def example(text: str) -> Example:
    """A token a letter; capitals are a reply's."""
    return Example([ord(letter) for letter in text], [0 if letter.isupper() else NO_LOSS for letter in text])


@pytest.mark.parametrize(
    ("texts", "shared"),
    [
        (["abcxY", "abczZ"], 3),
        (["abcY", "abcZ"], 2),  # one is left to predict Y and Z from
        (["abY", "abcdeZ", "abcdefZ"], 1),
        (["xabcY", "abcY"], 0),
        (["Y", "Y"], 0),
        (["", "abY"], 0),
        (["ab", "ab"], 1),
        (["abcdeY"], 0),  # nothing is saved
        ([], 0),
    ],
)
def test_what_examples_share_stands_before_every_reply(texts: list[str], shared: int) -> None:
    assert num_shared([example(text) for text in texts]) == shared


def test_a_prompt_that_all_share_is_read_once_and_nothing_else_changes(folder: PersonaFolder, base: BaseModel) -> None:
    pairs = [pair for pair in read_pairs(folder.split("train")) if pair.origin == "reply"][:12]
    prompt = Prompt("You are Nell. " * 40, (("hi", "hiya"), ("tea?", "ta x")))
    model, tokenizer = load_model(base, "float32"), load_tokenizer(base)
    measure, read = Measurer(model, tokenizer), []
    with_hook = model.register_forward_pre_hook(
        lambda _, args, given: read.append(given["input_ids"].numel()), with_kwargs=True
    )
    together = measure(pairs, prompt)
    tokens_together, before = sum(read), len(read)
    apart = [measure([pair], prompt).pair_bits[0] for pair in pairs]
    with_hook.remove()
    assert together.pair_bits == pytest.approx(apart, rel=1e-3)
    assert tokens_together < sum(read[before:]) / 3


def test_a_constant_difference_has_an_interval_without_width() -> None:
    sizes = [10.0, 20.0, 70.0]
    difference, low, high = ratio_difference_interval([3 * size for size in sizes], [2 * size for size in sizes], sizes)
    assert (difference, low, high) == (pytest.approx(1), pytest.approx(1), pytest.approx(1))


def test_one_conversation_cannot_show_a_spread() -> None:
    assert ratio_difference_interval([6], [4], [2]) == (1, 1, 1)


@given(st.lists(st.tuples(*[st.floats(0, 100)] * 2, st.floats(1, 100)), min_size=2, max_size=20), st.integers(0, 9))
def test_the_interval_repeats_by_seed_and_turns_with_its_sides(
    rows: list[tuple[float, float, float]], seed: int
) -> None:
    first, second, sizes = map(list, zip(*rows, strict=True))
    there = ratio_difference_interval(first, second, sizes, resamples=200, seed=seed)
    assert there == ratio_difference_interval(first, second, sizes, resamples=200, seed=seed)
    back = ratio_difference_interval(second, first, sizes, resamples=200, seed=seed)
    assert back == pytest.approx((-there[0], -there[2], -there[1]), abs=1e-9)
    assert there[1] <= there[2]


def test_ninety_five_percent_intervals_hold_the_truth_about_so_often() -> None:
    """30 conversations of unequal sizes; a percentile interval of that few covers a little less than it says."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        sizes = rng.uniform(20, 200, 30)
        second = sizes * 2
        first = second + sizes * rng.normal(-0.3, 0.4, 30)
        _, low, high = ratio_difference_interval(list(first), list(second), list(sizes), resamples=400)
        held += low <= -0.3 <= high
    assert 0.88 <= held / 300 <= 0.98


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.5, -0.1, "The clone predicts this writer better than the prompt does"),
        (0.1, 0.5, "The prompt predicts this writer better than the clone does: the clone 2.25"),
        (-0.1, 0.1, "Clone and prompt cannot be told apart"),
        (0.0, 0.0, "Clone and prompt cannot be told apart"),
    ],
)
def test_the_verdict_is_the_interval_in_words(low: float, high: float, said: str) -> None:
    scorecard = {
        "bits_per_byte": {"plain": 3.0, "prompted": 2.5, "clone": 2.25},
        "clone_minus_prompted": {"difference": -0.25, "low": low, "high": high},
        "pairs": 60,
        "conversations": 12,
        "exploratory": False,
    }
    sentence = quick.sentence(scorecard)
    assert said in sentence
    assert "2.25" in sentence
    assert "the prompt 2.50" in sentence
    assert "enough" not in sentence, "fit alone does not say that a prompt writes like them"
    assert sentence.endswith("From 60 replies in 12 conversations.")
    assert quick.sentence({**scorecard, "exploratory": True}).endswith("conversations: exploratory.")
    assert "Too little to say which is better" in quick.sentence({**scorecard, "conversations": 4})


def test_only_the_clone_uses_the_adapter(folder: PersonaFolder, base: BaseModel) -> None:
    before = evaluation.evaluate_quickly(folder, base)["bits_per_byte"]
    weights = load_file(folder.adapter / artifact.WEIGHTS)
    save_file({name: torch.full_like(value, 3.0) for name, value in weights.items()}, folder.adapter / artifact.WEIGHTS)
    after = evaluation.evaluate_quickly(folder, base)["bits_per_byte"]
    assert after["plain"] == before["plain"]
    assert after["prompted"] == before["prompted"]
    assert after["clone"] != pytest.approx(before["clone"], rel=1e-3)


def test_the_plain_model_is_the_base_model_itself(folder: PersonaFolder, base: BaseModel) -> None:
    scorecard = quick.measure(folder, base, pairs=EVERYTHING)
    pairs = read_pairs(folder.split("test"))
    bare = Measurer(load_model(base, attn_implementation="sdpa"), load_tokenizer(base), 4096)(pairs, Prompt())
    adapted = PeftModel.from_pretrained(load_model(base, attn_implementation="sdpa"), folder.adapter)
    assert scorecard["bits_per_byte"]["plain"] == pytest.approx(bare.bits_per_byte, rel=1e-6)
    prompted = Measurer(load_model(base, attn_implementation="sdpa"), load_tokenizer(base), 4096)(
        pairs, baseline.load(folder)
    )
    assert scorecard["bits_per_byte"]["prompted"] == pytest.approx(prompted.bits_per_byte, rel=1e-6)
    assert adapted.active_adapters == ["default"]


def test_the_scorecard_is_saved_and_tied_to_what_it_measured(folder: PersonaFolder, base: BaseModel) -> None:
    told: list[Event] = []
    scorecard = evaluation.evaluate_quickly(folder, base, report=told.append)
    assert scorecard == read_json(folder.scorecard)
    assert scorecard["test_sha256"] == file_hash(folder.split("test"))
    assert scorecard["adapter_sha256"] == file_hash(folder.adapter / artifact.WEIGHTS)
    assert scorecard["exploratory"]
    assert list(scorecard["bits_per_byte"]) == ["plain", "prompted", "clone"]
    difference = scorecard["bits_per_byte"]["clone"] - scorecard["bits_per_byte"]["prompted"]
    assert scorecard["clone_minus_prompted"]["difference"] == pytest.approx(difference)
    assert [event.done for event in told] == sorted(event.done for event in told)
    assert told[-1].done == told[-1].total == 3


def test_a_scorecard_of_another_adapter_or_of_other_pairs_is_stale(folder: PersonaFolder, base: BaseModel) -> None:
    assert not evaluation.is_fresh(folder)
    scorecard = evaluation.evaluate_quickly(folder, base)
    assert evaluation.is_fresh(folder)
    for name in ("adapter_sha256", "test_sha256"):
        write_json(folder.scorecard, {**scorecard, name: "another"})
        assert not evaluation.is_fresh(folder)


def test_a_scorecard_of_replies_is_stale_once_they_are_drawn_in_another_way(
    folder: PersonaFolder, base: BaseModel
) -> None:
    scorecard, before = evaluation.evaluate_quickly(folder, base), Persona.load(folder)
    write_json(folder.scorecard, {**scorecard, "sampling": before.effective_sampling.settings})
    assert evaluation.is_fresh(folder)
    before.with_sampling(replace(before.sampling, temperature=0.1)).save(folder)
    assert not evaluation.is_fresh(folder)
    before.save(folder)


def test_quick_takes_a_run_of_neighbours_from_every_conversation(
    folder: PersonaFolder, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = read_pairs(folder.split("test"))
    names = {pair.conversation for pair in everything}
    monkeypatch.setattr(quick, "QUICK_PAIRS", len(names))
    some = evaluation.evaluate_quickly(folder, base)
    assert some["pairs"] == some["conversations"] == len(names) < len(everything)
    assert evaluation.evaluate_quickly(folder, base)["bits_per_byte"] == some["bits_per_byte"]
    whole = quick.measure(folder, base, pairs=EVERYTHING)
    assert (whole["pairs"], whole["kind"], some["kind"]) == (len(everything), "quick", "quick")


def test_quick_reads_fewer_pairs_where_they_are_long(folder: PersonaFolder, base: BaseModel) -> None:
    whole = quick.measure(folder, base, pairs=EVERYTHING)
    shown = len(baseline.load(folder).system)
    long = quick.measure(folder, base, pairs=EVERYTHING, characters=2 * shown)
    assert 1 <= long["pairs"] <= 2 < whole["pairs"]
    assert quick.measure(folder, base, pairs=EVERYTHING, characters=1)["pairs"] == 1


SMALL_AND_LARGE = {"a": 2, "b": 9, "c": 9}


@pytest.mark.parametrize("sizes", [SMALL_AND_LARGE, {f"{number:02}": 1 + number // 45 for number in range(60)}])
@pytest.mark.parametrize("limit", [1, 2, 6, 7, 19, 61, 100])
def test_pairs_are_spread_evenly_and_stay_in_order(limit: int, sizes: dict[str, int]) -> None:
    turns = ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "hiya"})
    pairs = [
        Pair(turns, f"{name}{number}", name, "reply", "x.txt", "test")  # type: ignore[arg-type]
        for name, count in sizes.items()
        for number in range(count)
    ]
    chosen = spread(pairs, limit)
    assert len(chosen) == min(limit, len(pairs)), "what small conversations lack, large ones give"
    counts = Counter(pair.conversation for pair in chosen)
    assert len(counts) == min(len(sizes), limit)
    most = max(counts.values())
    assert all(count >= min(sizes[name], most - 1) for name, count in counts.items())
    places = [pairs.index(pair) for pair in chosen]
    assert places == sorted(places)
    assert all(
        places[at + 1] == places[at] + 1
        for at in range(len(places) - 1)
        if pairs[places[at]].conversation == pairs[places[at + 1]].conversation
    )


def test_nothing_to_measure_is_told(folder: PersonaFolder, base: BaseModel) -> None:
    with folder.split("test").open("w") as file:
        write_lines(file, [])
    with pytest.raises(MissingStage, match="no test pairs") as caught:
        evaluation.evaluate_quickly(folder, base)
    assert "Add more writing" in caught.value.mend
    folder.split("test").unlink()
    with pytest.raises(MissingStage, match="no pairs yet"):
        evaluation.evaluate_quickly(folder, base)
    assert not folder.scorecard.exists()


def test_an_adapter_that_may_have_seen_the_test_pairs_is_not_measured(folder: PersonaFolder, base: BaseModel) -> None:
    """Pairs made anew move the splits' borders: what was trained on may be test now."""
    pairs = read_pairs(folder.split("train"))
    with folder.split("train").open("w") as file:
        write_lines(file, (pair.to_json() for pair in pairs[1:]))
    with pytest.raises(MissingStage, match="trained on other pairs") as caught:
        evaluation.evaluate_quickly(folder, base)
    assert "style-clone train nell" in caught.value.mend
    shutil.rmtree(folder.adapter)
    with pytest.raises(MissingStage, match="no adapter yet"):
        evaluation.evaluate_quickly(folder, base)


def test_a_model_that_knows_the_reply_needs_fewer_bits(base: BaseModel) -> None:
    """The measure points the right way: a model trained on exactly these replies needs less than one that is not."""
    rng = random.Random(0)
    turns = ({"role": "user", "content": "go on"}, {"role": "assistant", "content": "ab" * 20})
    pair = Pair(turns, "p", "c", "reply", "x.txt", "test")  # type: ignore[arg-type]
    noise = "".join(rng.choice("klmnopqrstuvwxyz") for _ in range(40))
    other = Pair((turns[0], {"role": "assistant", "content": noise}), "q", "d", "reply", "x.txt", "test")  # type: ignore[arg-type]
    model, tokenizer = load_model(base, "float32"), load_tokenizer(base)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    ids = torch.tensor([[*prompt_ids(tokenizer, list(pair.context)), *reply_ids(tokenizer, pair.reply)]])
    for _ in range(60):
        optimiser.zero_grad()
        model(ids, labels=ids).loss.backward()
        optimiser.step()
    measure = Measurer(model, tokenizer, 4096)
    assert measure([pair], Prompt()).bits_per_byte < 1 < measure([other], Prompt()).bits_per_byte
