"""A conversation -> utterances: what one person sent in one go, as bubbles joined by newlines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from style_clone.conversation import Conversation, Message
from style_clone.pairs.filters import is_long
from style_clone.pairs.threads import IsAuthor, seconds_between
from style_clone.persona import fold_name

BUBBLE_GAP_SECONDS = 5 * 60
ADDRESS_WINDOW_SECONDS = 15 * 60
_ADDRESS = re.compile(r"(?:@(\S+?)[:,]?|(\S+?)\s?(?:[:,]|--?|—))\s")


@dataclass(frozen=True, slots=True)
class Utterance:
    """Messages one person sent in a row. `answers` is the message of somebody else that this replies to, if known."""

    speaker: str
    by_author: bool
    messages: tuple[Message, ...]
    answers: Message | None = None

    @property
    def text(self) -> str:
        """One bubble a line."""
        return "\n".join(message.text for message in self.messages)

    @property
    def is_long(self) -> bool:
        """Whether it is prose: a long message always stands alone."""
        return len(self.messages) == 1 and is_long(self.messages[0].text)


class Reader:
    """Cuts the conversations of one thread into utterances; knows the whole thread, to find what a message answers."""

    def __init__(self, messages: Iterable[Message], is_author: IsAuthor) -> None:
        self.by_id: Mapping[str, Message] = {message.id: message for message in messages}
        self.is_author = is_author

    def utterances(self, conversation: Conversation) -> list[Utterance]:
        """Utterances in order. A pause of five minutes, another message answered, or prose begins a new one."""
        found: list[Utterance] = []
        latest: dict[str, Message] = {}
        for message in conversation.messages:
            by_author = self.is_author(message.author)
            answers = self._answered(message, latest) if by_author else None
            one = Utterance(message.author, by_author, (message,), answers)
            if found and _continues(found[-1], one):
                found[-1] = replace(found[-1], messages=(*found[-1].messages, message))
            else:
                found.append(one)
            if not by_author:
                latest |= dict.fromkeys(_names(message.author), message)
        return found

    def _answered(self, message: Message, latest: Mapping[str, Message]) -> Message | None:
        """What the source says this replies to, else the last words of whom it addresses by name, if they are fresh."""
        told = self.by_id.get(message.in_reply_to or "")
        if told is not None and not self.is_author(told.author):
            return told
        match = _ADDRESS.match(message.text)
        addressed = latest.get(fold_name(match[1] or match[2])) if match else None
        fresh = addressed is not None and seconds_between(addressed, message) < ADDRESS_WINDOW_SECONDS
        return addressed if fresh else None


def _names(speaker: str) -> set[str]:
    """How people address `speaker`: by the whole name, or the first."""
    name = fold_name(speaker)
    return {name, name.split(" ")[0]}


def _continues(before: Utterance, after: Utterance) -> bool:
    same_speaker = before.by_author == after.by_author and (
        before.by_author or fold_name(before.speaker) == fold_name(after.speaker)
    )
    pause = seconds_between(before.messages[-1], after.messages[0])
    same_prompt = after.answers is None or after.answers is before.answers
    return same_speaker and pause < BUBBLE_GAP_SECONDS and same_prompt and not (before.is_long or after.is_long)
