"""The index of a corpus, and the stretches it is cut into."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from style_clone.conversation import Message, write_lines
from style_clone.errors import StorageError
from style_clone.pairs.reading.corpus import Corpus, opened
from style_clone.pairs.reading.stretches import MOST_MESSAGES, Order
from tests.pairs_chats import MORNING, chat, message


def write(path: Path, messages: list[Message]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        write_lines(file, (each.to_json() for each in messages))
    return path


def stretches(corpus: Corpus, gap_seconds: float = 3600) -> list[list[str]]:
    return [
        [corpus.read(row)["id"] for row in stretch.rows.tolist()] for stretch in Order.of(corpus).stretches(gap_seconds)
    ]


def test_messages_are_read_where_they_lie(tmp_path: Path) -> None:
    messages = chat("Ann: grüße 🙂", "Nell: zwei\nzeilen", "Bob: three")
    with opened(write(tmp_path / "m", messages), lambda name: name == "Nell", lambda row, own: None) as corpus:
        assert [Message.from_json(corpus.read(row)) for row in range(len(corpus))] == messages
        assert corpus.by_author.tolist() == [False, True, False]
        assert corpus.row_of("t", messages[2].id) == 2
        assert corpus.row_of("u", messages[2].id) is None


def test_a_message_that_comes_again_is_there_once(tmp_path: Path) -> None:
    messages = chat("Ann: one", "Nell: two")
    other = message("Nell", "two", thread="u", id=messages[1].id)
    with opened(write(tmp_path / "m", [*messages, *messages, other]), lambda _: True, lambda row, own: None) as corpus:
        assert (len(corpus), corpus.repeated) == (3, 2)


def test_people_are_those_who_write_or_are_written_to_but_the_author(tmp_path: Path) -> None:
    messages = [*chat("Ann: a", "Bob: b", "Bob: c", "Nell: d"), message("Nell", "e", recipient="Cleo")]
    with opened(write(tmp_path / "m", messages), lambda name: name == "Nell", lambda row, own: None) as corpus:
        assert corpus.people == ("Bob", "Ann", "Cleo")


@pytest.mark.parametrize("line", ["{broken", "[]", '{"id": "1"}', ""])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "m", chat("Ann: one"))
    with path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(StorageError, match="m, line 2"), opened(path, lambda _: True, lambda row, own: None):
        pass


def test_stretches_keep_threads_and_documents_apart_and_are_cut_at_silence(tmp_path: Path) -> None:
    messages = [
        message("Ann", "1", MORNING, "a", id="a1"),
        message("Bob", "2", MORNING, "b", id="b1"),
        message("Nell", "3", MORNING + timedelta(minutes=59), "a", id="a2"),
        message("Nell", "4", MORNING + timedelta(minutes=119), "a", id="a3"),
        message("Nell", "5", MORNING, "a", id="d1", kind="document"),
        message("Nell", "6", MORNING, "a", id="d2", kind="document"),
        message("", "Ann left", MORNING, "b", id="s", kind="system"),
    ]
    with opened(write(tmp_path / "m", messages), lambda name: name == "Nell", lambda row, own: None) as corpus:
        assert stretches(corpus) == [["a1", "a2"], ["a3"], ["d1"], ["d2"], ["b1"]]


def test_a_channel_that_is_never_silent_is_cut_too(tmp_path: Path) -> None:
    messages = [message("Ann", "x", MORNING + timedelta(seconds=n), id=str(n)) for n in range(MOST_MESSAGES + 1)]
    with opened(write(tmp_path / "m", messages), lambda _: False, lambda row, own: None) as corpus:
        assert [len(part) for part in stretches(corpus)] == [MOST_MESSAGES, 1]


def test_pauses_are_counted_within_threads_and_not_in_mail(tmp_path: Path) -> None:
    later = MORNING + timedelta(seconds=90)
    messages = [
        *(message("Ann", "x", date, "a") for date in (MORNING, later)),
        *(message("Ann", "x", date, "b") for date in (MORNING, None)),
        *(message("Ann", "x", date, "c", title="mail") for date in (MORNING, later)),
    ]
    with opened(write(tmp_path / "m", messages), lambda _: False, lambda row, own: None) as corpus:
        assert Order.of(corpus).pauses().tolist() == [90.0]


def test_nothing_is_cut_of_nothing(tmp_path: Path) -> None:
    with opened(write(tmp_path / "m", []), lambda _: False, lambda row, own: None) as corpus:
        assert stretches(corpus) == []
        assert np.array_equal(Order.of(corpus).pauses(), [])
