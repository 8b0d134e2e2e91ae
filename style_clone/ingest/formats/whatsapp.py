"""WhatsApp's "Export chat", Android and iPhone, in any language the phone is set to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from style_clone.conversation import Message
from style_clone.ingest import families, phrases
from style_clone.ingest.families import Entry
from style_clone.ingest.identity import clean_name
from style_clone.ingest.importer import Tally
from style_clone.ingest.kinds import bare, classify
from style_clone.ingest.numbering import Numbering
from style_clone.ingest.source import Source
from style_clone.ingest.stamps import StampReader

LONGEST_NAME = 120
LONG_NAME_LINES = 5
_COPY_NUMBER = re.compile(r" \(\d\)$")


class WhatsApp:
    """Lines such as `12/03/2025, 18:42 - Name: text` or `[12/03/2025, 18:42:10] Name: text`."""

    name = "whatsapp"
    anonymous = False

    def identify(self, source: Source) -> bool:
        """Whether the first lines are stamped as a chat's are."""
        return families.is_stamped_log(source)

    def extract(self, source: Source, tally: Tally) -> Iterator[Message]:
        """Reads the file three times: for its dates' order, for who writes in it, for its messages."""
        reader = StampReader.learn(source)
        cast = Cast.learn(families.entries(source.lines(), reader, Tally()))
        thread = _thread(source, cast)
        numbering = Numbering(thread)
        for entry in families.entries(source.lines(), reader, tally):
            author, text = cast.split(entry.text)
            kind, words = classify(entry, author, text)
            if kind == "system":
                author = ""
            yield Message(
                id=numbering.next(entry.stamp, entry.text, "\n".join(entry.below).strip()),
                author=author,
                text=words,
                thread=thread,
                source=source.name,
                channel=self.name,
                date=entry.date,
                kind=kind,
                recipient=cast.other(author),
            )


@dataclass(frozen=True)
class Cast:
    """Who writes in one chat. `long_names` maps what stands before a name's first colon to the whole name."""

    people: frozenset[str]
    long_names: dict[str, str]
    chat_name: str | None

    @classmethod
    def learn(cls, entries: Iterable[Entry]) -> Cast:
        """Collect the writers of a chat; one who is named by the software only (a group's own name) is none."""
        colons = _Colons()
        pairs: dict[str, None] = {}
        chat_name: str | None = None
        for entry in entries:
            colons.see(entry.text)
            author, text = _split(entry.text, {})
            if author and _is_persons(entry, author, text):
                pairs[author] = None
            elif author and chat_name is None:
                chat_name = author
        long_names = colons.long_names()
        whole = {clean_name(first): clean_name(name) for first, name in long_names.items()}
        return cls(frozenset(whole.get(author, author) for author in pairs), long_names, chat_name)

    def split(self, text: str) -> tuple[str, str]:
        """The author of a line and what they wrote; no author where WhatsApp wrote it."""
        return _split(text, self.long_names)

    def other(self, author: str) -> str | None:
        """In a chat of two people, the one who is not `author`."""
        if len(self.people) != 2 or author not in self.people:
            return None
        return next(iter(self.people - {author}))


def _is_persons(entry: Entry, author: str, text: str) -> bool:
    """Whether somebody wrote the line, or wrote and deleted it; a group's own name does neither."""
    return phrases.folded(bare(text)) in phrases.DELETED or classify(entry, author, text)[0] != "system"


class _Colons:
    """Finds names that hold a colon: "Ann: Work" where nearly all lines of "Ann" go on with "Work: "."""

    def __init__(self) -> None:
        self.lines: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        self.guesses: dict[str, str] = {}

    def see(self, text: str) -> None:
        first, colon, rest = text.partition(": ")
        if not colon:
            return
        self.lines[first] += 1
        second, colon, _ = rest.partition(": ")
        if colon and len(second) < LONGEST_NAME // 2:
            self.guesses.setdefault(first, f"{first}: {second}")
        if first in self.guesses and text.startswith(self.guesses[first] + ": "):
            self.hits[first] += 1

    def long_names(self) -> dict[str, str]:
        return {
            first: name
            for first, name in self.guesses.items()
            if self.hits[first] >= LONG_NAME_LINES and 10 * self.hits[first] >= 9 * self.lines[first]
        }


def _split(text: str, long_names: dict[str, str]) -> tuple[str, str]:
    name, colon, words = text.partition(": ")
    if not colon and text.endswith(":"):
        name, colon, words = text[:-1], ":", ""
    author = _author(name) if colon and len(name) <= LONGEST_NAME else ""
    if not author:
        return "", text
    if name in long_names and text.startswith(long_names[name]):
        name = long_names[name]
        if not text.startswith(f"{name}:"):
            return "", text
        return _author(name), text[len(name) + 1 :].removeprefix(" ")
    return author, words


@lru_cache(maxsize=4096)
def _author(name: str) -> str:
    """A name as it is kept; empty for the beginning of a notice. A ~ marks people who are not in the address book."""
    if phrases.NOTICE.search(f"{name} ".casefold()):
        return ""
    return clean_name(clean_name(name).removeprefix("~"))


def _thread(source: Source, cast: Cast) -> str:
    """The chat's name: from the file's, or, as iPhones call every file _chat.txt, from the archive's or folder's."""
    parts = [part for part in (source.path, *source.path.parents) if part != PurePosixPath(".")]
    for part in parts:
        stem = _COPY_NUMBER.sub("", clean_name(_without_suffix(part.name)))
        match = phrases.CHAT_FILE.match(stem)
        if match:
            return stem[match.end() :]
    own = _COPY_NUMBER.sub("", _without_suffix(source.path.name))
    if own != "_chat":
        return clean_name(own)
    return cast.chat_name or next((_without_suffix(part.name) for part in parts[1:]), own)


def _without_suffix(name: str) -> str:
    return re.sub(r"\.(?:txt|zip)$", "", name, flags=re.IGNORECASE)
