"""A stretch of the corpus -> a unit with its drafts: a conversation gives replies, a document or long message prose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

import numpy as np

from style_clone.conversation import Message, Origin, Turn
from style_clone.pairs.cleaning.cleaner import Cleaner
from style_clone.pairs.cleaning.filters import MAX_REPLY_WORDS, MOSTLY_CODE
from style_clone.pairs.cleaning.program_text import is_mostly_program_text
from style_clone.pairs.conversations.replies import Label, Scene, is_asked, labels, prompt_of
from style_clone.pairs.conversations.turns import IsAuthor, Said, Utterance, utterances
from style_clone.pairs.documents.chunking import MAX_CHUNK_WORDS, Chunk, chunks
from style_clone.pairs.documents.monologue import prompt_for
from style_clone.pairs.drafts import Draft, Prompt, Unit
from style_clone.pairs.reading.corpus import Corpus, moment
from style_clone.pairs.reading.stretches import Order, Stretch
from style_clone.pairs.wishes import Wishes
from style_clone.words import count_words

MIN_POST_WORDS = 5
TOO_SHORT = f"under {MIN_POST_WORDS} words with nobody to answer"


class UnitReader:
    """Reads units from a corpus. The same stretch gives the same unit again, so nothing of it need be kept."""

    def __init__(self, corpus: Corpus, is_author: IsAuthor, clean: Cleaner, wishes: Wishes) -> None:
        self.corpus = corpus
        self.is_author = is_author
        self.clean = clean
        self.ledger = clean.ledger
        self.wishes = wishes
        self._thread = ThreadPeople(corpus, is_author, clean.redact.label)

    def read(self, stretch: Stretch) -> Unit | None:
        """The unit of a stretch, or None where the author wrote nothing in it that can be a target."""
        if not self.corpus.by_author[stretch.rows].any():
            if stretch.is_document:
                self.ledger.drop(stretch.rows.tolist(), "document by somebody else")
            return None
        first = Message.from_json(self.corpus.read(int(stretch.rows[0])))
        said = list(self._cleaned(stretch))
        name = _name(first, stretch)
        found = self._document(name, said) if stretch.is_document else self._conversation(name, stretch, said)
        drafts = tuple(draft for draft in map(self._edited, found) if draft is not None)
        return Unit(name, stretch.is_document, _when(first), drafts) if drafts else None

    def _cleaned(self, stretch: Stretch) -> Iterator[Said]:
        for row in stretch.rows.tolist():
            message = self.clean(row)
            if message is not None:
                yield Said(row, message)

    def _document(self, unit: str, said: list[Said]) -> Iterator[Draft]:
        return (
            draft for each in said for draft in self._prose(unit, Utterance(each.message.author, True, (each,)), None)
        )

    def _conversation(self, unit: str, stretch: Stretch, said: list[Said]) -> Iterator[Draft]:
        label, others = self._thread.of(int(self.corpus.thread[stretch.rows[0]]))
        here = {each.message.id: each.message for each in said}

        def find(message: Message) -> Message | None:
            wanted = message.in_reply_to or ""
            row = None if wanted in here else self.corpus.row_of(message.thread, wanted)
            return here.get(wanted) if row is None else self.clean(row)

        scene = Scene.of(unit, utterances(said, self.is_author, find), others, label)
        for index, utterance in enumerate(scene.said):
            if utterance.by_author:
                yield from self._drafts(scene, index, utterance, alone=not others)

    def _drafts(self, scene: Scene, index: int, utterance: Utterance, *, alone: bool) -> Iterator[Draft]:
        asked = is_asked(scene, index)
        recipient = utterance.messages[0].recipient or scene.partner
        if utterance.is_long:
            prompt = partial(self._prompt, scene, index) if asked else None
            yield from self._prose(scene.unit, utterance, recipient, prompt)
        elif not asked and (alone or utterance.messages[0].title):
            yield from self._post(scene.unit, utterance, recipient)
        elif len(text := utterance.text) > MAX_REPLY_WORDS and count_words(text) > MAX_REPLY_WORDS:
            self.ledger.drop(utterance.rows, f"over {MAX_REPLY_WORDS} words")
        else:
            origin: Origin = "reply" if asked else "opening"
            yield Draft(
                id=utterance.messages[0].id,
                unit=scene.unit,
                origin=origin,
                asked_by="person" if asked else "template",
                reply=text,
                rows=utterance.rows,
                message=utterance.messages[0],
                recipient=recipient,
                prompt=partial(self._prompt, scene, index),
            )

    def _prompt(self, scene: Scene, index: int, reply: str) -> list[Turn] | None:
        return prompt_of(scene, index, reply, self.ledger.mend)

    def _prose(
        self,
        unit: str,
        utterance: Utterance,
        recipient: str | None,
        asked: Prompt | None = None,
    ) -> Iterator[Draft]:
        """Drafts of a document or long message. Where it answers somebody, its first chunk is the reply to that."""
        first, rows = utterance.messages[0], utterance.rows
        parts = chunks(utterance.text, first.title)
        found = [chunk for chunk in parts if not is_mostly_program_text(chunk.text)]
        if not found:
            self.ledger.drop(rows, MOSTLY_CODE if parts else TOO_SHORT)
        for number, chunk in enumerate(found, start=1):
            name = f"{first.id}#{number}"
            if asked is not None and number == 1:
                yield Draft(name, unit, "reply", "person", chunk.text, rows, first, recipient, asked)
            else:
                yield self._written(name, unit, chunk, rows, first, recipient)

    def _post(self, unit: str, utterance: Utterance, recipient: str | None) -> Iterator[Draft]:
        """Drafts of what the author wrote where nobody else writes: a mail without answer, a channel, a note."""
        first, size = utterance.messages[0], count_words(utterance.text)
        if size < MIN_POST_WORDS:
            self.ledger.drop(utterance.rows, TOO_SHORT)
        elif size > MAX_CHUNK_WORDS:
            yield from self._prose(unit, utterance, recipient)
        else:
            chunk = Chunk(utterance.text, first.title, asked=first.title)  # its title is its own heading
            yield self._written(first.id, unit, chunk, utterance.rows, first, recipient)

    def _written(
        self, name: str, unit: str, chunk: Chunk, rows: tuple[int, ...], message: Message, recipient: str | None
    ) -> Draft:
        prompt, asked_by = prompt_for(chunk, f"{unit}#{name}", self.wishes.written.prompts)

        def turns(reply: str) -> list[Turn]:
            return [{"role": "user", "content": prompt}]

        return Draft(name, unit, "document", asked_by, chunk.text, rows, message, recipient, turns)

    def _edited(self, draft: Draft) -> Draft | None:
        edits = self.wishes.edits
        if draft.key in edits.excluded:
            self.ledger.drop(draft.rows, "left out by you")
            return None
        return replace(draft, reply=edits.replies.get(draft.key, draft.reply))


class ThreadPeople:
    """Who writes in a thread, and how each is called there; the last thread's are kept."""

    def __init__(self, corpus: Corpus, is_author: IsAuthor, masked: Label) -> None:
        self.corpus = corpus
        self.is_author = is_author
        self.masked = masked
        pairs = np.unique(np.stack([corpus.thread, corpus.author]), axis=1) if len(corpus) else np.empty((2, 0), int)
        self._thread, self._author = pairs
        self._last: tuple[int, tuple[Label, frozenset[str]]] | None = None

    def of(self, thread: int) -> tuple[Label, frozenset[str]]:
        """How the thread's writers are labelled in a group, and the names of those who are not the author."""
        if self._last is None or self._last[0] != thread:
            start, stop = np.searchsorted(self._thread, [thread, thread + 1])
            names = [self.corpus.authors[number] for number in self._author[start:stop].tolist()]
            others = frozenset(name for name in names if not self.is_author(name))
            self._last = thread, (labels(names, self.masked), others)
        return self._last[1]


def read_all(reader: UnitReader, order: Order, gap_seconds: float) -> Iterator[tuple[Stretch, Unit]]:
    """Every unit that holds a draft, with the stretch it was read from."""
    reader.ledger.drop(order.left_out.tolist(), "written by the software")
    for stretch in order.stretches(gap_seconds):
        unit = reader.read(stretch)
        if unit is not None:
            yield stretch, unit


def _name(first: Message, stretch: Stretch) -> str:
    """Named by when it began, so that a name stays the same when messages are added to the thread's ends."""
    if stretch.is_document:
        return first.thread if first.id == first.thread else f"{first.thread}/{first.id}"
    if first.date is not None:
        return f"{first.thread}@{first.date.isoformat()}"
    return f"{first.thread}@{stretch.number}" if stretch.number else first.thread


def _when(message: Message) -> datetime | None:
    return moment(message.date) if message.date else None
