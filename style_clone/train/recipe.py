"""The recipe: every number training depends on, with its unit, and `--set key=value` to change it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from style_clone.errors import UsageError

SEEDS = 2**32
"""NumPy takes no seed from here on."""


@dataclass(frozen=True)
class Recipe:
    """Settings of one training run.

    Defaults are for base models around 135M parameters. Small batches, all linear layers and a rate about ten times full
    tuning's are what "LoRA Without Regret" (Thinking Machines, 2025) advises; on the sample corpus two passes at 1e-3 in
    steps of 512 tokens ended at 3.89 held-out nats per token, three at 5e-4 in steps of 1,024 at 3.90.
    """

    epochs: int = 2
    """Passes over the training pairs; the best one on held-out pairs is kept."""
    learning_rate: float = 1e-3
    """Peak rate, decayed linearly to nothing."""
    warmup_share: float = 0.05
    """Share of the steps in which the rate rises."""
    rank: int = 16
    """LoRA rank r."""
    alpha: int = 32
    """LoRA scale: updates are multiplied by alpha / rank."""
    dropout: float = 0.0
    """Dropout before the LoRA matrices. Any costs a third more time on a CPU, and a few passes need none."""
    batch_tokens: int = 512
    """Tokens in a step, padding counted."""
    max_tokens: int = 512
    """Longest example; older turns are dropped to fit."""
    seed: int = 0
    """Of the order of pairs, dropout and LoRA's start."""
    registers: bool = True
    """Whether half of the conversations with a frequent contact name the contact in the prompt."""

    def __post_init__(self) -> None:
        """Raises UsageError for values that contradict each other or make no sense."""
        for name in ("epochs", "learning_rate", "rank", "alpha", "batch_tokens", "max_tokens"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("dropout", "warmup_share"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 0 and below 1")
        if not 0 <= self.seed < SEEDS:
            raise UsageError(f"seed is {self.seed}; it must be at least 0 and below {SEEDS}")
        if self.max_tokens > self.batch_tokens:
            raise UsageError(
                f"max_tokens ({self.max_tokens}) is above batch_tokens ({self.batch_tokens}): one example must fit a step",
                mend="Raise batch_tokens or lower max_tokens.",
            )

    def with_overrides(self, overrides: Mapping[str, str]) -> Recipe:
        """This recipe with some values replaced by text from the command line. Raises UsageError."""
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        values: dict[str, int | float] = {}  # a truth value is an int
        for key, text in overrides.items():
            if key not in kinds:
                raise UsageError(f"--set {key}: there is no such setting", mend=f"Settings: {', '.join(kinds)}.")
            try:
                values[key] = _truth(text) if kinds[key] is bool else kinds[key](text)
            except ValueError as error:
                kind = "true or false" if kinds[key] is bool else f"a {kinds[key].__name__}"
                raise UsageError(f"--set {key}={text}: expected {kind}") from error
        return replace(self, **values)  # type: ignore[arg-type]


def _truth(text: str) -> bool:
    """Raises ValueError for anything but true and false, in any case."""
    if text.casefold() not in ("true", "false"):
        raise ValueError(text)
    return text.casefold() == "true"
