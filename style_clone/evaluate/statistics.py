"""Intervals and tests. The unit is the conversation: replies within one are not independent, so it is drawn whole.

Every metric is a function of sums over conversations. `Resamples` draws conversations once and gives any number of sums under
the same draws: whatever is divided, capped or subtracted afterwards has its interval, paired by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from style_clone import proportion

Array = NDArray[np.float64]

RESAMPLES, FLIPS = 2_000, 10_000
"""Cluster bootstrap draws and sign flips of the protocol."""
_FLIPS_AT_ONCE = 1_000


class Interval(TypedDict):
    """A value and its 95% interval, as scorecard.json has it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Resamples:
    """Draws of K conversations with replacement: `weights` (R + 1, K) says how often each of R draws has each conversation.

    The first row is ones: what is computed from it is the value itself. Candidates that answer the same conversations share
    one of these, so that differences between them are paired; other groups have one with another `seed`.
    """

    names: tuple[str, ...]
    weights: Array

    @classmethod
    def of(cls, conversations: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0) -> Resamples:
        """Draws of the distinct `conversations`, in the order they first appear. Raises ValueError where there are none."""
        names = tuple(dict.fromkeys(conversations))
        if not names:
            raise ValueError("there are no conversations to draw from")
        chances = np.full(len(names), 1 / len(names))
        drawn = np.random.default_rng(seed).multinomial(len(names), chances, size=resamples)
        return cls(names, np.concatenate([np.ones((1, len(names))), drawn]))

    def sums(self, values: Sequence[float] | NDArray[np.generic], conversations: Sequence[str]) -> Array:
        """`values` of replies, (N,) or (N, F), summed by conversation: (K,) or (K, F). Raises KeyError for a strange one."""
        places = {name: place for place, name in enumerate(self.names)}
        array = np.asarray(values, dtype=np.float64)
        found = np.zeros((len(self.names), *array.shape[1:]))
        np.add.at(found, [places[name] for name in conversations], array)
        return found

    def total(self, sums: Sequence[float] | NDArray[np.generic]) -> Array:
        """Sums by conversation, (K,) or (K, F), under every draw: (R + 1,) or (R + 1, F)."""
        drawn: Array = self.weights @ np.asarray(sums, dtype=np.float64)
        return drawn

    def mean(self, values: Sequence[float] | NDArray[np.generic], conversations: Sequence[str]) -> Array:
        """The mean of replies' `values` (N,) under every draw, (R + 1,); NaN under draws without any of these replies."""
        totals = self.total(self.sums(values, conversations))
        sizes = self.total(self.sums(np.ones(len(conversations)), conversations))
        return np.divide(totals, sizes, out=np.full_like(totals, np.nan), where=sizes > 0)


def interval(draws: Array) -> Interval:
    """The value and its 95% interval from `draws` (R + 1,), by the percentile method of Efron (1979).

    The first is the value. Draws that are not numbers are left out.
    """
    low, high = np.nanquantile(draws[1:], [0.025, 0.975])
    return {"value": float(draws[0]), "low": float(low), "high": float(high)}


def interval_if_any(draws: Array) -> Interval | None:
    """The same, or None where the value itself is no number, or no draw is."""
    return interval(draws) if np.isfinite(draws[0]) and np.isfinite(draws[1:]).any() else None


def ratio_difference_interval(
    first: Sequence[float],
    second: Sequence[float],
    weights: Sequence[float],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Difference of two weighted means and its 95% interval, by cluster bootstrap.

    `first` and `second` are sums per conversation (K,), `weights` what they are divided by (K,), such as bits and bytes.
    """
    sums = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    drawn = Resamples.of([str(place) for place in range(len(sums))], resamples=resamples, seed=seed)
    found = interval(drawn.total(sums) / drawn.total(weights))
    return found["value"], found["low"], found["high"]


def sign_flip(differences: Sequence[float] | Array, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p that paired `differences`, sums by conversation (K,), are of zero mean; a permutation test.

    Under the null each conversation's difference is as likely with the other sign. (count + 1) / (flips + 1) is never zero
    (Phipson and Smyth 2010).
    """
    first = np.asarray(differences, dtype=np.float64)[:, np.newaxis]
    return swap_test(first, np.zeros_like(first), lambda one, other: one[:, 0] - other[:, 0], flips=flips, seed=seed)


def swap_test(
    first: Array, second: Array, difference: Callable[[Array, Array], Array], *, flips: int = FLIPS, seed: int = 0
) -> float:
    """Two-sided p that two candidates' replies to the same conversations could change places, for any `difference`.

    `first` and `second` are sums by conversation (K, F). `difference` takes totals of both, (B, F) each, and gives (B,).
    For a difference of means this is `sign_flip`; it also serves those that are no mean, such as of habits.
    """
    middle, half = (first + second) / 2, (first - second) / 2
    rng = np.random.default_rng(seed)

    def differences(signs: Array) -> Array:
        totals, moved = middle.sum(axis=0), signs @ half
        return np.abs(difference(totals + moved, totals - moved))

    seen = differences(np.ones((1, len(half))))[0]
    reached = 0
    for begin in range(0, flips, _FLIPS_AT_ONCE):
        size = (min(_FLIPS_AT_ONCE, flips - begin), len(half))
        flipped = differences(rng.integers(0, 2, size).astype(np.float64) * 2 - 1)
        reached += int(np.count_nonzero(flipped >= seen * (1 - 1e-9)))  # equal but for rounding counts as reached
    return (reached + 1) / (flips + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p-values adjusted for being several, by Holm (1979): each stays significant where its adjusted one is under .05."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda each: p_values[each])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def wilson(successes: float, votes: int) -> Interval:
    """The share `successes` / `votes` with Wilson's (1927) 95% interval; a tie is half a success.

    With no votes the value is .5, and nothing is known of it. Raises ValueError for more successes than votes.
    """
    if not 0 <= successes <= votes:
        raise ValueError(f"{successes} successes of {votes} votes")
    low, high = proportion.wilson(successes, votes)
    return {"value": successes / votes if votes else 0.5, "low": low, "high": high}
