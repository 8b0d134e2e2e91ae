"""Drafts -> train, dev, judge, test: whole conversations and documents, in time order, without repeats across."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import accumulate

from style_clone.conversation import SPLITS, Split
from style_clone.pairs.drafts import Draft, Ledger
from style_clone.pairs.overlap import RepliesSeen

SHARES: Mapping[Split, float] = {"train": 0.50, "dev": 0.10, "judge": 0.25, "test": 0.15}
OPENINGS_SHARE = 0.1

Drafts = dict[Split, list[Draft]]


@dataclass(frozen=True)
class Unit:
    """What is never cut: a conversation or a document, with its drafts. `date` is when it began, if known."""

    id: str
    is_document: bool
    date: datetime | None
    drafts: tuple[Draft, ...]


def split(units: Iterable[Unit], seed: int, ledger: Ledger) -> Drafts:
    """Drafts by split: conversations and documents, dated and undated, each shared out by the same rule."""
    groups: defaultdict[tuple[bool, bool], list[Unit]] = defaultdict(list)
    for unit in units:
        groups[unit.is_document, unit.date is None].append(unit)
    shared: Drafts = {name: [] for name in SPLITS}
    for _, group in sorted(groups.items()):
        for name, part in share_out(group, seed).items():
            shared[name] += [draft for unit in part for draft in unit.drafts]
    capped: Drafts = {name: cap_openings(drafts, seed, ledger) for name, drafts in shared.items()}
    return without_repeats(capped, ledger)


def share_out(units: Sequence[Unit], seed: int) -> dict[Split, list[Unit]]:
    """Units of one kind by split: the oldest to train, the newest to test; those without dates by a hash of their id.

    A unit's hash does not depend on the other units, so it stays in its split when writing is added. Only where that
    would leave a split empty are the undated units cut in the order of their hashes instead.
    """
    if any(unit.date is None for unit in units):
        by_hash = _by_hash(units, seed)
        return by_hash if all(by_hash.values()) else _cut(sorted(units, key=lambda unit: _fraction(unit.id, seed)))
    return _cut(sorted(units, key=lambda unit: (unit.date or datetime.min, unit.id)))


def _by_hash(units: Iterable[Unit], seed: int) -> dict[Split, list[Unit]]:
    found: dict[Split, list[Unit]] = {name: [] for name in SPLITS}
    limits = list(zip(SPLITS, accumulate(SHARES[name] for name in SPLITS), strict=True))
    for unit in units:
        place = _fraction(unit.id, seed)
        found[next((name for name, limit in limits if place < limit), "test")].append(unit)
    return found


def _cut(units: Sequence[Unit]) -> dict[Split, list[Unit]]:
    """Units in order, cut where the count of pairs comes nearest to the shares; no part empty where units suffice."""
    names = _splits_for(len(units))
    counts = [0, *accumulate(len(unit.drafts) for unit in units)]
    found: dict[Split, list[Unit]] = {name: [] for name in SPLITS}
    begin, share = 0, 0.0
    for position, name in enumerate(names):
        share += SHARES[name] / sum(SHARES[each] for each in names)
        latest = len(units) - (len(names) - 1 - position)
        ends = range(begin + 1, latest + 1)
        end = latest if name == names[-1] else min(ends, key=lambda at: abs(counts[at] - share * counts[-1]))
        found[name] = list(units[begin:end])
        begin = end
    return found


def _splits_for(units: int) -> tuple[Split, ...]:
    """The splits that so few units can fill, the most needed first."""
    few: tuple[tuple[Split, ...], ...] = ((), ("train",), ("train", "test"), ("train", "dev", "test"))
    return few[units] if units < len(few) else SPLITS


def cap_openings(drafts: list[Draft], seed: int, ledger: Ledger) -> list[Draft]:
    """All drafts but openings beyond a tenth of what is left, chosen by a hash of their id."""
    openings = [draft for draft in drafts if draft.pair.origin == "opening"]
    allowed = int((len(drafts) - len(openings)) * OPENINGS_SHARE / (1 - OPENINGS_SHARE))
    ranked = sorted(openings, key=lambda draft: _fraction(draft.pair.id, seed))
    for draft in ranked[allowed:]:
        ledger.drop(draft.messages, "opening beyond a tenth of the pairs")
    kept = {id(draft) for draft in ranked[:allowed]}
    return [draft for draft in drafts if draft.pair.origin != "opening" or id(draft) in kept]


def without_repeats(drafts: Drafts, ledger: Ledger) -> Drafts:
    """Test and dev without what repeats train or judge, so that nothing measured there was learnt by heart."""
    seen = RepliesSeen(draft.pair.reply for name in ("train", "judge") for draft in drafts[name])
    result: Drafts = {**drafts}
    for name in ("dev", "test"):
        result[name] = []
        for draft in drafts[name]:
            if seen.resembles(draft.pair.reply):
                ledger.drop(draft.messages, f"{name} reply repeats one in train or judge")
            else:
                result[name].append(draft)
    return result


def _fraction(identity: str, seed: int) -> float:
    """A number from 0 to 1 that looks random, the same for the same id and seed everywhere."""
    return int.from_bytes(sha256(f"{seed}:{identity}".encode()).digest()[:8]) / 2**64
