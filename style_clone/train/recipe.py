"""The recipe: every number training depends on, with its unit, and `--set key=value` to change it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from style_clone.errors import UsageError

SEEDS = 2**32
"""NumPy takes no seed from here on."""
QUANTIZATIONS = ("none", "4bit")
MOST_CANARIES = 100
POSITIVE = (
    "epochs",
    "learning_rate",
    "rank",
    "alpha",
    "batch_tokens",
    "max_tokens",
    "evaluations",
    "dev_tokens",
    "patience",
)


@dataclass(frozen=True)
class Recipe:
    """Settings of one training run. The defaults are those for the bundled model; `recipes.recipe_for` has the others."""

    epochs: int = 2
    """Passes over the training pairs; one where there are ONE_PASS_TOKENS of them or more (recipes.py)."""
    learning_rate: float = 1e-3
    """Peak rate, decayed linearly to nothing."""
    warmup_share: float = 0.05
    """Share of the steps in which the rate rises."""
    rank: int = 16
    """LoRA rank r."""
    alpha: int = 32
    """LoRA scale: updates are multiplied by alpha / rank."""
    dropout: float = 0.0
    """Dropout before the LoRA matrices. Any costs a third more time on a CPU, and a few passes gain nothing by it."""
    targets: str = "all-linear"
    """Which layers get a LoRA: all-linear, or names with commas between, such as q_proj,v_proj."""
    prompt_loss_weight: float = 0.0
    """Weight of a prompt's token in the loss; a reply's token weighs 1."""
    batch_tokens: int = 512
    """Tokens in a step of one process, padding counted."""
    max_tokens: int = 512
    """Longest example; older turns are dropped to fit."""
    evaluations: int = 2
    """How often a pass the loss on held-out conversations is measured; the adapter is kept from the best of them."""
    dev_tokens: int = 12_000
    """Held-out tokens such a measurement reads at most, in whole conversations."""
    patience: int = 3
    """Measurements in a row without a new best after which training stops early."""
    quantization: str = "none"
    """none, or 4bit: the frozen base model in 4-bit NormalFloat (QLoRA); needs bitsandbytes."""
    canaries: int = 0
    """Made-up secrets planted in the training pairs to see whether the adapter gives them away."""
    seed: int = 0
    """Of the order of pairs, dropout and LoRA's start."""
    registers: bool = True
    """Whether half of the conversations with a frequent contact name the contact in the prompt."""

    def __post_init__(self) -> None:
        """Raises UsageError for values that contradict each other or make no sense."""
        for name in POSITIVE:
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("dropout", "warmup_share", "prompt_loss_weight"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 0 and below 1")
        if self.quantization not in QUANTIZATIONS:
            raise UsageError(f"quantization is {self.quantization}; it must be one of {', '.join(QUANTIZATIONS)}")
        if not 0 <= self.canaries <= MOST_CANARIES:
            raise UsageError(f"canaries is {self.canaries}; it must be at least 0 and at most {MOST_CANARIES}")
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
        values: dict[str, int | float | str] = {}  # a truth value is an int
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
