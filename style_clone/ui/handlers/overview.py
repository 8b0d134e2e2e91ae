"""What the messages have become: how many pairs, in which split, and what was left out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from style_clone.conversation import SPLITS, Split
from style_clone.errors import MissingStage
from style_clone.pairs.summary import LENGTH_NAMES
from style_clone.ui.chart import bar_chart
from style_clone.ui.markup import card, folded, notice, table
from style_clone.workspace import Workspace, read_json

PURPOSES: Mapping[Split, str] = {
    "train": "train: the model learns from these",
    "dev": "dev: these choose the best epoch",
    "judge": "judge: these teach a judge of style",
    "test": "test: these measure the clone",
}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def overview(workspace: Workspace, slug: str | None) -> str:
    """What went in and what came out, as HTML; without pairs, what to do first. Raises StorageError for a damaged file."""
    from style_clone.pairs.run import SUMMARY

    if not slug:
        return notice("There are no pairs yet.", "Read your writing in step 1.")
    path = workspace.existing(slug).pairs / SUMMARY
    if not path.exists():
        return notice(f"{slug} has no pairs yet.", "Read your writing in step 1.")
    row = read_json(path)
    try:
        return "".join([_figures(slug, row), _splits(row["splits"]), _left_out(row), _sizes(row), _pauses(row)])
    except (KeyError, TypeError, ValueError) as error:
        raise MissingStage(
            f"{slug}'s pairs were made by another version of this program", mend="Make them anew with the button above."
        ) from error


def day(iso: str | None) -> str:
    """An ISO date as people write it; empty where there is none."""
    return f"{date.fromisoformat(iso[:10]):%d %b %Y}" if iso else ""


def lasting(seconds: float) -> str:
    """A length of time in its largest unit: "45 min", "3 h", "2 d"."""
    size, unit = next((each for each in _UNITS if seconds >= each[0]), (1, "s"))
    return f"{seconds / size:.2g} {unit}"


def _figures(slug: str, row: Mapping[str, Any]) -> str:
    figures = [
        ("Messages", row["messages"]),
        ("Yours", row["author_messages"]),
        ("Yours used", row["used_messages"]),
        ("Conversations", row["conversations"]),
        ("Pairs", row["pairs"]),
    ]
    notes = [f"{note[:1].upper()}{note[1:]}" for note in row.get("notes", ())]
    return card(f"{slug}: {row['author']}", [(name, f"{value:,}") for name, value in figures], notes)


def _splits(splits: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (
            PURPOSES[name],
            *(f"{splits[name][figure]:,}" for figure in ("pairs", "conversations", "words")),
            day(splits[name]["first_date"]),
            day(splits[name]["last_date"]),
        )
        for name in SPLITS
    ]
    return table(("Split", "Pairs", "Conversations", "Words", "From", "To"), rows, numbers=(1, 2, 3))


def _left_out(row: Mapping[str, Any]) -> str:
    kinds = (
        ("Your messages left out", "dropped"),
        ("Other people's messages left out", "ignored"),
        ("Pairs kept, but changed", "mended"),
        ("Masked in pairs", "redacted"),
    )
    tables = [_reasons(title, row.get(name) or {}) for title, name in kinds]
    return folded("What was left out, and why", "".join(tables) or notice("Nothing was left out."))


def _reasons(title: str, counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return (
        table((title, "Count"), [(reason, f"{count:,}") for reason, count in most if count], numbers=(1,))
        if most
        else ""
    )


def _sizes(row: Mapping[str, Any]) -> str:
    names = {"before": "Before the selection", "after": "After"}
    lengths: Mapping[str, Sequence[int]] = row.get("lengths") or {}
    groups = {title: lengths[name] for name, title in names.items() if len(lengths.get(name, ())) == len(LENGTH_NAMES)}
    return folded(
        "How long the replies are", bar_chart(groups, LENGTH_NAMES, x_name="words", y_name="Replies by length")
    )


def _pauses(row: Mapping[str, Any]) -> str:
    """The silences between messages, without the empty ends of the histogram."""
    counted = [(float(edge), int(count)) for edge, count in row.get("gap_histogram") or ()]
    taken = [place for place, (_, count) in enumerate(counted) if count]
    if not taken:
        return ""
    inner = counted[taken[0] : taken[-1] + 1]
    labels, counts = [lasting(edge) for edge, _ in inner], [count for _, count in inner]
    reason = (
        "Learnt from these pauses."
        if row.get("gap_learned")
        else "These pauses say too little, or you set it yourself."
    )
    told = notice(f"A conversation ends after {lasting(row['gap_seconds'])} of silence.", reason)
    chart = bar_chart({"Pauses": counts}, labels, x_name="up to", y_name="Pauses between messages by length")
    return folded("Where conversations are cut", told + chart)
