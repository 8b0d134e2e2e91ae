"""How a plan looks: what training would take and what it would give. All that a plan says is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from style_clone.train.strength import MEANING
from style_clone.ui.markup import folded, notice, table
from style_clone.units import spell_bytes, spell_count, spell_seconds, spell_setting

_SETTINGS = {
    "epochs": "Passes",
    "learning_rate": "Learning rate",
    "rank": "LoRA rank",
    "batch_tokens": "Tokens a step",
    "max_tokens": "Longest example",
    "targets": "Layers",
    "quantization": "Quantization",
}


def plan_card(plan: Mapping[str, Any]) -> str:
    """The whole card of `style-clone plan --json`. Raises KeyError, TypeError or ValueError for anything else."""
    head = f"<h3>Plan for {escape(plan['persona'])}</h3>{gauge(plan['strength'])}"
    sentence = str(plan["more"]["sentence"])
    said = any(sentence in line for line in plan["advice"])
    more = f"<p>{escape(sentence)}</p>" if sentence and not said else ""
    advice = "".join(f"<p>{_with_code(line)}</p>" for line in plan["advice"])
    warnings = "".join(notice(line, kind="bad") for line in plan["warnings"])
    card = f'<section class="sc-card sc-plan">{head}{more}{_figures(plan)}{advice}</section>'
    return warnings + card + _recipe(plan) + _larger(plan["larger"])


def plan_line(plan: Mapping[str, Any]) -> str:
    """The plan in a line, for a heading."""
    predicted = plan["predicted"]
    time, memory = spell_seconds(predicted["seconds"]), spell_bytes(predicted["peak_memory_bytes"])
    return f"The plan: {time}, {memory} of memory, {plan['strength']}"


def gauge(strength: str) -> str:
    """Three steps, one of them marked. Raises ValueError for a strength that is none of them."""
    names = list(MEANING)
    place = names.index(strength)
    steps = "".join(
        f'<li class="{"sc-reached" if number <= place else ""}"{_current(number == place)}>'
        f"<b>{escape(name)}</b><small>{escape(MEANING[name])}</small></li>"
        for number, name in enumerate(names)
    )
    return f'<ol class="sc-gauge" aria-label="Expected strength: {escape(strength)}">{steps}</ol>'


def _with_code(line: str) -> str:
    """A sentence, with what stands between backticks set as code."""
    parts = escape(line).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _current(is_current: bool) -> str:
    return ' aria-current="step"' if is_current else ""


def _figures(plan: Mapping[str, Any]) -> str:
    pairs, base = plan["pairs"], plan["base"]
    predicted, machine = plan["predicted"], plan["machine"]
    held_back = sum(pairs.values()) - pairs["train"]
    where = f"{machine['device']}, {machine['cores']} cores"
    speed = f"{predicted['tokens_per_second']:,.0f} tokens/s on this machine ({where})"
    rows = [
        ("Pairs to train on", f"{pairs['train']:,}", f"{held_back:,} held back to check"),
        ("Tokens a pass", f"{plan['num_train_tokens']:,}", f"{plan['num_target_tokens']:,} of them your own"),
        ("Base model", base["name"], f"{spell_count(base['parameters'])} parameters, licence {base['license']}"),
        ("Time", spell_seconds(predicted["seconds"]), f"{plan['steps']:,} steps, {speed}"),
        _room("Memory", predicted["peak_memory_bytes"], machine["memory_bytes"]),
        _room("Disk", predicted["disk_bytes"], machine["disk_bytes"]),
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd class='sc-sub'>{escape(note)}</dd></div>"
        for name, value, note in rows
    )
    return f"<dl>{cells}</dl>{_losses(plan)}"


def _room(name: str, needed: float, free: float) -> tuple[str, str, str]:
    fits = "of" if needed <= free else "more than the"
    return name, spell_bytes(needed), f"{fits} {spell_bytes(free)} free"


def _losses(plan: Mapping[str, Any]) -> str:
    """What does not fit into the longest example."""
    cut = [
        f"{plan[key]:,} {what}"
        for key, what in (("dropped_turns", "older turns left out"), ("cut_replies", "replies cut"))
        if plan[key]
    ]
    return f'<p class="sc-sub">Too long for an example: {", ".join(cut)}.</p>' if cut else ""


def _recipe(plan: Mapping[str, Any]) -> str:
    recipe, why = plan["recipe"], plan["why"]
    first = [name for name in (*_SETTINGS, *why) if name in recipe and name in why]
    explained = [(_SETTINGS.get(name, name), spell_setting(recipe[name]), why[name]) for name in dict.fromkeys(first)]
    others = [f"{name}={spell_setting(value)}" for name, value in recipe.items() if name not in first]
    rest = f'<p class="sc-sub">And: {escape(", ".join(others))}.</p>' if others else ""
    shown = table(("Setting", "Value", "Why"), explained) if explained else ""
    return folded("The recipe, and why", f'<div class="sc-why">{shown}</div>{rest}')


def _larger(models: Sequence[Mapping[str, Any]]) -> str:
    """Larger base models, those that fit first; a button puts one into the page's field."""
    if not models:
        return ""
    rows = "".join(map(_model, sorted(models, key=lambda model: not model["fits"])))
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Base model", "Size", "Memory", "Time"))
    head += '<th scope="col"><span class="sc-unseen">Choose</span></th>'
    shown = f'<table class="sc-table sc-larger"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    fitting = sum(bool(model["fits"]) for model in models)
    title = f"Larger base models: {fitting} of {len(models)} fit this machine"
    return folded(title, f'<div class="sc-scroll">{shown}</div>')


def _model(model: Mapping[str, Any]) -> str:
    name = escape(model["name"])
    button = (
        f'<button type="button" class="sc-act" data-act="base" data-key="{name}" aria-label="Use {name}">Use</button>'
        if model["fits"]
        else "too large"
    )
    figures = spell_count(model["parameters"]), spell_bytes(model["memory_bytes"]), spell_seconds(model["seconds"])
    cells = "".join(f"<td>{figure}</td>" for figure in figures)
    return f"<tr><td>{name}</td>{cells}<td>{button}</td></tr>"
