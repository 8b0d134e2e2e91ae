"""The protocol's thresholds: what is judged by, told and drawn. They are conventions, fixed before anything was measured."""

from __future__ import annotations

OVERSHOOT = 1.25
"""S above this is "more like them than they are"."""
GATE_AUC, GATE_LOW = 0.80, 0.70
"""What the verifier's AUC must reach, and what its lower 95% bound must be over."""
LEAST_IMPOSTORS = 8
"""Other writers that the author is told from, fitted and unseen together."""
LEAST_GAIN = 0.10
"""What the clone's V must be ahead of the best prompted candidate's for training to be worth it."""
RELEVANCE_SLACK = 0.05
"""By how much the clone's relevance may be below the best prompted candidate's. To be worth training it must surely not be
so far below; it is rejected where it surely is; between the two more replies have to settle it."""
MOST_COPIED = 0.02
"""Share of replies with a run copied from training, above the author's own rate."""
LENGTHS = (2 / 3, 3 / 2)
"""Bounds of the median length against the author's, as far below as above: two words for three are not too few."""
VOTES = 40
"""Blind votes from which on they count towards the verdict."""
EXPLORATORY = (100, 20)
"""Under so many test replies or conversations a scorecard is exploratory."""
LEAST_JUDGE = 100
"""Under so many of the author's replies to fit the judge on it is exploratory too."""
LEAST_CONVERSATIONS = 5
"""Under so many test conversations an interval says nothing: there are too few ways to resample them."""
CERTAIN = 0.05
"""A p value under this, after Holm's correction, is no chance."""
