"""Pairs become token ids and a mask of the same length that says which tokens carry loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from types import MappingProxyType
from typing import Any

from style_clone.conversation import Pair
from style_clone.prompt import Prompt, prompt_ids, reply_ids


@dataclass
class Example:
    """`ids` (T) and `owner` (T): the index of the pair whose reply a token belongs to, or NO_LOSS.

    One example may hold several pairs: where a pair's context begins with the whole of the pair before it, as it does in
    one conversation, its reply is simply added. A model that looks only back gives the same loss and the same gradients as
    for the pairs apart, and the shared context is computed once.
    """

    ids: list[int] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)

    @property
    def mask(self) -> list[bool]:
        """Which tokens carry loss: the author's replies, each with its end of turn."""
        return [owner != NO_LOSS for owner in self.owner]

    def add(self, prompt_tokens: list[int], reply: list[int], owner: int) -> None:
        """Append what of the prompt is not there yet, then the reply."""
        self.ids += [*prompt_tokens[len(self.ids) :], *reply]
        self.owner += [NO_LOSS] * (len(self.ids) - len(reply) - len(self.owner)) + [owner] * len(reply)


NO_LOSS = -1


@dataclass(frozen=True)
class Tokenised:
    """Examples, and what had to go to make them fit: `skipped` (N), the oldest turns of each pair's context, and how many
    pairs' replies lost their end."""

    examples: list[Example]
    skipped: list[int]
    cut_replies: int

    @property
    def dropped_turns(self) -> int:
        """Turns of context left out, over all pairs."""
        return sum(self.skipped)

    @property
    def num_tokens(self) -> int:
        """Tokens a pass computes, padding not counted."""
        return sum(len(example.ids) for example in self.examples)

    @property
    def num_target_tokens(self) -> int:
        """Tokens that carry loss."""
        return sum(sum(example.mask) for example in self.examples)


class Tokeniser:
    """Makes examples of at most `max_tokens` from pairs in the order of their conversations.

    `lines` are the conversations whose prompt says whom it is written to, and the label that it gives them.
    """

    def __init__(
        self, tokenizer: Any, prompt: Prompt, max_tokens: int, lines: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.tokenizer = tokenizer
        self.prompt = prompt
        self.max_tokens = max_tokens
        self.lines = lines

    def __call__(self, pairs: Iterable[Pair]) -> Tokenised:
        """Tokenise; nothing is dropped silently: the result counts what did not fit."""
        examples: list[Example] = []
        left_out: list[int] = []
        cut_replies = 0
        conversation, skipped = "", 0
        for index, pair in enumerate(pairs):
            reply = reply_ids(self.tokenizer, pair.reply)
            continues = pair.conversation == conversation and self._extend(examples[-1], pair, skipped, reply, index)
            if not continues:
                skipped, prompt_tokens = self._fit(pair, len(reply), is_first=pair.conversation != conversation)
                conversation = pair.conversation
                cut_replies += len(prompt_tokens) + len(reply) > self.max_tokens
                # A cut reply loses its end of turn too, so the model does not learn to stop in the middle.
                examples.append(Example())
                examples[-1].add(prompt_tokens, reply[: self.max_tokens - len(prompt_tokens)], index)
            left_out.append(skipped)
        return Tokenised(examples, left_out, cut_replies)

    def _extend(self, example: Example, pair: Pair, skipped: int, reply: list[int], index: int) -> bool:
        if skipped >= len(pair.context):  # the pairs' own context has moved on past what the example began with
            return False
        prompt_tokens = self._prompt_ids(pair, skipped)
        fits = len(prompt_tokens) + len(reply) <= self.max_tokens
        if fits and prompt_tokens[: len(example.ids)] == example.ids:
            example.add(prompt_tokens, reply, index)
            return True
        return False

    def _fit(self, pair: Pair, num_reply: int, *, is_first: bool) -> tuple[int, list[int]]:
        """How many of the oldest turns to skip, and the prompt's ids after that.

        A conversation that overflowed goes on with half of the room as context, so that the next replies can be
        added; otherwise each would carry a full window of its own and the cost would grow with the square of the length.
        """
        room = self.max_tokens - num_reply
        if not is_first:
            room = min(room, self.max_tokens // 2)
        for start in (index for index, turn in enumerate(pair.context) if turn["role"] == "user"):
            ids = self._prompt_ids(pair, start)
            if len(ids) <= room:
                return start, ids
        # One turn longer than the window keeps its end, which is what is being answered, below the prompt.
        keep, above = max(room, self.max_tokens // 2), self._above(pair)
        return start, [*above, *ids[len(above) - keep :]] if len(above) < keep < len(ids) else ids[-keep:]

    def _above(self, pair: Pair) -> list[int]:
        """The ids above whatever is said."""
        nothing, something = (
            prompt_ids(self.tokenizer, self._prompt(pair).messages([{"role": "user", "content": said}]))
            for said in ("", "x")
        )
        return [one for one, _ in takewhile(lambda both: both[0] == both[1], zip(nothing, something, strict=False))]

    def _prompt(self, pair: Pair) -> Prompt:
        return self.prompt.writing_to(self.lines.get(pair.conversation))

    def _prompt_ids(self, pair: Pair, skipped: int) -> list[int]:
        return prompt_ids(self.tokenizer, self._prompt(pair).messages(pair.context[skipped:]))
