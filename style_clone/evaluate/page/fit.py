"""Held-out fit: how well each candidate foresees what the author really wrote, and how much of that is about this author."""

from __future__ import annotations

from style_clone.evaluate.page.candidates import Measured, edges, keys, measured, named, valued
from style_clone.evaluate.page.card import Card
from style_clone.evaluate.page.figures import bounds, interval, signed, spelled, thirds
from style_clone.evaluate.page.marks import below, nothing, section, term
from style_clone.evaluate.page.strips import Row, Scale, bar, lines, picture, plot, pointers, whisker

_AXIS = 24


def fit(card: Card) -> str:
    """The section."""
    lead = (
        f"How many bits the model needs for each byte of what {card.author} really wrote, in replies it has never seen. "
        "Shorter bars are better: the less a reply surprises it, the more of the author is in it."
    )
    found = measured(card, lambda each: each.bits)
    told = _bars(card, found) if found else nothing("Nothing was held out to be measured on.")
    more = _difference(card) if card.is_quick else _specific(card)
    return section("fit", "Does it foresee what they write?", told + more, lead)


def _bars(card: Card, found: Measured) -> str:
    scale = Scale(0, 1.02 * max(edges(found)) or 1)
    best = min(value.value for _, value in found)
    rows = []
    for each, value in found:
        lowest = '<small class="best">lowest</small>' if value.value == best else ""
        drawn = picture(
            f"{each.title}: {spelled(value, thirds)} bits per byte", bar(scale, value, each.role or "other")
        )
        rows.append(Row(named(card, each), drawn, valued(value, thirds, lowest), each.role or "other"))
    return plot(("", "", term("Bits per byte", "fit")), rows, "Held-out fit of every candidate; lower is better")


def _difference(card: Card) -> str:
    """Clone and prompt of a quick scorecard; in a full one, voice compares them."""
    raw = card.part("clone_minus_prompted")
    found = interval({**raw, "value": raw.get("difference")})
    if found is None:
        return ""
    told = f"{signed(found.value, thirds)} bits per byte"
    between = f" (95% interval {signed(found.low, thirds)} to {signed(found.high, thirds)})" if found.bounded else ""
    return f'<p class="difference">The clone minus the prompted baseline: <b>{told}</b>{between}.</p>'


def _specific(card: Card) -> str:
    """What of the gain does not show on other people's writing."""
    title = "<h3>How much of that is about this author, and not about chats in general?</h3>"
    found = measured(card, lambda each: each.specificity)
    if not found:
        return title + nothing("Other people's replies were not measured, so this cannot be told.")
    scale = Scale.over(edges(found), least=(-0.05, 0.1), most=(-2.0, 2.0))
    rows = []
    for each, value in found:
        told = f"{each.title}: {signed(value.value, thirds)}, 95% interval {bounds(value, thirds) or 'unknown'}"
        drawn = picture(told, lines(scale, (0,)) + whisker(scale, value, each.role or "other"))
        shown = f"<b>{signed(value.value, thirds)}</b>{below(value, thirds)}"
        rows.append(Row(named(card, each), drawn, shown, each.role or "other"))
    labels = pointers(scale, [(0, "0 · as much on anybody's writing")], _AXIS)
    head = picture("An axis of specificity, in bits per byte", labels, height=_AXIS, kind="axis")
    return title + keys() + plot(("", head, term("Specificity", "specificity")), rows, "Specificity of every candidate")
