"""messages.jsonl as an index: where each message lies and who wrote it when, so that texts are read only when needed.

A million messages take some 60 MB here, whatever their length; the texts stay in the file.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
from numpy.typing import NDArray

from style_clone.errors import StorageError
from style_clone.progress import Event, Report, silent

UNDATED = np.iinfo(np.int64).min
MESSAGE, DOCUMENT, MEDIA, SYSTEM = range(4)
_KINDS = {"message": MESSAGE, "document": DOCUMENT, "media": MEDIA, "system": SYSTEM}
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_TOLD_EVERY = 50_000

Row = dict[str, Any]
Seen = Callable[[Row, bool], None]


@dataclass(frozen=True)
class Corpus:
    """N messages, in the file's order; a message that comes again (thread and id) is there once.

    `start` and `stop` are byte offsets of each line, int64 (N,). `thread` and `author` are numbers into `threads` and
    `authors`, int32 (N,). `moment` is the date in microseconds, comparable over zones, or UNDATED, int64 (N,). `kind` is one
    of the constants above, int8 (N,); `titled` says whether it has a subject, bool (N,). `key` is a hash of thread and id,
    uint64 (N,). `own` says which authors are the persona's, bool by number. `repeated` messages were there before.
    """

    file: int
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    thread: NDArray[np.int32]
    author: NDArray[np.int32]
    moment: NDArray[np.int64]
    kind: NDArray[np.int8]
    titled: NDArray[np.bool_]
    key: NDArray[np.uint64]
    threads: tuple[str, ...]
    authors: tuple[str, ...]
    own: NDArray[np.bool_]
    repeated: int
    people: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def by_author(self) -> NDArray[np.bool_]:
        """Which messages are the author's, bool (N,)."""
        return self.own[self.author]

    def read(self, row: int) -> Row:
        """One message as the file has it."""
        start = int(self.start[row])
        return cast(Row, orjson.loads(os.pread(self.file, int(self.stop[row]) - start, start)))

    def row_of(self, thread: str, message_id: str) -> int | None:
        """Where a message of that thread is, or None."""
        keys, rows = self._by_key
        wanted = np.uint64(key_hash(thread, message_id))
        place = int(np.searchsorted(keys, wanted))
        return int(rows[place]) if place < len(keys) and keys[place] == wanted else None

    @cached_property
    def _by_key(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        rows = np.argsort(self.key, kind="stable")
        return self.key[rows], rows


@contextmanager
def opened(path: Path, is_author: Callable[[str], bool], see: Seen, report: Report = silent) -> Iterator[Corpus]:
    """Read messages.jsonl once, row by row, and keep it open for the block; `see` is given each row and whose it is.

    Raises StorageError, with the line, where the file is damaged.
    """
    columns = _Columns(is_author)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        offset = 0
        for number, line in enumerate(file, start=1):
            row = _parse(path, number, line)
            see(row, columns.add(row, offset, len(line)))
            offset += len(line)
            if number % _TOLD_EVERY == 0:
                report(Event("pairs", "reading messages", offset, size))
        yield columns.corpus(file.fileno())


def _parse(path: Path, number: int, line: bytes) -> Row:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise StorageError(
            f"{path}, line {number}: not JSON ({error.msg})",
            mend="Run style-clone ingest again; it writes this file anew.",
        ) from error
    if not isinstance(row, dict) or not {"id", "thread", "author", "text"} <= row.keys():
        raise StorageError(
            f"{path}, line {number}: no message", mend="Run style-clone ingest again; it writes this file anew."
        )
    return row


class _Columns:
    """The index in the making."""

    def __init__(self, is_author: Callable[[str], bool]) -> None:
        self.is_author = is_author
        self.own: list[bool] = []
        self.start, self.length, self.moment = array("q"), array("q"), array("q")
        self.thread, self.author = array("i"), array("i")
        self.kind, self.titled = array("b"), array("b")
        self.key = array("Q")
        self.threads: dict[str, int] = {}
        self.authors: dict[str, int] = {}
        self.met: Counter[str] = Counter()

    def add(self, row: Row, offset: int, length: int) -> bool:
        """Put down one row; says whether it is the author's."""
        name: str = row["author"]
        author = self.authors.setdefault(name, len(self.authors))
        if author == len(self.own):
            self.own.append(self.is_author(name))
        self.author.append(author)
        self.thread.append(self.threads.setdefault(row["thread"], len(self.threads)))
        self.start.append(offset)
        self.length.append(length)
        self.moment.append(_moment(row.get("date")))
        self.kind.append(_KINDS.get(row.get("kind", "message"), MESSAGE))
        self.titled.append("title" in row)
        self.key.append(key_hash(row["thread"], row["id"]))
        if "recipient" in row:
            self.met[row["recipient"]] += 1
        return self.own[author]

    def corpus(self, file: int) -> Corpus:
        key = np.frombuffer(self.key, np.uint64) if self.key else np.empty(0, np.uint64)
        first = np.sort(np.unique(key, return_index=True)[1])

        def column(values: array[int], dtype: type[np.generic]) -> NDArray[Any]:
            return np.asarray(values, dtype)[first]

        start, author = column(self.start, np.int64), column(self.author, np.int32)
        return Corpus(
            file=file,
            start=start,
            stop=start + column(self.length, np.int64),
            thread=column(self.thread, np.int32),
            author=author,
            moment=column(self.moment, np.int64),
            kind=column(self.kind, np.int8),
            titled=column(self.titled, np.bool_),
            key=key[first],
            threads=tuple(self.threads),
            authors=tuple(self.authors),
            own=np.asarray(self.own, np.bool_),
            repeated=len(key) - len(first),
            people=self._people(author),
        )

    def _people(self, author: NDArray[np.int32]) -> tuple[str, ...]:
        """Everybody who writes or is written to, but the author; most messages first."""
        counts = Counter(
            dict(zip(self.authors, np.bincount(author, minlength=len(self.authors)).tolist(), strict=True))
        )
        counts.update(self.met)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(name for name, _ in ranked if name and not self.is_author(name))


def key_hash(thread: str, message_id: str) -> int:
    """64 bits that tell a message from every other: of a million messages two share them once in 30 million corpora."""
    return int.from_bytes(blake2b(f"{thread}\0{message_id}".encode(), digest_size=8).digest(), "little")


def moment(date: datetime) -> datetime:
    """A date that compares with any other: zones to UTC, local times as they stand."""
    return date.astimezone(UTC).replace(tzinfo=None) if date.tzinfo else date


def _moment(date: str | None) -> int:
    return UNDATED if not date else (moment(datetime.fromisoformat(date)) - _EPOCH) // _MICROSECOND
