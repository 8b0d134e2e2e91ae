"""Real exports and real writing, read where they lie; skipped where they are absent."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from style_clone.conversation import Message, read_lines
from style_clone.errors import IngestError
from style_clone.ingest import registry, run
from style_clone.ingest.finding import find
from style_clone.ingest.importer import Tally
from style_clone.ingest.source import Source
from style_clone.workspace import Workspace

WHATSAPP = ("exports/whatsapp", "exports/_copyleft/whatsapp")


def present(folder: Path) -> Path:
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    return folder


def sources(folder: Path) -> list[Source]:
    return [found for found in find([present(folder)]) if isinstance(found, Source)]


def read(source: Source, tally: Tally | None = None) -> list[Message]:
    return list(registry.claim(source).extract(source, tally or Tally()))


@pytest.mark.parametrize("place", WHATSAPP)
def test_every_real_whatsapp_export_is_read_whole(corpora: Path, place: str) -> None:
    for source in sources(corpora / place):
        tally = Tally()
        messages = read(source, tally)
        assert {message.channel for message in messages} == {"whatsapp"}, source.name
        assert tally.unparsed == 0, source.name
        assert len([message for message in messages if message.kind == "message"]) >= 5, source.name
        dates = [message.date for message in messages if message.date]
        assert 2016 <= min(dates).year <= max(dates).year <= 2023, source.name


def test_one_conversation_in_eleven_languages_reads_alike(corpora: Path) -> None:
    """One chat, exported by phones set to different languages and calendars."""
    exports = sources(corpora / "exports/_copyleft/whatsapp/starkdmi__whats_json")
    iphone = [source for source in exports if "Android" not in source.name]
    assert len(iphone) >= 10
    for source in iphone:
        messages = read(source)
        spoken = [message for message in messages if message.kind == "message"]
        assert {message.author for message in spoken} == {"Dmitry S"}, source.name
        assert [message.text for message in spoken][-1] == "Hello World", source.name
        assert {message.recipient for message in spoken} <= {"Elon Musk", "Musk Elon", None}, source.name
        day = next(message.date for message in spoken if message.date)
        assert (day.year, day.month, day.day) == (2022, 3, 27), source.name
        assert sum(message.kind == "media" for message in messages) >= 13, source.name


def test_android_exports_of_one_chat_agree(corpora: Path) -> None:
    exports = sources(corpora / "exports/_copyleft/whatsapp/starkdmi__whats_json")
    czech, english, russian = sorted(
        (source for source in exports if "Android" in source.name), key=lambda one: one.name
    )
    texts = [[m.text for m in read(source) if m.kind == "message"] for source in (czech, russian)]
    assert texts[0] == texts[1]
    captions = {message.text for message in read(english) if message.kind == "message"} - set(texts[0])
    assert {"Caption", "Two videos with caption", "Титл"} <= captions
    assert not any("deleted" in text and "Deeted" not in text for text in texts[0])


def test_nasty_files_are_read_or_refused_in_words(corpora: Path) -> None:
    for path in sorted(present(corpora / "exports/nasty").rglob("*")):
        if path.is_file():
            try:
                (report, *_) = run.inspect([path])
            except IngestError as error:
                assert str(path) in error.problem
                assert error.mend
            else:
                assert report.messages == 1, path.name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sample-arabic-1.txt", "المغاربية"),
        ("sample-hebrew-2.txt", "עבריים"),
        ("sample-polish.txt", "URZĄDZEN"),
        ("sample-russian-3.txt", "столица России"),
        ("sample-french.txt", "MOLIÈRE"),
    ],
)
def test_legacy_encodings_are_guessed_right(corpora: Path, name: str, words: str) -> None:
    found = sources(corpora / "exports/nasty/Ousret__charset_normalizer")
    source = next(source for source in found if source.path.name == name)
    assert words in source.text()


def test_every_corpus_of_authors_is_read(corpora: Path) -> None:
    found = sources(corpora / "authors")
    assert len(found) >= 10
    for source in found:
        messages = read(source)
        assert len(messages) >= 10, source.name
        kind = "document" if "/essays/" in source.name else "message"
        assert {message.kind for message in messages} == {kind}, source.name


def test_the_large_chat_is_ingested_quickly(corpora: Path, workspace: Workspace) -> None:
    path = present(corpora / "authors/chat/duraspace-irc/messages.jsonl")
    folder = workspace.folder("tim")
    start = time.perf_counter()
    summary = run.ingest(folder, [path], ["tdonohue"])
    assert time.perf_counter() - start < 20
    assert sum(1 for _ in read_lines(folder.messages)) == summary.messages == 22_532
    assert summary.by_author > 5_000
    assert not any(report.undated for report in summary.files)
