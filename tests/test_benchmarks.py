"""The training benchmarks run to their end on a tiny model, and count what they say they count."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
from torch.utils.flop_counter import FlopCounterMode

from style_clone.conversation import read_lines, read_pairs, write_lines
from style_clone.evaluate.page.top import CODES
from style_clone.models import BaseModel, load_tokenizer
from style_clone.train.data import collate
from style_clone.train.lora import attach_lora
from style_clone.train.loss import reply_nats
from style_clone.train.recipe import Recipe
from style_clone.train.tokens import Tokeniser
from style_clone.workspace import PersonaFolder, write_json
from tests import scorecards, training_fakes

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
RIVALS = ("trl_default", "trl_packed", "trainer")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def corpora_module() -> ModuleType:
    import train_corpora

    return train_corpora


def run(script: str, base: BaseModel, *options: str) -> Any:
    command = [sys.executable, str(BENCHMARKS / script), "--base", str(base.path), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_work_is_what_torch_counts(base: BaseModel, corpora_module: ModuleType) -> None:
    import train_ceiling

    corpus = corpora_module.load(corpora_module.SHORT)
    made = Tokeniser(load_tokenizer(base), corpus.prompt, 512)(corpus.train[:1]).examples
    model = attach_lora(base, Recipe())
    for name, weight in model.named_parameters():
        weight.requires_grad_("lora_" in name)
    with FlopCounterMode(display=False) as counter:
        reply_nats(model, **collate(made, 0)).mean().backward()
    work = train_ceiling.work(model)
    length = len(made[0].ids)
    # The plain form computes attention's whole square, and the first layer's products need no gradient of their input.
    whole_square = work.attention * (2 * length**2 - length * (length + 1))
    first = next(layer for layer in model.get_base_model().model.layers).self_attn
    unneeded = sum(
        2 * length * (projection.weight.numel() + projection.lora_A["default"].weight.numel())
        for projection in (first.q_proj, first.k_proj, first.v_proj)
    )
    assert counter.get_total_flops() == work.total(made) + whole_square - unneeded


def test_a_part_is_of_whole_conversations(base: BaseModel, corpora_module: ModuleType) -> None:
    corpus = corpora_module.load(corpora_module.SAMPLE)
    recipe = Recipe(max_tokens=4096, batch_tokens=4096)
    tokenizer = load_tokenizer(base)
    part = corpora_module.part(tokenizer, corpus, corpus.train, recipe, 5000)
    inside = {pair.conversation for pair in part}
    assert part == [pair for pair in corpus.train if pair.conversation in inside]
    tokens = sum(len(each.ids) for each in corpora_module.examples(tokenizer, corpus, part, recipe, joined=True))
    assert 5000 <= tokens < 5000 + 4096
    apart = corpora_module.examples(tokenizer, corpus, part, recipe, joined=False)
    assert len(apart) == len(part) > len(inside)


def test_short_pairs_have_one_message_and_its_reply(corpora_module: ModuleType) -> None:
    corpus = corpora_module.load(corpora_module.SHORT)
    assert {len(pair.turns) for pair in corpus.train} == {2}
    assert len({pair.conversation for pair in corpus.train}) == len(corpus.train)


@pytest.mark.slow
@pytest.mark.long
def test_speed_of_all_contestants(base: BaseModel) -> None:
    found = run("train.py", base, "--corpus", "short", "--tokens", "2000", "--turns", "2")
    assert list(found) == ["figures", "ratios"]
    assert list(found["ratios"]) == [f"ours/{name}" for name in (*RIVALS, "ceiling")]
    assert all(found["figures"][f"{name}_tokens_per_second"] > 0 for name in ("ours", *RIVALS, "ceiling"))
    assert 0 < found["ratios"]["ours/ceiling"] < 1


@pytest.mark.slow
@pytest.mark.long
def test_quality_memory_and_linear(base: BaseModel) -> None:
    found = run(
        *("train.py", base, "--corpus", "short", "--tokens", "2000", "--set", "learning_rate=1e-9"),
        *("--quality", "--memory", "--linear", "--largest", "20000", "--only", "trl_packed"),
    )
    # At no learning rate nobody learns, so both are measured at the same weights.
    losses = [found["figures"][f"{name}_dev_loss"] for name in ("ours", "trl_packed")]
    assert losses == pytest.approx([losses[0]] * 2, rel=1e-3)
    assert all(found["figures"][f"{name}_peak_memory_mb"] > 100 for name in ("ours", "trl_packed"))
    assert found["ratios"]["linear_cost_ratio"] > 0


@pytest.mark.slow
@pytest.mark.long
def test_a_sweep_goes_on_where_it_stopped(base: BaseModel, tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    options = ("--passes", "1", "--tokens", "3000", "--records", str(records))
    first = run("sweep.py", base, *options, "--only", "dropout")
    assert [row["change"] for row in first] == [{}, {"dropout": "0.05"}]
    again = run("sweep.py", base, *options, "--only", "dropout", "batch_tokens")
    assert again[:2] == first, "they were run anew"
    assert [json.loads(line) for line in records.read_text().splitlines()] == again
    assert len(again) == 3
    assert all(row["best_dev_nats"] == min(point["dev_nats"] for point in row["curve"][1:]) for row in again)


def test_a_sweep_changes_one_setting_at_a_time() -> None:
    import sweep

    made = list(sweep.changes())
    assert made[0] == {}
    assert all(len(change) == 1 for change in made[1:])
    recipes = [Recipe().with_overrides(change) for change in made]
    assert len(set(recipes)) == len(recipes)


@pytest.mark.slow
def test_the_scorecards_statistics_gain_by_counting_once() -> None:
    command = [sys.executable, str(BENCHMARKS / "evaluate.py"), "--json", "--authors", "10", "--replies", "120"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert list(found) == ["figures", "ratios"]
    assert found["figures"]["s_of_the_author"] == pytest.approx(1)
    assert found["figures"]["auc"] > 0.8
    assert 0 < found["ratios"]["ours/recounting"] < 0.1


@pytest.fixture
def authors_module() -> ModuleType:
    import authors

    return authors


@pytest.fixture
def report_module() -> ModuleType:
    import authors_report

    return authors_report


def test_authors_are_named_by_how_much_they_wrote(authors_module: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "authors" / "chat" / "here"
    folder.mkdir(parents=True)
    with (folder / "messages.jsonl").open("w") as file:
        write_lines(file, ({"author": name} for name in "bacab"))
    ranked = [authors_module.Author("x", "chat/here", rank).name(tmp_path) for rank in (1, 2, 3)]
    assert ranked == ["a", "b", "c"]


@pytest.mark.parametrize("card", [scorecards.full(), scorecards.cannot_measure()])
def test_an_authors_row_is_numbers_without_anybodys_name(
    authors_module: ModuleType, report_module: ModuleType, folder: PersonaFolder, card: dict[str, Any]
) -> None:
    write_json(folder.scorecard, card)
    folder.adapter.mkdir()
    write_json(folder.adapter / "run.json", {**training_fakes.RUN, "precision": "float32"})
    row = authors_module.row(folder, "irc-1")
    people = [card["author"].split()[0], *card["sizes"]["impostors_fitted"], *card["sizes"]["impostors_unseen"]]
    told = json.dumps(row)
    assert not [name for name in people if name in told]
    assert row["pairs"]["train"] == len(read_pairs(folder.split("train"))) > 0
    header, _, line = report_module.summary([row])
    assert line.count("|") == header.count("|")
    assert CODES[card["verdict"]["code"]][0] in line
    assert "0.94 (" in line or not card["gate"]["passed"]
    assert "9 + 17 |" in line, "minutes of training and of evaluating"
    found = authors_module.figures([row])
    assert found["ratios"]["irc-1_predicted/actual_seconds"] == pytest.approx(512 / 545)
    assert ("irc-1_s_clone" in found["figures"]) == card["gate"]["passed"]


def test_the_report_knows_every_author(authors_module: ModuleType, report_module: ModuleType) -> None:
    assert {author.key for author in authors_module.AUTHORS} == set(report_module.WRITING)


def test_the_report_is_of_the_rows_that_are_kept(report_module: ModuleType, tmp_path: Path) -> None:
    records = BENCHMARKS / "records"
    report_module.write(list(read_lines(records / "authors.jsonl")), tmp_path)
    for name in ("authors.md", "authors.svg"):
        assert (tmp_path / name).read_text() == (records / name).read_text(), "run benchmarks/authors.py"


def test_the_report_has_a_line_for_everybody_and_draws_what_was_measured(report_module: ModuleType) -> None:
    rows = list(read_lines(BENCHMARKS / "records" / "authors.jsonl"))
    header, _, *lines = report_module.summary(rows)
    assert len(lines) == len(rows) == len({row["author"] for row in rows})
    assert {line.count("|") for line in lines} == {header.count("|")}
    header, _, *lines = report_module.everybody(rows)
    assert len(lines) == sum(len(row["candidates"]) for row in rows)
    assert {line.count("|") for line in lines} == {header.count("|")}
    drawn = ElementTree.fromstring(report_module.drawn(rows))
    marks = [each for each in drawn.iter() if each.get("class") == "mark clone"]
    measured = [row for row in rows if row["gate"]["passed"]]
    assert 0 < len(measured) < len(rows)
    assert len(marks) == 1 + len(measured), "one in the legend"
    words = [each.text for each in drawn.iter() if each.tag.endswith("text")]
    assert words.count("exploratory") == sum(row["exploratory"] for row in rows)
    assert "relevance unsettled" in words, "beside being exploratory"
