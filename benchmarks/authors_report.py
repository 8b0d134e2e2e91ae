"""What authors.py found, to read and to look at: authors.md and authors.svg, made of authors.jsonl beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from style_clone.evaluate.candidates import PLAIN
from style_clone.evaluate.page.figures import Interval, decimal, interval, percent, spelled
from style_clone.evaluate.page.marks import not_kept
from style_clone.evaluate.page.strips import SHAPES, Scale, lines, pointers, whisker
from style_clone.evaluate.page.style import PLOTS_CSS
from style_clone.evaluate.page.top import CODES

Row = dict[str, Any]

PREFACE = """# Real authors

Every number here is made by `python benchmarks/authors.py`, which runs the commands people type (`ingest`, `pairs`, `train`,
`evaluate`) on real writing; the rows are in [authors.jsonl](authors.jsonl). Living people go by how much they wrote.

**S** is 0 for other people and 1 for the author; **ΔV** is the clone's voice match minus the best prompt's, both cut at 1.
Habits are on the same scale as S. Relevance is the share of replies nearer their own prompt than 19 others, where there are
prompts enough to tell. In brackets are 95% intervals. The machines, of two cores each, differed, and some had other work:
minutes say how long one waits, and are no benchmark. A guardrail is *unsettled* where so few replies do not tell whether it
is kept; rows measured before that was told apart count it as failed. Protocol 2 differs from 1 in that the AUC's interval
draws conversations and people (1 drew bundles, and its intervals are too narrow), and that all candidates read the same
turns for bits per byte (with 1 a long prompt left less of a long conversation, which favoured the clone).

![Voice match of each author's base model, best prompt and clone, between other people and the author](authors.svg)
"""
WRITING = {
    "irc-1": "IRC channel, who wrote most",
    "irc-2": "IRC channel, second most",
    "irc-3": "IRC channel, third most",
    "r-sig-1": "R mailing lists, who wrote most",
    "r-sig-2": "R mailing lists, second most",
    "r-sig-3": "R mailing lists, third most",
    "enron": "A company's mails, main author",
    "keats": "John Keats, letters",
    "james": "Henry James, letters",
    "burns": "Robert Burns, letters",
}
"""Whose writing it is, by key."""
SUMMARY = (
    *("author", "train replies", "test replies × samples", "judge's AUC", "S plain", "S best prompt", "S clone", "ΔV"),
    *("bits per byte, prompt / clone", "the clone does not keep", "verdict", "minutes, train + evaluate", "protocol"),
)
EVERYBODY = (
    *("author", "candidate", "S", "V", "attributed", "habits", "bits per byte", "relevance"),
    *("do not end", "loop", "length ratio", "does not keep"),
)
SIDES = {"plain": "other", "prompted": "prompted", "clone": "clone"}
"""The three that are drawn, and the kind of mark each has."""
WIDTH, NAMES, RIGHT, AXIS = 900, 230, 724, 56
"""Pixels of the picture: its width, where the middle and the right column begin, and the height above the first author."""
LINE, GAP = 17, 15
AUTHOR = len(SIDES) * LINE + GAP
"""Pixels of a candidate's line, between authors, and of an author."""


def write(rows: Sequence[Row], folder: Path) -> None:
    """authors.md and authors.svg in `folder`, of these rows in the order of WRITING."""
    ordered = sorted(rows, key=lambda row: list(WRITING).index(row["author"]))
    text = "\n".join([PREFACE, *summary(ordered), "", "## Every candidate", "", *everybody(ordered), ""])
    (folder / "authors.md").write_text(text, encoding="utf-8")
    (folder / "authors.svg").write_text(drawn(ordered), encoding="utf-8")


def summary(rows: Sequence[Row]) -> Iterator[str]:
    """Markdown, a line an author."""
    yield from _header(SUMMARY)
    for each in rows:
        sides = _sides(each)
        bits = [sides[name]["fit"]["bits_per_byte"]["value"] for name in ("prompted", "clone")]
        yield _line(
            WRITING[each["author"]],
            f"{each['pairs']['train']:,}",
            f"{each['test_replies']} × {each['samples']}",
            spelled(interval(each["gate"]["auc"])),
            *(spelled(_voice(sides[name], "s")) for name in SIDES),
            spelled(interval(each["contrasts"].get("voice"))),
            f"{bits[0]:.2f} / {bits[1]:.2f}",
            _guardrails(sides["clone"]) or "nothing",
            _verdict(each),
            f"{each['training']['seconds'] / 60:.0f} + {each['evaluate_seconds'] / 60:.0f}",
            str(each.get("protocol", 1)),
        )


def everybody(rows: Sequence[Row]) -> Iterator[str]:
    """Markdown, a line a candidate."""
    yield from _header(EVERYBODY)
    for each in rows:
        for side in each["candidates"]:
            shape, bold = side["shape"], "**" if side["role"] else ""
            yield _line(
                WRITING[each["author"]],
                f"{bold}{side['id'].replace('_', '-')}{bold}",
                *(spelled(_voice(side, name)) for name in ("s", "v")),
                percent((side["voice"] or {}).get("attribution")),
                spelled(interval(side["habits"])),
                spelled(interval((side["fit"] or {}).get("bits_per_byte"))),
                percent((side["relevance"] or {}).get("value")),
                *(percent(shape[name]) for name in ("unterminated", "looping")),
                f"{shape['length_ratio']:.2f}",
                _guardrails(side) or "nothing",
            )


def drawn(rows: Sequence[Row]) -> str:
    """The plot, as SVG: three lines an author, from other people at 0 to the author at 1."""
    voices = [_voice(side, "s") for each in rows for side in _sides(each).values()]
    ends = [end for found in voices if found for end in (found.low, found.high)]
    scale = Scale.over(ends, least=(-0.2, 1.2), most=(-3, 3))
    axis = pointers(scale, [(0.0, "0 · other people"), (1.0, "1 · the author")], AXIS)
    drawn_rows = "".join(_author(scale, each, AXIS + number * AUTHOR) for number, each in enumerate(rows))
    height = AXIS + AUTHOR * len(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
        f"<title>Voice match of real authors' base model, best prompt and clone</title><style>{PLOTS_CSS}{_OWN}</style>"
        f'<rect class="paper" width="100%" height="100%"/>{_legend()}{_column(axis, 0, AXIS)}{drawn_rows}</svg>\n'
    )


_OWN = """
svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.paper { fill: var(--card); } .rule { stroke: var(--line); } svg text.name { fill: var(--ink); font-size: 14px; }
svg text.verdict { fill: var(--ink); font-weight: 650; }
"""


def _legend() -> str:
    """What the three marks stand for, above the names."""
    words = {"other": "base model", "prompted": "best prompt", "clone": "clone"}
    return "".join(
        f'<svg class="mark {kind}" x="20" y="{12 + 17 * at}">{SHAPES[kind]}</svg>'
        f'<text x="36" y="{16 + 17 * at}">{name}</text>'
        for at, (kind, name) in enumerate(words.items())
    )


def _author(scale: Scale, each: Row, top: int) -> str:
    """Who it is and how much there was, everybody's mark, and the verdict."""
    sides = _sides(each)
    marks = "".join(_mark(scale, sides[name], kind, at) for at, (name, kind) in enumerate(SIDES.items()))
    limits = "".join(
        f'<text x="{RIGHT}" y="{top + 24 + LINE * at}">{escape(words)}</text>'
        for at, words in enumerate(_limits(each), 1)
    )
    return (
        f'<line class="rule" x1="0" x2="{WIDTH}" y1="{top}" y2="{top}"/>'
        f'<text class="name" x="12" y="{top + 29}">{escape(WRITING[each["author"]])}</text>'
        f'<text x="12" y="{top + 48}">{each["pairs"]["train"]:,} replies trained on</text>'
        f"{_column(lines(scale, (0, 1)) + marks, top, AUTHOR)}"
        f'<text class="verdict" x="{RIGHT}" y="{top + 24}">{escape(CODES[each["verdict"]][0])}</text>{limits}'
    )


def _column(inside: str, top: int, height: int) -> str:
    """The middle column, whose places are percentages of its own width."""
    return f'<svg x="{NAMES}" y="{top}" width="{RIGHT - NAMES - 14}" height="{height}">{inside}</svg>'


def _mark(scale: Scale, side: Row, kind: str, at: int) -> str:
    found = _voice(side, "s")
    if found is None:
        return ""
    return f'<svg y="{GAP / 2 + at * LINE:g}" width="100%" height="{LINE}">{whisker(scale, found, kind)}</svg>'


def _limits(each: Row) -> list[str]:
    """What decided the verdict, and what limits it."""
    decided = _guardrails(_sides(each)["clone"]) or "no blind votes yet"
    if each["verdict"] == "cannot_measure":
        decided = f"judge's AUC {decimal(each['gate']['auc']['value'])}"
    return [decided, "exploratory"] if each["exploratory"] else [decided]


def _guardrails(side: Row) -> str:
    """Those that a candidate does not keep; rows of earlier versions have none that are unsettled."""
    return not_kept(side["failed"], side.get("unsettled") or ())


def _sides(each: Row) -> dict[str, Row]:
    """The plain base model, the best prompt and the clone."""
    return {side["role"] or side["id"]: side for side in each["candidates"] if side["role"] or side["id"] == PLAIN}


def _voice(side: Row, name: str) -> Interval | None:
    return interval((side["voice"] or {}).get(name))


def _verdict(each: Row) -> str:
    return CODES[each["verdict"]][0] + (", exploratory" if each["exploratory"] else "")


def _header(columns: Sequence[str]) -> Iterator[str]:
    yield _line(*columns)
    yield "|" + "---|" * len(columns)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
