"""Whole evaluations with nothing faked: trained adapters, engines of their own, every candidate, to verdict and page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from style_clone.evaluate.candidates import CLONE, FEW_SHOT, MEMORY, PLAIN, RETRIEVAL, SYSTEM
from style_clone.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(2400)]

CHATS = Path(__file__).resolve().parent.parent / "corpus" / "nell" / "whatsapp"
PROMPTS = 12

Run = Callable[..., str]


@pytest.fixture
def run(home_with_model: Path) -> Run:
    """A command of the program, by the test's own home; what it printed."""

    def run(*arguments: str | Path) -> str:
        # Not as the other tests are told to serve: it is to choose for itself.
        environment = {**os.environ, "STYLE_CLONE_HOME": str(home_with_model), "STYLE_CLONE_SERVE_AS": ""}
        command = [sys.executable, "-m", "style_clone", *map(str, arguments)]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def trained(run: Run, persona: str, author: str, keep: str = "all") -> None:
    """A persona of somebody in the sample corpus's chats."""
    run("ingest", persona, CHATS, "--me", author)
    run("pairs", persona, "--keep", keep)
    run("train", persona, "--set", "epochs=1", "--set", "learning_rate=2e-3")


def test_an_adapter_is_measured_against_every_prompt(run: Run, workspace: Workspace) -> None:
    trained(run, "nell", "Nell Quayle", keep="250")
    card = json.loads(run("evaluate", "nell", "--prompts", str(PROMPTS), "--samples", "1", "--json"))

    rows = {row["id"]: row for row in card["candidates"]}
    assert set(rows) == {PLAIN, SYSTEM, FEW_SHOT, RETRIEVAL, CLONE, MEMORY}
    assert 0 < card["sizes"]["test_replies"] <= 2 * PROMPTS
    assert card["sizes"]["exploratory"]
    assert card["verdict"]["code"] == "cannot_measure", "the judge cannot be tested on so few"
    assert rows[CLONE]["voice"] is None
    assert rows[CLONE]["habits"]["value"] > rows[PLAIN]["habits"]["value"]
    assert rows[CLONE]["fit"]["specificity"]["low"] > 0
    assert card["bits_per_byte"]["clone"] < card["bits_per_byte"]["prompted"]
    assert len(card["examples"]) == 8
    assert card["verdict"]["headline"]

    folder = workspace.existing("nell")
    assert card["verdict"]["headline"].split()[0] in folder.scorecard_page.read_text(encoding="utf-8")
    again = json.loads(run("evaluate", "nell", "--prompts", str(PROMPTS), "--samples", "1", "--json"))
    changing = {"made", "cost"}
    assert {key: value for key, value in again.items() if key not in changing} == {
        key: value for key, value in card.items() if key not in changing
    }, "the same answers give the same numbers"
    assert not [path for path in folder.root.iterdir() if path.name.startswith(".evaluate")], "nothing was left behind"


def test_another_authors_adapter_gains_neither_voice_nor_specificity(run: Run) -> None:
    trained(run, "nell", "Nell Quayle")
    trained(run, "tam", "Tam Quayle")
    compared = json.loads(run("compare", "nell", "tam", "--on", "test", "--prompts", "60", "--samples", "1", "--json"))
    rows: dict[str, dict[str, Any]] = {row["id"]: row for row in compared["candidates"]}
    assert compared["gate"]["passed"], compared["gate"]

    plain, own, other = (rows[name]["voice"]["s"] for name in (PLAIN, "a", "b"))
    assert own["low"] > plain["high"]
    assert other["high"] < own["low"]
    assert other["low"] <= max(0.0, plain["high"]), "no gain that is certain"
    assert rows["a"]["fit"]["specificity"]["low"] > 0
    assert rows["b"]["fit"]["specificity"]["low"] <= 0
