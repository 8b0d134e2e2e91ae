"""Threads -> units with their drafts: conversations give replies, documents and long messages give prose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from style_clone.conversation import Message
from style_clone.pairs.drafts import Draft, Ledger
from style_clone.pairs.monologue import draft_post, draft_prose
from style_clone.pairs.replies import Scene, context_of, draft_reply, labels
from style_clone.pairs.split import Unit
from style_clone.pairs.threads import IsAuthor, Threads, conversations, moment
from style_clone.pairs.turns import Reader, Utterance
from style_clone.progress import Event, Report


def units_of(threads: Threads, is_author: IsAuthor, ledger: Ledger, report: Report) -> Iterator[Unit]:
    """Every unit that holds a draft. Where nobody but the author writes in a thread, its utterances are posts."""
    for number, (thread, messages) in enumerate(threads.items()):
        if number % 100 == 0:
            report(Event("pairs", "cutting conversations", number, len(threads)))
        prose = [message for message in messages if message.kind == "document"]
        talk = [message for message in messages if message.kind != "document"]
        yield from _document_units(thread, prose, is_author, ledger)
        yield from _conversation_units(thread, talk, is_author, ledger)


def _document_units(thread: str, prose: list[Message], is_author: IsAuthor, ledger: Ledger) -> Iterator[Unit]:
    own = [message for message in prose if is_author(message.author)]
    if len(own) < len(prose):
        ledger.ignored["document by somebody else"] += len(prose) - len(own)
    drafts = tuple(draft for message in own for draft in draft_prose(message, thread, ledger))
    if drafts:
        yield Unit(thread, True, _when(own[0]), drafts)


def _conversation_units(thread: str, talk: list[Message], is_author: IsAuthor, ledger: Ledger) -> Iterator[Unit]:
    reader = Reader(talk, is_author)
    label = labels(message.author for message in talk)
    others = frozenset(message.author for message in talk if not is_author(message.author))
    for conversation in conversations(thread, talk):
        said = reader.utterances(conversation)
        scene = Scene.of(conversation.id, said, others, label)
        drafts = tuple(
            draft
            for index, utterance in enumerate(said)
            if utterance.by_author
            for draft in _drafts(scene, index, utterance, not others, ledger)
        )
        if drafts:
            yield Unit(conversation.id, False, _when(conversation.messages[0]), drafts)


def _drafts(scene: Scene, index: int, utterance: Utterance, alone: bool, ledger: Ledger) -> Iterator[Draft]:
    if utterance.is_long:
        return draft_prose(utterance.messages[0], scene.unit, ledger)
    if alone or (utterance.messages[0].title and not context_of(scene, index)):
        return draft_post(utterance, scene.unit, ledger)
    return draft_reply(scene, index, ledger)


def _when(message: Message) -> datetime | None:
    return moment(message.date) if message.date else None
