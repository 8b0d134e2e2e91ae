"""The whole scorecard on the sample corpus, with an endpoint that answers as it is told: real pairs, verifier and fit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from style_clone import baseline, demo
from style_clone.conversation import Pair, read_pairs
from style_clone.evaluate import blind, contest, fitting
from style_clone.evaluate import run as evaluation
from style_clone.evaluate.candidates import PROMPTED
from style_clone.evaluate.kept import KeptReplies
from style_clone.evaluate.recount import recount
from style_clone.evaluate.rival import Rival
from style_clone.evaluate.run import Options, Tools
from style_clone.ingest.run import ingest
from style_clone.models import BaseModel
from style_clone.preparation import prepare
from style_clone.progress import WARNING, Event
from style_clone.prompt import Prompt
from style_clone.store import Store
from style_clone.train.run import train
from style_clone.words import runs, words
from style_clone.workspace import PersonaFolder, Workspace, read_json, write_json
from tests.fake_endpoint import FakeEndpoint, fake_endpoint
from tests.tiny_base import tiny_base
from tests.voices import ASSISTANT, Voice, assistant, near_its_prompt, oracle

pytestmark = pytest.mark.usefixtures("one_thread")

AUTHOR = "Nell Quayle"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> tuple[PersonaFolder, BaseModel]:
    """The sample persona with a tiny adapter, made once and never changed."""
    workspace = Workspace(tmp_path_factory.mktemp("sample"))
    folder, base = workspace.folder("nell"), tiny_base(workspace)
    ingest(folder, [demo.CORPUS], [AUTHOR])
    prepare(folder)
    train(folder, base, overrides={"epochs": "1", "learning_rate": "1e-2"})
    return folder, base


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Less of what takes the tiny model long, which reads letters for words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "FITTED_ELSEWHERE", 8)
        patch.setattr(contest, "DEV_PROMPTS", 12)
        patch.setattr(baseline, "MAX_CHARACTERS", 800)
        patch.setattr(fitting, "Measurer", partial(fitting.Measurer, window_tokens=200))
        yield


@pytest.fixture
def base(line: tuple[PersonaFolder, BaseModel]) -> BaseModel:
    return line[1]


@pytest.fixture
def folder(workspace: Workspace, line: tuple[PersonaFolder, BaseModel]) -> PersonaFolder:
    # Without the answers another test was given, which would be known again.
    shutil.copytree(line[0].root, workspace.folder("nell").root, ignore=shutil.ignore_patterns("answers.jsonl"))
    return workspace.folder("nell")


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    with fake_endpoint() as fake:
        yield fake


def answering(endpoint: FakeEndpoint, base: BaseModel, clone: Voice, prompted: Voice) -> None:
    """The endpoint's clone and its base model speak in these voices."""
    endpoint.models = [base.name, "nell", "nell@memory", "nell@prompted"]
    endpoint.voice = lambda body: (clone if body["model"].startswith("nell") else prompted)(body)


def store_beside(folder: PersonaFolder) -> Store:
    return Store(f"sqlite:///{folder.root.parent.parent / 'store.sqlite3'}")


def evaluate(
    folder: PersonaFolder, base: BaseModel, endpoint: FakeEndpoint, told: list[Event] | None = None, **options: Any
) -> dict[str, Any]:
    with store_beside(folder) as store:
        tools = Tools(base, lambda: endpoint, near_its_prompt(folder), store)
        listener = told.append if told is not None else lambda event: None
        return evaluation.evaluate(folder, tools, Options(**{"samples": 1, **options}), report=listener)


@dataclass
class Held:
    """An evaluation in which the clone says what its author really said, and everybody else talks like an assistant."""

    folder: PersonaFolder
    base: BaseModel
    endpoint: FakeEndpoint
    card: dict[str, Any]
    told: list[Event]


@pytest.fixture(scope="module")
def held(line: tuple[PersonaFolder, BaseModel]) -> Iterator[Held]:
    folder, base = line
    told: list[Event] = []
    with fake_endpoint() as endpoint:
        answering(endpoint, base, oracle(folder), assistant)
        yield Held(folder, base, endpoint, evaluate(folder, base, endpoint, told, prompts=60), told)


def test_a_clone_that_writes_like_its_author_is_worth_it(held: Held) -> None:
    card = held.card
    assert card == read_json(held.folder.scorecard)
    assert card["gate"]["passed"], card["gate"]
    clone, prompted = (next(row for row in card["candidates"] if row["role"] == role) for role in ("clone", "prompted"))
    assert 0.7 < clone["voice"]["s"]["value"] < 1.3  # the author against themselves
    assert clone["habits"]["value"] == pytest.approx(1, abs=0.3)
    assert clone["failed"] == []
    assert {row["relevance_replies"] for row in card["candidates"]} == {answering_somebody(held.folder, 60)}
    assert prompted["voice"]["s"]["value"] < 0.5
    assert card["contrasts"]["voice"]["low"] > 0.1
    assert card["verdict"]["code"] == "worth_it", card["verdict"]
    thousand = card["cost"]["thousand_replies"]
    assert thousand["prompted"]["prompt_tokens"] > 0
    assert all(thousand[side]["seconds"] > 0 for side in ("clone", "prompted"))
    assert len(card["examples"]) == 8
    assert any("clone" in event.text for event in held.told)


def answering_somebody(folder: PersonaFolder, prompts: int) -> int:
    """Test pairs whose message asks for something, of those that are measured."""
    material, _ = evaluation.held_out(folder, prompts)
    return sum(pair.asked_by != "template" for pair in material.test)


def test_everything_is_kept_for_reading_and_voting(held: Held) -> None:
    kept = KeptReplies.read(held.folder)
    prompted = next(row["id"] for row in held.card["candidates"] if row["role"] == "prompted")
    assert (kept.prompted, kept.samples) == (prompted, 1)
    assert len(kept.prompts) == held.card["sizes"]["test_replies"]
    assert held.card["verdict"]["headline"].split(":")[0] in held.folder.scorecard_page.read_text()
    assert evaluation.is_fresh(held.folder)


def test_nothing_but_the_clone_ever_asks_the_adapter(held: Held) -> None:
    assert {body["model"] for body in held.endpoint.requests} == {held.base.name, "nell", "nell@memory"}
    for body in held.endpoint.requests:
        if body["model"] != held.base.name:
            assert "system" not in [turn["role"] for turn in body["messages"]]  # the gateway gives the clone its own
    assert len({(body["temperature"], body["min_p"], body["max_tokens"]) for body in held.endpoint.requests}) == 1


def test_judge_and_test_never_reach_a_prompt(held: Held) -> None:
    """By content: no run of eight words of a held-out reply stands in anything a model was shown above the turns."""
    folder = held.folder
    seen = {run for pair in read_pairs(folder.split("train")) for turn in pair.turns for run in eights(turn["content"])}
    out = {run for name in ("judge", "test") for pair in read_pairs(folder.split(name)) for run in eights(pair.reply)}
    contexts = [
        [dict(turn) for turn in pair.context] for name in ("dev", "test") for pair in read_pairs(folder.split(name))
    ]
    shown = {
        run
        for body in held.endpoint.requests
        for turn in above_the_turns(body["messages"], contexts)
        for run in eights(turn["content"])
    }
    assert shown & seen, "no exemplar was shown"
    assert not (out - seen) & shown


def test_a_second_evaluation_asks_nothing_again_and_says_the_same(held: Held) -> None:
    def nowhere() -> FakeEndpoint:
        raise AssertionError("no engine has to be started for answers that are there")

    asked_before = len(held.endpoint.requests)
    with store_beside(held.folder) as store:
        tools = Tools(held.base, nowhere, near_its_prompt(held.folder), store)
        first, second = held.card, evaluation.evaluate(held.folder, tools, Options(prompts=60, samples=1))
    assert len(held.endpoint.requests) == asked_before
    for card in (first, second):
        assert card.pop("made")
        assert card["cost"].pop("evaluate_seconds")
    assert first == second


def test_votes_that_come_later_are_counted_and_judged(held: Held) -> None:
    with store_beside(held.folder) as store:
        ballot = blind.open_ballot(store, held.folder, "stranger", "", 40)
        kept = KeptReplies.read(held.folder)
        real = {prompt.real for prompt in kept.prompts}
        while (shown := blind.show(store, held.folder, ballot.id)) is not None:
            # The clone says what was really said, so whoever knows that picks it.
            store.votes.cast(ballot.id, shown.number - 1, "left" if shown.left in real else "right", 1.0)
        before = read_json(held.folder.scorecard)
        recount(store, held.folder)
        after = read_json(held.folder.scorecard)
    assert (before["votes"], after["votes"]["stranger"]["votes"]) == ({}, 40)
    assert (before["verdict"]["provisional"], after["verdict"]["provisional"]) == (True, False)
    assert "blind pairs" in after["verdict"]["headline"]
    assert "blind pairs" in held.folder.scorecard_page.read_text()
    write_json(held.folder.scorecard, before)


def test_a_clone_that_writes_like_an_assistant_is_not(
    folder: PersonaFolder, base: BaseModel, endpoint: FakeEndpoint
) -> None:
    def voice(body: dict[str, Any]) -> str:
        guided = "How Nell Quayle writes" in body["messages"][0]["content"]
        return oracle(folder)(body) if guided else ASSISTANT

    baseline.save(folder, Prompt("another"))
    answering(endpoint, base, assistant, voice)
    card = evaluate(folder, base, endpoint, prompts=30)
    assert card["contrasts"]["voice"]["value"] < -0.3
    assert card["verdict"]["code"] in ("rejected", "prompt_is_enough")
    chosen = next(row for row in card["candidates"] if row["role"] == "prompted")
    assert (chosen["id"], chosen["setting"]) == ("system", "style guide of computed habits")  # the first of the best
    assert "How Nell Quayle writes" in baseline.load(folder).system  # the best prompt is the one that is served


def test_too_few_people_to_compare_with_cannot_be_measured(
    folder: PersonaFolder, base: BaseModel, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation.impostors, "find", lambda *_, **__: [])
    answering(endpoint, base, oracle(folder), assistant)
    told: list[Event] = []
    card = evaluate(folder, base, endpoint, told, prompts=20)
    warned = [event.text for event in told if event.text.startswith(WARNING)]
    assert [text.partition(":")[2].partition(":")[0].strip() for text in warned] == [
        "voice cannot be measured",
        "20 held-out replies",
    ]
    assert card["verdict"]["code"] == "cannot_measure"
    assert "other writers" in card["verdict"]["headline"]
    assert all(row["voice"] is None for row in card["candidates"])
    assert "Cannot measure" in folder.scorecard_page.read_text()
    # Prompts are then tuned to what they are compared by, which takes nobody's replies.
    asked = [body for body in endpoint.requests if body["model"] == base.name]
    assert len(asked) <= 1 + 4 * 20, "a description, and the plain model and three prompts on test"
    tried = {(row["id"], row["setting"]): row["score"] for row in card["dev"]}
    assert len(set(tried.values())) > 3
    for row in card["candidates"]:
        if row["id"] in PROMPTED:
            best = max(score for (name, _), score in tried.items() if name == row["id"])
            assert tried[row["id"], row["setting"]] == best < 0, "bits per byte, the fewer the better"
    prompted = next(row for row in card["candidates"] if row["role"] == "prompted")
    assert tried[prompted["id"], prompted["setting"]] == max(tried.values())


def test_of_few_conversations_nothing_is_called_sure(
    folder: PersonaFolder, base: BaseModel, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn anew they are the same ones, so that every interval would be narrow, however few the replies."""
    choose = evaluation.spread

    def of_two_conversations(pairs: Sequence[Pair], count: int) -> list[Pair]:
        names = list(dict.fromkeys(pair.conversation for pair in pairs))[:2]
        return choose([pair for pair in pairs if pair.conversation in names], count)

    monkeypatch.setattr(evaluation, "spread", of_two_conversations)
    answering(endpoint, base, oracle(folder), assistant)
    told: list[Event] = []
    card = evaluate(folder, base, endpoint, told, prompts=8)
    few = "the test replies are of 2 conversations; 5 are needed"
    assert card["sizes"]["test_conversations"] == 2
    assert few in card["gate"]["failed"]
    assert (card["verdict"]["code"], card["contrasts"]) == ("cannot_measure", {})
    assert all(row["relevance"] is None and "relevance" not in row["failed"] for row in card["candidates"])
    assert few in folder.scorecard_page.read_text()
    assert "conversations" in card["verdict"]["next"]


def eights(text: str) -> Iterator[tuple[str, ...]]:
    return runs(words(text), 8)


def above_the_turns(messages: list[dict[str, str]], contexts: list[list[dict[str, str]]]) -> list[dict[str, str]]:
    """What stands above the pair's own context."""
    ends = (len(context) for context in contexts if messages[-len(context) :] == context)
    return messages[: -max(ends, default=0) or None]


def test_a_bigger_model_takes_part_and_is_told_apart(
    folder: PersonaFolder, base: BaseModel, endpoint: FakeEndpoint
) -> None:
    answering(endpoint, base, oracle(folder), assistant)
    with fake_endpoint() as other, Store(f"sqlite:///{folder.root / 'store.sqlite3'}") as store:
        other.models, other.voice = ["big"], assistant
        rival = Rival.find(other.url, None, other.key)
        tools = Tools(base, lambda: endpoint, near_its_prompt(folder), store, rival, elsewhere="gpu.example.com")
        card = evaluation.evaluate(folder, tools, Options(30, 1))
    assert {body["model"] for body in other.requests} == {"big"}
    assert "big" not in {body["model"] for body in endpoint.requests}
    assert not any("min_p" in body or "temperature" in body for body in other.requests), "its server's own defaults"
    row = next(row for row in card["candidates"] if row["id"] == "rival")
    assert (row["name"], row["role"], row["fit"]["bits_per_byte"]) == ("big, prompted", None, None)
    tried = {each["setting"] for each in card["dev"] if each["id"] == "rival"}
    assert len(tried) == 3
    assert row["setting"] in tried
    assert card["rival"]["model"] == "big"
    assert card["sent_to"] == "gpu.example.com"
    assert card["rival"]["voice"]["low"] > 0
    assert any("Against big, prompted" in reason for reason in card["verdict"]["reasons"])
    assert "big, prompted" in folder.scorecard_page.read_text()
    kept = KeptReplies.read(folder)
    assert all("rival" in prompt.replies for prompt in kept.prompts)
