"""Held-out fit: how many bits a model needs per byte of what the author really wrote, under its own full prompt."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from style_clone.conversation import Pair, Turn
from style_clone.evaluate.start import Start
from style_clone.precision import autocast
from style_clone.prompt import Prompt
from style_clone.train.data import LengthBatches, collate
from style_clone.train.loss import reply_nats
from style_clone.train.tokens import NO_LOSS, Example, Tokeniser


@dataclass(frozen=True)
class Fit:
    """`pair_bits` (N): the bits of each of N pairs' real replies."""

    pairs: Sequence[Pair]
    pair_bits: Sequence[float]

    @property
    def bits(self) -> dict[str, float]:
        """Summed by conversation."""
        return self._summed(self.pair_bits)

    @property
    def num_bytes(self) -> dict[str, float]:
        """UTF-8 bytes of the real replies, summed by conversation."""
        return self._summed([len(pair.reply.encode()) for pair in self.pairs])

    @property
    def bits_per_byte(self) -> float:
        """Over all replies together."""
        return sum(self.bits.values()) / sum(self.num_bytes.values())

    def only(self, wanted: Callable[[Pair], bool]) -> Fit:
        """The fit on the pairs that are wanted."""
        kept = [(pair, bits) for pair, bits in zip(self.pairs, self.pair_bits, strict=True) if wanted(pair)]
        return Fit([pair for pair, _ in kept], [bits for _, bits in kept])

    def _summed(self, values: Sequence[float]) -> dict[str, float]:
        sums: dict[str, float] = defaultdict(float)
        for pair, value in zip(self.pairs, values, strict=True):
            sums[pair.conversation] += value
        return dict(sums)


@dataclass(frozen=True)
class Measurer:
    """Measures pairs under a model. Lower is better, and comparable between tokenizers.

    Bits count the end of the turn, since knowing when to stop is part of writing like somebody; bytes are the reply's own.
    """

    model: Any
    tokenizer: Any
    window_tokens: int = 1024
    """Room for turns and reply: the same turns for every candidate, below the whole of its prompt."""
    batch_tokens: int = 4096

    def __call__(
        self,
        pairs: Sequence[Pair],
        prompt: Prompt | Callable[[Pair], Prompt],
        using: Callable[[], AbstractContextManager[Any]] = nullcontext,
        on_batch: Callable[[int, int], None] = lambda done, total: None,
    ) -> Fit:
        """The fit on `pairs` of one prompt, or of what `prompt` makes for each, in the context `using` (such as the adapter
        switched off)."""
        import torch

        examples = self._examples(pairs, prompt) if isinstance(prompt, Prompt) else self._apart(pairs, prompt)
        batches = LengthBatches([len(example.ids) for example in examples], self.batch_tokens, seed=0)
        bits = [0.0] * len(pairs)
        device = next(self.model.parameters()).device
        self.model.eval()
        with torch.inference_mode(), using(), autocast(device.type):
            start = Start.of(self.model, examples)
            for done, indices in enumerate(batches, start=1):
                chosen = [start.after(examples[index]) for index in indices]
                batch = collate(chosen, self.tokenizer.eos_token_id)
                on_device = {key: value.to(device) for key, value in batch.items()}
                nats = reply_nats(self.model, **on_device, past_key_values=start.read_by(len(chosen))).tolist()
                owners = [owner for example in chosen for owner in example.owner if owner != NO_LOSS]
                for owner, value in zip(owners, nats, strict=True):
                    bits[owner] += value / math.log(2)
                on_batch(done, len(batches))
        return Fit(pairs, bits)

    def _fitting(self, pairs: Sequence[Pair]) -> list[Pair]:
        """`pairs` with what of their contexts has room, chosen as if no prompt stood above."""
        skipped = Tokeniser(self.tokenizer, Prompt(), self.window_tokens)(pairs).skipped
        return [self._ending(pair.turns[first:], pair) for pair, first in zip(pairs, skipped, strict=True)]

    def _ending(self, turns: Sequence[Turn], pair: Pair) -> Pair:
        """`pair` with these turns, and of a message that is longer than the window only the end, which is answered."""
        *before, asked, reply = turns
        ids = self.tokenizer(asked["content"], add_special_tokens=False)["input_ids"]
        if len(ids) > self.window_tokens:
            asked = {**asked, "content": self.tokenizer.decode(ids[-(self.window_tokens // 2) :])}
        return replace(pair, turns=(*before, asked, reply))

    def _examples(self, pairs: Sequence[Pair], prompt: Prompt) -> list[Example]:
        return Tokeniser(self.tokenizer, prompt, sys.maxsize)(self._fitting(pairs)).examples

    def _apart(self, pairs: Sequence[Pair], prompt_of: Callable[[Pair], Prompt]) -> list[Example]:
        """An example for each pair, since neighbours have no prompt in common."""
        examples = []
        for index, (pair, fitting) in enumerate(zip(pairs, self._fitting(pairs), strict=True)):
            [example] = Tokeniser(self.tokenizer, prompt_of(pair), sys.maxsize)([fitting]).examples
            examples.append(replace(example, owner=[NO_LOSS if owner == NO_LOSS else index for owner in example.owner]))
        return examples
