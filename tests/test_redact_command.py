"""`style-clone redact`: the policy, the report, further names, and forgetting raw files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from style_clone import entities
from style_clone.cli.redact import changed, command
from style_clone.conversation import read_messages
from style_clone.errors import MissingStage, ModelError, StorageError, UsageError
from style_clone.ingest import forgetting, run
from style_clone.pairs.redact import Policy
from style_clone.workspace import PersonaFolder, Workspace
from tests.pairs_chats import chat, message, persona

LINES = [
    "Ann Marlow: hi Nell, call me on 07700 900123 or ann@example.org",
    "Nell: hi Ann, I told Bob Hale the password is swordfish9",
    "Bob Hale: see https://example.org/bob",
    "Nell: ok",
    "Nell: Harriet Cole came, and Harriet Cole left",
]


@pytest.fixture
def nell(workspace: Workspace) -> PersonaFolder:
    return persona(workspace, [*chat(*LINES), message("Nell", "for Cy", recipient="Cy Low")], "Nell Quayle", "Nell")


def call(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(command, ["nell", *arguments], input=answer)


def found(*arguments: str) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# The policy


def test_words_move_between_masked_and_kept() -> None:
    policy = changed(Policy(words=("Falcon",)), ["Zoë", "zoë"], ["falcon"], ["url"], [])
    assert policy == Policy(words=("zoë",), keep=("falcon",), off=("url",))
    assert changed(policy, ["FALCON"], [], [], ["url"]) == Policy(words=("zoë", "FALCON"))


def test_a_wrong_type_or_word_is_a_misuse(nell: PersonaFolder) -> None:
    for arguments in (["--off", "secret"], ["--off", "names"], ["--on", "names"], ["--add", " "]):
        result = call(*arguments)
        assert isinstance(result.exception, UsageError), arguments
    assert not nell.redaction.exists()


def test_without_report_only_the_policy_changes(nell: PersonaFolder) -> None:
    result = call("--add", "Project Falcon", "--off", "url")
    assert result.exit_code == 0, result.output
    assert "words masked: Project Falcon" in result.output
    assert "style-clone pairs nell" in result.output
    assert Policy.load(nell) == Policy(words=("Project Falcon",), off=("url",))
    assert "phone" not in result.output
    call("--on", "url")
    assert Policy.load(nell).off == ()


# The report


def test_the_report_counts_and_shows_what_is_masked_but_not_what_was(nell: PersonaFolder) -> None:
    account = found("--report")
    counts = {
        name: (masked["count"], masked["messages"]) for name, masked in account["types"].items() if masked["count"]
    }
    assert counts == {"secret": (1, 1), "email": (1, 1), "phone": (1, 1), "url": (1, 1), "person": (2, 2)}
    assert (account["messages"], account["touched"]) == (6, 4)
    assert account["people"] == {"<person-2>": ["Bob Hale", 1], "<person-3>": ["Cy Low", 1]}
    output = call("--report").output
    assert "call me on <phone> or <email>" in output
    assert "<person-2>   is Bob Hale" in output
    assert "swordfish9" not in output
    assert "07700" not in output
    assert not nell.redactions.exists()
    assert not nell.redaction.exists()


def test_the_report_follows_the_policy(nell: PersonaFolder) -> None:
    account = found("--report", "--off", "phone", "--add", "swordfish9", "--keep", "bob hale")
    assert account["types"]["phone"]["count"] == 0
    assert account["people"] == {"<person-3>": ["Cy Low", 1]}
    assert account["types"]["secret"]["count"] == 1


def test_a_persona_without_messages_is_told(nell: PersonaFolder) -> None:
    nell.messages.unlink()
    assert isinstance(call("--report").exception, MissingStage)


# Further names


def cole(model: str) -> entities.Finder:
    def find(text: str) -> Any:
        at = text.find("Harriet Cole")
        while at >= 0:
            yield at, at + 12, "person"
            at = text.find("Harriet Cole", at + 1)
        if "Nell" in text:
            yield text.index("Nell"), text.index("Nell") + 4, "person"

    return find


def test_names_a_model_finds_are_shown_and_then_masked(nell: PersonaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entities, "load", cole)
    assert found("--ner", "some/model")["found"] == {"Harriet Cole": 2}
    assert not nell.redaction.exists(), "--json alone changes nothing"
    assert "2  Harriet Cole" in call("--ner", "some/model", answer="n\n").output
    assert not nell.redaction.exists()
    output = call("--ner", "some/model", "--report", answer="y\n").output
    assert Policy.load(nell).words == ("Harriet Cole",)
    assert "<word> came, and <word> left" in output
    assert "no further names" in call("--ner", "some/model").output


@pytest.fixture
def tiny_ner(tmp_path: Path, one_thread: None) -> Path:
    """A BERT of a few weights that calls every capital-letter word of its vocabulary a person."""
    import torch
    from transformers import BertConfig, BertForTokenClassification, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "i", "met", "Harriet", "Co", "##le", "."]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizerFast(str(tmp_path / "vocab.txt"), do_lower_case=False)
    labels = {0: "O", 1: "B-PER"}
    shape = {"hidden_size": 16, "num_hidden_layers": 0, "num_attention_heads": 1, "intermediate_size": 8}
    config = BertConfig(vocab_size=len(words), id2label=labels, label2id={"O": 0, "B-PER": 1}, **shape)
    model = BertForTokenClassification(config)
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight.zero_()
        model.bert.embeddings.position_embeddings.weight.zero_()
        model.bert.embeddings.token_type_embeddings.weight.zero_()
        model.bert.embeddings.word_embeddings.weight[7:10, 0] = 1.0
        model.classifier.weight.zero_()
        model.classifier.weight[1, 0] = 1.0
        model.classifier.bias[:] = torch.tensor([0.5, 0.0])
    folder = tmp_path / "ner"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_token_classifier_is_read_as_names_in_any_length_of_text(tiny_ner: Path) -> None:
    find = entities.load(str(tiny_ner))
    text = "i met Harriet Cole ." + " i met" * 400 + " Cole"
    assert [text[start:end] for start, end, _ in find(text)] == ["Harriet Cole", "Cole"]
    assert list(find("")) == []
    assert len(list(find("x" * 5000))) == 0


@pytest.mark.slow
def test_a_model_that_is_none_or_knows_no_people_is_told(tiny_ner: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        entities.load(str(tmp_path / "nothing"))
    config = json.loads((tiny_ner / "config.json").read_text())
    config["id2label"], config["label2id"] = {"0": "O", "1": "B-LOC"}, {"O": 0, "B-LOC": 1}
    (tiny_ner / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="finds no people"):
        entities.load(str(tiny_ner))


# Forgetting


def ingested(folder: PersonaFolder, tmp_path: Path) -> list[Path]:
    one, post = tmp_path / "one.jsonl", tmp_path / "post.md"
    rows = [
        {"id": str(number), "author": who, "text": f"{who} {number}"} for number, who in enumerate(["Ann", "Nell"] * 3)
    ]
    one.write_text("\n".join(map(json.dumps, rows)))
    post.write_text("# On rain\n\nIt rains.")
    run.ingest(folder, [one, post], ["Nell"])
    return [one, post]


def told(folder: PersonaFolder) -> list[tuple[str, str]]:
    return [(message.author, message.text) for message in read_messages(folder.messages)]


def test_messages_outlive_their_files(workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.folder("nell")
    files = ingested(folder, tmp_path)
    before = told(folder)
    assert forgetting.forget(folder) == 2
    assert not [path for path in folder.raw.rglob("*") if path.suffix in (".jsonl", ".md")]
    later = tmp_path / "later.jsonl"
    later.write_text('{"id": "9", "author": "Nell", "text": "later"}')
    summary = run.ingest(folder, [later], [])
    assert sorted(told(folder)) == sorted([*before, ("Nell", "later")])
    assert (summary.messages, summary.by_author, summary.repeated) == (8, 5, 0)
    again = run.ingest(folder, files, [])
    assert sorted(told(folder)) == sorted([*before, ("Nell", "later")]), "files given again are recognised"
    assert again.repeated == 7
    forgetting.forget(folder)
    later.write_text('{"id": "10", "author": "Nell", "text": "last"}')
    run.ingest(folder, [later], [])
    assert sorted(told(folder)) == sorted([*before, ("Nell", "later"), ("Nell", "last")])
    assert len({message.id for message in read_messages(folder.messages)}) == len(told(folder))


def test_a_new_file_of_a_forgotten_files_name_replaces_nothing(workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.folder("nell")
    one, _ = ingested(folder, tmp_path)
    before = told(folder)
    forgetting.forget(folder)
    one.write_text('{"id": "20", "author": "Nell", "text": "new"}')
    for _ in range(2):
        run.ingest(folder, [one], [])
        assert sorted(told(folder)) == sorted([*before, ("Nell", "new")])


def test_forgetting_that_breaks_off_loses_nothing(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workspace.folder("nell")
    ingested(folder, tmp_path)
    before = told(folder)

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch, pytest.raises(StorageError, match="cannot be written"):
        patch.setattr(forgetting.keeping, "drop", denied)
        forgetting.forget(folder)
    (tmp_path / "b.md").write_text("more")
    run.ingest(folder, [tmp_path / "b.md"], [])
    assert sorted(told(folder)) == sorted([*before, ("Nell", "more")])


def test_a_damaged_note_is_told(workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.folder("nell")
    files = ingested(folder, tmp_path)
    forgetting.forget(folder)
    (folder.raw / forgetting.FORGOTTEN).write_text("{}")
    with pytest.raises(StorageError, match=r"forgotten\.json is damaged"):
        run.ingest(folder, files, [])


def test_forgetting_is_asked_about_first(workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.folder("nell")
    ingested(folder, tmp_path)
    asked = call("--forget-raw", answer="n\n")
    assert asked.exit_code == 1
    assert "stay, unmasked" in asked.output
    assert isinstance(call("--forget-raw", "--json").exception, UsageError)
    assert len(list(folder.raw.iterdir())) == 2
    assert "2 files deleted" in call("--forget-raw", "--yes").output
    assert [path.name for path in folder.raw.iterdir()] == [forgetting.FORGOTTEN]
    assert found("--forget-raw", "--yes")["forgotten"] == 0


def test_files_that_have_not_been_read_are_not_forgotten(workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.folder("nell")
    ingested(folder, tmp_path)
    folder.messages.unlink()
    with pytest.raises(MissingStage, match="needed to read them"):
        forgetting.forget(folder)
    assert len(list(folder.raw.iterdir())) == 2
