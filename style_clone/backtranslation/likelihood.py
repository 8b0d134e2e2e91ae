"""How likely a text is after a prompt: the mean log-probability of its tokens under a small chat model, in this process.

vLLM could tell as well (`prompt_logprobs`), but on a CPU its version 0.32 dies of that when it is ready for adapters. And
a small model in this process is the same yardstick whoever wrote the prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from style_clone.prompt import prompt_ids, reply_ids


@dataclass(frozen=True)
class Likelihood:
    """Measures answers under a chat model on the CPU. Not for two threads at once."""

    model: Any
    tokenizer: Any

    def __call__(self, prompts: Sequence[str], answer: str) -> list[float]:
        """The answer's mean log-probability after each prompt, in nats a token, the end of the turn counted.

        All prompts go through the model as one batch, (prompts, longest). The padding stands after the answer, which looks
        only back, so no mask is needed.
        """
        import torch

        reply = reply_ids(self.tokenizer, answer)
        starts = [prompt_ids(self.tokenizer, [{"role": "user", "content": prompt}]) for prompt in prompts]
        rows = [[*start, *reply] for start in starts]
        longest = max(map(len, rows))
        ids = torch.tensor([[*row, *[self.tokenizer.eos_token_id] * (longest - len(row))] for row in rows])
        targets = torch.tensor(reply)
        with torch.inference_mode():
            logits = self.model(input_ids=ids).logits
            # What a token says of the next one stands at its own place, so the answer's begin one before it.
            spans = [logits[row, len(start) - 1 :][: len(reply)].float() for row, start in enumerate(starts)]
            return [-float(torch.nn.functional.cross_entropy(span, targets)) for span in spans]
