"""`style-clone pairs`: what it prints, for people and for machines, and when it makes pairs anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from style_clone.cli.pairs import FORMATS, command
from style_clone.errors import PersonaNotFound, UsageError
from style_clone.exporting import run as exporting
from style_clone.pairs.options import Options
from style_clone.pairs.run import load_summary
from style_clone.workspace import PersonaFolder, Workspace
from tests.pairs_chats import many_chats, message, persona


@pytest.fixture
def run() -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(command, [*arguments], catch_exceptions=False)


@pytest.fixture
def nell(workspace: Workspace) -> PersonaFolder:
    return persona(workspace, [*many_chats(20), message("Nell", "(photo)", kind="media")])


def test_the_command_tells_what_went_in_and_out(nell: PersonaFolder, run: Callable[..., Result]) -> None:
    result = run("nell")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "121 messages, 61 of them by Nell"
    assert any(line.split()[:1] == ["train"] and "2024-03-01 to" in line for line in lines)
    assert "10 pairs of train, picked by chance (> others, < Nell)" in lines
    assert sum("< no idea" in line for line in lines) >= 10
    assert "What carries loss, between [[ and ]]" in lines
    assert lines[-1] == "Next: style-clone train nell"
    assert "media placeholder" in result.stdout
    assert nell.baseline.exists()
    assert (nell.memory / "manifest.json").exists()
    assert run("nell").stdout == result.stdout


def test_the_command_for_machines_loads_no_model_library(
    nell: PersonaFolder, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "style_clone.cli.maskview", None)
    found = json.loads(run("nell", "--json").stdout)
    assert found["pairs"] == sum(part["pairs"] for part in found["splits"].values())
    assert (found["exemplars"], found["made_anew"]) == (6, True)


def test_no_examples_and_no_mask_view(nell: PersonaFolder, run: Callable[..., Result]) -> None:
    text = run("nell", "--examples", "0").stdout
    assert "picked by chance" not in text
    assert "carries loss" not in text


def test_options_reach_the_pairs(nell: PersonaFolder, run: Callable[..., Result]) -> None:
    run("nell", "--gap", "90", "--keep", "all", "--seed", "3", "--examples", "0")
    summary = load_summary(nell)
    assert Options(**summary.options) == Options(seed=3, gap_seconds=5400.0, keep=None, language=None)
    assert (summary.gap_seconds, summary.gap_learned) == (5400.0, False)


@pytest.mark.parametrize(
    "wrong",
    [("--keep", "0"), ("--keep", "some"), ("--gap", "0"), ("--gap", "x"), ("--export", "csv"), ("--examples", "-1")],
)
def test_wrong_values_are_misuse(nell: PersonaFolder, wrong: tuple[str, str]) -> None:
    result = CliRunner().invoke(command, ["nell", *wrong])
    assert result.exit_code == 2
    assert wrong[0] in result.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [(("--out", "x"), "--out"), (("--gap", "nan"), "--gap nan"), (("--gap", "inf"), "--gap inf")],
)
def test_contradictions_are_misuse(
    nell: PersonaFolder, run: Callable[..., Result], arguments: tuple[str, str], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        run("nell", *arguments)


def test_an_unknown_persona(workspace: Workspace, run: Callable[..., Result]) -> None:
    with pytest.raises(PersonaNotFound):
        run("nobody")


def test_the_formats_named_are_those_there_are() -> None:
    assert tuple(exporting.FORMATS) == FORMATS


def built_at(folder: PersonaFolder) -> int:
    return (folder.pairs / "summary.json").stat().st_mtime_ns


def test_an_export_takes_fresh_pairs_as_they_are(
    nell: PersonaFolder, run: Callable[..., Result], tmp_path: Path
) -> None:
    run("nell", "--keep", "40", "--examples", "0")
    before = built_at(nell)
    result = run("nell", "--export", "openai", "--out", str(tmp_path / "out"))
    assert built_at(nell) == before
    assert "up to date and were taken as they are" in result.stdout
    assert "not exported: judge, test" in result.stdout
    assert (tmp_path / "out" / "train.jsonl").exists()


def test_an_export_of_stale_pairs_makes_them_first_as_they_were_made(
    nell: PersonaFolder, run: Callable[..., Result], tmp_path: Path
) -> None:
    run("nell", "--keep", "40", "--examples", "0")
    with nell.messages.open("a", encoding="utf-8") as file:
        file.write(json.dumps(message("Ann", "one more thing").to_json()) + "\n")
    result = run("nell", "--export", "alpaca", "--out", str(tmp_path / "out"), "--examples", "0")
    assert "taken as they are" not in result.stdout
    assert "Shared out" in result.stdout
    assert load_summary(nell).options["keep"] == 40


def test_an_export_with_an_option_makes_other_pairs(
    nell: PersonaFolder, run: Callable[..., Result], tmp_path: Path
) -> None:
    run("nell", "--examples", "0")
    found = json.loads(run("nell", "--export", "hub", "--out", str(tmp_path / "out"), "--keep", "40", "--json").stdout)
    assert found["made_anew"]
    assert found["pairs"] <= 40
    assert sum(found["export"]["rows"].values()) == found["pairs"]
    assert found["export"]["held_out"] == []


def test_a_bad_place_is_told_before_anything_is_made(
    nell: PersonaFolder, run: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        run("nell", "--export", "hub", "--out", str(tmp_path / "mine"))
    assert not nell.pairs.exists()


def test_an_export_goes_beside_the_user(
    nell: PersonaFolder, run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("nell", "--export", "sharegpt", "--examples", "0")
    assert (tmp_path / "nell-sharegpt" / "dataset_info.json").exists()
