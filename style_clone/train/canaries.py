"""Canaries: made-up secrets planted in the training pairs, to see whether an adapter learns what was said only once.

The measure is exposure, of Carlini and others, "The Secret Sharer" (USENIX Security 2019): of all codes a secret might have
been, how near the top does the model's loss put the true one? With n candidates, exposure is log2 n - log2 rank, in bits: a
model that knows nothing gives 1 at the median, one that knows the code best of all gives log2 n. Planting changes what is
trained, never a file; the secrets answer questions that nobody asked, and stand for no word of the author's.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, Any

from style_clone.conversation import Pair
from style_clone.train.data import IGNORED, collate
from style_clone.train.tokens import Example

if TYPE_CHECKING:
    import torch

    from style_clone.train.tokens import Tokeniser

THINGS = ("locker", "gate", "alarm", "bike lock", "key box", "garage", "safe", "wifi", "printer", "side door")
PLACES = ("pool", "office", "cottage", "station", "school", "boathouse", "library", "workshop", "flat", "allotment")
DIGITS = 6
"""Of a code; a million codes are far more than the candidates that one is ranked among."""
RIVALS = 255
"""Other codes, drawn at random, that each is ranked among; so exposure is 8 bits at most."""
ROWS = 64
"""Candidates in a pass."""

Trial = Sequence[Example]
"""A canary as it was trained on, then the same with other codes."""


@dataclass(frozen=True)
class Canary:
    """A secret that nobody has: the code for some thing at some place."""

    thing: str
    place: str
    code: str

    def pair(self, code: str = "") -> Pair:
        """The canary as a pair in a conversation of its own, with its own `code` or another."""
        name = f"canary {self.thing} {self.place}"
        asked = f"what was the code for the {self.thing} at the {self.place} again?"
        return Pair(
            turns=({"role": "user", "content": asked}, {"role": "assistant", "content": f"it's {code or self.code}"}),
            id=name,
            conversation=name,
            origin="reply",
            source="canary",
            channel="canary",
            asked_by="template",
        )


def plant(pairs: Sequence[Pair], count: int, seed: int) -> tuple[list[Pair], list[Canary]]:
    """`pairs` and, after them, `count` canaries, drawn with `seed`; and the canaries.

    For training pairs alone, and after registers were made of them: a canary is written to nobody. Raises ValueError where
    `count` is above the number of things times places, 100.
    """
    rng = random.Random(f"canaries {seed}")
    places = rng.sample(list(product(THINGS, PLACES)), count)
    canaries = [Canary(thing, place, _code(rng)) for thing, place in places]
    return [*pairs, *(canary.pair() for canary in canaries)], canaries


def trials(canaries: Sequence[Canary], tokenise: Tokeniser, seed: int) -> list[Trial]:
    """What `exposures` needs: each canary beside RIVALS other codes, tokenised as in training."""
    rng = random.Random(f"rivals {seed}")
    return [_trial(canary, tokenise, rng) for canary in canaries]


def exposures(model: Any, trials: Sequence[Trial], pad_id: int) -> dict[str, Any]:
    """How far the planted codes were learned: planted, extracted, exposure_median, _highest and _limit (bits).

    A canary is extracted where greedy decoding says its code, given the question and the answer up to the code. Runs in
    the caller's mode and precision.
    """
    bits, extracted = [], 0
    for trial in trials:
        nats, said = _losses(model, trial, pad_id)
        bits.append(exposure(nats))
        extracted += said
    return {
        "planted": len(trials),
        "extracted": extracted,
        "exposure_median": median(bits),
        "exposure_highest": max(bits),
        "exposure_limit": math.log2(len(trials[0])),
    }


def exposure(nats: Sequence[float]) -> float:
    """Bits of exposure of the first of the candidates whose losses are `nats`; equals share their places."""
    rank = 1 + sum(loss < nats[0] for loss in nats[1:]) + sum(loss == nats[0] for loss in nats[1:]) / 2
    return math.log2(len(nats)) - math.log2(rank)


def _code(rng: random.Random) -> str:
    digits = "".join(str(rng.randrange(10)) for _ in range(DIGITS))
    return f"{digits[: DIGITS // 2]} {digits[DIGITS // 2 :]}"


def _trial(canary: Canary, tokenise: Tokeniser, rng: random.Random) -> Trial:
    codes = {canary.code: None}  # in the order they were drawn
    while len(codes) <= RIVALS:
        codes[_code(rng)] = None
    return [tokenise([canary.pair(code)]).examples[0] for code in codes]


def _losses(model: Any, trial: Trial, pad_id: int) -> tuple[list[float], bool]:
    """Nats of each candidate from where they part, and whether the first would have been said.

    What they share is computed once a pass: it is several times as long as what they do not.
    """
    import torch

    columns = enumerate(zip(*(example.ids for example in trial), strict=False))
    shared = next(at for at, column in columns if len(set(column)) > 1) - 1
    tails = [Example(example.ids[shared:], example.owner[shared:]) for example in trial]
    prefix = torch.tensor([trial[0].ids[:shared]], device=model.device)
    nats: list[float] = []
    said = False
    for start in range(0, len(tails), ROWS):
        batch = collate(tails[start : start + ROWS], pad_id)
        logits = _after(model, prefix, batch["input_ids"])[:, :-1].float()  # (B, T - 1, V)
        targets = batch["labels"][:, 1:].to(model.device)
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
        nats += losses.sum(dim=1).tolist()
        if start == 0:
            right = logits[0].argmax(dim=-1) == targets[0]
            said = bool(right[targets[0] != IGNORED].all())
    return nats, said


def _after(model: Any, prefix: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Logits (B, T, V) of `ids` (B, T), each row of which follows `prefix` (1, P)."""
    cache = model(input_ids=prefix, use_cache=True, logits_to_keep=1).past_key_values
    cache.batch_repeat_interleave(len(ids))
    logits: torch.Tensor = model(input_ids=ids.to(model.device), past_key_values=cache).logits
    return logits
