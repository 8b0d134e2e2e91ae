"""Finding files, and archives that mean harm."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from style_clone.errors import AmbiguousFormat, IngestError, UnknownFormat, UnsafeArchive, UsageError
from style_clone.ingest import registry
from style_clone.ingest.archive import Limits, archive_sources
from style_clone.ingest.finding import Skipped, find
from style_clone.ingest.formats.jsonl import JsonLines
from style_clone.ingest.formats.text import PlainText
from style_clone.ingest.source import Source, from_file

CHAT = "12/03/2025, 18:42 - Ann: hi\n12/03/2025, 18:43 - Bob: ho\n"


def make_zip(path: Path, entries: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def names(found: list[Source | Skipped]) -> list[str]:
    return [item.name for item in found]


def test_folders_are_walked_in_order_and_hidden_files_passed_over(tmp_path: Path) -> None:
    root = tmp_path / "exports"
    for name in ("b.txt", "a/z.md", "a/.secret.txt", ".git/config.txt", ".DS_Store"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / "c.txt").symlink_to("/etc/passwd")
    found = list(find([root]))
    assert names(found) == ["exports/b.txt", "exports/c.txt", "exports/a/z.md"]
    assert [item for item in found if isinstance(item, Skipped)] == [
        Skipped("exports/c.txt", "a link or a special file")
    ]


def test_a_path_that_is_not_there_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file or folder"):
        list(find([tmp_path / "nowhere.txt"]))


def test_something_that_is_no_file_is_an_error() -> None:
    with pytest.raises(IngestError, match="neither a file nor a folder"):
        list(find([Path("/dev/null")]))


def test_an_archive_gives_its_text_and_counts_the_rest(tmp_path: Path) -> None:
    path = make_zip(
        tmp_path / "WhatsApp Chat - Ann.zip",
        {"_chat.txt": CHAT, "IMG-1.jpg": b"\xff\xd8", "__MACOSX/._chat.txt": b"\0", "sub/": "", "sub/notes.md": "# hi"},
    )
    found = list(find([path]))
    assert names(found)[:2] == ["WhatsApp Chat - Ann.zip/_chat.txt", "WhatsApp Chat - Ann.zip/sub/notes.md"]
    assert isinstance(found[2], Skipped)
    assert "2 other entries" in found[2].name
    source = found[0]
    assert isinstance(source, Source)
    assert list(source.lines()) == CHAT.splitlines()


@pytest.mark.parametrize(
    "name", ["../out.txt", "/etc/out.txt", "a/../../out.txt", "..\\out.txt", "C:\\out.txt", "\\\\host\\x.txt"]
)
def test_names_that_point_outside(tmp_path: Path, name: str) -> None:
    path = make_zip(tmp_path / "a.zip", {"fine.txt": "x", name: "x"})
    with pytest.raises(UnsafeArchive, match="points outside"):
        archive_sources(path)


def test_a_link_in_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        entry = zipfile.ZipInfo("link.txt")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(entry, "/etc/passwd")
    with pytest.raises(UnsafeArchive, match="is a link"):
        archive_sources(path)


def test_a_bomb_is_told_by_its_ratio(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"chat.txt": b"0" * (4 << 20)})
    with pytest.raises(UnsafeArchive, match="times its size"):
        archive_sources(path)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(entries=1), "2 entries, more than 1"),
        (Limits(entry_bytes=10), "unpacks to"),
        (Limits(total_bytes=60), "its text unpacks to more than"),
    ],
)
def test_limits(tmp_path: Path, limits: Limits, why: str) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.txt": CHAT, "b.txt": CHAT})
    with pytest.raises(UnsafeArchive, match=why):
        archive_sources(path, limits)


def test_the_same_name_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("a.txt", "one")
        file.writestr("a.txt", "two")
    with pytest.raises(UnsafeArchive, match="twice"):
        archive_sources(path)


def test_archives_that_are_broken(tmp_path: Path) -> None:
    good = make_zip(tmp_path / "good.zip", {"a.txt": CHAT * 50}).read_bytes()
    cut, scrambled, empty = tmp_path / "cut.zip", tmp_path / "scrambled.zip", tmp_path / "empty.zip"
    cut.write_bytes(good[: len(good) // 2])
    scrambled.write_bytes(good[:40] + bytes(20) + good[60:])
    empty.write_bytes(b"")
    for path in (cut, empty):
        with pytest.raises(UnsafeArchive, match="broken or cut short"):
            archive_sources(path)
    with pytest.raises(UnsafeArchive, match="cannot be unpacked"):
        list(archive_sources(scrambled)[0][0].lines())


def test_an_encrypted_archive_says_so(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.txt": CHAT})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UnsafeArchive, match="encrypted"):
        list(archive_sources(path)[0][0].lines())


def test_names_in_undeclared_utf8(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"WhatsApp Chat with Zo__.txt": CHAT})
    path.write_bytes(path.read_bytes().replace(b"Zo__.txt", "Zoë.txt".encode()))
    found, _ = archive_sources(path)
    assert found[0].name == "a.zip/WhatsApp Chat with Zoë.txt"
    assert list(found[0].lines()) == CHAT.splitlines()


def test_a_broken_archive_in_a_folder_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "b.zip").write_bytes(b"PK nonsense")
    skipped = [item for item in find([tmp_path]) if isinstance(item, Skipped)]
    assert len(skipped) == 1
    assert "broken" in skipped[0].reason


def claimed(path: Path, content: bytes | str) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return registry.claim(from_file(path)).name


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", CHAT, "whatsapp"),
        ("a.txt.605af1", CHAT, "whatsapp"),
        ("a.txt", "12/03/2025, 18:42 - Ann: hi", "whatsapp"),
        ("a.txt", "Dear diary,\n\n12/03/2025 was fine.\n", "text"),
        ("a.txt", "12/03/2025, 18:42 - I began.\n" + "Then I went on and on.\n" * 9, "text"),
        ("a.txt", '{"author": "Ann", "text": "hi"}\n', "jsonl"),
        ("a.txt", '{"a": 1} is how JSON begins', "text"),
        ("a.jsonl", '{"body": "hi"}\n', "jsonl"),
        ("a.md", "# hi", "markdown"),
    ],
)
def test_formats_are_told_by_the_first_lines(tmp_path: Path, name: str, content: str, expected: str) -> None:
    assert claimed(tmp_path / name, content) == expected


def test_two_claims_name_both(tmp_path: Path) -> None:
    path = tmp_path / "chat.md"
    path.write_text(CHAT)
    with pytest.raises(AmbiguousFormat, match="whatsapp and markdown"):
        registry.claim(from_file(path))
    assert registry.claim(from_file(path), "markdown").name == "markdown"


def test_two_importers_of_one_mind_are_caught(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"author": "Ann", "text": "hi"}')
    with pytest.raises(AmbiguousFormat, match="jsonl and jsonl"):
        registry.claim(from_file(path), importers=(JsonLines(), JsonLines(), PlainText()))


def test_an_unknown_format_names_those_known(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat) as caught:
        claimed(tmp_path / "a.csv", "a,b\n1,2\n")
    assert "whatsapp, jsonl, markdown, text" in caught.value.mend
    with pytest.raises(UsageError, match="no format 'slack'"):
        registry.by_name("slack")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b" \n\n", "holds no words"),
        (bytes(range(256)) * 20, "is not a text file"),
        (b"%PDF-1.7 mostly ascii", "a PDF"),
        (b"{\\rtf1\\ansi hello}", "RTF"),
        (b"PK\x03\x04 word/document.xml", "office document"),
        (b"\x01\x02\x03\x04\x05\xff\xfe" * 50, "is not a text file"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(IngestError, match=why):
        claimed(tmp_path / "a.txt", content)
