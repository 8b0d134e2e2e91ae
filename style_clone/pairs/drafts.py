"""A draft: the author's words on their way into a pair. The prompt above them is made only if the draft is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from style_clone.conversation import AskedBy, Message, Origin, Pair, Turn

Prompt = Callable[[str], list[Turn] | None]


@dataclass(frozen=True, slots=True)
class Draft:
    """`reply` and the messages (rows of the corpus) it was made of. `prompt` gives the context of a reply, or None where the
    context holds that reply itself and cannot be cut."""

    id: str
    unit: str
    origin: Origin
    asked_by: AskedBy
    reply: str
    rows: tuple[int, ...]
    message: Message
    recipient: str | None
    prompt: Prompt

    @property
    def key(self) -> str:
        """As `Pair.key`."""
        return f"{self.unit}#{self.id}"

    def pair(self) -> Pair | None:
        """The pair, or None where its prompt would give the reply away."""
        prompt = self.prompt(self.reply)
        if prompt is None:
            return None
        return Pair(
            turns=(*prompt, {"role": "assistant", "content": self.reply}),
            id=self.id,
            conversation=self.unit,
            origin=self.origin,
            source=self.message.source,
            channel=self.message.channel,
            date=self.message.date.isoformat() if self.message.date else None,
            recipient=self.recipient,
            asked_by=self.asked_by,
        )


@dataclass(frozen=True, slots=True)
class Unit:
    """What is never cut: a conversation or a document, with its drafts. `date` is when it began, comparable over zones."""

    id: str
    is_document: bool
    date: datetime | None
    drafts: tuple[Draft, ...]
