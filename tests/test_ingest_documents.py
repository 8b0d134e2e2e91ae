from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from style_clone.conversation import Message
from style_clone.errors import IngestError
from style_clone.ingest.formats.markdown import Markdown
from style_clone.ingest.formats.text import PlainText
from style_clone.ingest.importer import Importer, Tally
from style_clone.ingest.source import from_file

PROSE = "Zwölf Bücher, naïve Köche: “fünf” für 3 €. Déjà vu?"


def read(importer: Importer, path: Path, content: str | bytes, tally: Tally | None = None) -> Message:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (message,) = importer.extract(from_file(path), tally or Tally())
    return message


def test_a_text_file_is_one_document_named_after_itself(tmp_path: Path) -> None:
    message = read(PlainText(), tmp_path / "2025-03-12 spring.txt", "\r\nA line.\r\n\r\nAnother.\r\n")
    assert message.text == "A line.\n\nAnother."
    assert (message.kind, message.author, message.channel) == ("document", "", "text")
    assert (message.title, message.thread, message.date) == ("2025-03-12 spring",) * 2 + (datetime(2025, 3, 12),)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    assert read(PlainText(), tmp_path / "a.txt", PROSE.encode(encoding)).text == PROSE


@pytest.mark.parametrize(
    ("encoding", "prose"),
    [
        ("cp1251", "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 8),
        ("cp1250", "Pchnąć w tę łódź jeża lub ośm skrzyń fig. Zażółć gęślą jaźń, mój miły przyjacielu. " * 8),
        ("cp1253", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία και ύστερα πίνω έναν καφέ. " * 8),
        ("shift_jis", "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。" * 8),
    ],
)
def test_legacy_encodings_of_other_scripts(tmp_path: Path, encoding: str, prose: str) -> None:
    assert read(PlainText(), tmp_path / "a.txt", prose.encode(encoding)).text == prose.strip()


def test_utf8_cut_in_the_middle_of_a_letter_stays_utf8(tmp_path: Path) -> None:
    message = read(PlainText(), tmp_path / "a.txt", ("ünïcödé " * 20 + "😀").encode()[:-1])
    assert message.text == "ünïcödé " * 20 + "\ufffd"


@pytest.mark.parametrize(
    ("content", "title", "date"),
    [
        ("---\ntitle: \"A: b\"\ndate: 2024-05-06\n---\nwords", "A: b", datetime(2024, 5, 6)),
        ("---\nTitle: Plain\npublished: '2024-05-06T07:08:09+02:00'\n---\n\nwords", "Plain", datetime(2024, 5, 6, 7, 8, 9)),
        ("+++\ntitle = 'T'\ndate = 2024-05-06T07:08:09Z\n[extra]\nx = 1\n+++\nwords", "T", datetime(2024, 5, 6, 7, 8, 9)),
        ("---\ntags: [a]\n---\n# Heading #\nwords", "Heading", datetime(2023, 1, 2)),
        ("Heading\n=======\nwords", "Heading", datetime(2023, 1, 2)),
        ("words", "2023-01-02-post", datetime(2023, 1, 2)),
        ("---\nwords without an end", "2023-01-02-post", datetime(2023, 1, 2)),
    ],
)  # fmt: skip
def test_titles_and_dates_of_markdown(tmp_path: Path, content: str, title: str, date: datetime) -> None:
    message = read(Markdown(), tmp_path / "2023-01-02-post.md", content)
    assert (message.title, message.date) == (title, date)
    assert message.text.endswith("words") or message.text.endswith("without an end")
    assert "title" not in message.text.casefold()


def test_a_rule_inside_the_text_is_no_front_matter(tmp_path: Path) -> None:
    assert read(Markdown(), tmp_path / "a.md", "one\n\n---\ndate: x\n---\ntwo").text == "one\n\n---\ndate: x\n---\ntwo"


def test_an_odd_date_is_counted_and_the_file_name_helps(tmp_path: Path) -> None:
    tally = Tally()
    message = read(Markdown(), tmp_path / "20230102.md", "---\ndate: last week\n---\nwords", tally)
    assert (message.date, tally.undated) == (datetime(2023, 1, 2), 1)


def test_a_number_that_is_no_date_gives_none(tmp_path: Path) -> None:
    assert read(PlainText(), tmp_path / "20231399 and 19990230.txt", "words").date is None


@pytest.mark.parametrize("content", ["---\ntitle: T\n---\n", "\n \n"])
def test_nothing_below_the_front_matter_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(IngestError, match="holds no words"):
        read(Markdown(), tmp_path / "a.md", content)


def test_a_document_of_any_size_is_not_one(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="too large for one document"):
        read(PlainText(), tmp_path / "a.txt", "word " * (5 << 20))
