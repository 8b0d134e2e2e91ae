"""Which of two adapters is nearer to the author: from a comparison's numbers to one plain sentence, by fixed rules.

cannot_measure        the verifier cannot tell the author from other people well enough
a_nearer, b_nearer    the interval of the difference in voice leaves out 0, and nothing speaks against it
mixed                 one is nearer on voice, but another metric significantly says the opposite, or that one fails a
                      guardrail which the other passes
same                  the interval of the difference in voice holds 0
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from style_clone.evaluate.protocol import CERTAIN

Numbers = Mapping[str, Any]
NAMES = {"habits": "Habits", "fit": "Held-out fit"}


def nearer(comparison: Numbers) -> dict[str, Any]:
    """`{"code", "headline", "reasons"}` for a comparison with author, gate, candidates and contrasts, which are B less A."""
    failed = {side: _candidate(comparison, side)["faults"] for side in ("a", "b")}
    gate, guardrails = comparison["gate"], list(_guardrails(failed))
    if not gate["passed"]:
        headline, more = f"Cannot measure: {gate['failed'][0]}.", gate["failed"][1:]
        # The held-out fit alone needs nobody to compare with.
        return {
            "code": "cannot_measure",
            "headline": headline,
            "reasons": [*more, _metric(comparison, "fit"), *guardrails],
        }
    reasons = [*(_metric(comparison, name) for name in NAMES), *_relevance(comparison), *guardrails]
    voice = comparison["contrasts"]["voice"]
    side = _side(voice)
    if side is None:
        headline = f"A and B cannot be told apart on voice ({_spelled(voice)})."
        return {"code": "same", "headline": headline, "reasons": reasons}
    other = "a" if side == "b" else "b"
    said = f"{side.upper()} is nearer to {comparison['author']} than {other.upper()} on voice ({_spelled(voice, side)})"
    against = list(_against(comparison, side, failed))
    if against:
        return {"code": "mixed", "headline": f"{said}, but {' and '.join(against)}.", "reasons": reasons}
    return {"code": f"{side}_nearer", "headline": f"{said}.", "reasons": reasons}


def favoured(contrast: Numbers, *, lower_is_better: bool) -> str | None:
    """The side a metric significantly speaks for, by its p after Holm; None where it says nothing."""
    if contrast["p_holm"] is None or contrast["p_holm"] >= CERTAIN:
        return None
    return "b" if (contrast["value"] > 0) != lower_is_better else "a"


def _side(contrast: Numbers) -> str | None:
    return "b" if contrast["low"] > 0 else "a" if contrast["high"] < 0 else None


def _against(comparison: Numbers, side: str, failed: Mapping[str, Numbers]) -> Iterator[str]:
    other = "a" if side == "b" else "b"
    for name, words in NAMES.items():
        contrast = comparison["contrasts"].get(name)
        if contrast and favoured(contrast, lower_is_better=name == "fit") == other:
            yield f"{words.lower()} speak{'s' if name == 'fit' else ''} for {other.upper()}"
    alone = [name for name in failed[side] if name not in failed[other]]
    if alone:
        yield f"it alone fails a guardrail, {' and '.join(alone)}"


def _metric(comparison: Numbers, name: str) -> str:
    """What habits or held-out fit say."""
    contrast, is_fit = comparison["contrasts"].get(name), name == "fit"
    if contrast is None:
        return f"{NAMES[name]} could not be measured."
    side = favoured(contrast, lower_is_better=is_fit)
    if side:
        told = f"{'speaks' if is_fit else 'speak'} for {side.upper()}"
    else:
        told = f"{'does' if is_fit else 'do'} not tell them apart"
    unit = " bits per byte, lower is better" if is_fit else ""
    return f"{NAMES[name]} {told} (B minus A: {_spelled(contrast, digits=3 if is_fit else 2)}{unit})."


def _relevance(comparison: Numbers) -> Iterator[str]:
    """It decides nothing but as a guardrail; who weighs two recipes should know that one of them costs sense."""
    contrast = comparison["contrasts"].get("relevance")
    if contrast and (side := _side(contrast)):
        told = " to ".join(f"{contrast[bound]:+.0%}" for bound in ("low", "high"))
        yield f"Replies of {side.upper()} fit their prompts more often (B minus A: {contrast['value']:+.0%}, 95% {told})."


def _guardrails(failed: Mapping[str, Numbers]) -> Iterator[str]:
    for side, faults in failed.items():
        for name, fault in faults.items():
            yield f"{side.upper()} fails {name}: {fault}."


def _spelled(contrast: Numbers, side: str = "b", digits: int = 2) -> str:
    """The difference as seen from one side, with its interval."""
    value, low, high = (contrast[key] for key in ("value", "low", "high"))
    if side == "a":
        value, low, high = -value, -high, -low
    return f"{value:+.{digits}f}, 95% {low:+.{digits}f} to {high:+.{digits}f}"


def _candidate(comparison: Numbers, role: str) -> Numbers:
    found: Numbers = next(row for row in comparison["candidates"] if row["role"] == role)
    return found
