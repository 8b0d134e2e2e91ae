from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from style_clone.conversation import Message
from style_clone.errors import IngestError
from style_clone.ingest.formats import jsonl
from style_clone.ingest.formats.jsonl import JsonLines
from style_clone.ingest.importer import Tally
from style_clone.ingest.source import from_file

HI = {"author": "Ann", "text": "hi"}


def read(folder: Path, *rows: Any, tally: Tally | None = None) -> list[Message]:
    path = folder / "chat.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return list(JsonLines().extract(from_file(path), tally or Tally()))


def test_author_and_text_are_enough(tmp_path: Path) -> None:
    (message,) = read(tmp_path, HI)
    assert (message.author, message.text, message.thread, message.kind) == ("Ann", "hi", "chat", "message")
    assert (message.date, message.recipient, message.in_reply_to) == (None, None, None)


def test_every_field(tmp_path: Path) -> None:
    row = {
        **HI, "id": 7, "thread_id": "#dev", "in_reply_to": "6", "recipient": ["Bob", "Cy"], "date": "2025-03-12",
        "kind": "action", "channel": "irc", "addressed_to": "Bob", "gold": True,
    }  # fmt: skip
    (message,) = read(tmp_path, row)
    assert message == Message(
        id="7", author="Ann", text="hi", thread="#dev", source="chat.jsonl", channel="irc", kind="message",
        date=datetime(2025, 3, 12), in_reply_to="6", recipient="Bob, Cy",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2010-07-02T08:43", datetime(2010, 7, 2, 8, 43)),
        ("2010-07-02T08:43:10", datetime(2010, 7, 2, 8, 43, 10)),
        ("2010-07-02 08:43:10+00:00", datetime(2010, 7, 2, 8, 43, 10)),
        ("2010-07-02T08:43:10.5Z", datetime(2010, 7, 2, 8, 43, 10, 500_000)),
        (1278060190, datetime(2010, 7, 2, 8, 43, 10)),
        ("1278060190", datetime(2010, 7, 2, 8, 43, 10)),
        ("1278060190.000200", datetime(2010, 7, 2, 8, 43, 10, 200)),
        (1278060190000, datetime(2010, 7, 2, 8, 43, 10)),
        (1278060190000000, datetime(2010, 7, 2, 8, 43, 10)),
        ("Fri, 2 Jul 2010 08:43:10 -0800 (PST)", datetime(2010, 7, 2, 8, 43, 10)),
        ("July 2, 2010", datetime(2010, 7, 2)),
        ("March 6th, 1839", datetime(1839, 3, 6)),
        ("15 March, 1864", datetime(1864, 3, 15)),
    ],
)
def test_dates(tmp_path: Path, written: object, expected: datetime) -> None:
    tally = Tally()
    (message,) = read(tmp_path, {**HI, "date": written}, tally=tally)
    assert message.date == expected
    assert tally.undated == 0


@pytest.mark.parametrize("written", ["Tuesday night", "1898", 12, True, "2010-13-45", 1e300, -5, ["2010"]])
def test_a_date_that_is_none_is_counted(tmp_path: Path, written: object) -> None:
    tally = Tally()
    (message,) = read(tmp_path, {**HI, "date": written}, tally=tally)
    assert message.date is None
    assert tally.undated == 1


def test_zones_are_brought_to_the_first_so_that_order_and_gaps_hold(tmp_path: Path) -> None:
    dates = ["2025-03-12T18:00:00+02:00", "2025-03-12T16:05:00+00:00", "2025-03-12T11:10:00-05:00"]
    messages = read(tmp_path, *({**HI, "date": date} for date in dates))
    assert [message.date for message in messages] == [datetime(2025, 3, 12, 18, minute) for minute in (0, 5, 10)]


def test_a_title_makes_a_document_unless_it_is_addressed(tmp_path: Path) -> None:
    messages = read(
        tmp_path, {**HI, "title": "On it"}, {**HI, "title": "On it", "recipient": "Bob"}, {**HI, "kind": "document"}
    )
    assert [message.kind for message in messages] == ["document", "message", "document"]


def test_a_subject_is_a_title_of_mail(tmp_path: Path) -> None:
    messages = read(
        tmp_path,
        {**HI, "subject": "On it"},
        {**HI, "subject": "On it", "title": "Off it"},
        {**HI, "subject": "On it", "kind": "document"},
    )
    assert [message.title for message in messages] == ["On it", "Off it", "On it"]
    assert [message.kind for message in messages] == ["message", "message", "document"]


@pytest.mark.parametrize(
    ("fields", "quoted"),
    [
        ({}, None),
        ({"quoted": None, "quoted_parent": None, "quoted_tail": ""}, None),
        ({"quoted": "who?"}, "who?"),
        ({"quoted_parent": {"author": "Bea", "date": None, "text": "who?"}}, "who?"),
        ({"quoted_parent": {"author": "Bea"}}, None),
        ({"quoted_tail": "Bea wrote:\n> who?"}, "Bea wrote:\n> who?"),
        ({"quoted_tail": "tail", "quoted_parent": {"text": "parent"}}, "parent"),
        ({"quoted_tail": "tail", "quoted_parent": {"text": "parent"}, "quoted": "quoted"}, "quoted"),
    ],
)
def test_what_a_message_quotes(tmp_path: Path, fields: dict[str, object], quoted: str | None) -> None:
    (message,) = read(tmp_path, {**HI, **fields})
    assert (message.text, message.quoted) == ("hi", quoted)


def test_ids_are_made_where_there_are_none_and_stay(tmp_path: Path) -> None:
    before = [message.id for message in read(tmp_path, HI, HI)]
    after = [message.id for message in read(tmp_path, HI, HI, {**HI, "text": "more"})]
    assert after[:2] == before
    assert len(set(after)) == 3


def test_blank_lines_are_nothing_and_blank_texts_are_counted(tmp_path: Path) -> None:
    tally = Tally()
    assert len(read(tmp_path, "\ufeff" + json.dumps(HI), "", {**HI, "text": " "}, HI, tally=tally)) == 2
    assert (tally.unparsed, tally.first_unparsed) == (1, 3)


def test_half_an_emoji_is_not_carried_on(tmp_path: Path) -> None:
    (message,) = read(tmp_path, '{"author": "Ann", "text": "hm \\ud83d \\ud83d\\ude00"}')
    assert message.text == "hm \ufffd 😀"


def test_line_separators_inside_a_text_do_not_end_the_line(tmp_path: Path) -> None:
    (message,) = read(tmp_path, json.dumps({**HI, "text": "a\u2028b\x85c"}, ensure_ascii=False))
    assert message.text == "a\u2028b\x85c"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{broken", "not JSON"),
        ("[1, 2]", "a list, not an object"),
        ("3", "a number, not an object"),
        ('{"author": "Ann", "body": "hi"}', "no field 'text' (fields present: author, body)"),
        ('{"user": "Ann", "text": "hi"}', "no field 'author' (fields present: user, text)"),
        ('{"author": "Ann", "text": null}', "no field 'text'"),
        ('{"author": "Ann", "text": ["hi"]}', "the field 'text' is a list, not text"),
        ('{"author": {"name": "Ann"}, "text": "hi"}', "the field 'author' is an object, not text"),
        ('{"author": "Ann", "text": "hi", "id": 1.5}', "the field 'id' is a number, not text"),
        ('{"author": "Ann", "text": "hi", "quoted": {"text": "who?"}}', "the field 'quoted' is an object, not text"),
        (
            '{"author": "Ann", "text": "hi", "quoted_parent": "who?"}',
            "'quoted_parent' is text, not an object with 'text'",
        ),
        ('{"author": "Ann", "text": "hi", "quoted_parent": {"text": 1.5}}', "the field 'text' is a number, not text"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ("9" * 5000, "too large a number"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(IngestError) as caught:
        read(tmp_path, HI, line)
    assert "chat.jsonl, line 2: " in caught.value.problem
    assert words in caught.value.problem
    assert '"author"' in caught.value.mend


def test_the_page_of_the_format_names_every_field() -> None:
    page = (Path(__file__).parent.parent / "corpus/formats/jsonl.md").read_text(encoding="utf-8")
    code = Path(jsonl.__file__).read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    read_by_code = set(re.findall(r'(?:row, |row\.get\(|row\[)"(\w+)"', code)) - {"thread"}
    assert documented == read_by_code
