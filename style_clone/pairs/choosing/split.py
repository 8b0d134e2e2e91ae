"""Units -> train, dev, judge, test: whole conversations and documents, in time order, and stable when writing is added."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate

from style_clone.conversation import SPLITS, Split
from style_clone.pairs.choosing.chance import fraction
from style_clone.pairs.choosing.remembered import Remembered
from style_clone.pairs.choosing.table import Entry

SHARES: Mapping[Split, float] = {"train": 0.50, "dev": 0.10, "judge": 0.25, "test": 0.15}

Parts = dict[Split, list[Entry]]


def split(entries: Iterable[Entry], seed: int, remembered: Remembered) -> Parts:
    """Units by split: conversations and documents, dated and undated, each shared out by the same rule.

    A unit that was in train never comes to test, nor one that was in test to train: it goes to judge, whose pairs no
    generator ever sees. So what an older adapter has learnt is never measured on, and what was measured on stays unlearnt.
    """
    groups: defaultdict[tuple[bool, bool], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.is_document, entry.date is None].append(entry)
    shared: Parts = {name: [] for name in SPLITS}
    for _, group in sorted(groups.items()):
        for name, part in share_out(group, seed).items():
            for entry in part:
                shared[remembered.allowed(entry.stretch, name)].append(entry)
    return shared


def share_out(units: Sequence[Entry], seed: int) -> Parts:
    """Units of one kind by split: the oldest to train, the newest to test; those without dates by a hash of their id.

    A unit's hash does not depend on the other units, so it stays in its split when writing is added. Only where that
    would leave a split empty are the undated units cut in the order of their hashes instead.
    """
    if any(unit.date is None for unit in units):
        by_hash = _by_hash(units, seed)
        return by_hash if all(by_hash.values()) else _cut(sorted(units, key=lambda unit: fraction(unit.id, seed)))
    return _cut(sorted(units, key=lambda unit: (unit.date or datetime.min, unit.id)))


def _by_hash(units: Iterable[Entry], seed: int) -> Parts:
    found: Parts = {name: [] for name in SPLITS}
    limits = list(zip(SPLITS, accumulate(SHARES[name] for name in SPLITS), strict=True))
    for unit in units:
        place = fraction(unit.id, seed)
        found[next((name for name, limit in limits if place < limit), "test")].append(unit)
    return found


def _cut(units: Sequence[Entry]) -> Parts:
    """Units in order, cut where the count of pairs comes nearest to the shares; no part empty where units suffice."""
    names = _splits_for(len(units))
    counts = [0, *accumulate(unit.size for unit in units)]
    found: Parts = {name: [] for name in SPLITS}
    begin, share = 0, 0.0
    for position, name in enumerate(names):
        share += SHARES[name] / sum(SHARES[each] for each in names)
        latest = len(units) - (len(names) - 1 - position)
        ends = range(begin + 1, latest + 1)
        wanted = share * counts[-1]
        end = latest if name == names[-1] else min(ends, key=lambda at: abs(counts[at] - wanted))
        found[name] = list(units[begin:end])
        begin = end
    return found


def _splits_for(units: int) -> tuple[Split, ...]:
    """The splits so few units can fill, the most needed first."""
    few: tuple[tuple[Split, ...], ...] = ((), ("train",), ("train", "test"), ("train", "dev", "test"))
    return few[units] if units < len(few) else SPLITS
