"""Where impostors come from: other people's messages, made into pairs by the stage that made the author's."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from style_clone.conversation import SPLITS, Pair, read_pairs
from style_clone.errors import AuthorNotFound, TooFewPairs
from style_clone.ingest.identity import clean_name
from style_clone.ingest.report import total_authors
from style_clone.ingest.run import ingest, inspect
from style_clone.pairs.options import Options
from style_clone.pairs.reading.corpus import MEDIA, SYSTEM, UNDATED, Corpus, moment, opened
from style_clone.pairs.run import build
from style_clone.pairs.summary import MIN_PAIRS
from style_clone.persona import Persona
from style_clone.progress import Event, Report
from style_clone.workspace import PersonaFolder

MOST_PAIRS = 200
"""Of one impostor: enough for 20 bundles of 10, so that nobody outweighs the others."""
MOST_MESSAGES = 25_000
"""A larger corpus is cut to the impostor's own threads, and to so many messages, before pairs are made of it: what is
wanted are 200 pairs, and making them takes time by the message, for each impostor anew."""

_SOFTWARE = frozenset({"system", "github", "gitlab", "jenkins", "slackbot", "hubot", "supybot", "limnoria"})
_BOT = re.compile(r"\[bot\]|(?:^|[\W_])bot(?:$|[\W_\d])|[a-z]Bot\b")


class Search:
    """Looks for impostors in one messages.jsonl after the other; nobody is taken twice, and the persona's author never.

    Scratch personas lie in `scratch`. Each has the redaction wishes of `folder`, and is cleaned, masked and cut like it.
    """

    def __init__(self, folder: PersonaFolder, scratch: Path, report: Report) -> None:
        self.folder = folder
        self.scratch = scratch
        self.report = report
        self.found: dict[str, tuple[Pair, ...]] = {}
        self._met = {person_key(name) for name in Persona.load(folder).aliases}
        self._number = 0

    def look(self, messages: Path, options: Options, *, most: int) -> None:
        """Take the people of `messages` with the most of them, at most `most`, each with 20 pairs or more.

        Twice as many are tried before it is given up: those who follow wrote less still.
        """
        with opened(messages, lambda name: False, lambda row, own: None) as corpus:
            people = [(number, name) for number, name in ranked(corpus) if person_key(name) not in self._met]
            enough = len(self.found) + most
            for number, name in people[: 2 * most]:
                if len(self.found) < enough and person_key(name) not in self._met:
                    self.report(Event("impostors", name, len(self.found), enough))
                    self._met.add(person_key(name))
                    self._take(messages, corpus, number, options)
            # Somebody with too little writing here is not looked for in a sample corpus, where it would be another person.
            self._met.update(person_key(name) for name in corpus.authors)

    def ingested(self, path: Path) -> Path:
        """The messages.jsonl of a file or folder of exports, read into a scratch persona.

        Documents that do not say whose they are count as written by who wrote most of the rest, else by somebody called
        like the file. Raises IngestError for what cannot be read, UsageError for a path that is not there.
        """
        authors = total_authors(inspect([path]))
        author = max(authors, key=authors.__getitem__) if authors else clean_name(path.resolve().stem)
        folder = self._scratch_folder()
        ingest(folder, [path], [author], report=self.report)
        return folder.messages

    def _take(self, messages: Path, corpus: Corpus, number: int, options: Options) -> None:
        name = corpus.authors[number]
        folder = self._scratch_folder()
        folder.root.mkdir()
        try:
            if len(corpus) > MOST_MESSAGES:
                _write_rows(corpus, _rows_around(corpus, number), folder.messages)
            else:
                _same_file(messages, folder.messages)
            Persona(slug=folder.slug, author=name, aliases=(name,)).save(folder)
            if self.folder.redaction.exists():
                shutil.copyfile(self.folder.redaction, folder.redaction)
            build(folder, options=options)
            self.found[name] = spread(_in_time_order(folder), MOST_PAIRS)
        except (TooFewPairs, AuthorNotFound):
            return
        finally:
            shutil.rmtree(folder.root)

    def _scratch_folder(self) -> PersonaFolder:
        self._number += 1
        return PersonaFolder(self.scratch / f"p{self._number}")


def ranked(corpus: Corpus) -> list[tuple[int, str]]:
    """Number and name of everybody who wrote as many messages as there must be pairs, most first; no software."""
    written = corpus.author[(corpus.kind != MEDIA) & (corpus.kind != SYSTEM)]
    counts = np.bincount(written, minlength=len(corpus.authors)).tolist()
    people = [
        (number, name)
        for number, name in enumerate(corpus.authors)
        if counts[number] >= MIN_PAIRS and name and not is_software(name)
    ]
    return sorted(people, key=lambda person: (-counts[person[0]], person[1]))


def is_software(name: str) -> bool:
    """Whether a name is that of a program: known, or called a bot. "Talbot" is none."""
    return name.casefold() in _SOFTWARE or bool(_BOT.search(name))


def person_key(name: str) -> str:
    """A name's letters alone: "nell", "Nell_" and "Nell 🌻" may be one person, who cannot be their own impostor.

    Two people who share them cost one impostor; one person taken for two would spoil the measuring.
    """
    letters = "".join(filter(str.isalpha, clean_name(name).casefold()))
    return letters or clean_name(name).casefold()


def spread(pairs: Sequence[Pair], most: int) -> tuple[Pair, ...]:
    """At most `most` of the pairs, evenly spaced, in their order."""
    return tuple(pairs[index * len(pairs) // most] for index in range(most)) if len(pairs) > most else tuple(pairs)


def _in_time_order(folder: PersonaFolder) -> list[Pair]:
    """The pairs of all splits, oldest first; undated ones before."""
    pairs = [pair for split in SPLITS for pair in read_pairs(folder.split(split))]
    return sorted(pairs, key=lambda pair: moment(datetime.fromisoformat(pair.date)) if pair.date else datetime.min)


def _same_file(messages: Path, here: Path) -> None:
    """The same file under another name; a copy where the disk knows no links."""
    try:
        os.link(messages, here)
    except OSError:
        shutil.copyfile(messages, here)


def _rows_around(corpus: Corpus, number: int) -> NDArray[np.int64]:
    """Rows of the threads somebody wrote in, the newest MOST_MESSAGES up to their last one; int64, in the file's order."""
    threads = np.unique(corpus.thread[corpus.author == number])
    rows = np.flatnonzero(np.isin(corpus.thread, threads))
    if (corpus.moment[rows] != UNDATED).all():
        rows = rows[np.argsort(corpus.moment[rows], kind="stable")]
    last = int(np.flatnonzero(corpus.author[rows] == number)[-1])
    return np.sort(rows[max(0, last + 1 - MOST_MESSAGES) : last + 1])


def _write_rows(corpus: Corpus, rows: NDArray[np.int64], path: Path) -> None:
    with path.open("wb") as file:
        for row in rows.tolist():
            start = int(corpus.start[row])
            line = os.pread(corpus.file, int(corpus.stop[row]) - start, start)
            file.write(line if line.endswith(b"\n") else line + b"\n")
