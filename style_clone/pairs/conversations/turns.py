"""A conversation -> utterances: what one person sent in one go, as bubbles joined by newlines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from style_clone.conversation import Message
from style_clone.pairs.cleaning.filters import is_long
from style_clone.pairs.reading.corpus import moment
from style_clone.persona import fold_name

BUBBLE_GAP_SECONDS = 5 * 60
ADDRESS_WINDOW_SECONDS = 15 * 60
MIN_QUOTED_WORDS = 3
_ADDRESS = re.compile(r"(?:@(\S+?)[:,]?|(\S+?)\s?(?:[:,]|--?|—))\s")
_MENTION = re.compile(r"(?<!\S)@(\w[\w.-]*\w)")
_VOCATIVE = re.compile(r"(?:^(?:hi|hey|hello|thanks|thank you|thx|cheers|yes|no|ok|sorry)\s+|,\s*)(\w+)[\s!.?]*$", re.I)

IsAuthor = Callable[[str], bool]
Find = Callable[[Message], Message | None]
"""The message that one says it replies to, where the corpus has it."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message, cleaned, and its row in the corpus."""

    row: int
    message: Message


@dataclass(frozen=True, slots=True)
class Asked:
    """What an utterance answers: somebody else's words, in whole or as quoted, and the message they stand in, if known."""

    speaker: str
    text: str
    message: Message | None


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one person sent in a row. `answers` is what of somebody else's this replies to, where that is known."""

    speaker: str
    by_author: bool
    said: tuple[Said, ...]
    answers: Asked | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages, in order."""
        return tuple(each.message for each in self.said)

    @property
    def rows(self) -> tuple[int, ...]:
        """Their rows in the corpus."""
        return tuple(each.row for each in self.said)

    @property
    def text(self) -> str:
        """One bubble a line."""
        return "\n".join(each.message.text for each in self.said)

    @property
    def is_long(self) -> bool:
        """Whether it is prose: a long message always stands alone."""
        return len(self.said) == 1 and is_long(self.said[0].message.text)


def utterances(said: Iterable[Said], is_author: IsAuthor, find: Find) -> list[Utterance]:
    """Utterances in order. A pause of five minutes, another message answered, or prose begins a new one."""
    found: list[Utterance] = []
    bubbles: list[list[Said]] = []
    latest: dict[str, Message] = {}
    for each in said:
        message = each.message
        by_author = is_author(message.author)
        answers = _answered(message, latest, is_author, find) if by_author else None
        one = Utterance(message.author, by_author, (each,), answers)
        if found and _continues(found[-1], bubbles[-1][-1], one):
            bubbles[-1].append(each)
        else:
            found.append(one)
            bubbles.append([each])
        if not by_author:
            latest |= dict.fromkeys(_names(message.author), message)
    return [one if len(held) == 1 else replace(one, said=tuple(held)) for one, held in zip(found, bubbles, strict=True)]


def _answered(message: Message, latest: Mapping[str, Message], is_author: IsAuthor, find: Find) -> Asked | None:
    """What it quotes, else what the source says it replies to, else the last words of whom it addresses, if fresh."""
    told = find(message) if message.in_reply_to else None
    if told is not None and is_author(told.author):
        told = None
    if message.quoted and len(message.quoted.split()) >= MIN_QUOTED_WORDS:
        return Asked(told.author if told else "", message.quoted, told)
    if told is None and latest:
        told = _addressed(message, latest)
    return Asked(told.author, told.text, told) if told is not None else None


def _addressed(message: Message, latest: Mapping[str, Message]) -> Message | None:
    for pattern in (_ADDRESS.match, _MENTION.search, _VOCATIVE.search):
        match = pattern(message.text)
        addressed = latest.get(fold_name(next(filter(None, match.groups())))) if match else None
        if addressed is not None and seconds_between(addressed, message) < ADDRESS_WINDOW_SECONDS:
            return addressed
    return None


def _names(speaker: str) -> Sequence[str]:
    """How people address `speaker`: by the whole name, or the first."""
    name = fold_name(speaker)
    return name, name.split(" ")[0]


def _continues(before: Utterance, last: Said, after: Utterance) -> bool:
    same_speaker = before.by_author == after.by_author and (
        before.by_author or fold_name(before.speaker) == fold_name(after.speaker)
    )
    if not same_speaker or seconds_between(last.message, after.said[0].message) >= BUBBLE_GAP_SECONDS:
        return False
    same_prompt = after.answers is None or after.answers == before.answers
    return same_prompt and not (is_long(last.message.text) or after.is_long)


def seconds_between(earlier: Message, later: Message) -> float:
    """Silence between two messages, over days and zones; 0 where a date is missing."""
    if earlier.date is None or later.date is None:
        return 0.0
    return (moment(later.date) - moment(earlier.date)).total_seconds()
