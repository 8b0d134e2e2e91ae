"""How the scorecard's numbers are written, on the page and in the terminal. What is not there is told as not measured."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NONE = "not measured"
Form = Callable[[float], str]


@dataclass(frozen=True)
class Interval:
    """A number with its 95% interval; one that has none is its own bounds, and not `bounded`."""

    value: float
    low: float
    high: float
    bounded: bool = True


def number(raw: Any) -> float | None:
    """`raw` where it is a finite number, else None."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    return float(raw) if math.isfinite(raw) else None


def interval(raw: Any) -> Interval | None:
    """An interval of the scorecard; also of a number alone, or of one without its bounds."""
    found = raw if isinstance(raw, Mapping) else {"value": raw}
    value, low, high = (number(found.get(key)) for key in ("value", "low", "high"))
    if value is None:
        return None
    if low is None or high is None:
        return Interval(value, value, value, bounded=False)
    return Interval(value, low, high)


def decimal(value: float | None, digits: int = 2) -> str:
    """Such as "0.87", or "−0.31" with a real minus."""
    if value is None:
        return NONE
    text = f"{value:,.{digits}f}"
    # What rounds to nothing has no sign.
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", "−")


def sentence(raw: object) -> str:
    """A sentence of the verdict, its numbers with a real minus like all others; empty for nothing."""
    return re.sub(r"(?<!\w)-(?=\d)", "−", str(raw or ""))


def thirds(value: float | None) -> str:
    """A decimal with three digits: bits per byte differ in the third."""
    return decimal(value, 3)


def signed(value: float | None, form: Form = decimal) -> str:
    """A difference, such as "+0.12"."""
    if value is None:
        return NONE
    text = form(value)
    return text if text[:1] == "−" or not text.strip("0.,% ") else f"+{text}"


def percent(share: float | None) -> str:
    """Such as "31%"; one digit more for what is under 10%, where it says something."""
    if share is None:
        return NONE
    scaled = 100 * share
    digits = 1 if 0 < abs(scaled) < 9.95 and abs(scaled - round(scaled)) >= 0.05 else 0
    return decimal(scaled, digits) + "%"


def bounds(found: Interval | None, form: Form = decimal) -> str:
    """The 95% interval, such as "0.70 to 1.02"; empty where there is none."""
    if found is None or not found.bounded:
        return ""
    return f"{form(found.low)} to {form(found.high)}"


def spelled(found: Interval | None, form: Form = decimal) -> str:
    """Number and interval, such as "0.87 (0.70 to 1.02)"."""
    if found is None:
        return NONE
    between = bounds(found, form)
    return f"{form(found.value)} ({between})" if between else form(found.value)


def chance(p: float | None) -> str:
    """A p value, such as "p = 0.03" or "p < 0.001"."""
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2f}" if p >= 0.01 else f"p = {p:.3f}"
