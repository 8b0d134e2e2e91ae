"""One readable file of the corpus, wherever it lies, as bytes, lines or text."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO

from style_clone.errors import IngestError
from style_clone.ingest.encoding import Encoding, describe, detect

HEAD_BYTES = 1 << 16
DOCUMENT_BYTES = 20 << 20

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True)
class Source:
    """A file on disk or an entry of an archive.

    `name` is its path relative to what the user gave, with `/` (an archive counts as a folder); `origin` is what an
    error calls it; `open` opens its bytes. `explicit` says that the user named this very file.
    """

    name: str
    origin: str
    open: Opener
    explicit: bool = True

    @property
    def path(self) -> PurePosixPath:
        """`name` as a path, for its parts."""
        return PurePosixPath(self.name)

    @property
    def suffix(self) -> str:
        """The file name's ending, lower case, with its dot."""
        return self.path.suffix.lower()

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB."""
        with self.open() as file:
            return file.read(HEAD_BYTES)

    @cached_property
    def encoding(self) -> Encoding | None:
        """How its bytes spell text, from the whole file; None where it is not text."""
        with self.open() as file:
            return detect(file)

    @cached_property
    def first_lines(self) -> list[str]:
        """The lines of `head` that are not blank, without the last one where the file goes on."""
        text = self._decoded(self.head)
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        whole = lines[:-1] if len(self.head) == HEAD_BYTES else lines
        return [line for line in whole if line.strip()]

    def lines(self) -> Iterator[str]:
        """Its lines, one at a time, without their ends; only CR, LF and CRLF end a line."""
        found = self._known_encoding()
        with self.open() as raw, io.TextIOWrapper(raw, encoding=found.name, errors=found.errors) as text:
            for line in text:
                yield line.removesuffix("\n")

    def text(self) -> str:
        """All of it. Raises IngestError for a file above 20 MiB, which is no document."""
        with self.open() as raw:
            content = raw.read(DOCUMENT_BYTES + 1)
        if len(content) > DOCUMENT_BYTES:
            raise IngestError(
                f"{self.origin} is larger than {DOCUMENT_BYTES >> 20} MiB, too large for one document",
                mend="Split it into several files.",
            )
        return self._decoded(content).replace("\r\n", "\n").replace("\r", "\n")

    def _decoded(self, content: bytes) -> str:
        found = self._known_encoding()
        return io.TextIOWrapper(io.BytesIO(content), encoding=found.name, errors="replace", newline="").read()

    def _known_encoding(self) -> Encoding:
        if self.encoding is None:
            raise IngestError(
                f"{self.origin} is not a text file ({describe(self.head)})",
                mend="Export or save it as plain text, Markdown or JSON Lines. See: style-clone inspect --help",
            )
        return self.encoding


def from_file(path: Path, *, name: str | None = None, origin: str | None = None, explicit: bool = True) -> Source:
    """A source for a file on disk; it is not opened yet."""
    origin = origin or str(path)

    @contextmanager
    def open_file() -> Iterator[IO[bytes]]:
        try:
            file = path.open("rb")
        except OSError as error:
            raise IngestError(f"{origin} cannot be read: {error.strerror}", mend="Check its permissions.") from error
        with file:
            yield file

    return Source(name=name or path.name, origin=origin, open=open_file, explicit=explicit)
