"""Two adapters side by side: the sample persona's own, and a copy that has forgotten everything; a fake endpoint answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

from style_clone import demo, embedding
from style_clone.cli.compare import command
from style_clone.cli.scorecard_print import print_comparison
from style_clone.conversation import Split, read_pairs
from style_clone.errors import MissingStage, PersonaNotFound, UsageError
from style_clone.evaluate import run as evaluation
from style_clone.evaluate.compare import On
from style_clone.evaluate.nearer import nearer
from style_clone.evaluate.sides import Sides
from style_clone.exporting.weights import export_weights
from style_clone.ingest.run import ingest
from style_clone.models import BaseModel, found
from style_clone.preparation import prepare
from style_clone.progress import Report
from style_clone.serving import endpoint
from style_clone.serving.catalogue import Base, Catalogue
from style_clone.settings import Settings
from style_clone.train import artifact
from style_clone.train.run import train
from style_clone.workspace import PersonaFolder, Workspace, file_hash, read_json, write_json
from tests.fake_endpoint import FakeEndpoint, fake_endpoint
from tests.tiny_base import tiny_base
from tests.voices import Voice, assistant, near_its_prompt, oracle

pytestmark = pytest.mark.usefixtures("one_thread")

OWN = ("scorecard.json", "scorecard.html", "replies.jsonl", "baseline.json")


@dataclass
class Line:
    """The sample persona with a tiny adapter, made once; comparing changes nothing of it but what is kept to go on."""

    workspace: Workspace
    folder: PersonaFolder
    base: BaseModel

    @property
    def own(self) -> dict[str, str]:
        return {name: (self.folder.root / name).read_text() for name in OWN}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Line:
    workspace = Workspace(tmp_path_factory.mktemp("sample"))
    folder, base = workspace.folder("nell"), tiny_base(workspace)
    ingest(folder, [demo.CORPUS], ["Nell Quayle"])
    prepare(folder)
    train(folder, base, overrides={"epochs": "1", "learning_rate": "1e-2"})
    for name in OWN[:3]:
        write_json(folder.root / name, {"adapter_sha256": "of an earlier one", "test_sha256": ""})
    return Line(workspace, folder, base)


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "FITTED_ELSEWHERE", 8)
        yield


def faded(folder: PersonaFolder, out: Path, strength: float = 0.0, **changes: Any) -> Path:
    """A copy of the persona's adapter with less of it, as another recipe would have made it."""
    shutil.copytree(folder.adapter, out)
    weights = load_file(out / artifact.WEIGHTS)
    save_file({name: tensor * strength for name, tensor in weights.items()}, out / artifact.WEIGHTS)
    run = read_json(out / "run.json")
    recipe = {**run["recipe"], "learning_rate": 1e-2 * strength}
    digest = file_hash(out / artifact.WEIGHTS)
    write_json(out / "run.json", {**run, "recipe": recipe, "adapter_sha256": digest, **changes})
    return out


@dataclass
class Stand:
    """The command with a fake endpoint in the place of vLLM, which notes the home folder it was to serve."""

    line: Line
    fake: FakeEndpoint
    voices: Mapping[str, Voice] = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    homes: list[Settings] = field(default_factory=list)

    @contextmanager
    def start(self, settings: Settings, *, base: str, report: Report) -> Iterator[FakeEndpoint]:
        model = found(base, settings.workspace)
        assert model == self.line.base
        self.served = self.fake.models = Catalogue(settings.workspace, Base(model.name, model.sha256)).ids()
        self.fake.voice = lambda body: self.voices.get(body["model"], assistant)(body)
        self.homes.append(settings)
        yield self.fake

    def __call__(self, *arguments: str | Path) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STYLE_CLONE_HOME", str(self.line.workspace.home))
            patch.setenv("STYLE_CLONE_URL", "http://127.0.0.1:9/an-endpoint-that-knows-neither")
            patch.setattr(endpoint, "start", self.start)
            patch.setattr(embedding, "load_embedder", lambda *_: near_its_prompt(self.line.folder))
            return CliRunner().invoke(command, [str(each) for each in arguments])

    def row(self, *arguments: str | Path) -> dict[str, Any]:
        done = self(*arguments, "--samples", "1", "--json")
        assert done.exit_code == 0, (done.output, done.exception)
        answer = json.loads(done.stdout)
        assert isinstance(answer, dict)
        return answer


def slug_of(place: Path) -> str:
    return f"adapter-{file_hash(place / artifact.WEIGHTS)[:12]}"


@pytest.fixture(scope="module")
def stand(line: Line) -> Iterator[Stand]:
    with fake_endpoint() as fake:
        yield Stand(line, fake)


@dataclass
class Held:
    """A comparison in which B, the persona's own, says what its author really said, and A talks like an assistant."""

    row: dict[str, Any]
    asked: list[dict[str, Any]]
    served: list[str]
    home: Settings
    before: dict[str, str]


@pytest.fixture(scope="module")
def held(line: Line, stand: Stand, tmp_path_factory: pytest.TempPathFactory) -> Held:
    other = faded(line.folder, tmp_path_factory.mktemp("other") / "before")
    stand.voices = {slug_of(line.folder.adapter): oracle(line.folder)}
    before = line.own
    row = stand.row(other, "nell", "--on", "test", "--prompts", "60")
    return Held(row, list(stand.fake.requests), list(stand.served), stand.homes[-1], before)


def side(row: dict[str, Any], role: str) -> dict[str, Any]:
    return next(each for each in row["candidates"] if each["role"] == role)


def test_the_adapter_that_writes_like_the_author_is_nearer(held: Held) -> None:
    row = held.row
    assert row["gate"]["passed"], row["gate"]
    assert row["verdict"]["code"] == "b_nearer", row["verdict"]
    voice = row["contrasts"]["voice"]
    said = f"({voice['value']:+.2f}, 95% {voice['low']:+.2f} to {voice['high']:+.2f})"
    assert row["verdict"]["headline"] == f"B is nearer to Nell Quayle than A on voice {said}."
    assert voice["low"] > 0.1
    assert 0.7 < side(row, "b")["voice"]["s"]["value"] < 1.3
    assert side(row, "b")["failed"] == []


def test_each_is_measured_with_its_own_weights(held: Held) -> None:
    plain, one, other = (each["fit"]["bits_per_byte"]["value"] for each in held.row["candidates"])
    assert [each["id"] for each in held.row["candidates"]] == ["plain", "a", "b"]
    assert one == pytest.approx(plain, abs=1e-3)  # the one that has forgotten everything
    assert other < plain - 0.1
    assert held.row["contrasts"]["fit"]["value"] == pytest.approx(other - one)
    assert side(held.row, "a")["fit"]["specificity"]["value"] == pytest.approx(0, abs=1e-3)


def test_the_result_says_what_was_compared_and_how_the_recipes_differ(held: Held, line: Line) -> None:
    row = held.row
    assert (row["kind"], row["persona"], row["base"], row["on"]) == ("comparison", "nell", line.base.name, "test")
    assert row["recipes"] == {"learning_rate": {"a": 0.0, "b": 0.01}}
    assert row["b"]["adapter_sha256"] == artifact.load_run(line.folder)["adapter_sha256"] != row["a"]["adapter_sha256"]
    assert row["sizes"]["samples"] == 1
    assert len(row["examples"]) == 8
    assert set(row["examples"][0]["replies"]) == {"a", "b", "plain"}


def test_both_are_served_from_a_home_that_is_gone_afterwards(held: Held, line: Line) -> None:
    slugs = [f"adapter-{held.row[name]['adapter_sha256'][:12]}" for name in ("a", "b")]
    assert held.served == [*sorted(slugs), line.base.name]
    assert {body["model"] for body in held.asked} == set(held.served)
    assert held.home.home.parent == line.folder.root
    assert held.home.endpoint_url is None
    assert str(held.home.home) in held.home.database_url
    assert not held.home.home.exists()
    assert line.base.path.exists()
    assert [folder.slug for folder in line.workspace.personas()] == ["nell"]


def test_the_persona_s_own_scorecard_stays(held: Held, line: Line) -> None:
    assert line.own == held.before


def test_the_terminal_shows_both_between_other_people_and_the_author(
    held: Held, capsys: pytest.CaptureFixture[str]
) -> None:
    print_comparison(held.row)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "B IS NEARER (EXPLORATORY)" in lines
    first, second = (next(each for each in lines if each.startswith(name)) for name in ("A: before ", "B: nell "))
    assert first.index("●") < second.index("◆")
    assert any(each.split() == ["learning_rate", "0.0", "0.01"] for each in lines)
    assert any(each.split()[:3] == ["A", "B", "author"] for each in lines)


def test_two_that_write_alike_cannot_be_told_apart(held: Held, line: Line, stand: Stand, tmp_path: Path) -> None:
    other = faded(line.folder, tmp_path / "other", 0.5)
    stand.voices = {slug_of(each): oracle(line.folder) for each in (line.folder.adapter, other)}
    asked_before = len(stand.fake.requests)
    row = stand.row("nell", other, "--on", "test", "--prompts", "60")
    assert row["contrasts"]["voice"]["value"] == 0
    assert row["verdict"]["code"] == "same"
    assert "cannot be told apart on voice (+0.00" in row["verdict"]["headline"]
    # What the other two had answered is known again, on whichever side.
    assert {body["model"] for body in stand.fake.requests[asked_before:]} == {slug_of(other)}


def test_without_others_to_compare_with_only_the_fit_is_told_and_dev_is_what_is_asked(
    line: Line, stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation.impostors, "find", lambda *_, **__: [])
    stand.voices, asked_before = {}, len(stand.fake.requests)
    row = stand.row("nell", faded(line.folder, tmp_path / "other", 0.25), "--prompts", "10")
    assert row["on"] == "dev"
    assert row["verdict"]["code"] == "cannot_measure"
    assert row["verdict"]["headline"].startswith("Cannot measure: there are no other writers")
    assert row["verdict"]["reasons"][0].startswith("Held-out fit")
    assert side(row, "a")["voice"] is None
    last = [body["messages"][-1]["content"] for body in stand.fake.requests[asked_before:]]
    assert set(last) <= {pair.context[-1]["content"] for pair in read_pairs(line.folder.split("dev"))}
    assert last


def other_pairs(folder: PersonaFolder, out: Path) -> None:
    faded(folder, out, pairs_sha256="0" * 64)


def other_base(folder: PersonaFolder, out: Path) -> None:
    faded(folder, out, base={"name": "larger", "revision": "1", "sha256": "0" * 64})


def earlier_export(folder: PersonaFolder, out: Path) -> None:
    run = read_json(faded(folder, out) / "run.json")
    write_json(out / "run.json", {key: value for key, value in run.items() if key != "pairs_sha256"})


def other_weights(folder: PersonaFolder, out: Path) -> None:
    faded(folder, out, adapter_sha256="0" * 64)


def no_weights(folder: PersonaFolder, out: Path) -> None:
    (faded(folder, out) / artifact.WEIGHTS).unlink()


@pytest.mark.parametrize(
    ("make", "problem", "mend"),
    [
        (other_pairs, "trained on different pairs, and only a persona", "style-clone export nell --adapter --out DIR"),
        (other_base, "different base models: .*nell to tiny, .* to larger", "style-clone train nell --base BASE"),
        (earlier_export, "does not say its pairs_sha256", "Export the adapter again"),
        (other_weights, "other weights than its run.json", "from the same training"),
        (no_weights, "adapter_model.safetensors is missing", "style-clone export PERSONA --adapter"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_starts(
    line: Line,
    stand: Stand,
    tmp_path: Path,
    make: Callable[[PersonaFolder, Path], None],
    problem: str,
    mend: str,
) -> None:
    make(line.folder, tmp_path / "other")
    homes = len(stand.homes)
    refused = stand("nell", tmp_path / "other").exception
    assert isinstance(refused, UsageError)
    with pytest.raises(UsageError, match=problem):
        raise refused
    assert mend in refused.mend
    assert len(stand.homes) == homes


def test_one_must_be_a_persona(line: Line, stand: Stand, tmp_path: Path) -> None:
    folders = [faded(line.folder, tmp_path / name, 0.5) for name in ("one", "two")]
    refused = stand(*folders).exception
    assert isinstance(refused, UsageError)
    assert "is a persona, which gives pairs" in refused.problem
    assert "style-clone compare PERSONA" in refused.mend
    assert isinstance(stand("nell", "nobody").exception, PersonaNotFound)
    assert isinstance(stand("nell", tmp_path / "nothing").exception, UsageError)


def test_an_export_can_be_compared_and_the_same_weights_are_not(line: Line, tmp_path: Path) -> None:
    made = export_weights(line.folder, line.workspace, "adapter", tmp_path / "kept")
    with pytest.raises(UsageError, match="are the same adapter"):
        Sides.find(line.workspace, str(made.folder), "nell")
    retrained = faded(line.folder, tmp_path / "retrained", 0.5)
    found = Sides.find(line.workspace, "nell", str(retrained))
    assert found.changes == {"learning_rate": {"a": 0.01, "b": 0.005}}


def test_one_adapter_can_be_compared_with_itself_drawn_in_another_way(line: Line, stand: Stand) -> None:
    stand.voices, asked_before = {slug_of(line.folder.adapter): oracle(line.folder)}, len(stand.fake.requests)
    row = stand.row("nell", "nell", "--sampling-b", "temperature=0.25", "--on", "test", "--prompts", "60")
    assert row["recipes"] == {"temperature": {"a": 0.7, "b": 0.25}}
    assert row["contrasts"]["fit"]["value"] == 0
    assert row["verdict"]["code"] == "same"
    asked = [body for body in stand.fake.requests[asked_before:] if body["model"] == slug_of(line.folder.adapter)]
    # What A answers was known from before, at the persona's own temperature.
    assert {body["temperature"] for body in asked} == {0.25}
    assert stand.served == [slug_of(line.folder.adapter), line.base.name]


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("temperature", "--sampling-b temperature: expected KEY=VALUE"),
        ("temperature=3", "expected a number from 0 to 2"),
        ("max_tokens=20", "max_tokens is none of the settings"),
        ("temperature=0.7", "the same adapter, weight for weight, and their replies are drawn alike"),
    ],
)
def test_sampling_that_cannot_be_compared_is_refused(stand: Stand, option: str, problem: str) -> None:
    refused = stand("nell", "nell", "--sampling-b", option).exception
    assert isinstance(refused, UsageError)
    assert problem in refused.problem


def test_two_personas_of_the_same_pairs_can_be_compared(line: Line, workspace: Workspace) -> None:
    shutil.copytree(line.folder.root, workspace.folder("nell").root)
    twin = workspace.folder("twin")
    shutil.copytree(line.folder.root, twin.root, ignore=shutil.ignore_patterns("adapter"))
    faded(line.folder, twin.adapter, 0.5)
    found = Sides.find(workspace, "twin", "nell")
    assert found.folder == twin
    assert found.adapters["a"].path == twin.adapter
    assert found.adapters["a"].persona.slug == slug_of(twin.adapter)


@pytest.fixture
def chats(line: Line) -> Iterator[PersonaFolder]:
    """The sample persona's twin with the chats alone and an adapter that says it was trained on those."""
    folder = line.workspace.folder("chats")
    ingest(folder, [demo.CORPUS / "whatsapp"], ["Nell Quayle"])
    prepare(folder)
    faded(line.folder, folder.adapter, 0.5, pairs_sha256=artifact.pairs_hash(folder))
    yield folder
    shutil.rmtree(folder.root)


@pytest.mark.parametrize("on", ["dev", "test"])
def test_personas_of_different_pairs_are_asked_what_is_new_to_both(
    line: Line, stand: Stand, chats: PersonaFolder, on: On
) -> None:
    stand.voices, asked_before = {}, len(stand.fake.requests)
    row = stand.row("nell", "chats", "--on", on)
    pairs = {name: len(read_pairs(folder.split("train"))) for name, folder in (("a", line.folder), ("b", chats))}
    assert row["recipes"]["train_pairs"] == pairs
    assert pairs["a"] != pairs["b"]

    parts: tuple[Split, ...] = ("train", "dev") if on == "test" else ("train",)
    met = {pair.conversation for part in parts for pair in read_pairs(chats.split(part))}
    held = read_pairs(line.folder.split(on))
    new = {pair.context[-1]["content"] for pair in held if pair.conversation not in met}
    asked = {body["messages"][-1]["content"] for body in stand.fake.requests[asked_before:]}
    assert asked <= new
    assert row["sizes"]["dropped_test_replies"] == sum(pair.conversation in met for pair in held)
    judge = read_pairs(line.folder.split("judge"))
    assert row["sizes"]["judge_replies"] == sum(pair.conversation not in met for pair in judge)


def test_a_persona_whose_pairs_are_newer_than_its_adapter_is_not_compared(stand: Stand, chats: PersonaFolder) -> None:
    train_part = chats.split("train")
    train_part.write_text("".join(train_part.read_text().splitlines(keepends=True)[1:]))
    refused = stand("nell", "chats").exception
    assert isinstance(refused, MissingStage)
    assert "chats's adapter was trained on other pairs" in refused.problem


def trained_too(chats: PersonaFolder, pairs: Path) -> None:
    """Have the twin trained on these pairs as well."""
    train_part, run = chats.split("train"), chats.adapter / "run.json"
    train_part.write_text(train_part.read_text() + pairs.read_text())
    write_json(run, {**read_json(run), "pairs_sha256": artifact.pairs_hash(chats)})


def test_no_judge_is_left_where_one_was_trained_on_all_it_learns_from(
    line: Line, stand: Stand, chats: PersonaFolder
) -> None:
    trained_too(chats, line.folder.split("judge"))
    row = stand.row("nell", "chats", "--prompts", "10")
    assert row["verdict"]["headline"] == "Cannot measure: there are no judge replies of the author."
    assert row["contrasts"]["fit"]["value"]


def test_nothing_is_left_to_measure_on_where_one_was_trained_on_all_of_it(
    line: Line, stand: Stand, chats: PersonaFolder
) -> None:
    trained_too(chats, line.folder.split("dev"))
    refused = stand("nell", "chats").exception
    assert isinstance(refused, MissingStage)
    assert "nell's dev replies stand nearly so in judge or in what was trained on" in refused.problem


def numbers(
    voice: tuple[float, float, float], habits: float = 0.0, fit: float = 0.0, **faults: dict[str, str]
) -> dict[str, Any]:
    """A comparison of which only what the sentence is made from is there; 0 stands for what is not significant."""

    def contrast(value: float, low: float, high: float) -> dict[str, float]:
        return {"value": value, "low": low, "high": high, "p_holm": 0.001 if low * high > 0 else 0.5}

    return {
        "author": "Nell",
        "gate": {"passed": True, "failed": []},
        "candidates": [{"role": role, "faults": faults.get(role, {})} for role in ("a", "b")],
        "contrasts": {
            "voice": contrast(*voice),
            "habits": contrast(habits, habits - 0.05, habits + 0.05),
            "fit": contrast(fit, fit - 0.05, fit + 0.05),
        },
    }


@pytest.mark.parametrize(
    ("given", "code", "headline"),
    [
        (
            numbers((0.12, 0.03, 0.21), habits=0.2, fit=-0.2),
            "b_nearer",
            "B is nearer to Nell than A on voice (+0.12, 95% +0.03 to +0.21).",
        ),
        (
            numbers((-0.12, -0.21, -0.03)),
            "a_nearer",
            "A is nearer to Nell than B on voice (+0.12, 95% +0.03 to +0.21).",
        ),
        (numbers((0.02, -0.05, 0.09)), "same", "A and B cannot be told apart on voice (+0.02, 95% -0.05 to +0.09)."),
        (
            numbers((0.12, 0.03, 0.21), fit=0.2),
            "mixed",
            "B is nearer to Nell than A on voice (+0.12, 95% +0.03 to +0.21), but held-out fit speaks for A.",
        ),
        (
            numbers((-0.12, -0.21, -0.03), habits=0.2, a={"copying": "9% copy"}),
            "mixed",
            "A is nearer to Nell than B on voice (+0.12, 95% +0.03 to +0.21), but habits speak for B and it alone fails a "
            "guardrail, copying.",
        ),
        (
            numbers((0.12, 0.03, 0.21), a={"shape": "long"}, b={"shape": "longer"}),
            "b_nearer",
            "B is nearer to Nell than A on voice (+0.12, 95% +0.03 to +0.21).",
        ),
    ],
)
def test_the_sentence_follows_from_the_numbers(given: dict[str, Any], code: str, headline: str) -> None:
    said = nearer(given)
    assert (said["code"], said["headline"]) == (code, headline)
    failures = [f"{each['role'].upper()} fails" for each in given["candidates"] if each["faults"]]
    assert [reason[:7] for reason in said["reasons"] if " fails " in reason] == failures


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.2, -0.06, ["Replies of A fit their prompts more often (B minus A: -13%, 95% -20% to -6%)."]),
        (-0.2, 0.01, []),
    ],
)
def test_relevance_that_is_lost_is_told_and_decides_nothing(low: float, high: float, said: list[str]) -> None:
    given = numbers((0.12, 0.03, 0.21))
    given["contrasts"]["relevance"] = {"value": -0.13, "low": low, "high": high, "p": None, "p_holm": None}
    found = nearer(given)
    assert found["code"] == "b_nearer"
    assert [reason for reason in found["reasons"] if "fit their prompts" in reason] == said


def test_of_few_conversations_neither_is_called_nearer() -> None:
    few = "the test replies are of 1 conversation; 5 are needed"
    given = numbers((0.12, 0.12, 0.12), a={"copying": "9% copy"})
    found = nearer({**given, "gate": {"passed": False, "failed": [few]}, "contrasts": {}})
    assert found["code"] == "cannot_measure"
    assert found["headline"] == f"Cannot measure: {few}."
    assert found["reasons"] == ["Held-out fit could not be measured.", "A fails copying: 9% copy."]


def test_habits_that_could_not_be_measured_say_nothing_for_either() -> None:
    given = numbers((0.12, 0.03, 0.21))
    del given["contrasts"]["habits"]
    said = nearer(given)
    assert said["code"] == "b_nearer"
    assert "Habits could not be measured." in said["reasons"]
