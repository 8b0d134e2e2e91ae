"""The first step's handlers, over the real ingest and pairs rooms: preview, what is missing, and what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from style_clone.errors import AuthorNotFound, IngestError, StyleCloneError, TooFewPairs, UsageError
from style_clone.persona import Persona
from style_clone.progress import Event, Report
from style_clone.ui.handlers.watching import watch
from style_clone.ui.handlers.writing import Form, Reading, advice, preview, read_writing, without_folders
from style_clone.workspace import Workspace

TODAY = date(2026, 1, 31)


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    """A WhatsApp export of thirty days: Ann asks twice a day, Sam answers."""
    lines = ["not a message at all"]
    for day in range(1, 31):
        for hour in (9, 17):
            lines.append(f"{day:02}/06/2024, {hour:02}:00 - Ann: question {day} about topic {hour}?")
            lines.append(f"{day:02}/06/2024, {hour:02}:01 - Sam <b>: answer {day} number {hour} haha, see you then")
    path = tmp_path / "upload" / "chat.txt"
    path.parent.mkdir()
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def form(*paths: Path, me: tuple[str, ...] = ("Sam <b>",), slug: str = "sam", consent: bool = True) -> Form:
    return Form(paths, me, slug, consent)


def read(workspace: Workspace, filled: Form) -> list[Reading]:
    return list(read_writing(workspace, filled, TODAY))


def test_preview_tells_format_people_and_dates(chat: Path) -> None:
    seen = preview([chat])
    assert seen.people == (("Ann", 60), ("Sam <b>", 60))
    assert seen.choices[0] == ("Ann · 60 messages", "Ann")
    for shown in ("chat.txt", "whatsapp", "120", "01 Jun 2024", "30 Jun 2024", '<td class="sc-number">1</td>'):
        assert shown in seen.html


def test_one_bad_file_does_not_hide_the_others(chat: Path) -> None:
    empty = chat.with_name("<i>empty.txt")
    empty.touch()
    seen = preview([chat, empty])
    assert [name for name, _ in seen.people] == ["Ann", "Sam <b>"]
    assert "&lt;i&gt;empty.txt is empty" in seen.html
    assert str(chat.parent) not in seen.html
    assert "<i>" not in seen.html


def test_an_empty_drop_zone_has_an_empty_preview() -> None:
    assert preview([]).html == ""
    assert preview([]).choices == []


def test_reading_ends_with_a_card_and_a_persona_ready_to_train(workspace: Workspace, chat: Path) -> None:
    *steps, last = read(workspace, form(chat))
    folder = workspace.existing("sam")
    persona = Persona.load(folder)
    assert last.slug == "sam"
    assert "sam is ready to train" in last.html
    assert "Counted as you: Sam &lt;b&gt;." in last.html
    assert steps
    assert all("progressbar" in step.html and step.slug is None for step in steps)
    assert persona.aliases == ("Sam <b>",)
    assert persona.consent == "This is my own writing, or its author agreed (2026-01-31)"
    assert folder.split("train").exists()
    assert folder.baseline.exists()
    assert folder.memory.exists()
    assert not chat.exists(), "the page keeps no copy of what has been read"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"me": ()}, "nobody is chosen as you"),
        ({"consent": False}, "consent is missing"),
        ({"slug": "Two Words"}, "cannot be a persona's name"),
        ({"slug": "../up"}, "cannot be a persona's name"),
        ({"slug": ""}, "cannot be a persona's name"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_written(
    workspace: Workspace, chat: Path, changed: dict[str, object], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        read(workspace, form(chat, **changed))  # type: ignore[arg-type]
    assert workspace.personas() == []
    assert chat.exists()


def test_no_file_is_told(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="no file yet"):
        read(workspace, form())


def test_errors_of_the_stages_reach_the_user_without_the_pages_own_folders(workspace: Workspace, chat: Path) -> None:
    with pytest.raises(AuthorNotFound):
        read(workspace, form(chat, me=("Sa",)))
    empty = chat.with_name("empty.txt")
    empty.touch()
    with pytest.raises(IngestError) as told:
        read(workspace, form(empty))
    assert told.value.problem.startswith("empty.txt is empty")
    assert chat.exists()


def test_too_little_writing_is_told_and_the_upload_kept(workspace: Workspace, chat: Path) -> None:
    chat.write_text("".join(chat.read_text().splitlines(keepends=True)[:21]))
    with pytest.raises(TooFewPairs, match="usable pairs"):
        read(workspace, form(chat))
    assert chat.exists()


def test_without_folders_keeps_class_and_mend(chat: Path) -> None:
    error = without_folders(IngestError(f"{chat} is odd", mend=f"Look at {chat}"), [chat])
    assert (type(error), error.problem, error.mend) == (IngestError, "chat.txt is odd", "Look at chat.txt")


@pytest.mark.parametrize(("pairs", "word"), [(20, "prompt"), (50, "hear"), (400, "comparison"), (1000, "Plenty")])
def test_advice_follows_the_number_of_pairs(pairs: int, word: str) -> None:
    assert word in advice(pairs)


def test_watch_gives_events_as_they_come_then_the_result() -> None:
    def work(report: Report) -> str:
        report(Event("ingest", done=1, total=2))
        return "done"

    seen: Iterator[Event | str] = watch(work)
    assert isinstance(next(seen), Event)
    assert list(seen) == ["done"]


def test_watch_raises_what_the_work_raises() -> None:
    def work(report: Report) -> None:
        raise StyleCloneError("no luck")

    with pytest.raises(StyleCloneError, match="no luck"):
        list(watch(work))
