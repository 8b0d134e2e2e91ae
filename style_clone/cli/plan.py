"""`style-clone plan`: the pre-flight card."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, JustifyMethod
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from style_clone.cli.options import (
    base_option,
    json_option,
    overrides,
    paired,
    print_json,
    set_option,
    settings,
)
from style_clone.cli.paper import heading, paper
from style_clone.cli.terminal import progress
from style_clone.units import spell_setting

if TYPE_CHECKING:
    from style_clone.train.plan import Plan

COLOURS = {"exploratory": "yellow", "comparable": "cyan", "strong": "green"}
SECONDS_AS_MINUTES = 120
"""From here on a time is told in minutes."""


@click.command()
@click.argument("persona")
@base_option
@set_option
@json_option
def command(persona: str, base: str, assignments: tuple[str, ...], as_json: bool) -> None:
    """Say what training PERSONA would take on this machine, and what to expect of it; trains for five seconds to know.

    Nothing is written. The settings shown are those `style-clone train` would use with the same options.

    \b
      style-clone plan me
      style-clone plan me --set rank=8 --set epochs=3
      style-clone plan me --base HuggingFaceTB/SmolLM2-360M-Instruct
    """
    from style_clone.models import keep_few_shapes

    keep_few_shapes()
    changes = overrides(assignments)
    folder, workspace = paired(persona), settings().workspace
    with progress(quiet=as_json) as report:
        from style_clone.models import resolve
        from style_clone.train.plan import plan

        found = plan(folder, resolve(base, workspace, report), overrides=changes, report=report)
    if as_json:
        print_json(asdict(found))
        return
    show(paper(), found)


def show(console: Console, plan: Plan) -> None:
    """Print the card."""
    base = plan.base
    console.print(
        Text("Plan for ")
        .append(plan.persona, "bold")
        .append(f" on {base['name']}")
        .append(f"  {count(float(base['parameters']))} parameters, licence {base['license']}", "dim")
    )
    _writing(console, plan)
    _needs(console, plan)
    _strength(console, plan)
    _recipe(console, plan)
    _larger(console, plan.larger)
    for sentence in plan.warnings:
        console.print(f"\nwarning: {sentence}", style="yellow")
    console.print(f"\nNext: style-clone train {plan.persona}")


def _writing(console: Console, plan: Plan) -> None:
    heading(console, "Your writing")
    table = _table("right", "left", "left")
    held_out = ", ".join(f"{number:,} {split}" for split, number in plan.pairs.items() if split != "train")
    table.add_row(f"{plan.pairs['train']:,}", "pairs to learn from", f"held out: {held_out}")
    table.add_row(
        f"{plan.num_train_tokens:,}", "tokens a pass", f"{plan.num_target_tokens:,} of them replies, learned from"
    )
    table.add_row(f"{plan.dropped_turns:,}", "turns of context left out", f"{plan.cut_replies:,} replies cut, to fit")
    console.print(_indented(table))


def _needs(console: Console, plan: Plan) -> None:
    predicted, machine = plan.predicted, plan.machine
    device = "" if machine["device"] == "cpu" else f" and {machine['device']}"
    heading(console, f"What it takes on this machine ({machine['cores']} cores{device})")
    table = _table("left", "right", "left")
    speed = f"{plan.steps:,} steps, {predicted['tokens_per_second']:,.0f} tokens/s; less if it stops early"
    table.add_row("time", lasting(predicted["seconds"]), speed)
    for name, needed, free in (
        ("memory", predicted["peak_memory_bytes"], float(machine["memory_bytes"])),
        ("disk", predicted["disk_bytes"], float(machine["disk_bytes"])),
    ):
        style = "red" if needed > free else ""
        table.add_row(name, Text(size(needed), style), f"of {size(free)} free")
    console.print(_indented(table))


def _strength(console: Console, plan: Plan) -> None:
    from style_clone.train.strength import MEANING

    heading(console, "What to expect")
    said = Text("  ").append(plan.strength, f"bold {COLOURS[plan.strength]}").append(f": {MEANING[plan.strength]}")
    console.print(said)
    for sentence in plan.advice or [str(plan.more["sentence"])]:
        console.print(_indented(Text(sentence)))


def _recipe(console: Console, plan: Plan) -> None:
    heading(console, "Settings, and why")
    table = _table("left", "right", "left")
    for name, reason in plan.why.items():
        table.add_row(name, spell_setting(plan.recipe[name]), Text(reason, "dim"))
    console.print(_indented(table))
    rest = ", ".join(f"{name} {value}" for name, value in plan.recipe.items() if name not in plan.why)
    console.print(_indented(Text(f"Also: {rest}. Change any with --set KEY=VALUE.", "dim")))


def _larger(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    heading(console, "Larger base models (estimates from this one's five seconds; choose with --base)")
    table = _table("left", "right", "right", "left", "left", names=("", "memory", "time", "licence", ""))
    for row in rows:
        fits = Text("fits", "green") if row["fits"] else Text("too large", "dim")
        table.add_row(row["name"], size(row["memory_bytes"]), lasting(row["seconds"]), row["license"], fits)
    console.print(_indented(table))


def _table(*sides: JustifyMethod, names: tuple[str, ...] = ()) -> Table:
    """A table without lines, its columns aligned as `sides` says; the last may go over several lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(names), header_style="dim")
    for number, side in enumerate(sides):
        header = names[number] if names else ""
        table.add_column(header, justify=side, no_wrap=number < len(sides) - 1, min_width=9 if number < 2 else None)
    return table


def _indented(what: Table | Text) -> Padding:
    return Padding(what, (0, 0, 0, 2))


def count(number: float) -> str:
    """A large count: "135M", "1.7B"."""
    return f"{number / 1e9:.1f}B" if number >= 1e9 else f"{number / 1e6:.0f}M"


def size(number: float) -> str:
    """Bytes in units of ten: "310 MB", "1.9 GB"."""
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"


def lasting(seconds: float) -> str:
    """A time that is only expected, in two digits or so: "40 s", "3.7 min", "25 min", "5.1 h"."""
    if seconds < SECONDS_AS_MINUTES:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 120:
        return f"{minutes:.1f} min" if minutes < 10 else f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h"
