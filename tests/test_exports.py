"""Exports: what other tools read back is what the clone is trained on, turn for turn, and nobody's name beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from style_clone.conversation import Pair, Split, Turn
from style_clone.errors import MissingStage, StorageError, UsageError
from style_clone.exporting.hub import card
from style_clone.exporting.run import FORMATS, NOTE, export
from style_clone.models import BaseModel, load_tokenizer
from style_clone.persona import Persona
from style_clone.progress import Event
from style_clone.prompt import clone_system
from style_clone.train.tokens import Tokeniser
from style_clone.workspace import PersonaFolder, Workspace
from tests.ready_pairs import pair, ready

SYSTEM = clone_system("Nell Quayle")
ODD = (
    'she said "no", \\n is not a newline',
    "two\nbubbles\n\nand a gap",
    "👩🏽‍🔧🎹 naïve 日本語 שלום e\u0301",
    "a\ttab, a \x1b escape, a \x07 bell, \u2028 and \u0085 and \r\n too",
    "{{ system }} <|im_end|> <image> [INST]",
    "2024-03-01 10:00:00",
    " ends in spaces  ",
    "long " * 20_000,
)
SPLITTED: dict[Split, list[Pair]] = {
    "train": [
        pair(
            "hi", ODD[0], conversation="Tom Reed@2024", recipient="Tom Reed", date="2024-03-01T10:00:00", id="<tom@x>"
        ),
        pair("hi", ODD[0], "and?", ODD[1], conversation="Tom Reed@2024", recipient="Tom Reed", source="Tom Reed.txt"),
        pair(*ODD[2:8], conversation="c2", recipient="Ann Vale", asked_by="person"),
        pair("Write something.", ODD[7], conversation="c3", origin="document", asked_by="template"),
    ],
    "dev": [pair("so", "yes", conversation="d1", recipient="Tom Reed")],
    "judge": [pair("now", "later", conversation="j1")],
    "test": [pair("ok", "fine", conversation="e1", recipient="Bea")],
}


def rows(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    return cast(
        list[dict[str, Any]], json.loads(text) if text[0] == "[" else list(map(json.loads, text.split("\n")[:-1]))
    )


def trained_as(pairs: Sequence[Pair]) -> list[list[Turn]]:
    """What a clone sees of each pair: its system prompt, then the turns."""
    return [[{"role": "system", "content": SYSTEM}, *each.turns] for each in pairs]


def check_openai(row: Mapping[str, Any]) -> list[Turn]:
    """OpenAI's rules for a row of supervised fine-tuning, and the turns in it."""
    assert set(row) == {"messages"}
    messages = row["messages"]
    assert all(set(each) <= {"role", "content", "weight"} and isinstance(each["content"], str) for each in messages)
    assert messages[-1]["role"] == "assistant"
    weights = [each["weight"] for each in messages if each["role"] == "assistant"]
    assert weights == [0] * (len(weights) - 1) + [1]
    assert not any("weight" in each for each in messages if each["role"] != "assistant")
    return [{"role": each["role"], "content": each["content"]} for each in messages]


def read_as_llama_factory(folder: Path, name: str) -> list[list[Turn]]:
    """What LLaMA-Factory makes of a data set of dataset_info.json, where a column or tag left out is absent."""
    info = json.loads((folder / "dataset_info.json").read_text())[name]
    assert set(info) == {"file_name", "formatting", "columns", *(["tags"] if info["formatting"] == "sharegpt" else [])}
    read = {"sharegpt": _turns_of_sharegpt, "alpaca": _turns_of_alpaca}[info["formatting"]]
    return [
        [{"role": "system", "content": row[info["columns"]["system"]]}, *read(row, info)]
        for row in rows(folder / info["file_name"])
    ]


def _turns_of_sharegpt(row: Mapping[str, Any], info: Mapping[str, Any]) -> list[Turn]:
    tags, said = info["tags"], row[info["columns"]["messages"]]
    assert len(said) % 2 == 0
    asked, answered = {each[tags["role_tag"]] for each in said[::2]}, {each[tags["role_tag"]] for each in said[1::2]}
    assert (asked, answered) == ({tags["user_tag"]}, {tags["assistant_tag"]})
    return [
        {
            "role": "user" if each[tags["role_tag"]] == tags["user_tag"] else "assistant",
            "content": each[tags["content_tag"]],
        }
        for each in said
    ]


def _turns_of_alpaca(row: Mapping[str, Any], info: Mapping[str, Any]) -> list[Turn]:
    columns = info["columns"]
    asked = "\n".join(filter(None, [row[columns["prompt"]], row[columns["query"]]]))
    turns: list[Turn] = []
    for question, answer in [*row[columns["history"]], [asked, row[columns["response"]]]]:
        turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return turns


@pytest.fixture
def nell(workspace: Workspace) -> PersonaFolder:
    return ready(workspace, SPLITTED)


def test_openai_gets_every_turn_and_learns_only_the_reply(nell: PersonaFolder, tmp_path: Path) -> None:
    made = export(nell, "openai", tmp_path / "out")
    assert made.files == ("train.jsonl", "validation.jsonl", NOTE)
    assert (made.counts, made.held_out) == ({"train": 4, "dev": 1}, ("judge", "test"))
    for split, name in (("train", "train.jsonl"), ("dev", "validation.jsonl")):
        found = [check_openai(row) for row in rows(tmp_path / "out" / name)]
        assert found == trained_as(SPLITTED[cast(Split, split)])


@pytest.mark.parametrize("format", ["sharegpt", "alpaca"])
def test_llama_factory_gets_every_turn(nell: PersonaFolder, tmp_path: Path, format: str) -> None:
    made = export(nell, format, tmp_path / "out")
    assert made.files == ("train.json", "validation.json", "dataset_info.json", NOTE)
    assert read_as_llama_factory(made.folder, "nell_train") == trained_as(SPLITTED["train"])
    assert read_as_llama_factory(made.folder, "nell_validation") == trained_as(SPLITTED["dev"])
    assert "mask_history: true" in made.use


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
dialogues = st.lists(texts, min_size=2, max_size=8).map(lambda said: said[: len(said) // 2 * 2])


@pytest.mark.parametrize("format", FORMATS)
@given(said=st.lists(dialogues, min_size=1, max_size=5))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back(workspace: Workspace, tmp_path: Path, format: str, said: list[list[str]]) -> None:
    pairs = [pair(*texts) for texts in said]
    out = export(ready(workspace, {"train": pairs}), format, tmp_path / "out").folder
    if format == "openai":
        found = [check_openai(row) for row in rows(out / "train.jsonl")]
    elif format == "hub":
        found = [row["prompt"] + row["completion"] for row in parquet_rows(out / "data/train-00000-of-00001.parquet")]
    else:
        found = read_as_llama_factory(out, "nell_train")
    assert found == trained_as(pairs)


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    from pyarrow import parquet

    return cast(list[dict[str, Any]], parquet.read_table(path).to_pylist())


def test_nobody_s_name_travels_beside_the_text(nell: PersonaFolder, tmp_path: Path) -> None:
    for format in FORMATS:
        made = export(nell, format, tmp_path / format)
        for name in made.files:
            content = (tmp_path / format / name).read_bytes()
            assert not any(word in content for word in (b"Tom Reed", b"Ann Vale", b"Bea", b"<tom@x>", b"chat.txt")), (
                name
            )
    first, second, *_ = train = parquet_rows(tmp_path / "hub/data/train-00000-of-00001.parquet")
    assert [row["recipient"] for row in train] == ["contact-1", "contact-1", "contact-2", None]
    assert (first["source"], second["source"], first["conversation"]) == ("source-1", "source-2", "conversation-1")
    assert (first["date"], first["origin"], train[3]["asked_by"]) == ("2024-03-01T10:00:00", "reply", "template")
    (dev,) = parquet_rows(tmp_path / "hub/data/dev-00000-of-00001.parquet")
    assert dev["recipient"] == "contact-1", "the same person in another split"


def test_a_split_without_pairs_has_no_file(workspace: Workspace, tmp_path: Path) -> None:
    folder = ready(workspace, {"train": SPLITTED["train"]})
    assert export(folder, "openai", tmp_path / "a").files == ("train.jsonl", NOTE)
    assert export(folder, "sharegpt", tmp_path / "b").files == ("train.json", "dataset_info.json", NOTE)
    assert list(json.loads((tmp_path / "b" / "dataset_info.json").read_text())) == ["nell_train"]
    export(folder, "hub", tmp_path / "c")
    assert [path.name for path in (tmp_path / "c" / "data").iterdir()] == ["train-00000-of-00001.parquet"]
    assert "split: dev" not in (tmp_path / "c" / "README.md").read_text()


def test_an_earlier_export_is_replaced_whole(nell: PersonaFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(nell, "hub", out)
    export(nell, "openai", out)
    assert sorted(path.name for path in out.iterdir()) == sorted(["train.jsonl", "validation.jsonl", NOTE])
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


@pytest.mark.parametrize("note", [None, "{", "[]", '{"made_by": "somebody", "files": ["mine.txt"]}'])
def test_other_people_s_folders_are_left_alone(nell: PersonaFolder, tmp_path: Path, note: str | None) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    if note is not None:
        (out / NOTE).write_text(note)
    with pytest.raises(UsageError, match="no export of ours"):
        export(nell, "openai", out)
    assert (out / "mine.txt").read_text() == "mine"


def test_a_file_laid_into_an_export_is_not_lost(nell: PersonaFolder, tmp_path: Path) -> None:
    out = export(nell, "openai", tmp_path / "out").folder
    (out / "my notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"my notes\.txt"):
        export(nell, "openai", out)


def test_a_place_that_cannot_be_a_folder(nell: PersonaFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "under"):
        with pytest.raises(UsageError, match="is a file"):
            export(nell, "openai", out)


def test_a_link_to_a_folder_stays_a_link(nell: PersonaFolder, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    export(nell, "openai", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "train.jsonl").exists()


def test_a_damaged_split_leaves_the_earlier_export(nell: PersonaFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(nell, "openai", out)
    before = (out / "train.jsonl").read_bytes()
    with nell.split("dev").open("a") as file:
        file.write("{half a li\n")
    with pytest.raises(StorageError, match=r"dev\.jsonl, line 2"):
        export(nell, "openai", out)
    assert (out / "train.jsonl").read_bytes() == before


def test_wrong_words_and_missing_pairs(workspace: Workspace, nell: PersonaFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no export format 'csv'") as refused:
        export(nell, "csv", tmp_path / "out")
    assert "openai, sharegpt, alpaca, hub" in refused.value.mend
    empty = workspace.folder("empty")
    Persona(slug="empty", author="E", aliases=("E",)).save(empty)
    with pytest.raises(MissingStage):
        export(empty, "hub", tmp_path / "out")


def test_progress_counts_rows_over_all_splits(nell: PersonaFolder, tmp_path: Path) -> None:
    events: list[Event] = []
    export(nell, "hub", tmp_path / "out", report=events.append)
    assert (events[0].done, events[0].total, events[-1].text) == (0, 7, "7 rows")
    assert "Tom" not in str(events)


def test_the_card_warns_and_its_header_is_yaml() -> None:
    yaml = pytest.importorskip("yaml")
    text = card("no", {"train": ("data/train.parquet", 1200), "test": ("data/test.parquet", 30)})
    header = yaml.safe_load(text.split("---")[1])
    assert header["pretty_name"] == "Pairs of no"
    assert (header["license"], header["language"], header["size_categories"]) == ("other", ["und"], ["1K<n<10K"])
    assert header["configs"][0]["data_files"][1] == {"split": "test", "path": "data/test.parquet"}
    assert "Do not publish it without the consent of everybody in it" in text


@pytest.mark.slow
def test_datasets_loads_every_export(nell: PersonaFolder, tmp_path: Path) -> None:
    import datasets

    cache = str(tmp_path / "cache")
    hub = datasets.load_dataset(str(export(nell, "hub", tmp_path / "hub").folder), cache_dir=cache)
    assert {name: [row["prompt"] + row["completion"] for row in hub[name]] for name in hub} == {
        name: trained_as(pairs) for name, pairs in SPLITTED.items()
    }
    openai = datasets.load_dataset(str(export(nell, "openai", tmp_path / "openai").folder), cache_dir=cache)
    for name, split in (("train", "train"), ("validation", "dev")):
        found = [[{key: turn[key] for key in ("role", "content")} for turn in row["messages"]] for row in openai[name]]
        assert found == trained_as(SPLITTED[cast(Split, split)])
    for format in ("sharegpt", "alpaca"):
        folder = export(nell, format, tmp_path / format).folder
        loaded = datasets.load_dataset("json", data_files=str(folder / "train.json"), split="train", cache_dir=cache)
        assert list(loaded) == rows(folder / "train.json")


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_trl_trains_on_the_very_tokens_style_clone_trains_on(
    nell: PersonaFolder, tmp_path: Path, base_model: BaseModel
) -> None:
    import datasets
    import trl
    from trl.data_utils import apply_chat_template, is_conversational

    from tests.tiny import tiny_model

    tokenizer = load_tokenizer(base_model)
    hub = datasets.load_dataset(str(export(nell, "hub", tmp_path / "hub").folder), cache_dir=str(tmp_path / "cache"))
    row = hub["train"][1]
    assert is_conversational(row)
    shown = apply_chat_template({"prompt": row["prompt"], "completion": row["completion"]}, tokenizer)
    assert shown["completion"] == ODD[1] + "<|im_end|>\n"
    trainer = trl.SFTTrainer(
        model=tiny_model(vocabulary=len(tokenizer)),
        args=trl.SFTConfig(output_dir=str(tmp_path), max_length=None, report_to=[], use_cpu=True, bf16=False),
        train_dataset=hub["train"],
        processing_class=tokenizer,
    )
    tokenise = Tokeniser(tokenizer, Persona.load(nell).prompt, 100_000)
    newline = tokenizer("\n", add_special_tokens=False)["input_ids"]
    for each, made in zip(SPLITTED["train"], trainer.train_dataset, strict=True):
        (example,) = tokenise([each]).examples
        assert list(made["input_ids"]) == example.ids + newline, "TRL's template adds the newline after the turn"
        assert [label != -100 for label in made["labels"]] == [*example.mask, True]
