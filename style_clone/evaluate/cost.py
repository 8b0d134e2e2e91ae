"""What a clone cost, what a thousand replies cost, and after how many replies training has paid for itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MILLION = 1_000_000
THOUSAND = 1_000
HOUR = 3600.0

Thousand = Mapping[str, float]


@dataclass(frozen=True)
class Prices:
    """In one currency: `api` is what an API asks for a million tokens (read, written), `machine` an hour of this machine."""

    api: tuple[float, float] | None = None
    machine: float = 0.0


def thousand_replies(tokens: tuple[float, float], seconds: float) -> dict[str, float]:
    """What a thousand replies take that read and write so many `tokens` each, and `seconds` of the machine's time."""
    return {
        "prompt_tokens": round(THOUSAND * tokens[0]),
        "reply_tokens": round(THOUSAND * tokens[1]),
        "seconds": round(THOUSAND * seconds, 1),
    }


def costs(train_seconds: float, replies: Mapping[str, Thousand], prices: Prices) -> dict[str, Any]:
    """A thousand replies by "clone" and by "prompted", and the break-even in this machine's time and, priced, in money."""
    saved = replies["prompted"]["seconds"] - replies["clone"]["seconds"]
    return {
        "thousand_replies": replies,
        "break_even_replies": break_even(train_seconds, saved / THOUSAND),
        "api": None if prices.api is None else _at_api(train_seconds, replies, prices.api, prices.machine),
    }


def break_even(spent: float, saved_by_reply: float) -> int | None:
    """After how many replies what was spent once is saved again; None for never."""
    return math.ceil(spent / saved_by_reply) if saved_by_reply > 0 else None


def _at_api(
    train_seconds: float, replies: Mapping[str, Thousand], api: tuple[float, float], machine: float
) -> dict[str, float | None]:
    """The best prompt sent to an API, against a clone that costs the machine's hours."""
    prompted = replies["prompted"]
    there = (prompted["prompt_tokens"] * api[0] + prompted["reply_tokens"] * api[1]) / MILLION
    here = replies["clone"]["seconds"] / HOUR * machine
    training = train_seconds / HOUR * machine
    return {
        "input_per_million": api[0],
        "output_per_million": api[1],
        "machine_hourly": machine,
        "training": training,
        "prompted_per_thousand": there,
        "clone_per_thousand": here,
        "break_even_replies": break_even(training, (there - here) / THOUSAND),
    }
