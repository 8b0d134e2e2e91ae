"""Pairs as they are shown in the terminal: some of train, picked by chance."""

from __future__ import annotations

import random
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from style_clone.cli.paper import harmless, heading, shortened
from style_clone.conversation import Pair, Turn, iterate_pairs
from style_clone.workspace import PersonaFolder

CONTEXT_TURNS = 2
BUBBLES = 5
BUBBLE_CHARACTERS = 200


def chosen(folder: PersonaFolder, total: int, number: int, seed: int) -> list[Pair]:
    """`number` of the `total` pairs of train, by chance but the same for the same seed; in the file's order."""
    places = set(random.Random(seed).sample(range(total), min(number, total)))
    return [pair for at, pair in enumerate(iterate_pairs(folder.split("train"))) if at in places]


def show(console: Console, pairs: list[Pair], author: str) -> None:
    """Print each: the last turns of its context and the reply, a line a bubble."""
    heading(
        console,
        f"{len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} of train, picked by chance (> others, < {author})",
    )
    for pair in pairs:
        console.print(Text(f"\n  {_title(pair)}", style="dim"))
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=5, justify="right")
        grid.add_column(overflow="fold")
        for mark, bubble, style in _lines(pair):
            grid.add_row(Text(mark, style=style), Text(bubble, style=style))
        console.print(grid)


def _title(pair: Pair) -> str:
    asked = {"person": "", "text": "asked by the text itself"}.get(pair.asked_by, f"asked by a {pair.asked_by}")
    to = f"to {pair.recipient}" if pair.recipient else ""
    date = (pair.date or "no date")[:16].replace("T", " ").removesuffix(" 00:00")
    return harmless(", ".join(filter(None, [f"{pair.origin} {to}".strip(), pair.channel, date, asked])))


def _lines(pair: Pair) -> Iterator[tuple[str, str, str]]:
    for turn in pair.context[-CONTEXT_TURNS:]:
        own = turn["role"] == "assistant"
        yield from (("<" if own else ">", bubble, "dim" if own else "") for bubble in _bubbles(turn))
    yield from (("<", bubble, "green") for bubble in _bubbles(pair.turns[-1]))


def _bubbles(turn: Turn) -> Iterator[str]:
    lines = [line for line in harmless(turn["content"]).split("\n") if line.strip()]
    for line in lines[:BUBBLES]:
        yield shortened(line, BUBBLE_CHARACTERS)
    if len(lines) > BUBBLES:
        yield f"… and {len(lines) - BUBBLES} more"
