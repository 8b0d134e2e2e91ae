"""Intervals. The unit is the conversation: replies within one are not independent."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np

Z95 = 1.959963984540054
"""The 97.5th percentile of the normal distribution: two-sided 95%."""


def ratio_difference_interval(
    first: Sequence[float], second: Sequence[float], weights: Sequence[float], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Difference of two weighted means and its 95% interval, by cluster bootstrap.

    `first` and `second` are sums per conversation (K,), `weights` what they are divided by (K,), such as bits and bytes. The
    percentile method of Efron (1979), resampling whole conversations together for both.
    """
    sums = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)  # (K,)
    sizes = np.asarray(weights, dtype=float)  # (K,)
    chosen = np.random.default_rng(seed).integers(0, len(sums), size=(resamples, len(sums)))
    differences = sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1)
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(sums.sum() / sizes.sum()), float(low), float(high)


def wilson(successes: float, votes: int) -> dict[str, float]:
    """The share `successes` / `votes` and its 95% score interval of Wilson (1927), as {"value", "low", "high"}.

    Halves are allowed among the successes, for ties. Raises ValueError without votes, and for more successes than votes.
    """
    if not 0 <= successes <= votes or not votes:
        raise ValueError(f"{successes} successes of {votes} votes")
    share, square = successes / votes, Z95 * Z95
    middle = (share + square / (2 * votes)) / (1 + square / votes)
    half = Z95 / (1 + square / votes) * sqrt(share * (1 - share) / votes + square / (4 * votes * votes))
    return {"value": share, "low": max(0.0, middle - half), "high": min(1.0, middle + half)}
