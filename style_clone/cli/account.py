"""What `style-clone pairs` tells of its work: what went in and out, what was left out and why, and how it was shared out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from style_clone.cli.paper import heading
from style_clone.conversation import SPLITS
from style_clone.pairs.summary import LENGTH_NAMES, PairsSummary, SplitSummary
from style_clone.units import counted

BAR_COLUMNS = 20
BLOCKS = "▁▂▃▄▅▆▇█"
_TICKS = (
    (60, "1m"),
    (600, "10m"),
    (3600, "1h"),
    (6 * 3600, "6h"),
    (86400, "1d"),
    (7 * 86400, "7d"),
    (30 * 86400, "30d"),
    (365 * 86400, "1y"),
)
_ASKERS = {"person": "people", "text": "the text itself", "model": "a model", "template": "a template"}


def show(console: Console, summary: PairsSummary) -> None:
    """Print the whole account."""
    _totals(console, summary)
    _gap(console, summary)
    _counts(console, f"Left out of {summary.author}'s messages", summary.dropped)
    _counts(console, "Left out of other people's messages", summary.ignored)
    _counts(console, "Pairs kept, but changed", summary.mended)
    _counts(console, "Masked in the pairs", summary.redacted)
    _splits(console, summary)
    _lengths(console, summary.lengths)


def _totals(console: Console, summary: PairsSummary) -> None:
    console.print(f"{summary.messages:,} messages, {summary.author_messages:,} of them by {summary.author}")
    made = Text("-> ").append(f"{summary.pairs:,} pairs", style="bold")
    made.append(f" from {summary.used_messages:,} messages in {counted(summary.conversations, 'conversation')}")
    console.print(made)


def _gap(console: Console, summary: PairsSummary) -> None:
    pauses = counted(sum(count for _, count in summary.gap_histogram), "pause")
    if summary.gap_learned:
        reason = f"learned from {pauses}; --gap changes it"
    elif summary.options.get("gap_seconds") is not None:
        reason = "set by --gap"
    else:
        reason = f"the default, since {pauses} tell too little; --gap changes it"
    heading(console, f"Conversations end at {lasting(summary.gap_seconds)} of silence")
    console.print(f"  {reason}", style="dim")
    for line in pauses_drawn(summary.gap_histogram, summary.gap_seconds, console.width - 4):
        console.print(f"  {line}", style="cyan", no_wrap=True)


def pauses_drawn(histogram: Sequence[tuple[float, int]], gap_seconds: float, width: int) -> list[str]:
    """The pauses as three lines of at most `width`: heaps, an axis of times, and a mark at the gap. Empty without pauses.

    `histogram` is upper edges in seconds and counts, by length. The first and last bins that hold something are the ends.
    A height is the square root of the count, or long pauses, which are few, would not be seen beside short ones.
    """
    held = [place for place, (_, count) in enumerate(histogram) if count]
    if not held or width < 1:
        return []
    bins = histogram[held[0] : held[-1] + 1]
    merged, wide = -(-len(bins) // width), 2 if 2 * len(bins) <= width else 1
    heaps = [bins[start : start + merged] for start in range(0, len(bins), merged)]
    edges, counts = [heap[-1][0] for heap in heaps], [sum(count for _, count in heap) for heap in heaps]
    drawn = "".join(_block(count, max(counts)) * wide for count in counts)
    marks = [(seconds, name) for seconds, name in _TICKS if edges[0] <= 2 * seconds]
    gap = _column(edges, gap_seconds, wide)
    told = lasting(gap_seconds)
    below = " " * gap + f"^ {told}" if gap + len(told) + 2 <= width else f"{told} ^".rjust(gap + 1)
    return [drawn, _axis([(_column(edges, seconds, wide), name) for seconds, name in marks], len(drawn)), below]


def _block(count: int, most: int) -> str:
    return BLOCKS[round((len(BLOCKS) - 1) * (count / most) ** 0.5)] if count else " "


def _column(edges: Sequence[float], seconds: float, wide: int) -> int:
    """Where the first bin begins that reaches as far as `seconds`, or the end; each bin is `wide` columns."""
    return wide * next((place for place, edge in enumerate(edges) if edge >= seconds * 0.999), len(edges))


def _axis(ticks: Sequence[tuple[int, str]], width: int) -> str:
    """Names of times, each beginning below its bin; those without room are left out."""
    line = ""
    for column, name in ticks:
        if (not line or column > len(line)) and column + len(name) <= width:
            line = line.ljust(column) + name
    return line


def _counts(console: Console, title: str, counts: Mapping[str, int]) -> None:
    most = sorted(((count, what) for what, count in counts.items() if count), key=lambda item: (-item[0], item[1]))
    if most:
        heading(console, title)
        table = _table()
        table.add_column(justify="right", min_width=9)
        table.add_column()
        for count, what in most:
            table.add_row(f"{count:,}", what)
        console.print(table)


def _splits(console: Console, summary: PairsSummary) -> None:
    heading(console, "Shared out")
    table = _table(header=True)
    for name in ("", "pairs", "conversations", "words", "asked by people"):
        table.add_column(name, justify="right" if name else "left", header_style="dim")
    table.add_column("dates", header_style="dim")
    for name in SPLITS:
        part = summary.splits[name]
        numbers = (f"{number:,}" for number in (part.pairs, part.conversations, part.words))
        table.add_row(f"  {name}", *numbers, _by_people(part), _dates(part))
    console.print(table)
    asked = sum((Counter(part.asked_by) for part in summary.splits.values()), Counter[str]())
    if set(asked) - {"person"}:
        told = ", ".join(f"{asked[who]:,} by {words}" for who, words in _ASKERS.items() if asked[who])
        console.print(f"  prompts: {told}", style="dim")


def _by_people(part: SplitSummary) -> str:
    return f"{part.asked_by.get('person', 0) / part.pairs:.0%}" if part.pairs else ""


def _dates(part: SplitSummary) -> str:
    if part.first_date is None or part.last_date is None:
        return "no dates" if part.pairs else ""
    return f"{part.first_date[:10]} to {part.last_date[:10]}"


def _lengths(console: Console, lengths: Mapping[str, Sequence[int]]) -> None:
    """Shares of the replies by length, before and after the selection."""
    before, after = (shares(lengths.get(when, ())) for when in ("before", "after"))
    if not any(before):
        return
    heading(console, "Length of the replies")
    table = _table(header=True)
    for name in ("words", "all there were", "as chosen"):
        table.add_column(name, header_style="dim", justify="right" if name == "words" else "left", min_width=7)
    most = max(*before, *after)
    for name, first, second in zip(LENGTH_NAMES, before, after, strict=True):
        table.add_row(name, _bar(first, most), _bar(second, most))
    console.print(table)


def shares(counts: Sequence[int]) -> list[float]:
    """Counts by LENGTH_NAMES as shares of their sum; zeros where there is nothing."""
    total = sum(counts)
    return [count / total for count in counts] if total else [0.0] * len(LENGTH_NAMES)


def _bar(share: float, most: float) -> Text:
    bar = "█" * round(BAR_COLUMNS * share / most) if most else ""
    return Text(f"{share:4.0%} ").append(bar or ("▏" if share else ""), style="cyan")


def lasting(seconds: float) -> str:
    """A length of time in words: "47 minutes", "3 hours", "1 hour 30 minutes"."""
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours >= 48:
        return counted(round(seconds / 86400), "day")
    parts = [counted(number, unit) for number, unit in ((hours, "hour"), (minutes, "minute")) if number]
    return " ".join(parts) or f"{seconds:.0f} seconds"


def _table(*, header: bool = False) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=header)
