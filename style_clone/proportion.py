"""The interval of a share that was counted: of replies given away, of blind votes."""

from __future__ import annotations

import math
from statistics import NormalDist

NORMAL_95 = NormalDist().inv_cdf(0.975)
"""Standard errors on either side of an estimate that its 95% interval takes."""


def wilson(count: float, total: int) -> tuple[float, float]:
    """Wilson's (1927) 95% interval of a share `count` / `total`; all of 0 to 1 where there is nothing to go by."""
    if not total:
        return 0.0, 1.0
    share, weight = count / total, NORMAL_95**2 / total
    middle = (share + weight / 2) / (1 + weight)
    reach = math.sqrt(share * (1 - share) * weight + weight**2 / 4) / (1 + weight)
    return max(0.0, middle - reach), min(1.0, middle + reach)
