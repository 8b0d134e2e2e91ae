"""What every metric measures: replies, and the conversation each belongs to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, by the author, an impostor or a candidate.

    `text` is empty where a model said nothing. `conversation` is what resampling draws whole; `prompt` is the last user turn
    that was answered; `ended` is False where a model was stopped by the limit on tokens.
    """

    text: str
    conversation: str
    prompt: str = ""
    ended: bool = True
