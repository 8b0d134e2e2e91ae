"""How long a silence ends a conversation: learnt from the pauses of the corpus itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEFAULT_GAP_SECONDS = 3 * 3600.0
LEAST_GAP_SECONDS = 10 * 60.0
MOST_GAP_SECONDS = 12 * 3600.0
MIN_PAUSES = 200
"""Fewer say nothing sure about where pauses part."""
MIN_LONG_PAUSES = 20
DEEP = 0.5
_BINS_PER_DECADE = 8
_DECADES = 8
_LEAST_PAUSE_SECONDS = 30.0
"""Many exports give minutes only, so shorter pauses are one and the same."""
_SMOOTHING = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Gap:
    """`seconds` of silence that end a conversation, and whether they were learnt.

    `histogram` counts the pauses: upper edge in seconds, count.
    """

    seconds: float
    learned: bool
    histogram: tuple[tuple[float, int], ...]


def learn(pauses: Floats) -> Gap:
    """The gap of these pauses (seconds, between neighbours of one thread); three hours where they tell nothing.

    On a logarithmic scale pauses within a conversation and pauses between conversations are two heaps with a valley between
    them (Halfaker et al. 2015, "User session identification based on strong regularities in inter-activity time"). The gap
    is the lowest place of the smoothed histogram between ten minutes and twelve hours, in whole minutes; its middle, where
    it is broad. It must lie at half the height of what follows, or lower, to count as a valley.
    """
    edges = np.linspace(0, _DECADES, _DECADES * _BINS_PER_DECADE + 1)
    counts, _ = np.histogram(np.log10(np.clip(pauses, _LEAST_PAUSE_SECONDS, 10**_DECADES - 1)), edges)
    histogram = tuple(
        (round(float(10**edge), 1), int(count))
        for edge, count in zip(edges[1:], counts, strict=True)
        if 10**edge > _LEAST_PAUSE_SECONDS
    )
    valley = _valley(edges, counts) if len(pauses) >= MIN_PAUSES else None
    if valley is None:
        return Gap(DEFAULT_GAP_SECONDS, False, histogram)
    return Gap(round(10**valley / 60) * 60.0, True, histogram)


def _valley(edges: Floats, counts: NDArray[np.int64]) -> float | None:
    """Log10 seconds of the lowest place in reach; None where no heap worth the name follows it."""
    height = np.convolve(counts, _SMOOTHING, "same")
    middle = (edges[1:] + edges[:-1]) / 2
    in_reach = np.flatnonzero((middle >= np.log10(LEAST_GAP_SECONDS)) & (middle <= np.log10(MOST_GAP_SECONDS)))
    lowest = in_reach[height[in_reach] <= height[in_reach].min() + 1e-9]
    place = int(lowest[(len(lowest) - 1) // 2])
    if counts[place + 1 :].sum() < MIN_LONG_PAUSES or height[place] > DEEP * height[place:].max():
        return None
    return float(middle[place])
