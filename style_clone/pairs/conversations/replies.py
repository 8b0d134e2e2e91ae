"""Utterances -> the prompt of a reply: as many earlier turns as fit, what is answered last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from style_clone.conversation import Turn
from style_clone.pairs.cleaning.filters import without_target
from style_clone.pairs.conversations.turns import Asked, Utterance
from style_clone.register import short_names

MAX_CONTEXT_TURNS = 40
MAX_CONTEXT_CHARACTERS = 4000
OPENING_CUE = "(start a conversation)"

Label = Callable[[str], str]
Mend = Callable[[str], None]


@dataclass(frozen=True)
class Scene:
    """One conversation as utterances, with what is the same for all its pairs. `label` names a speaker in a group."""

    unit: str
    said: Sequence[Utterance]
    others: frozenset[str]
    label: Label
    starts: Sequence[int]

    @classmethod
    def of(cls, unit: str, said: Sequence[Utterance], thread_others: frozenset[str], label: Label) -> Scene:
        """The scene of a conversation's utterances; where nobody else speaks, it is meant for the thread's others."""
        others = frozenset(utterance.speaker for utterance in said if not utterance.by_author)
        starts = context_starts([len(utterance.text) for utterance in said])
        return cls(unit, said, others or thread_others, label, starts)

    @property
    def partner(self) -> str | None:
        """The other person, in a conversation of two."""
        return next(iter(self.others)) if len(self.others) == 1 else None


@dataclass(frozen=True, slots=True)
class Line:
    """One speaker's part of a context."""

    speaker: str
    by_author: bool
    text: str


def is_asked(scene: Scene, index: int) -> bool:
    """Whether the utterance at `index` replies to something: to what it quotes or names, or to what stands before it."""
    before = scene.said[index - 1] if index else None
    return scene.said[index].answers is not None or (before is not None and not before.by_author)


def prompt_of(scene: Scene, index: int, reply: str, mend: Mend) -> list[Turn] | None:
    """The context of the utterance at `index`, or the cue for an opening; None where it gives `reply` away.

    Where an earlier turn does, the context begins after it, and `mend` is told.
    """
    context = context_of(scene, index)
    prompt = without_target(context or [{"role": "user", "content": OPENING_CUE}], reply)
    if prompt is not None and len(prompt) < len(context):
        mend("context cut where it held the reply")
    return prompt


def context_of(scene: Scene, index: int) -> list[Turn]:
    """Turns before the utterance at `index`: beginning and ending with user, alternating; empty where nobody asked.

    What the utterance answers stands last, wherever it was said. At most 40 utterances and 4,000 characters; a last
    one that is longer alone keeps its end.
    """
    answered = scene.said[index].answers
    window = scene.said[scene.starts[index] : index]
    lines = [line for utterance in window if (line := _line(utterance, answered)).text]
    if answered is not None:
        lines.append(Line(answered.speaker or scene.partner or "", False, answered.text))
    if not lines or lines[-1].by_author:
        return []
    return _merged(_fitting(lines), scene)


def context_starts(sizes: Sequence[int]) -> list[int]:
    """For each utterance, where its context begins; `sizes` are characters.

    A context that overflows drops its older half at once, not one utterance at a time. So the contexts of a conversation
    mostly begin at the same place, each holding the one before: training computes what they share only once.
    """
    starts: list[int] = []
    start = room_used = 0
    for index, size in enumerate(sizes):
        if room_used > MAX_CONTEXT_CHARACTERS or index - start > MAX_CONTEXT_TURNS:
            while start < index - 1 and (
                room_used > MAX_CONTEXT_CHARACTERS // 2 or index - start > MAX_CONTEXT_TURNS // 2
            ):
                room_used -= sizes[start]
                start += 1
        starts.append(start)
        room_used += size
    return starts


def _line(utterance: Utterance, answered: Asked | None) -> Line:
    """An utterance in the context of one that answers something; what is answered stands last there, not twice."""
    if answered is None or answered.message is None or answered.message not in utterance.messages:
        return Line(utterance.speaker, utterance.by_author, utterance.text)
    text = "\n".join(message.text for message in utterance.messages if message != answered.message)
    return Line(utterance.speaker, utterance.by_author, text)


def _fitting(lines: list[Line]) -> list[Line]:
    """Lines from the first that is not the author's; the last cut to the room there is."""
    last = lines[-1]
    room = MAX_CONTEXT_CHARACTERS - sum(len(line.text) for line in lines[:-1])
    if len(last.text) > room:
        return [Line(last.speaker, last.by_author, _end_of(last.text))]
    first = next(number for number, line in enumerate(lines) if not line.by_author)
    return lines[first:]


def _end_of(text: str) -> str:
    """The end of a text too long for the context, from the beginning of a line or word on."""
    if len(text) <= MAX_CONTEXT_CHARACTERS:
        return text
    tail = text[-MAX_CONTEXT_CHARACTERS:]
    return tail.partition("\n" if "\n" in tail[:200] else " ")[2] or tail


def _merged(lines: list[Line], scene: Scene) -> list[Turn]:
    """Lines as turns: neighbours of one role joined by newlines, in groups each under its speaker's name."""
    turns: list[Turn] = []
    for line in lines:
        named = len(scene.others) > 1 and not line.by_author and line.speaker
        content = f"{scene.label(line.speaker)}: {line.text}" if named else line.text
        role: Literal["user", "assistant"] = "assistant" if line.by_author else "user"
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += "\n" + content
        else:
            turns.append({"role": role, "content": content})
    return turns


def labels(speakers: Iterable[str], masked: Label) -> Label:
    """How each speaker is called in a group: by what masks the name; else by the first name, where nobody shares it."""
    short = short_names(speakers)
    return {name: first if (mask := masked(name)) == name else mask for name, first in short.items()}.__getitem__
