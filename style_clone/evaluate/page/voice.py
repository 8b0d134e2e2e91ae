"""Voice match: every candidate between other people and the author, the difference, and whether it could be measured."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from style_clone.evaluate import protocol
from style_clone.evaluate.page.candidates import between_anchors, keys, measured
from style_clone.evaluate.page.card import Card
from style_clone.evaluate.page.figures import (
    Form,
    Interval,
    chance,
    decimal,
    interval,
    number,
    signed,
    spelled,
    thirds,
)
from style_clone.evaluate.page.marks import below, nothing, outcome, section, table, term
from style_clone.evaluate.page.strips import Row, Scale, band, lines, picture, plot, pointers, whisker
from style_clone.units import counted


def _points(share: float) -> str:
    """A difference of shares: 0.05 is 5 points."""
    return decimal(100 * share, 1)


CONTRASTS: tuple[tuple[str, str, Form, int], ...] = (
    ("voice", "Voice match, V (at most 1)", decimal, 1),
    ("habits", "Habits", decimal, 1),
    ("fit", "Bits per byte", thirds, -1),
    ("relevance", "Relevance, in points", _points, 1),
)
"""Measure, its name, how its numbers are written, and 1 where more is better, -1 where less is."""
_AXIS = 44


def voice(card: Card) -> str:
    """The section."""
    lead = (
        f"A judge that was never shown a clone reads the replies. 0 is how it rates other people, 1 how it rates what "
        f"{card.author} really wrote. The line through each mark is its 95% interval."
    )
    return section("voice", "Does it sound like them?", _strips(card) + _gate(card) + _contrasts(card), lead)


def _strips(card: Card) -> str:
    found = measured(card, lambda each: each.voice)
    if not found:
        why = "the judge cannot tell this author from other people" if _auc(card) else card.gate_failed
        return nothing(f"Nobody's voice was measured{why and ': '}{why}.")
    head, caption = term("Voice match, S", "voice"), "Voice match of every candidate"
    return keys() + between_anchors(card, found, head, caption, over=protocol.OVERSHOOT)


def _gate(card: Card) -> str:
    """Whether the judge can tell the author from other people at all."""
    title, gate = "<h3>Can it be measured here?</h3>", card.part("gate")
    if not gate:
        return title + nothing("The judge was not tested.")
    said = outcome("pass", "Yes.") if gate.get("passed") else outcome("fail", _no(card))
    null = number(gate.get("null_high"))
    return f'{title}<p class="gate">{said} {escape(" ".join(_tested(card, null)))}</p>{_gauge(_auc(card), null)}'


def _auc(card: Card) -> Interval | None:
    return interval(card.part("gate").get("auc"))


def _tested(card: Card, null: float | None) -> list[str]:
    """How well the judge did, in sentences."""
    auc, failed = _auc(card), card.gate_failed
    if auc is None:
        return [f"The judge was not tested: {failed}."] if failed else []
    told = [
        f"The judge tells {card.author} from people it has never seen with an AUC of {spelled(auc)}{_bundles(card)}."
    ]
    if null is not None:
        told.append(f"With the labels shuffled, chance alone reaches {decimal(null)}; it must be above that too.")
    return [*told, f"What failed: {failed}."] if failed else told


def _bundles(card: Card) -> str:
    """How much of the author's writing the judge's AUC rests on."""
    found, replies = number(card.part("gate").get("bundles")), card.replies
    if found is None and replies is None:
        return ""
    counts = counted(found, "bundle") if found is not None else f"about {counted((replies or 0) // 10, 'bundle')}"
    return f", on {counts} of ten of the author's replies"


def _no(card: Card) -> str:
    return "No: take the marks above as guesses." if measured(card, lambda each: each.voice) else "No."


def _gauge(auc: Interval | None, null: float | None) -> str:
    """The judge's AUC, from a coin's to a perfect one."""
    if auc is None:
        return ""
    scale = Scale.over([auc.low], least=(0.4, 1.0), most=(0.0, 1.0))
    behind = (band(scale, scale.low, null, "beyond") if null is not None else "") + lines(scale, (protocol.GATE_AUC,))
    drawn = picture(f"AUC {spelled(auc)}; {protocol.GATE_AUC:.2f} is asked for", behind + whisker(scale, auc, "other"))
    labels = pointers(scale, [(protocol.GATE_AUC, f"{protocol.GATE_AUC:.2f} is asked for")], _AXIS)
    if null is not None:
        labels += f'<text x="{scale.at(scale.low):.2f}%" y="{_AXIS - 8}">shaded: chance</text>'
    head = picture(f"An axis of AUC from {scale.low:g} to 1", labels, height=_AXIS, kind="axis")
    row = Row("<span>The judge</span>", drawn, f"<b>{decimal(auc.value)}</b>{below(auc)}")
    return plot(("", head, term("AUC", "gate")), [row], "How well the judge tells the author from other people")


def _contrasts(card: Card) -> str:
    """The clone minus the best prompted candidate, measure by measure."""
    title, found = "<h3>The clone against the best prompt</h3>", card.part("contrasts")
    rows = [
        [term(name, key), *_contrast(found[key], form, better)]
        for key, name, form, better in CONTRASTS
        if isinstance(found.get(key), Mapping)
    ]
    if not rows:
        return title + nothing("There was nothing to compare.")
    headers = ("Measure", "Clone − prompt", "In words")
    return title + _corrected(found) + table(headers, rows, "The clone minus the best prompted candidate")


def _corrected(contrasts: Mapping[str, Any]) -> str:
    """What p is, said once."""
    tests = sum(isinstance(each, Mapping) and number(each.get("p_holm")) is not None for each in contrasts.values())
    of_voice = "; that of voice is of S, not of V" if contrasts.get("voice") else ""
    return f'<p class="hint">p is corrected for {tests} tests{of_voice}.</p>' if tests > 1 else ""


def _contrast(raw: Mapping[str, object], form: Form, better: int) -> list[str]:
    """The cells of one measure. Relevance is no metric of the verdict, so its p is not corrected and not asked for."""
    found, p = interval(raw), number(raw.get("p_holm"))
    if found is None:
        return [signed(None), outcome("unknown", "not measured")]
    ahead, behind = (found.low > 0, found.high < 0) if better > 0 else (found.high < 0, found.low > 0)
    words = "clone better" if ahead else "prompt better" if behind else "no clear difference"
    if (ahead or behind) and p is not None and p >= protocol.CERTAIN:
        ahead, behind, words = False, False, f"{words}, perhaps by chance"
    state = "pass" if ahead else "fail" if behind else "unknown"
    difference = f"{signed(found.value, form)}{below(found, form)}"
    told = f"<small>{chance(p)}</small>" if p is not None else ""
    return [difference, outcome(state, words) + told]
