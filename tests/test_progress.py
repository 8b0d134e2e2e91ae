"""Events reach whoever listens, in the file of a job or in the terminal, and quiet means quiet."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from style_clone.cli.terminal import progress, spell_minutes
from style_clone.progress import EVENTS_VARIABLE, Event, read_events, silent, to_file

EVENTS = [
    Event("train", "reading", time=1.0),
    Event("train", "", 5, 10, {"loss": 3.25, "tokens/s": 1234.5}, time=2.0),
    Event("evaluate", "clone 🫠", 1, 3, time=3.0),
]


def test_events_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with path.open("a", encoding="utf-8") as file:
        for event in EVENTS:
            to_file(file)(event)
        assert list(read_events(path)) == EVENTS, "each is there at once, before the file is closed"


def test_a_line_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with path.open("w", encoding="utf-8") as file:
        to_file(file)(EVENTS[0])
        whole = file.tell()
        file.write('{"stage": "tra')
        file.flush()
        assert list(read_events(path)) == EVENTS[:1]
        file.seek(whole)
        file.truncate()
        to_file(file)(EVENTS[1])
    assert list(read_events(path, start=whole)) == EVENTS[1:2]


def test_no_file_is_no_events(tmp_path: Path) -> None:
    assert list(read_events(tmp_path / "none.jsonl")) == []


def test_silence() -> None:
    silent(EVENTS[0])


def test_a_job_s_events_go_to_its_file_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv(EVENTS_VARIABLE, str(path))
    for quiet in (False, True):
        with progress(quiet=quiet) as report:
            report(EVENTS[1])
    assert list(read_events(path)) == [EVENTS[1]] * 2
    assert capsys.readouterr() == ("", "")
    assert json.loads(path.read_text().splitlines()[0])["figures"]["loss"] == 3.25


def test_without_a_terminal_there_are_plain_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as report:
        for done in range(101):
            report(Event("train", "", done, 100, {"loss": 3.25, "tokens/s": 1234.5}))
    out, err = capsys.readouterr()
    assert out == ""
    assert 2 <= len(err.splitlines()) <= 12, "a line for each tenth at the most, not one for each step"
    assert "100%" in err
    assert "loss 3.25" in err
    assert "1,23" in err
    assert "\x1b" not in err


SAMPLE = {"prompt": "coming?\nnow?", "clone": "on my way", "author": "5 min"}


def test_warnings_and_samples_are_lines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as report:
        report(Event("train", "", 41, 100, {"loss": 3.25, "seconds left": 200}))
        report(Event("train", "warning: held-out loss rose", 42, 100, {"loss": 3.25}))
        report(Event("train", "", 43, 100, {"loss": 3.25}, sample=SAMPLE))
    assert capsys.readouterr().err.splitlines() == [
        "train:  41% loss 3.25  3 min left",
        "train: warning: held-out loss rose",
        "train:   asked: coming? now?",
        "train:   clone: on my way",
        "train:  author: 5 min",
    ]


def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal as standard error, from now on."""
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return screen


def test_a_terminal_shows_them_above_the_bar_and_the_time_left_once(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    with progress() as report:
        report(Event("train", "", 41, 100, {"loss": 3.25, "seconds left": 200}, sample=SAMPLE))
        report(Event("train", "warning: [red]held-out loss rose", 42, 100, {"loss": 3.25, "seconds left": 199}))
    drawn = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert "  clone: on my way" in drawn
    assert "warning: [red]held-out loss rose\n" in drawn
    bar = drawn.splitlines()[-1]
    assert "0:03:19" in bar
    assert "min left" not in bar
    assert "loss 3.25" in bar
    assert "warning" not in bar


@pytest.mark.parametrize(
    ("seconds", "spelled"),
    [
        (0, "under a minute"),
        (59, "under a minute"),
        (61, "1 min"),
        (200, "3 min"),
        (3600, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_time_to_wait_is_spelled_as_people_say_it(seconds: float, spelled: str) -> None:
    assert spell_minutes(seconds) == spelled


def test_quiet_writes_no_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(quiet=True) as report:
        report(EVENTS[0])
    assert capsys.readouterr() == ("", "")


def test_quiet_still_shows_a_terminal_how_far_long_work_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = terminal(monkeypatch)
    with progress(quiet=True) as report:
        report(EVENTS[1])
    assert "train" in screen.getvalue()
    assert capsys.readouterr().out == ""
