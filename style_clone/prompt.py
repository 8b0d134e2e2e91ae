"""The one form of a prompt. Training, evaluation, serving and the page all build their chat messages here.

A served reply can only sound like the trained one if both models saw the same tokens, so there is one way from a persona
and some turns to chat messages, and one way from chat messages to token ids: the tokenizer's own chat template, the
same that vLLM applies. A test holds the two identical.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from style_clone.conversation import Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NEARLY_ALL, ROOM = 0.98, 1.25
"""The share of an author's replies that a limit on length is made for, and how much longer than those a reply may get."""


@dataclass(frozen=True)
class Prompt:
    """What stands before the turns: the system prompt, and exemplars shown as turns already taken.

    Without either, the turns go to the model as they are: the plain base model.
    """

    system: str = ""
    exemplars: tuple[tuple[str, str], ...] = ()

    def writing_to(self, label: str | None) -> Prompt:
        """This prompt with a line that says whom it is written to; as it is without a `label`.

        The line is the same below the clone's system prompt and below the baseline's, so that neither knows more.
        """
        line = f"You are writing to {label}." if label else ""
        return replace(self, system="\n\n".join(filter(None, [self.system, line])))

    def remembering(self, facts: Sequence[str]) -> Prompt:
        """This prompt with `facts`, sentences retrieved from memory, below its system prompt."""
        lines = ["Things you said before that may help:", *(f"- {fact}" for fact in facts)] if facts else []
        return replace(self, system="\n\n".join(filter(None, [self.system, "\n".join(lines)])))

    def messages(self, turns: Iterable[Turn]) -> list[Turn]:
        """Chat messages for `turns`.

        A system turn among `turns` is the caller's own: its text is added below the persona's, so a caller can add an
        instruction but not lose the persona.
        """
        turns = list(turns)
        given = [turn["content"] for turn in turns if turn["role"] == "system"]
        system = "\n\n".join(filter(None, [self.system, *given]))
        opening: list[Turn] = [{"role": "system", "content": system}] if system else []
        shown = [turn for pair in self.exemplars for turn in _as_turns(pair)]
        return [*opening, *shown, *(turn for turn in turns if turn["role"] != "system")]


def clone_system(author: str) -> str:
    """The clone's system prompt. Short: the voice is in the adapter, the prompt only says whose it is."""
    return f"You are {author}. You are chatting, and you write exactly as {author} writes."


def prompt_ids(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Turn]) -> list[int]:
    """Token ids of a prompt that waits for the assistant's reply, as vLLM's chat endpoint makes them."""
    text = cast(str, tokenizer.apply_chat_template(_plain(messages), tokenize=False, add_generation_prompt=True))
    return cast(list[int], tokenizer(text, add_special_tokens=False)["input_ids"])


def reply_ids(tokenizer: PreTrainedTokenizerBase, reply: str) -> list[int]:
    """Token ids the model must produce for `reply`, the end of the turn included."""
    ids = cast(list[int], tokenizer(reply, add_special_tokens=False)["input_ids"])
    return [*ids, cast(int, tokenizer.eos_token_id)]


def room_for(tokenizer: PreTrainedTokenizerBase, replies: Iterable[str]) -> int:
    """Tokens in which a reply ends by itself if it is about as long as nearly all of these, of which there is one or more."""
    lengths = sorted(len(reply_ids(tokenizer, reply)) for reply in replies)
    return math.ceil(ROOM * lengths[min(len(lengths) - 1, math.floor(NEARLY_ALL * len(lengths)))])


def _as_turns(pair: tuple[str, str]) -> tuple[Turn, Turn]:
    return {"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}


def _plain(messages: Sequence[Turn]) -> list[dict[str, Any]]:
    return [dict(message) for message in messages]
