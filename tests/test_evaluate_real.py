"""A whole evaluation with nothing faked: a trained adapter, engines of its own, every candidate, to verdict and page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from style_clone.evaluate.candidates import CLONE, FEW_SHOT, MEMORY, PLAIN, RETRIEVAL, SYSTEM
from style_clone.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(2400)]

CHATS = Path(__file__).resolve().parent.parent / "corpus" / "nell" / "whatsapp"
PROMPTS = 12


def test_an_adapter_is_measured_against_every_prompt(home_with_model: Path, workspace: Workspace) -> None:
    def run(*arguments: str) -> str:
        # Not as the other tests are told to serve: it is to choose for itself.
        environment = {**os.environ, "STYLE_CLONE_HOME": str(home_with_model), "STYLE_CLONE_SERVE_AS": ""}
        command = [sys.executable, "-m", "style_clone", *arguments]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("ingest", "nell", str(CHATS), "--me", "Nell Quayle")
    run("pairs", "nell", "--keep", "250")
    run("train", "nell", "--set", "epochs=1", "--set", "learning_rate=2e-3")
    card = json.loads(run("evaluate", "nell", "--prompts", str(PROMPTS), "--samples", "1", "--json"))

    rows = {row["id"]: row for row in card["candidates"]}
    assert set(rows) == {PLAIN, SYSTEM, FEW_SHOT, RETRIEVAL, CLONE, MEMORY}
    assert 0 < card["sizes"]["test_replies"] <= 2 * PROMPTS
    assert card["sizes"]["exploratory"]
    assert rows[CLONE]["voice"]["s"]["value"] > rows[PLAIN]["voice"]["s"]["value"]
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
