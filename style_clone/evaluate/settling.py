"""What would settle an inconclusive verdict: about how many replies or votes, if they went on as those there are.

An interval narrows with the root of what it is drawn from; each number here is where it would just leave out its line. Only
the side on which the line lies counts: V is cut at 1, so that the other may be much shorter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from style_clone.evaluate.protocol import CERTAIN, LEAST_GAIN, RELEVANCE_SLACK
from style_clone.proportion import NORMAL_95

HOLM_WIDER = NormalDist().inv_cdf(1 - CERTAIN / 3 / 2) / NORMAL_95
"""How much wider an interval has to be to say what the strictest of Holm's three p-values says."""
CLOSE = 1e-3
"""What is no farther than this from its line, no number settles."""

Numbers = Mapping[str, Any]


def replies_to_settle(voice: Numbers, replies: int) -> int | None:
    """Test replies instead of `replies` that would bring the nearer bound of the gain `voice` to the line it has to cross.

    That is 0 from above for a gain that is large enough, else LEAST_GAIN from below. None where the estimate lies on the line
    itself, or it is settled.
    """
    return _replies(voice, 0 if voice["value"] >= LEAST_GAIN else LEAST_GAIN, replies)


def replies_to_agree(contrasts: Numbers, replies: int) -> int | None:
    """Test replies instead of `replies` that would let habits or held-out fit agree significantly, whichever does sooner.

    None where neither leans towards the clone.
    """
    leanings = {"habits": 1, "fit": -1}
    needed = (
        _replies(contrasts[name], 0, replies, wider=HOLM_WIDER)
        for name, sign in leanings.items()
        if name in contrasts and sign * contrasts[name]["value"] > 0
    )
    return min(filter(None, needed), default=None)


def replies_to_answer(relevance: Numbers, replies: int) -> int | None:
    """Test replies instead of `replies` that would say of the difference in relevance whether more is lost than is allowed.

    None where the estimate lies on that line itself, or it is settled.
    """
    return _replies(relevance, -RELEVANCE_SLACK, replies)


def votes_to_settle(voted: Numbers) -> int | None:
    """Blind votes, with the share of those there are, that would bring the lower bound of Wilson's interval over one half.

    It lies over one half where the share is NORMAL_95 standard errors of a fair coin above it (Wilson 1927). None where it
    does already, or no more than half prefer the clone.
    """
    ahead: float = voted["preferred"] - 0.5
    if ahead < CLOSE or voted["low"] > 0.5:
        return None
    return _tens((NORMAL_95 / (2 * ahead)) ** 2)


def _replies(contrast: Numbers, line: float, replies: int, *, wider: float = 1.0) -> int | None:
    """Those with which the interval, made `wider`, reaches from the value just to the line."""
    value: float = contrast["value"]
    distance = abs(value - line)
    reach: float = wider * (value - contrast["low"] if value > line else contrast["high"] - value)
    if reach <= distance or distance < CLOSE:
        return None
    return _tens(replies * (reach / distance) ** 2)


def _tens(number: float) -> int:
    return math.ceil(round(number / 10, 6)) * 10  # 40 is no more than 40 for what floats leave behind
