"""Pairs already on disk, with their summary: for what comes after `build`, without running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from style_clone.conversation import SPLITS, Pair, Split, Turn, write_lines
from style_clone.pairs.summary import PairsSummary, SplitCount
from style_clone.persona import Persona
from style_clone.workspace import PersonaFolder, Workspace, write_json


def pair(*texts: str, **more: Any) -> Pair:
    """A pair whose texts take turns, the author's last."""
    roles = ["assistant" if (len(texts) - at) % 2 else "user" for at in range(len(texts))]
    turns: list[Turn] = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]  # type: ignore[typeddict-item]
    given = {"id": "i1", "conversation": "c1", "origin": "reply", "source": "chat.txt", "channel": "whatsapp"}
    return Pair(turns=tuple(turns), **{**given, **more})


def summary_of(splits: Mapping[Split, Sequence[Pair]], **more: Any) -> PairsSummary:
    """A summary that fits these pairs, with `more` said in place of what is made up here."""
    counts = {name: SplitCount() for name in SPLITS}
    for name, pairs in splits.items():
        for each in pairs:
            counts[name].add(each)
    parts = {name: count.summary() for name, count in counts.items()}
    total = sum(part.pairs for part in parts.values())
    given: dict[str, Any] = {
        "author": "Nell Quayle",
        "aliases": ("Nell Quayle",),
        "options": {},
        "inputs": {},
        "messages": 2 * total,
        "author_messages": total,
        "used_messages": total,
        "dropped": {},
        "ignored": {},
        "mended": {},
        "redacted": {},
        "conversations": sum(part.conversations for part in parts.values()),
        "gap_seconds": 2820.0,
        "gap_learned": True,
        "gap_histogram": ((60.0, 4), (3600.0, 2)),
        "lengths": {"before": (total, 0, 0, 0, 0, 0, 0), "after": (total, 0, 0, 0, 0, 0, 0)},
        "splits": parts,
        "notes": (),
    }
    return PairsSummary(**{**given, **more})


def ready(workspace: Workspace, splits: Mapping[Split, Sequence[Pair]], slug: str = "nell") -> PersonaFolder:
    """A persona with these pairs on disk."""
    folder = workspace.folder(slug)
    folder.pairs.mkdir(parents=True, exist_ok=True)
    Persona(slug=slug, author="Nell Quayle", aliases=("Nell Quayle",)).save(folder)
    for name in SPLITS:
        with folder.split(name).open("w", encoding="utf-8") as file:
            write_lines(file, (each.to_json() for each in splits.get(name, ())))
    write_json(folder.pairs / "summary.json", summary_of(splits).to_json())
    return folder
