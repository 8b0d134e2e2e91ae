"""Which drafts become pairs: shared out to the splits, without repeats, balanced in train, and not too many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from style_clone.conversation import SPLITS, Split
from style_clone.pairs.choosing.nearness import repeats
from style_clone.pairs.choosing.selection import cap_contacts, cap_stock_replies, length_shares, typical_and_diverse
from style_clone.pairs.choosing.split import SHARES, Parts
from style_clone.pairs.choosing.table import Table
from style_clone.pairs.documents.written import MOST_REWRITES
from style_clone.pairs.ledger import Ledger
from style_clone.pairs.options import Options

OPENINGS_SHARE = 0.1
PRIORITY: tuple[Split, ...] = ("train", "judge", "dev", "test")
"""Of two near-duplicates in two splits the one named first here stays: what is measured must not have been seen."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Choice:
    """Numbers of the chosen drafts by split, int64, in the splits' order; those of train that also become rewrites; and the
    replies' lengths (summary.LENGTH_BINS) before and after anything was left out."""

    drafts: Mapping[Split, Numbers]
    rewrites: frozenset[int]
    lengths: dict[str, tuple[int, ...]]


def choose(table: Table, parts: Parts, options: Options, ledger: Ledger) -> Choice:
    """Choose among the drafts; why the others were left out goes into the ledger."""
    found = {name: _numbers(entry.drafts for entry in parts[name]) for name in SPLITS}
    chooser = _Chooser(table, ledger)
    for name in SPLITS:
        found[name] = chooser.openings(found[name])
    found = chooser.without_repeats(found)
    found["train"] = chooser.balanced(found["train"])
    found = chooser.at_most(options.keep, found, options.seed)
    lengths = table.texts.lengths()
    after = lengths[np.concatenate([found[name] for name in SPLITS])]
    shares = {"before": length_shares(lengths), "after": length_shares(after)}
    return Choice(found, frozenset(_rewrites(table, found["train"])), shares)


class _Chooser:
    def __init__(self, table: Table, ledger: Ledger) -> None:
        self.table = table
        self.ledger = ledger

    def keep(self, drafts: Numbers, kept: NDArray[np.bool_], reason: str) -> Numbers:
        """The drafts whose flag is set; the others are dropped for `reason`."""
        self.ledger.drop(self.table.rows_of(drafts[~kept].tolist()), reason)
        return drafts[kept]

    def openings(self, drafts: Numbers) -> Numbers:
        """All but openings beyond a tenth of what is left, chosen by rank."""
        is_opening = self.table.is_opening[drafts]
        allowed = int((~is_opening).sum() * OPENINGS_SHARE / (1 - OPENINGS_SHARE))
        openings = np.flatnonzero(is_opening)
        kept = ~is_opening
        kept[openings[np.argsort(self.table.rank[drafts[openings]], kind="stable")[:allowed]]] = True
        return self.keep(drafts, kept, "opening beyond a tenth of the pairs")

    def without_repeats(self, found: Mapping[Split, Numbers]) -> dict[Split, Numbers]:
        """All splits without near-duplicates, and without what has 12 words in a row in common with another split."""
        group = np.zeros(len(self.table), np.int8)
        for code, name in enumerate(PRIORITY):
            group[found[name]] = code
        order = np.concatenate([found[name] for name in PRIORITY])
        repeated = repeats(self.table.texts, group, order)
        return {name: self.keep(found[name], ~repeated[found[name]], f"near-duplicate ({name})") for name in SPLITS}

    def balanced(self, train: Numbers) -> Numbers:
        """Train without the stock replies and the contacts that would drown the rest."""
        stock = cap_stock_replies(self.table.texts.take(train), self.table.rank[train])
        train = self.keep(train, stock, "the same short reply too often (train)")
        contacts = cap_contacts(self.table.contact[train], self.table.rank[train])
        return self.keep(train, contacts, "one contact beyond half of train")

    def at_most(self, keep: int | None, found: Mapping[Split, Numbers], seed: int) -> dict[Split, Numbers]:
        """At most `keep` pairs, each split its share of them: typical and diverse ones."""
        if keep is None or sum(map(len, found.values())) <= keep:
            return dict(found)
        chosen = {}
        for name in SPLITS:
            wanted = round(keep * SHARES[name])
            drafts = found[name]
            if len(drafts) > wanted:
                kept = typical_and_diverse(self.table.texts.take(drafts), wanted, seed=seed)
                drafts = self.keep(drafts, kept, f"beyond the {keep:,} pairs that are kept")
            chosen[name] = drafts
        return chosen


def _rewrites(table: Table, train: Numbers) -> list[int]:
    """Drafts of train that a model has a paraphrase of, so many that rewrites are a fifth of train at the most."""
    candidates = train[table.is_rewritable[train]]
    allowed = int(MOST_REWRITES * len(train))
    chosen: list[int] = candidates[np.argsort(table.rank[candidates], kind="stable")[:allowed]].tolist()
    return chosen


def _numbers(ranges: Iterable[range]) -> Numbers:
    return np.concatenate([np.empty(0, np.int64), *(np.arange(each.start, each.stop) for each in ranges)])
