"""Which encoding a file's bytes are in: byte-order mark, UTF-8, UTF-16, then a guess at a legacy code page."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import IO

BLOCK_BYTES = 1 << 20
SAMPLE_BYTES = 1 << 16
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MAGIC = (
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "rich text, RTF"),
    (b"PK\x03\x04", "a zip archive or an office document"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"RIFF", "a recording or a picture"),
    (b"OggS", "a recording"),
    (b"ID3", "a recording"),
)
# What Windows-1252 makes of text in another code page: long runs of accented letters (Cyrillic, Greek, Hebrew, Arabic),
# or figures and signs in the middle of words (Polish).
NOT_WESTERN = re.compile(r"[À-ÿŒœŠšŽžŸ]{3}|[a-z][¹²³¿¾¼½£¥¤¦§±´µ¶¸ª»¯][a-z]")
MANY_NON_ASCII = 100


@dataclass(frozen=True)
class Encoding:
    """A codec's name, and what to do with bytes it does not know ("strict" or "replace")."""

    name: str
    errors: str = "strict"


def detect(file: IO[bytes]) -> Encoding | None:
    """The encoding of an open file, read to its end; None for bytes that are not text."""
    head = file.read(SAMPLE_BYTES)
    for mark, name in BOMS:
        if head.startswith(mark):
            return Encoding(name, "replace")
    if head.startswith(tuple(magic for magic, _ in MAGIC)):
        return None
    if b"\0" in head:
        return _utf16_without_mark(head)
    if _is_utf8(head, file):
        return Encoding("utf-8")
    if _is_damaged_utf8(head):
        return Encoding("utf-8", "replace")
    return None if _has_controls(head) else Encoding(_code_page(head), "replace")


def describe(head: bytes) -> str:
    """What bytes that are not text are, as far as their first ones tell."""
    return next((what for magic, what in MAGIC if head.startswith(magic)), "its bytes are not characters")


def _is_utf8(head: bytes, rest: IO[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
        while block := rest.read(BLOCK_BYTES):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _is_damaged_utf8(sample: bytes) -> bool:
    """Whether it is UTF-8 but for a few bytes, as an export cut in the middle of an emoji is."""
    text = sample.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return 10 * broken <= sum(character > "\x7f" for character in text) - broken


def _utf16_without_mark(head: bytes) -> Encoding | None:
    """UTF-16 of mostly Western text has a zero in every other byte, and nearly none between."""
    even, odd = head[::2].count(0) / len(head[::2]), head[1::2].count(0) / max(1, len(head[1::2]))
    if even < 0.02 and odd > 0.4:
        return Encoding("utf-16-le", "replace")
    if odd < 0.02 and even > 0.4:
        return Encoding("utf-16-be", "replace")
    return None


def _has_controls(head: bytes) -> bool:
    controls = sum(head.count(byte) for byte in (*range(1, 9), *range(14, 27), 127))
    return controls > len(head) / 200


def _code_page(sample: bytes) -> str:
    """Windows-1252 where that reads as Western text, else what charset-normalizer makes of it."""
    from charset_normalizer import from_bytes

    western = sample.decode("cp1252", "replace")
    few = sum(byte > 127 for byte in sample) < MANY_NON_ASCII
    if few and "\ufffd" not in western and not NOT_WESTERN.search(western):
        return "cp1252"
    best = from_bytes(sample).best()
    return best.encoding if best is not None else "cp1252"
