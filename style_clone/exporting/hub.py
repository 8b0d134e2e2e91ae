"""A data set folder as the Hugging Face hub lays one out: Parquet by split, and a card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from style_clone.conversation import SPLITS, Pair, Split, Turn
from style_clone.exporting.forms import Row

if TYPE_CHECKING:
    import pyarrow

ROWS_AT_ONCE = 500
"""Rows held in memory while a Parquet file is written; each batch becomes one row group."""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


class Pseudonyms:
    """Names that say nothing: the first one met is contact-1, and the same one stays it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._numbers: dict[str, int] = {}

    def __call__(self, name: str | None) -> str | None:
        """The pseudonym of `name`; None for None."""
        return None if name is None else f"{self.kind}-{self._numbers.setdefault(name, len(self._numbers) + 1)}"


class Hub:
    """What `datasets.load_dataset(folder)` reads, in TRL's conversational prompt and completion form.

    Given as prompt and completion, TRL puts loss on the completion only: what style-clone trains on. A recipient's name, and
    those of files and chats, which often hold one, become numbers in the order of the splits; a pair's id, which may be
    a mail's, stays at home.
    """

    files: ClassVar[Mapping[Split, str]] = {name: f"data/{name}-00000-of-00001.parquet" for name in SPLITS}

    def __init__(self) -> None:
        self.recipient = Pseudonyms("contact")
        self.source = Pseudonyms("source")
        self.conversation = Pseudonyms("conversation")

    def row(self, messages: Sequence[Turn], pair: Pair) -> Row:
        """Messages in two columns, and what is known of the pair."""
        return {
            "prompt": messages[:-1],
            "completion": messages[-1:],
            "conversation": self.conversation(pair.conversation),
            "origin": pair.origin,
            "asked_by": pair.asked_by,
            "channel": pair.channel,
            "source": self.source(pair.source),
            "recipient": self.recipient(pair.recipient),
            "date": pair.date,
        }

    def write(self, path: Path, rows: Iterable[Row]) -> int:
        """Parquet, a few hundred rows at a time."""
        import pyarrow
        from pyarrow import parquet

        path.parent.mkdir(exist_ok=True)
        schema, count = _schema(), 0
        with parquet.ParquetWriter(path, schema) as writer:
            for batch in _batches(rows):
                writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
                count += len(batch)
        return count

    def more(self, slug: str, counts: Mapping[Split, int]) -> dict[str, str]:
        """The card."""
        return {"README.md": card(slug, {name: (self.files[name], count) for name, count in counts.items()})}

    def use(self, slug: str, out: Path) -> str:
        """How to load it."""
        return (
            f'datasets.load_dataset("{out}"): train on "train", choose on "dev"; "judge" and "test" are for measuring.'
        )


def card(slug: str, splits: Mapping[Split, tuple[str, int]]) -> str:
    """The README.md of a data set, with its header in YAML; `splits` are file and rows of each."""
    total = sum(count for _, count in splits.values())
    size = next((name for limit, name in _SIZES if total < limit), "n>1M")
    files = "\n".join(f"      - split: {name}\n        path: {file}" for name, (file, _) in splits.items())
    table = "\n".join(f"| {name} | {count:,} | {_PURPOSE[name]} |" for name, (_, count) in splits.items())
    return _CARD.format(title=json.dumps(f"Pairs of {slug}"), slug=slug, size=size, files=files, table=table)


_PURPOSE: Mapping[Split, str] = {
    "train": "to train on: the oldest half",
    "dev": "to choose an epoch or a setting on",
    "judge": "held out: to train a judge of style on",
    "test": "held out: to measure on, and for nothing else",
}

_CARD = """\
---
pretty_name: {title}
license: other
license_name: private
language:
- und
size_categories:
- {size}
task_categories:
- text-generation
configs:
- config_name: default
  data_files:
{files}
---

# Pairs of {slug}

**Private writing. Do not publish it without the consent of everybody in it**: the author, and all who wrote to them.

Each row is something said to the author (`prompt`: system prompt and the turns so far) and what they really answered
(`completion`). Train on the completion only; with these two columns TRL's `SFTTrainer` does so by itself.

| split | rows | |
|---|---|---|
{table}

A conversation is in one split as a whole, and splits are cut by time where there are dates. Keep what is held out for
measuring: a model that was trained on it cannot be measured with it.

`recipient`, `source` and `conversation` are numbers in place of names. The text is what the clone is trained on: names
inside messages, and before the messages of a group, are as the making of pairs left them.

The language was not recorded (`und`).

Made by style-clone.
"""


def _schema() -> pyarrow.Schema:
    import pyarrow

    turns = pyarrow.list_(pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())]))
    texts = ("conversation", "origin", "asked_by", "channel", "source", "recipient", "date")
    return pyarrow.schema([("prompt", turns), ("completion", turns), *((name, pyarrow.string()) for name in texts)])


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch
