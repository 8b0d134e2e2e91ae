"""A chat longer than the model's context is made to fit: its oldest turns go, never the prompt or the last thing said.

How long a chat is only vLLM knows, whose tokenizer and template read it; asking takes some milliseconds. So it is asked
only about a chat that could be too long: a token is never shorter than a byte, and most chats are shorter in bytes than the
context is in tokens. A tokenizer that makes more tokens than bytes is told of by vLLM's own refusal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx

from style_clone.conversation import Turn
from style_clone.serving.refusal import CONTEXT_LENGTH, Refusal, unavailable
from style_clone.serving.relay import refusal_of

LEFT_OUT_HEADER = "x-style-clone-left-out"
"""How many of the oldest turns the model has not seen."""
CUT_HEADER = "x-style-clone-cut"
"""How many characters of the beginning of the last turn it has not seen."""
REPLY_SHARE = 4
"""Room is kept for the reply that was asked for, but never more than a quarter of the context."""
STEPS_OF_CONTEXT = 8
"""Turns go in steps of an eighth of the context: the next questions begin with the same turn, which vLLM has read already."""
CUTS = 1024
"""In as many steps the beginning of a last turn is cut that is too long by itself."""
_TEMPLATE_TOKENS = 128
_TURN_TOKENS = 16
"""More than chat templates put before a chat and around each of its turns."""
_NOT_THERE = (404, 405)


@dataclass(frozen=True)
class Fitted:
    """A chat that fits. `left_out` are turns, `cut` characters of the last one; `room` is in tokens, for the reply."""

    messages: list[Turn]
    room: int
    left_out: int = 0
    cut: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """What the client is told; nothing where nothing was left out."""
        if not self.left_out and not self.cut:
            return {}
        return {LEFT_OUT_HEADER: str(self.left_out), **({CUT_HEADER: str(self.cut)} if self.cut else {})}


class Fitting:
    """Makes chats fit a context of `context_tokens`. `model` is what vLLM calls the base model."""

    def __init__(self, upstream: httpx.AsyncClient, model: str, context_tokens: int) -> None:
        self._upstream = upstream
        self._model = model
        self.context_tokens = context_tokens

    async def fit(self, messages: list[Turn], said: int, reply_tokens: int, *, refused: bool = False) -> Fitted:
        """The chat as it can be asked. `said` of the messages, the last that are no system turns, are the caller's.

        `refused` says that vLLM has found the chat too long. Raises Refusal where even the last turn alone has no room.
        """
        if not refused and _longest(messages) <= self._most(reply_tokens):
            return Fitted(messages, self.context_tokens)
        size = await self._size(messages)
        if size is None:
            return Fitted(messages, self.context_tokens)
        if size <= (most := self._most(reply_tokens)):
            return Fitted(messages, self.context_tokens - size)
        return await self._shorten(messages, said, size, most)

    def _most(self, reply_tokens: int) -> int:
        """The longest prompt that leaves room for such a reply."""
        return self.context_tokens - min(reply_tokens, self.context_tokens // REPLY_SHARE)

    async def _shorten(self, messages: list[Turn], said: int, size: int, most: int) -> Fitted:
        """Leave out the oldest turns, as few as bring it down by whole steps, and the last turn's beginning if need be."""
        openings, last = _openings(messages, said), _last_said(messages, said)
        step = self.context_tokens // STEPS_OF_CONTEXT
        wanted = min(most, size - -(-(size - most) // step) * step)

        async def few_enough(number: int) -> bool:
            return await self._needed(_without(messages, openings[number])) <= wanted

        gone = openings[await _first(len(openings) - 1, few_enough)]
        kept = _without(messages, gone)
        if (left := await self._needed(kept)) <= most:
            return Fitted(kept, self.context_tokens - left, len(gone))
        return await self._cut_turn(kept, last - len(gone), len(gone), most)

    async def _cut_turn(self, messages: list[Turn], last: int, left_out: int, most: int) -> Fitted:
        """Leave out as little of the beginning of the turn at place `last` as makes the chat fit. Raises Refusal."""
        text = messages[last]["content"]

        def shortened(number: int) -> list[Turn]:
            turn: Turn = {"role": messages[last]["role"], "content": text[_cut(text, number) :]}
            return [*messages[:last], turn, *messages[last + 1 :]]

        async def short_enough(number: int) -> bool:
            return await self._needed(shortened(number)) <= most

        number = await _first(CUTS, short_enough)
        kept = shortened(number)
        if (left := await self._needed(kept)) > most:
            raise Refusal(
                400,
                f"messages: the system message and the persona's own prompt take {left} of the {self.context_tokens} tokens "
                "that the model reads, which leaves no room for anything said: shorten the system message",
                param="messages",
                code=CONTEXT_LENGTH,
            )
        return Fitted(kept, self.context_tokens - left, left_out, _cut(text, number))

    async def _needed(self, messages: list[Turn]) -> int:
        size = await self._size(messages)
        if size is None:
            raise unavailable()
        return size

    async def _size(self, messages: list[Turn]) -> int | None:
        """Tokens of the whole prompt, as vLLM counts them; None where the engine has no way to say."""
        try:
            answer = await self._upstream.post("/tokenize", json={"model": self._model, "messages": messages})
        except httpx.TransportError as error:
            raise unavailable() from error
        if answer.status_code in _NOT_THERE:
            return None
        if answer.status_code != 200:
            raise refusal_of(answer)
        row = answer.json()
        # Its own word counts: an engine run elsewhere may have been started with another context.
        self.context_tokens = int(row.get("max_model_len") or self.context_tokens)
        return int(row["count"])


def _longest(messages: Sequence[Turn]) -> int:
    """A chat's length in tokens at the very most."""
    return _TEMPLATE_TOKENS + sum(len(turn["content"].encode()) + _TURN_TOKENS for turn in messages)


def _openings(messages: Sequence[Turn], said: int) -> list[list[int]]:
    """What can be left out, from nothing to all before the last turn of the user, each as places in `messages`.

    What remains begins with a turn of the user, as a chat does: many a template takes no other.
    """
    places = _places(messages, said)
    last = places.index(_last_said(messages, said))
    starts = [number for number in range(1, last + 1) if messages[places[number]]["role"] == "user" or number == last]
    return [[], *(places[:number] for number in starts)]


def _last_said(messages: Sequence[Turn], said: int) -> int:
    """The place of the last turn of the user; of the last turn where the user said nothing."""
    places = _places(messages, said)
    return next((place for place in reversed(places) if messages[place]["role"] == "user"), places[-1])


def _places(messages: Sequence[Turn], said: int) -> list[int]:
    """Where the caller's own turns stand: exemplars come before them, and system turns are no turns."""
    return [place for place, turn in enumerate(messages) if turn["role"] != "system"][-said:]


def _without(messages: Sequence[Turn], gone: Sequence[int]) -> list[Turn]:
    left_out = set(gone)
    return [turn for place, turn in enumerate(messages) if place not in left_out]


def _cut(text: str, number: int) -> int:
    """How many characters go in the step of that number; all of them in the last."""
    return -(-len(text) * number // CUTS)


async def _first(last: int, good: Callable[[int], Awaitable[bool]]) -> int:
    """The first number for which `good` holds, from 0 on; `last` where it holds for none before. Found by halving."""
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        if await good(middle):
            high = middle
        else:
            low = middle + 1
    return low
