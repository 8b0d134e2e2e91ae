"""How well a judge tells one person's bundles of replies from other people's: the area under its ROC curve, and its interval.

Replies of one conversation are alike, and so are those of one person. So the author's conversations are drawn anew, and of
the others first people and then their conversations; what is drawn is bundled anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from style_clone.evaluate.statistics import RESAMPLES, Array
from style_clone.evaluate.texts import BUNDLE, bundles


@dataclass(frozen=True, eq=False)
class Rated:
    """One person's replies: a judge's `logits` (N,) of them, and the conversation each is from."""

    logits: Array
    conversations: Sequence[str]

    def bundled(self) -> Array:
        """The mean of each bundle, (B,). Log-odds of independent replies add up; all bundles are of one size."""
        means: Array = self.logits[bundles(self.conversations)].mean(axis=1)
        return means

    def drawn(self, resamples: int, rng: np.random.Generator) -> list[Array]:
        """The same of each of so many draws of as many conversations as there are; a draw of short ones may have none."""
        _, owner = np.unique(np.asarray(self.conversations), return_inverse=True)
        by_conversation = self.logits[np.argsort(owner, kind="stable")]
        sizes = np.bincount(owner)
        begins = np.cumsum(sizes) - sizes
        picked = rng.integers(0, len(sizes), (resamples, len(sizes)))
        return [_bundled(by_conversation[_places(begins[each], sizes[each])]) for each in picked]


def area_draws(author: Rated, others: Sequence[Rated], *, resamples: int = RESAMPLES, seed: int = 0) -> Array:
    """The area with bundles as they are, then under every draw: (R + 1,), NaN where a draw leaves a side without bundles.

    It is the share of couples of a bundle of the author's and one of somebody else's in which the author's has the higher
    mean, ties half (Hanley and McNeil 1982).
    """
    rng = np.random.default_rng(seed)
    mine = [author.bundled(), *author.drawn(resamples, rng)]
    theirs = [[person.bundled(), *person.drawn(resamples, rng)] for person in others]
    often = np.concatenate(
        [
            np.ones((1, len(others)), np.int64),
            rng.multinomial(len(others), np.full(len(others), 1 / len(others)), size=resamples),
        ]
    )
    return np.array(
        [
            area(
                mine[at], np.concatenate([np.repeat(person[at], times[number]) for number, person in enumerate(theirs)])
            )
            for at, times in enumerate(often)
        ]
    )


def area(positive: Array, negative: Array) -> float:
    """The area of two groups of scores, (A,) and (B,); NaN where one is empty."""
    if not (len(positive) and len(negative)):
        return float("nan")
    ordered = np.sort(negative)
    below, up_to = (np.searchsorted(ordered, positive, side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(negative))


def _places(begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of runs that begin at `begins` and have `sizes`, (K,) each, one run after the other."""
    ends = np.cumsum(sizes)
    return np.repeat(begins - (ends - sizes), sizes) + np.arange(ends[-1])


def _bundled(logits: Array) -> Array:
    means: Array = logits[: len(logits) // BUNDLE * BUNDLE].reshape(-1, BUNDLE).mean(axis=1)
    return means
