"""Where longer results are printed: a console of at most 100 columns, in colour only where there is somebody to see it."""

from __future__ import annotations

import re
import sys
import unicodedata
from typing import IO, Any, cast

from rich.console import Console
from rich.text import Text

MOST_COLUMNS = 100
"""Wider than this, a line of text is hard to read back."""

_PICTURES = {
    **{code: 0x2400 + code for code in range(0x20) if code != 0x0A},
    0x09: "    ",
    0x0D: None,
    0x7F: 0x2421,
    **dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD),
}
"""Characters that would move the cursor, ring, or turn the line around, as Unicode's pictures of them; tabs as spaces."""
_SPACES_AT_END = re.compile(r" +((?:\x1b\[0m)?)$", re.MULTILINE)
"""Spaces, and the end of a colour behind them."""


def paper() -> Console:
    """A console on standard output as it is now. Colours follow the terminal and NO_COLOR; numbers are not coloured."""
    console = Console(file=cast(IO[str], _Trimmed(sys.stdout)), highlight=False, markup=False, emoji=False)
    console.width = min(console.width, MOST_COLUMNS)
    return console


class _Trimmed:
    """A stream that leaves out the spaces at the ends of lines, with which tables fill up their last column."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write whole lines."""
        return self.stream.write(_SPACES_AT_END.sub(r"\1", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def in_colour(console: Console) -> bool:
    """Whether colours reach the reader."""
    return console.color_system is not None and not console.no_color


def heading(console: Console, text: str) -> None:
    """A title with room above it."""
    console.print(Text(f"\n{text}", style="bold"))


def harmless(text: str) -> str:
    """`text` with control characters as pictures, so that a message cannot take over the terminal it is shown in."""
    return text.translate(_PICTURES)


def shortened(text: str, most: int) -> str:
    """`text` cut to `most` characters with an ellipsis, never between a letter and the mark above it."""
    if len(text) <= most:
        return text
    cut = most - 1
    while cut and (unicodedata.combining(text[cut]) or "\u200d" in text[cut - 1 : cut + 1]):
        cut -= 1
    return text[:cut].rstrip() + "…"
