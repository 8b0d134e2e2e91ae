"""Each folder of tests/golden/ingest holds inputs and, beside them, the messages.jsonl they must give, ids included."""

from __future__ import annotations

from pathlib import Path

import pytest

from style_clone.conversation import read_messages
from style_clone.ingest import run
from style_clone.workspace import Workspace

GOLDEN = Path(__file__).parent / "golden" / "ingest"
CASES = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())


@pytest.mark.parametrize("case", CASES)
def test_golden_messages(case: str, workspace: Workspace) -> None:
    folder = workspace.folder("jonas")
    inputs = sorted(path for path in (GOLDEN / case).iterdir() if path.name != "messages.jsonl")
    run.ingest(folder, inputs, ["jonas ek"])
    expected = list(read_messages(GOLDEN / case / "messages.jsonl"))
    assert list(read_messages(folder.messages)) == expected


@pytest.mark.parametrize("case", CASES)
def test_reading_again_changes_nothing(case: str, workspace: Workspace) -> None:
    folder = workspace.folder("jonas")
    inputs = sorted(path for path in (GOLDEN / case).iterdir() if path.name != "messages.jsonl")
    run.ingest(folder, inputs, ["Jonas Ek"])
    before = {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}
    again = run.ingest(folder, inputs, ["Jonas Ek"])
    assert {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()} == before
    assert again.new_files == 0
    assert again.known_files > 0


def test_the_cases_hold_what_makes_them_worth_keeping() -> None:
    android = list(read_messages(GOLDEN / "android" / "messages.jsonl"))
    assert any("\n\n" in message.text for message in android), "a message of several paragraphs"
    assert {message.recipient for message in android if message.author == "Jonas Ek"} == {"Mira 🌻"}
    iphone = list(read_messages(GOLDEN / "iphone" / "messages.jsonl"))
    assert {message.thread for message in iphone} == {"Allotment"}
    assert {message.recipient for message in iphone} == {None}, "a group has no one recipient"
    assert "Allotment" not in {message.author for message in iphone}, "a group is nobody"
