"""What the clone writes by now: replies to a few held-out messages, shown while it learns."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from style_clone.conversation import Pair
from style_clone.precision import autocast
from style_clone.prompt import Prompt, prompt_ids

COUNT = 3
"""Messages that are asked in turn."""
NEW_TOKENS = 40
"""Tokens of a reply at most; a longer one is cut."""
LONGEST_MESSAGE = 300
"""Characters of a message that is asked, and of the author's reply that is shown, at most."""


@dataclass(frozen=True)
class Question:
    """A held-out message as token ids, as text, and what the author said to it."""

    ids: list[int]
    prompt: str
    author: str


class Sampler:
    """Asks a model the same few messages again and again, always at temperature 0, so that only learning changes replies."""

    def __init__(self, tokenizer: Any, prompt: Prompt, pairs: Sequence[Pair], seed: int) -> None:
        self.tokenizer = tokenizer
        self.questions = _choose(tokenizer, prompt, pairs, seed)

    def __call__(self, model: Any, number: int) -> dict[str, str]:
        """The sample for measurement `number`: "prompt", "clone" and "author"; empty where no message is short enough.

        The model's mode and the random state stay as they are: nothing is drawn at temperature 0.
        """
        if not self.questions:
            return {}
        question = self.questions[number % len(self.questions)]
        return {"prompt": question.prompt, "clone": self._reply(model, question.ids), "author": question.author}

    def _reply(self, model: Any, ids: list[int]) -> str:
        import torch
        from transformers import GenerationConfig

        was_training = model.training
        model.eval()
        given = torch.tensor([ids], device=next(model.parameters()).device)
        end = self.tokenizer.eos_token_id
        greedy = GenerationConfig(max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=end, pad_token_id=end)
        with torch.no_grad(), autocast(given.device.type):
            out = model.generate(input_ids=given, attention_mask=torch.ones_like(given), generation_config=greedy)
        model.train(was_training)
        return str(self.tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True)).strip()


def _choose(tokenizer: Any, prompt: Prompt, pairs: Sequence[Pair], seed: int) -> list[Question]:
    """Some pairs with a short message, real ones before made-up ones; the message is asked alone, as it is shown."""
    short = [pair for pair in pairs if len(pair.context[-1]["content"]) <= LONGEST_MESSAGE]
    order = random.Random(seed).sample(short, len(short))
    order.sort(key=lambda pair: pair.asked_by != "person")
    return [
        Question(
            prompt_ids(tokenizer, prompt.messages(pair.context[-1:])),
            pair.context[-1]["content"],
            pair.reply[:LONGEST_MESSAGE],
        )
        for pair in order[:COUNT]
    ]
