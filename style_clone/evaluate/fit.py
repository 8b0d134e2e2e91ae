"""Held-out fit: how many bits a model needs per byte of what the author really wrote, under its own full prompt."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from style_clone.conversation import Pair
from style_clone.prompt import Prompt, prompt_ids
from style_clone.train.data import LengthBatches, collate
from style_clone.train.loss import reply_nats
from style_clone.train.tokens import NO_LOSS, Tokeniser


@dataclass(frozen=True)
class Fit:
    """Bits and UTF-8 bytes of the real replies, summed by conversation."""

    bits: dict[str, float]
    num_bytes: dict[str, int]

    @property
    def bits_per_byte(self) -> float:
        """Over all replies together."""
        return sum(self.bits.values()) / sum(self.num_bytes.values())


@dataclass(frozen=True)
class Measurer:
    """Measures pairs under a model. Lower is better, and comparable between tokenizers.

    Bits count the end of the turn, since knowing when to stop is part of writing like somebody; bytes are the reply's own.
    """

    model: Any
    tokenizer: Any
    window_tokens: int = 1024
    """Room for turns and reply, below whatever prompt stands above them: the same for every candidate."""
    batch_tokens: int = 4096

    def __call__(
        self,
        pairs: Sequence[Pair],
        prompt: Prompt,
        using: Callable[[], AbstractContextManager[Any]] = nullcontext,
        on_batch: Callable[[int, int], None] = lambda done, total: None,
    ) -> Fit:
        """The fit of `prompt` on `pairs`, in the context `using` (such as the adapter switched off)."""
        import torch

        tokenised = Tokeniser(self.tokenizer, prompt, self._prompt_tokens(prompt) + self.window_tokens)(pairs)
        batches = LengthBatches([len(example.ids) for example in tokenised.examples], self.batch_tokens, seed=0)
        bits: dict[str, float] = defaultdict(float)
        device = next(self.model.parameters()).device
        self.model.eval()
        with torch.inference_mode(), using(), torch.autocast(device.type, torch.bfloat16):
            for done, indices in enumerate(batches, start=1):
                chosen = [tokenised.examples[index] for index in indices]
                batch = collate(chosen, self.tokenizer.eos_token_id)
                nats = reply_nats(self.model, **{key: value.to(device) for key, value in batch.items()}).tolist()
                owners = [owner for example in chosen for owner in example.owner if owner != NO_LOSS]
                for owner, value in zip(owners, nats, strict=True):
                    bits[pairs[owner].conversation] += value / math.log(2)
                on_batch(done, len(batches))
        return Fit(dict(bits), _bytes_by_conversation(pairs))

    def _prompt_tokens(self, prompt: Prompt) -> int:
        """Tokens of `prompt` with next to nothing said below it."""
        return len(prompt_ids(self.tokenizer, prompt.messages([{"role": "user", "content": ""}])))


def _bytes_by_conversation(pairs: Sequence[Pair]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for pair in pairs:
        counts[pair.conversation] += len(pair.reply.encode())
    return dict(counts)
