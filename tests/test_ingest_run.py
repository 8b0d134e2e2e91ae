"""The whole stage: what is kept, what is written, who "me" is, and that a failure changes nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from style_clone.cli import cli
from style_clone.conversation import read_messages
from style_clone.errors import AuthorNotFound, IngestError, StyleCloneError, UsageError
from style_clone.ingest import keeping, run
from style_clone.ingest.identity import spellings
from style_clone.persona import Persona, fold_name
from style_clone.progress import Event
from style_clone.workspace import PersonaFolder, Workspace

CHAT = """12/03/2025, 18:41 - Messages and calls are end-to-end encrypted. Learn more.
12/03/2025, 18:42 - Ann: hi
12/03/2025, 18:43 - Anna: ho
12/03/2025, 18:44 - Anna: <Media omitted>
13/03/2025, 09:00 - Ann: so
"""


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "WhatsApp Chat with Anna.txt"
    path.write_text(CHAT)
    return path


@pytest.fixture
def folder(workspace: Workspace) -> PersonaFolder:
    return workspace.folder("me")


def state(folder: PersonaFolder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}


def test_what_an_ingestion_leaves(chat: Path, folder: PersonaFolder) -> None:
    events: list[Event] = []
    summary = run.ingest(folder, [chat], ["ann"], report=events.append)
    assert (summary.author, summary.aliases, summary.messages, summary.by_author) == ("Ann", ("Ann",), 5, 2)
    assert summary.authors == {"Ann": 2, "Anna": 1}
    assert len(list(read_messages(folder.messages))) == 5
    kept = [path for path in folder.raw.rglob("*") if path.is_file()]
    assert [path.name for path in kept] == [chat.name]
    assert kept[0].read_bytes() == chat.read_bytes()
    assert Persona.load(folder).author == "Ann"
    assert sorted(path.name for path in folder.root.iterdir()) == ["messages.jsonl", "persona.json", "raw"]
    assert (events[-1].done, events[-1].total) == (1, 1)
    assert not any("Ann" in event.text for event in events), "no content in events"


def test_inspect_counts_and_writes_nothing(chat: Path, home: Path) -> None:
    (report,) = run.inspect([chat])
    assert (report.path, report.format, report.messages, report.other, report.unparsed) == (
        chat.name,
        "whatsapp",
        3,
        2,
        0,
    )
    assert report.authors == {"Ann": 2, "Anna": 1}
    assert report.first_date is not None and report.first_date.isoformat() == "2025-03-12T18:41:00"
    assert not home.exists()


def test_more_files_are_added_and_overlaps_counted_once(chat: Path, folder: PersonaFolder, tmp_path: Path) -> None:
    run.ingest(folder, [chat], ["Ann"])
    before = [message.id for message in read_messages(folder.messages)]
    later = tmp_path / "later" / chat.name
    later.parent.mkdir()
    later.write_text(CHAT + "14/03/2025, 09:00 - Ann: hi\n")
    post = tmp_path / "post.md"
    post.write_text("# On rain\n\nIt rains.")
    summary = run.ingest(folder, [later, post], [])
    messages = list(read_messages(folder.messages))
    assert [message.id for message in messages][:5] == before
    assert [message.text for message in messages][5:] == ["hi", "# On rain\n\nIt rains."]
    assert messages[-1].author == "Ann"
    assert (summary.new_files, summary.repeated, summary.by_author) == (2, 5, 4)
    assert len({message.id for message in messages}) == len(messages)


def test_the_same_content_again_is_no_news(chat: Path, folder: PersonaFolder, tmp_path: Path) -> None:
    run.ingest(folder, [chat], ["Ann"])
    before = state(folder)
    copy = tmp_path / "another name.txt"
    copy.write_bytes(chat.read_bytes())
    summary = run.ingest(folder, [copy, chat], ["Ann"])
    assert (summary.new_files, summary.known_files) == (0, 2)
    assert state(folder) == before


def test_persona_keeps_what_it_has_and_gains_aliases(chat: Path, folder: PersonaFolder, tmp_path: Path) -> None:
    run.ingest(folder, [chat], ["Ann"])
    replace(Persona.load(folder), base_model="smollm2-135m").save(folder)
    other = tmp_path / "irc.jsonl"
    other.write_text('{"author": "ann_lee", "text": "hello"}\n')
    run.ingest(folder, [other], ["Ann_Lee"])
    persona = Persona.load(folder)
    assert (persona.author, persona.aliases, persona.base_model) == ("Ann", ("Ann", "ann_lee"), "smollm2-135m")


def test_rows_numbered_from_one_in_two_files_keep_apart(folder: PersonaFolder, tmp_path: Path) -> None:
    for name in ("a", "b"):
        question = {"id": "1", "author": name, "text": f"first {name}"}
        answer = {"id": "2", "author": "Ann", "text": name, "in_reply_to": "1"}
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, [question, answer])))
    run.ingest(folder, [tmp_path / "a.jsonl", tmp_path / "b.jsonl"], ["Ann"])
    messages = list(read_messages(folder.messages))
    assert [message.id for message in messages] == ["1", "2", "1~2", "2~2"]
    assert [message.in_reply_to for message in messages] == [None, "1", None, "1~2"]


def test_documents_alone_need_a_name_and_take_any(folder: PersonaFolder, tmp_path: Path) -> None:
    (tmp_path / "posts").mkdir()
    (tmp_path / "posts" / "a.md").write_text("words")
    with pytest.raises(UsageError, match="which of the names is yours"):
        run.ingest(folder, [tmp_path / "posts"], [])
    with pytest.raises(UsageError, match="--me is empty"):
        run.ingest(folder, [tmp_path / "posts"], [" "])
    summary = run.ingest(folder, [tmp_path / "posts"], [" Ann  Lee "])
    assert (summary.author, summary.by_author) == ("Ann Lee", 1)


def test_an_archive_is_read_and_its_media_left(folder: PersonaFolder, tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp Chat - Anna.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("_chat.txt", CHAT)
        file.writestr("00000001-PHOTO.jpg", b"\xff\xd8" * 100)
    summary = run.ingest(folder, [path], ["Ann"])
    assert {message.thread for message in read_messages(folder.messages)} == {"Anna"}
    kept = [path for path in folder.raw.rglob("*") if path.is_file()]
    assert [(path.parent.name, path.name) for path in kept] == [("WhatsApp Chat - Anna.zip", "_chat.txt")]
    assert [report.skipped for report in summary.files if report.skipped] == ["media and the like are not read"]


def test_a_forced_format_is_remembered(folder: PersonaFolder, chat: Path, tmp_path: Path) -> None:
    run.ingest(folder, [chat], ["Ann"], format_name="text")
    (tmp_path / "b.txt").write_text("words")
    run.ingest(folder, [tmp_path / "b.txt"], [])
    assert [message.kind for message in read_messages(folder.messages)] == ["document", "document"]
    with pytest.raises(UsageError, match="ingested before, as text"):
        run.ingest(folder, [chat], [])


# Names


def test_a_name_matches_whole_and_only_invisibly_different(chat: Path, folder: PersonaFolder) -> None:
    summary = run.ingest(folder, [chat], [" \u200eANN\u00a0"])
    assert summary.aliases == ("Ann",)
    assert summary.by_author == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ann", "Anna", False),
        ("Ann", "ann", True),
        ("Zoe\u0308", "Zoë", True),
        ("Zoe", "Zoë", False),
        ("Ann\u202f Lee", "Ann Lee", True),
        ("\u2068Ann\u2069", "Ann", True),
        ("Ann ❤️", "Ann ❤", True),
        ("Ann 🌻", "Ann", False),
        ("STRASSE", "straße", True),
        ("हिन्दी", "हनद", False),
    ],
)
def test_folding_names(one: str, other: str, same: bool) -> None:
    assert (fold_name(one) == fold_name(other)) is same


def test_all_spellings_of_a_name_are_mine() -> None:
    counts = {"Ann": 3, "ann": 5, "Anna": 9, "A. Lee": 1}
    assert spellings(["A. Lee", "ANN"], counts) == ("A. Lee", "ann", "Ann")


def test_an_unknown_name_lists_twenty_and_the_closest(folder: PersonaFolder, tmp_path: Path) -> None:
    rows = [{"author": f"Person {n:02}", "text": str(i)} for n in range(30) for i in range(n + 1)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(AuthorNotFound) as caught:
        run.ingest(folder, [path], ["Persn 07"])
    lines = caught.value.mend.splitlines()
    assert 'Did you mean --me "Person 07"?' in lines[0]
    assert lines[1].split(maxsplit=1) == ["30", "Person 29"]
    assert len(lines) == 22
    assert lines[-1].strip() == "and 10 more"
    assert not folder.root.exists()


# Failures


def damaged(path: Path) -> None:
    path.write_text('{"author": "Ann", "text": "hi"}\n{"author": "Ann", "tex')


FAILURES: dict[str, tuple[Callable[[Path], Any], str, list[str]]] = {
    "empty": (lambda path: path.write_text(""), "is empty", []),
    "not text": (lambda path: path.write_bytes(bytes(range(256)) * 9), "is not a text file", []),
    "a bad line": (damaged, "line 2: not JSON", []),
    "unknown name": (lambda path: path.write_text('{"author": "Bob", "text": "hi"}'), "nobody here is called", ["Anne"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES)
@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_changes_nothing(
    case: str, existing: bool, chat: Path, folder: PersonaFolder, tmp_path: Path
) -> None:
    spoil, words, me = FAILURES[case]
    if existing:
        run.ingest(folder, [chat], ["Ann"])
    before = state(folder)
    good, bad = tmp_path / "good.md", tmp_path / "bad.jsonl"
    good.write_text("fine words")
    spoil(bad)
    with pytest.raises(StyleCloneError, match=words):
        run.ingest(folder, [good, bad], me)
    assert state(folder) == before
    assert folder.root.exists() is existing


def test_no_message_by_anybody(folder: PersonaFolder, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"author": "Ann", "text": ""}')
    with pytest.raises(IngestError, match="there is no message by Ann"):
        run.ingest(folder, [path], ["Ann"])
    assert not folder.root.exists()


def test_only_media_by_me(folder: PersonaFolder, chat: Path) -> None:
    chat.write_text(CHAT.replace("Anna: ho", "Anna: <Media omitted>"))
    with pytest.raises(IngestError, match="there is no message by Anna: media only"):
        run.ingest(folder, [chat], ["Anna"])
    assert not folder.root.exists()


@pytest.mark.parametrize("victim", ["messages.jsonl", "persona.json"])
def test_a_failing_last_step_is_taken_back(
    victim: str, folder: PersonaFolder, chat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.ingest(folder, [chat], ["Ann"])
    before = state(folder)
    (tmp_path / "b.txt").write_text("words")
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if self.name == victim and ".ingest." in self.parent.name and target.parent == folder.root:
            raise OSError(5, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="Input/output"):
        run.ingest(folder, [tmp_path / "b.txt"], [])
    assert state(folder) == before


def test_a_full_disk_is_told_and_changes_nothing(
    folder: PersonaFolder, chat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.ingest(folder, [chat], ["Ann"])
    before = state(folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keeping.os, "fsync", full)
    (tmp_path / "b.txt").write_text("words")
    with pytest.raises(StyleCloneError, match="disk is full"):
        run.ingest(folder, [tmp_path / "b.txt"], [])
    assert state(folder) == before


def test_nothing_to_read_says_what_there_was(folder: PersonaFolder, tmp_path: Path) -> None:
    (tmp_path / "stuff").mkdir()
    (tmp_path / "stuff" / "a.csv").write_text("a,b")
    (tmp_path / "stuff" / "b.jpg").write_bytes(b"\xff\xd8\xff\x00" * 100)
    with pytest.raises(IngestError, match=r"nothing to read in .*stuff \(1 skipped: .*1 skipped: "):
        run.ingest(folder, [tmp_path / "stuff"], ["Ann"])


# The commands


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_inspect_command(chat: Path) -> None:
    result = call("inspect", str(chat))
    assert result.exit_code == 0
    assert "whatsapp" in result.output
    assert "2025-03-12" in result.output
    assert "2  Ann\n" in result.output
    assert f"style-clone ingest me '{chat}' --me Ann" in result.output
    found = json.loads(call("inspect", str(chat), "--json").output)
    assert found["authors"] == {"Ann": 2, "Anna": 1}
    assert found["files"][0]["first_date"] == "2025-03-12T18:41:00"


def test_ingest_command(chat: Path, folder: PersonaFolder) -> None:
    result = call("ingest", "me", str(chat), "--me", "Ann")
    assert result.exit_code == 0, result.output
    assert "1 new file. me now has 5 messages," in result.output
    assert "2 of them texts by Ann." in result.output
    assert "style-clone pairs me" in result.output
    found = json.loads(call("ingest", "me", str(chat), "--json").output)
    assert (found["known_files"], found["by_author"], found["folder"]) == (1, 2, str(folder.root))


def test_terminal_escapes_in_names_are_not_printed(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m.txt"
    path.write_text("12/03/2025, 18:42 - Ev\x1b[2Jil: hi\n")
    assert "\x1b" not in call("inspect", str(path)).output
