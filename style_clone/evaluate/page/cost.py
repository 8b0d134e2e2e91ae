"""What the clone cost, what a thousand replies cost, and when training has paid for itself."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from style_clone.evaluate.page.card import Card
from style_clone.evaluate.page.figures import NONE, Form, number
from style_clone.evaluate.page.marks import definitions, nothing, section, table, term
from style_clone.units import counted, spell_count, spell_seconds

SIDES = {"clone": "The clone", "prompted": "The best prompt"}
SPENT: tuple[tuple[str, str, Form], ...] = (
    ("train_seconds", "Training", spell_seconds),
    ("train_tokens", "Tokens trained on", spell_count),
    ("peak_memory_gb", "Peak memory", "{:.1f} GB".format),
    ("adapter_mb", "Adapter", "{:,.0f} MB".format),
    ("evaluate_seconds", "This measurement", spell_seconds),
)
"""What was spent once, with its name and how it is written."""


def cost(card: Card) -> str:
    """The section."""
    found = card.part("cost")
    if not found:
        return section("cost", "What did it cost?", nothing("No costs were written down."))
    more = "" if card.is_quick else _running(found) + _paid(found)
    return section("cost", "What did it cost?", definitions(_spent(found)) + more)


def _spent(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, form(value)) for key, name, form in SPENT if (value := number(found.get(key))) is not None]


def _running(found: Mapping[str, Any]) -> str:
    title, thousand = "<h3>A thousand replies</h3>", found.get("thousand_replies") or {}
    rows = []
    for side, name in SIDES.items():
        row = thousand.get(side) or {}
        read, written = (number(row.get(key)) for key in ("prompt_tokens", "reply_tokens"))
        seconds = number(row.get("seconds"))
        if read is not None and written is not None:
            took = spell_seconds(seconds) if seconds else NONE
            rows.append([name, spell_count(read), spell_count(written), took])
    if not rows:
        return title + nothing("No replies were generated, so their length is not known.")
    return title + table(("", "Tokens read", "Tokens written", "On this machine"), rows, "What a thousand replies take")


def _paid(found: Mapping[str, Any]) -> str:
    title, api = f"<h3>{term('When has training paid for itself?', 'cost')}</h3>", found.get("api") or {}
    bill = (
        f"<p>{escape(' '.join(_bill(api)))}</p>" if api else nothing("No price of a paid API was given (--api-price).")
    )
    return title + _in_time(found) + bill


def _in_time(found: Mapping[str, Any]) -> str:
    """Where both run on this machine, the time that training took against what a reply takes."""
    thousand = found.get("thousand_replies") or {}
    if not all((thousand.get(side) or {}).get("seconds") for side in SIDES):
        return ""
    even = number(found.get("break_even_replies"))
    if even is None:
        return (
            "<p>In this machine's time never: here a reply by the clone takes no less than one by the best prompt.</p>"
        )
    return f"<p>In this machine's time after {counted(even, 'reply', 'replies')}.</p>"


def _bill(api: Mapping[str, Any]) -> list[str]:
    """The sums in sentences."""
    prices = [_money(number(api.get(f"{side}_per_million"))) for side in ("input", "output")]
    told = [f"At {prices[0]} for a million tokens read and {prices[1]} for a million written,"]
    told.append(f"a thousand replies by the best prompt cost {_money(number(api.get('prompted_per_thousand')))}.")
    hourly, even = number(api.get("machine_hourly")), number(api.get("break_even_replies"))
    if not hourly:
        return [*told, "What an hour of this machine costs was not said (--machine-price)."]
    trained, here = (_money(number(api.get(key))) for key in ("training", "clone_per_thousand"))
    told.append(
        f"At {_money(hourly)} an hour of this machine, training cost {trained} and the clone's thousand {here}."
    )
    if even is None:
        return [*told, "At these prices training never pays for itself."]
    return [*told, f"Training has paid for itself after {counted(even, 'reply', 'replies')}."]


def _money(amount: float | None) -> str:
    if amount is None:
        return NONE
    # Prices of single replies are fractions of a cent.
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.3g}"
