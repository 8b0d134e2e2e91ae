"""How good a clone can be expected from so much writing, and how much more would make it better.

Three strengths, by what the author's corpus gives to train on:

exploratory   tuning may well work, but nobody could tell: use a prompt first.
comparable    enough for a first reliable comparison with the prompted baseline.
strong        enough that tuning has been seen to pass the prompt clearly.

Where the numbers come from. Under 50 replies prompting is all that makes sense: vendors of tuning ask for 50 to 100 examples
before they see any effect. A comparison needs 100 replies to fit its judges on, and the judges get a quarter of the corpus:
400 replies, half of which are for training; under 20 conversations its intervals, which resample conversations, are too wide
to say anything. A thousand good examples teach a form (LIMA, arXiv 2305.11206), and the pilot that passed its prompted
baselines clearly had 1,058 training pairs of chat; tokens count more than rows, and 60,000 a pass is what others advise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from style_clone.conversation import Pair

PROMPT_ONLY_PAIRS = 50
"""Training pairs under which a prompt with examples is the better choice whatever the rest."""
TRAIN_SHARE = 0.5
"""Share of the conversations that are for training; the others choose, judge and test."""


@dataclass(frozen=True)
class Amount:
    """How much there is to train on: pairs, the conversations they come from, tokens a pass computes."""

    pairs: int
    conversations: int
    tokens: int


@dataclass(frozen=True)
class Level:
    """A strength, and the least of each that it takes."""

    name: str
    least: Amount


LEVELS = (
    Level("exploratory", Amount(0, 0, 0)),
    Level("comparable", Amount(200, 20, 0)),
    Level("strong", Amount(1000, 20, 60_000)),
)
MEANING = {
    "exploratory": "too little to tell a clone from a prompt",
    "comparable": "enough to compare the clone with a prompt",
    "strong": "enough for a clone that passes a prompt clearly",
}


def amount_of(pairs: Sequence[Pair], tokens: int) -> Amount:
    """The amount that training pairs of so many `tokens` are."""
    return Amount(len(pairs), len({pair.conversation for pair in pairs}), tokens)


def strength_of(amount: Amount) -> str:
    """ "exploratory", "comparable" or "strong"."""
    return [level.name for level in LEVELS if _missing(amount, level) == 0][-1]


def more(amount: Amount) -> dict[str, int | str]:
    """`pairs` to add (0 where there is nothing above), the `strength` they bring, and a `sentence` that says so.

    The pairs counted are those of the whole corpus, of which training gets half; missing conversations and tokens are counted
    as pairs of the kind there are.
    """
    level = next((level for level in LEVELS if _missing(amount, level)), None)
    if level is None:
        sentence = "More writing still helps, by less and less: a clone learns most from its first thousand pairs."
        return {"pairs": 0, "strength": LEVELS[-1].name, "sentence": sentence}
    pairs = _rounded(_missing(amount, level) / TRAIN_SHARE)
    sentence = f"About {pairs:,} more pairs would make it {level.name}: {MEANING[level.name]}."
    if amount.conversations < level.least.conversations:
        sentence += (
            f" They should come from other conversations or documents: there are {amount.conversations} to train on."
        )
    return {"pairs": pairs, "strength": level.name, "sentence": sentence}


def _missing(amount: Amount, level: Level) -> int:
    """Training pairs that have to come before `level` is reached."""
    here, least = asdict(amount), asdict(level.least)
    short = [
        math.ceil((least[name] - here[name]) * max(here["pairs"], 1) / max(here[name], 1))
        for name in here
        if here[name] < least[name]
    ]
    return max(short, default=0)


def _rounded(pairs: float) -> int:
    """Up to two digits that count: more would pretend to know."""
    step = int(10 ** max(0, len(str(math.ceil(pairs))) - 2))
    return math.ceil(pairs / step) * step
