"""`style-clone backtranslate`: what it asks first, what it prints, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from style_clone.cli.backtranslate import command
from style_clone.errors import UsageError
from style_clone.workspace import PersonaFolder, Workspace
from tests.openai_fake import FakeOpenAI, fake_openai, saying
from tests.pairs_chats import persona
from tests.test_backtranslation import TEXT, embed, likelihood, pair, save


@pytest.fixture
def folder(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> PersonaFolder:
    """A persona with one document to ask about; no model is loaded."""

    class Likelihood:
        def __init__(self, model: Any, tokenizer: Any) -> None:
            """Needs neither."""

        def __call__(self, prompts: Sequence[str], answer: str) -> list[float]:
            return likelihood(prompts, answer)

    for name in ("resolve", "load_model", "load_tokenizer"):
        monkeypatch.setattr(f"style_clone.models.{name}", lambda *arguments: None)
    monkeypatch.setattr("style_clone.embedding.load_embedder", lambda workspace, report: embed)
    monkeypatch.setattr("style_clone.backtranslation.likelihood.Likelihood", Likelihood)
    made = persona(workspace, [])
    made.pairs.mkdir()
    save(made, train=[pair(TEXT)])
    return made


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with fake_openai(lambda body: saying("Why the roof?", "Hm.")) as running:
        yield running


def call(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(command, ["nell", *arguments], input=answer)


def test_it_says_what_was_kept_and_what_is_next(
    folder: PersonaFolder, fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    result = call("--endpoint", fake.url, "--model", "big")
    assert result.exit_code == 0
    assert "prompts: 1 kept of 1 texts" in result.stdout
    assert "  > Why the roof?\n  < The bees moved" in result.stdout
    assert result.stdout.endswith("Next: style-clone pairs nell\n")
    assert fake.keys == ["Bearer sk-secret"]
    assert "warning" not in result.stderr


def test_as_json(folder: PersonaFolder, fake: FakeOpenAI) -> None:
    row = json.loads(call("--endpoint", fake.url, "--model", "big", "--json").stdout)
    assert (row["prompts"]["kept"], row["prompts"]["rejected"]) == (1, {})


def test_with_nothing_to_ask_it_says_so_and_loads_nothing(
    folder: PersonaFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("style_clone.models.resolve")
    save(folder, train=[pair(TEXT, asked_by="text")])
    result = call()
    assert (result.exit_code, result.stdout[:15]) == (0, "Nothing to ask:")
    assert json.loads(call("--json").stdout)["prompts"]["asked"] == 0


@pytest.mark.parametrize("answer", ["n\n", "y\n"])
def test_writing_leaves_the_machine_only_after_a_yes(
    folder: PersonaFolder, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    asked: list[str] = []

    def ask(*arguments: Any, quiet: bool) -> dict[str, Any]:
        asked.append("yes")
        return {}

    monkeypatch.setattr("style_clone.cli.backtranslate._ask", ask)
    result = call("--endpoint", "http://api.example.com/v1", "--model", "big", answer=answer)
    assert "warning: 1 texts of the author's writing are sent to api.example.com, unencrypted" in result.stderr
    assert asked == (["yes"] if answer == "y\n" else [])
    assert call("--endpoint", "http://api.example.com/v1", "--model", "big", "--yes").exit_code == 0


def test_what_is_misused(folder: PersonaFolder) -> None:
    for arguments in (
        ["--endpoint", "http://127.0.0.1:9"],
        ["--model", "big"],
        ["--endpoint", "https://example.com", "--model", "big", "--json"],
    ):
        result = call(*arguments)
        assert isinstance(result.exception, UsageError)
        assert "--" in result.exception.mend


def test_ctrl_c_keeps_what_is_done(folder: PersonaFolder, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    save(folder, train=[pair(TEXT), pair(f"{TEXT} Then they left.")])
    monkeypatch.setattr("style_clone.backtranslation.run.AT_ONCE", 1)
    seen: list[str] = []

    def interrupted(prompts: Sequence[str], answer: str) -> list[float]:
        seen.append(answer)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return likelihood(prompts, answer)

    monkeypatch.setattr("style_clone.backtranslation.likelihood.Likelihood", lambda model, tokenizer: interrupted)
    with fake_openai(lambda body: saying("Why the roof?", "Hm.")) as fake:
        result = call("--endpoint", fake.url, "--model", "big")
    assert result.exit_code != 0
    assert len(folder.backtranslations.read_text().splitlines()) == 1
