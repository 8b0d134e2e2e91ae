"""`style-clone plan` in the terminal: the card, the JSON, and the exit codes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from style_clone.cli import main
from style_clone.cli.plan import count, lasting, show, size
from style_clone.train.plan import Plan
from style_clone.workspace import PersonaFolder, Workspace
from tests.tiny_base import paired, save_tiny_base

pytestmark = pytest.mark.usefixtures("one_thread")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the program in this process: its exit code, and what it printed and complained of."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["style-clone", *arguments])
        capsys.readouterr()  # what making the base model has printed
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return int(ended.value.code or 0), out, err

    return call


@pytest.fixture
def nell(workspace: Workspace) -> PersonaFolder:
    return paired(workspace)


@pytest.fixture
def base(tmp_path: Path) -> str:
    return str(save_tiny_base(tmp_path / "tiny"))


def test_the_json_is_the_plan(run: Run, nell: PersonaFolder, base: str) -> None:
    code, out, err = run("plan", "nell", "--base", base, "--set", "epochs=1", "--json")
    assert (code, err) == (0, "")
    assert set(json.loads(out)) == set(Plan.__dataclass_fields__)
    assert json.loads(out)["recipe"]["epochs"] == 1


def test_the_card_tells_what_a_person_asks(run: Run, nell: PersonaFolder, base: str) -> None:
    code, out, _ = run("plan", "nell", "--base", base)
    assert code == 0
    for told in (
        "pairs to learn from",
        "time",
        "memory",
        "disk",
        "exploratory",
        "epochs",
        "Next: style-clone train nell",
    ):
        assert told in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nobody"], 2, "there is no persona 'nobody'"),
        (["nell", "--set", "epochs"], 2, "expected KEY=VALUE"),
        (["nell", "--set", "lr=1"], 2, "there is no such setting"),
        (["nell", "--base", "/no/such/folder"], 1, "there is no base model"),
    ],
)
def test_misuse_is_told(run: Run, nell: PersonaFolder, arguments: list[str], code: int, told: str) -> None:
    ended, out, err = run("plan", *arguments)
    assert (ended, out) == (code, "")
    assert told in err


@pytest.mark.parametrize("command", ["plan", "train"])
def test_stale_pairs_are_told_as_training_tells_them(run: Run, nell: PersonaFolder, base: str, command: str) -> None:
    with nell.messages.open("a") as file:
        file.write(nell.messages.read_text().splitlines()[0] + "\n")
    ended, _, err = run(command, "nell", "--base", base)
    assert ended == 1
    assert "nell's pairs are older than its messages" in err
    assert "style-clone pairs nell" in err


def card(plan: Plan, width: int) -> str:
    file = io.StringIO()
    show(Console(file=file, width=width, highlight=False, markup=False), plan)
    return file.getvalue()


def a_plan(**changes: Any) -> Plan:
    row: dict[str, Any] = {
        "persona": "nell",
        "base": {"name": "smollm2-135m", "revision": "r", "sha256": "s", "license": "Apache-2.0", "parameters": 135e6},
        "pairs": {"train": 1234, "dev": 100, "judge": 245, "test": 148},
        "num_train_tokens": 31595,
        "num_target_tokens": 11765,
        "dropped_turns": 8,
        "cut_replies": 0,
        "recipe": {"epochs": 2, "learning_rate": 0.001, "targets": "all-linear"},
        "why": {"epochs": "because", "learning_rate": "so it is"},
        "steps": 162,
        "predicted": {"seconds": 221.0, "peak_memory_bytes": 1.73e9, "disk_bytes": 195e6, "tokens_per_second": 286.0},
        "machine": {"cores": 2, "memory_bytes": 24e9, "disk_bytes": 68e9, "device": "cpu"},
        "strength": "comparable",
        "more": {"pairs": 1100, "strength": "strong", "sentence": "About 1,100 more pairs."},
        "larger": [
            {
                "name": "org/big-Instruct",
                "license": "MIT",
                "parameters": 2e9,
                "memory_bytes": 9e9,
                "seconds": 9000,
                "fits": True,
            }
        ],
        "advice": [],
        "warnings": ["the disk is small"],
    }
    return Plan(**{**row, **changes})


def test_numbers_are_in_human_units() -> None:
    text = card(a_plan(), 80)
    for told in (
        "1,234",
        "3.7 min",
        "1.7 GB",
        "195 MB",
        "135M",
        "2.5 h",
        "fits",
        "0.001",
        "warning: the disk is small",
    ):
        assert told in text
    assert "About 1,100 more pairs." in text, "said even where there is no advice"


@pytest.mark.parametrize("width", [80, 100])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_cut(width: int) -> None:
    from style_clone.train.larger import KNOWN

    rows = [
        {
            "name": known.name,
            "license": known.license,
            "parameters": 1e9,
            "memory_bytes": 58e9,
            "seconds": 6e5,
            "fits": False,
        }
        for known in KNOWN
    ]
    text = card(a_plan(larger=rows), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert all(known.name in text for known in KNOWN)


def test_units() -> None:
    assert [lasting(seconds) for seconds in (4, 119, 121, 1500, 7300)] == ["4 s", "119 s", "2.0 min", "25 min", "2.0 h"]
    assert [size(number) for number in (3e8, 1.94e9, 58e9)] == ["300 MB", "1.9 GB", "58.0 GB"]
    assert [count(number) for number in (135e6, 1.7e9)] == ["135M", "1.7B"]
