"""How a benchmark tells its result."""

from __future__ import annotations

import json
from collections.abc import Mapping


def tell(result: Mapping[str, Mapping[str, float]], *, as_json: bool) -> None:
    """Print figures and ratios: a line each, or all as one JSON document."""
    if as_json:
        print(json.dumps(result))
        return
    for group, values in result.items():
        print(group)
        for name, value in values.items():
            print(f"  {name:<44}{value:14.4f}")
