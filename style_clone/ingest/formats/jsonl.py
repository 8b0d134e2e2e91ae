"""Generic JSON Lines: one message an object, `author` and `text` at least."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn, cast, get_args

from style_clone.conversation import Kind, Message
from style_clone.errors import IngestError
from style_clone.ingest import families
from style_clone.ingest.identity import clean_name
from style_clone.ingest.importer import Tally
from style_clone.ingest.numbering import Numbering
from style_clone.ingest.source import Source
from style_clone.ingest.times import LocalClock, parse_date

SUFFIXES = (".jsonl", ".ndjson")
KINDS = get_args(Kind)
EXPECTED = 'Each line must be one JSON object, such as {"author": "Ann", "text": "hi", "date": "2025-03-12T18:42"}.'
LONGEST_LISTED = 10

Row = dict[str, Any]


class JsonLines:
    """Objects with `author` and `text`, and optionally date, thread_id, in_reply_to, id, recipient, title or subject,
    kind, channel, and what the message quotes: quoted, quoted_parent or quoted_tail."""

    name = "jsonl"
    anonymous = False

    def identify(self, source: Source) -> bool:
        """Whether it is named .jsonl or .ndjson, or its first line is an object with an author and a text."""
        if source.suffix in SUFFIXES:
            return True
        row = families.first_object(source)
        return row is not None and {"author", "text"} <= row.keys()

    def extract(self, source: Source, tally: Tally) -> Iterator[Message]:
        """Reads it line by line. Raises IngestError, naming the line, for one that is no message."""
        file = _File(source, tally)
        for number, line in enumerate(source.lines(), start=1):
            if line and not line.isspace():
                message = file.message(_parse(source, number, line), number)
                if message is None:
                    tally.miss(number)
                else:
                    yield message


class _File:
    """What is remembered from line to line: the zone of the dates, and the ids made for rows without one."""

    def __init__(self, source: Source, tally: Tally) -> None:
        self.source = source
        self.tally = tally
        self.clock = LocalClock()
        self.own_thread = source.path.with_suffix("").as_posix()
        self.numbering: dict[str, Numbering] = {}

    def message(self, row: Row, number: int) -> Message | None:
        """The row's message, or None for one with an empty text."""
        text = _well_formed(row["text"])
        if not text.strip():
            return None
        kind = _kind(row)
        author = clean_name(self._word(row, "author", number) or "")
        thread = self._word(row, "thread_id", number) or self._word(row, "thread", number) or self.own_thread
        return Message(
            id=self._word(row, "id", number) or self._number(thread, row, author, text),
            author=author,
            text=text,
            thread=thread,
            source=self.source.name,
            channel=self._word(row, "channel", number) or JsonLines.name,
            date=self._date(row),
            kind=kind,
            in_reply_to=self._word(row, "in_reply_to", number),
            recipient=self._word(row, "recipient", number),
            title=self._word(row, "title", number) or self._word(row, "subject", number),
            quoted=self._quoted(row, number),
        )

    def _quoted(self, row: Row, number: int) -> str | None:
        """What the row says it quotes, as it stands there: what of it is another person's words is not for here."""
        parent = row.get("quoted_parent")
        if parent is not None and not isinstance(parent, dict):
            _reject(self.source, number, f"the field 'quoted_parent' is {_type(parent)}, not an object with 'text'")
        found = (self._word(row, "quoted", number), self._word(parent or {}, "text", number))
        return next((words for words in (*found, self._word(row, "quoted_tail", number)) if words), None)

    def _number(self, thread: str, row: Row, author: str, text: str) -> str:
        numbering = self.numbering.setdefault(thread, Numbering(thread))
        return numbering.next(str(row.get("date")), author, text)

    def _date(self, row: Row) -> Any:
        value = row.get("date")
        if value is None or value == "":
            return None
        moment = parse_date(value)
        if moment is None:
            self.tally.undated += 1
            return None
        return self.clock.wall(moment)

    def _word(self, row: Row, field: str, number: int) -> str | None:
        """A field that is text, or a number meant as one; None where it is absent, null or empty."""
        value = row.get(field)
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            value = ", ".join(value)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            _reject(self.source, number, f"the field {field!r} is {_type(value)}, not text")
        return _well_formed(str(value))


def _parse(source: Source, number: int, line: str) -> Row:
    try:
        row = json.loads(line.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        _reject(source, number, f"not JSON ({error.msg}, column {error.colno})")
    except (ValueError, RecursionError):
        _reject(source, number, "JSON that is nested too deeply or holds too large a number")
    if not isinstance(row, dict):
        _reject(source, number, f"{_type(row)}, not an object")
    for field in ("author", "text"):
        if field not in row or (row[field] is None and row.get("kind") != "system"):
            shown = ", ".join(list(row)[:LONGEST_LISTED]) or "none"
            _reject(source, number, f"no field {field!r} (fields present: {shown})")
    if not isinstance(row["text"], str):
        _reject(source, number, f"the field 'text' is {_type(row['text'])}, not text")
    return row


def _kind(row: Row) -> Kind:
    """The kind the row says; a row with a title that is addressed to nobody is a document. One with a subject is mail."""
    said = row.get("kind")
    if said in KINDS:
        return cast(Kind, said)
    addressed = row.get("recipient") or row.get("in_reply_to") or row.get("subject")
    if said is None and row.get("title") and not addressed:
        return "document"
    return "message"


def _well_formed(text: str) -> str:
    """`text` without half surrogate pairs, which JSON escapes can spell but UTF-8 cannot hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _type(value: object) -> str:
    names = {"str": "text", "list": "a list", "dict": "an object", "bool": "true or false", "NoneType": "null"}
    return names.get(type(value).__name__, "a number")


def _reject(source: Source, number: int, why: str) -> NoReturn:
    raise IngestError(f"{source.origin}, line {number}: {why}", mend=EXPECTED)
