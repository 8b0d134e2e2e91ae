"""What one line of a WhatsApp export is: a message, a placeholder of something that is not text, or WhatsApp's own."""

from __future__ import annotations

import re

from style_clone.conversation import Kind
from style_clone.ingest import phrases
from style_clone.ingest.families import Entry
from style_clone.ingest.identity import MARKS

DIRECTION = "\u200e\u200f"
_MARKS = re.compile(f"[{MARKS}]")
_FILE_NAME = re.compile(
    r"\S.*\.(?:pdf|docx?|xlsx?|pptx?|odt|ods|txt|csv|rtf|epub|zip|rar|7z|apk|vcf|ics|json|html?|md"
    r"|jpe?g|png|gif|webp|heic|mp[34]|m4a|opus|ogg|wav|mov|avi|mkv)(?: • .*)?",
    re.IGNORECASE,
)


def classify(entry: Entry, author: str, text: str) -> tuple[Kind, str]:
    """What a line is, and its words: a caption below a placeholder is a message, a placeholder alone is media."""
    if not author:
        return "system", bare("\n".join([text, *entry.below])).strip()
    line = phrases.folded(bare(text))
    if text[:1] in DIRECTION and text:
        return _generated(entry, text, line)
    if phrases.is_notice(line) and not entry.below:
        return "system", bare(text).strip()
    if phrases.is_media(line) or not (text.strip() or entry.below):
        return _media(entry, bare(text))
    if DIRECTION[0] in text or DIRECTION[1] in text:
        return _inline(entry, text)
    return "message", _words([text, *entry.below])


def _generated(entry: Entry, text: str, line: str) -> tuple[Kind, str]:
    """A text that begins with a mark is WhatsApp's: an attachment where the line begins with one too, or is a place."""
    if entry.marked or phrases.is_media(line) or "://maps." in line:
        return _media(entry, bare(text))
    if phrases.is_notice(line) or not entry.below:
        return "system", bare("\n".join([text, *entry.below])).strip()
    return _media(entry, bare("\n".join([text, *entry.below])))


def _media(entry: Entry, placeholder: str) -> tuple[Kind, str]:
    caption = _words(entry.below)
    if caption and not placeholder.rstrip().endswith(":") and not _FILE_NAME.fullmatch(caption):
        return "message", caption
    return "media", placeholder.strip()


def _inline(entry: Entry, text: str) -> tuple[Kind, str]:
    """`caption <mark>image omitted` or `file.pdf <mark>document omitted`: the placeholder stands behind the words."""
    words, _, last = _last_mark(text)
    if not entry.marked and not phrases.is_media(phrases.folded(last)):
        return "message", _words([text, *entry.below])
    before = bare(words).strip()
    if not before or _FILE_NAME.fullmatch(before):
        return "media", bare(text).strip()
    return "message", _words([before, *entry.below])


def _last_mark(text: str) -> tuple[str, str, str]:
    place = max(text.rfind(mark) for mark in DIRECTION)
    return text[:place], text[place], text[place + 1 :]


def _words(lines: list[str]) -> str:
    text = "\n".join(lines)
    if text.endswith((">", "> ")):
        text = phrases.EDITED.sub("", text)
    return bare(text).strip()


def bare(text: str) -> str:
    """`text` without invisible marks of text direction."""
    return text if text.isascii() else _MARKS.sub("", text)
