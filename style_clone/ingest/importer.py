"""What an import format is: something that recognises a file and reads messages out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from style_clone.conversation import Message
from style_clone.ingest.source import Source


@dataclass
class Tally:
    """What an importer could not use, counted while it reads one file.

    `unparsed` counts lines that fit no message; `undated` messages whose date was given but could not be read.
    """

    unparsed: int = 0
    first_unparsed: int | None = None
    undated: int = 0

    def miss(self, line: int) -> None:
        """Count an unparsed line; `line` is its number in the file, from 1."""
        self.unparsed += 1
        if self.first_unparsed is None:
            self.first_unparsed = line


class Importer(Protocol):
    """One import format.

    `anonymous` formats (plain documents) do not say who wrote them: they yield messages with an empty author, and the
    caller fills in the persona's.
    """

    @property
    def name(self) -> str:
        """The format's name, as `--format` takes it and as `Message.channel` says it."""

    @property
    def anonymous(self) -> bool:
        """Whether the format leaves the author's name to the caller."""

    def identify(self, source: Source) -> bool:
        """Whether the file looks like this format, by its name and its first lines; never by a trial parse."""

    def extract(self, source: Source, tally: Tally) -> Iterator[Message]:
        """The file's messages in its order. Raises IngestError, with the line, where it cannot be read."""
