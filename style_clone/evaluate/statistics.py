"""Intervals. The unit is the conversation: replies within one are not independent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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
