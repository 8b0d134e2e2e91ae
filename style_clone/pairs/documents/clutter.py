"""What in a document is nobody's voice: code, tables, quoted lines, pictures, rules, bare links and numbering."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from style_clone.pairs.cleaning.filters import is_only_links
from style_clone.pairs.documents.headings import is_dateline, is_numbering
from style_clone.words import count_words

_FENCE = re.compile(r"\s{0,3}(```+|~~~+)")
_FOOTNOTE_MARK = re.compile(r"\s?\[(?:\^[^\]\s]{1,20}|\d{1,3}|[*†‡§]+)\]:?(?!\w)")
_PICTURE = re.compile(
    r"\[(?:Illustration|Footnote|Music|Sidenote|Transcriber)\b[^\]]*\]|!\[[^\]]*\]\([^)\s]*\)", re.IGNORECASE
)
_CODE_LINE = re.compile(r"(?:\t| {4,})\s*\S.*(?:[{}=<>$\\|]|\w\(|;$)")
_TABLE_LINE = re.compile(
    r"\s*\|.*\|\s*$|.*\S\s+\|\s+\S.*\s\|\s|\s*\+[-=+]{3,}\+\s*$|\s*\S.*?(?: {3,}|\t+)\S.*?(?: {3,}|\t+)\S"
)
_QUOTED_LINE = re.compile(r"\s{0,3}>")


def without_marks(text: str) -> str:
    """`text` without footnote marks, pictures and what an edition put in brackets: "[12]", "[Illustration: a bee]"."""
    return _PICTURE.sub("", _FOOTNOTE_MARK.sub("", text)) if "[" in text else text


def outside_fences(text: str) -> Iterator[str]:
    """The lines of `text` that are not in a fenced block of code; each block leaves one blank line."""
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence):
                fence = ""
                yield ""
        elif mark:
            fence = mark[1]
        else:
            yield line


def is_clutter(lines: Sequence[str]) -> bool:
    """Whether the lines of one paragraph are no prose of anybody's."""
    text = "\n".join(lines)
    if not count_words(text) or is_only_links(text):
        return True
    if len(lines) == 1 and (is_numbering(text) or is_dateline(text)):
        return True
    return _most(lines, _CODE_LINE) or _most(lines, _TABLE_LINE, least=2) or all(map(_QUOTED_LINE.match, lines))


def _most(lines: Sequence[str], pattern: re.Pattern[str], least: int = 1) -> bool:
    """Whether more than half of the lines, and at least `least`, match."""
    found = sum(bool(pattern.match(line)) for line in lines)
    return found >= least and 2 * found > len(lines)
