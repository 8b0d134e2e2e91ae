"""The chosen drafts -> pairs on disk, one unit at a time, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from style_clone.conversation import SPLITS, Pair, Split, Turn, write_lines
from style_clone.pairs.choosing.choice import Choice
from style_clone.pairs.choosing.split import Parts
from style_clone.pairs.choosing.table import Entry
from style_clone.pairs.documents.written import rewrite_prompt
from style_clone.pairs.drafts import Draft
from style_clone.pairs.ledger import Ledger
from style_clone.pairs.summary import SplitCount, SplitSummary
from style_clone.pairs.units import UnitReader
from style_clone.pairs.wishes import Wishes
from style_clone.progress import Event, Report

_TOLD_EVERY = 1000


@dataclass(frozen=True)
class Writer:
    """Makes the prompts of the chosen drafts and writes the splits."""

    reader: UnitReader
    wishes: Wishes
    ledger: Ledger
    report: Report

    def write(self, folder: Path, parts: Parts, choice: Choice) -> dict[Split, SplitSummary]:
        """Write {train,dev,judge,test}.jsonl into `folder`; says what is in them."""
        total = sum(len(drafts) for drafts in choice.drafts.values())
        done, summaries = 0, {}
        for name in SPLITS:
            count = SplitCount()
            with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                for pair in self._pairs(parts[name], name, choice):
                    write_lines(file, [pair.to_json()])
                    count.add(pair)
                    if (done + count.pairs) % _TOLD_EVERY == 0:
                        self.report(Event("pairs", "writing pairs", done + count.pairs, total))
            done += count.pairs
            summaries[name] = count.summary()
        return summaries

    def _pairs(self, entries: list[Entry], name: Split, choice: Choice) -> Iterator[Pair]:
        for draft, number in self._drafts(entries, name, choice):
            pair = draft.pair()
            if pair is None:
                self.ledger.drop(draft.rows, "repeats its own prompt")
                continue
            self.ledger.use(draft.rows)
            yield pair
            if name == "train" and number in choice.rewrites:
                yield from self._rewrite(pair)

    def _drafts(self, entries: list[Entry], name: Split, choice: Choice) -> Iterator[tuple[Draft, int]]:
        """The chosen drafts of the split with their numbers, each unit read again from the corpus."""
        chosen = np.sort(choice.drafts[name])
        for entry in entries:
            here = chosen[np.searchsorted(chosen, entry.first) : np.searchsorted(chosen, entry.first + entry.size)]
            unit = self.reader.read(entry.stretch) if len(here) else None
            if unit is not None:
                yield from ((unit.drafts[number - entry.first], number) for number in here.tolist())

    def _rewrite(self, pair: Pair) -> Iterator[Pair]:
        """Words of this pair's reply, asked for by a paraphrase of them; none where the user left that out."""
        text, paraphrase = next(self.wishes.written.paraphrases(pair.reply))
        asked: Turn = {"role": "user", "content": rewrite_prompt(paraphrase)}
        rewrite = replace(pair, turns=(asked,), id=f"{pair.id}#rewrite", origin="rewrite", asked_by="model")
        edits = self.wishes.edits
        if rewrite.key not in edits.excluded:
            yield replace(
                rewrite, turns=(asked, {"role": "assistant", "content": edits.replies.get(rewrite.key, text)})
            )
