"""The four splits: whole units, in time order, stable, without repeats."""

from __future__ import annotations

from datetime import timedelta
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.conversation import SPLITS, Origin, Pair, Split
from style_clone.pairs.drafts import Draft, Ledger
from style_clone.pairs.overlap import RepliesSeen
from style_clone.pairs.split import SHARES, Unit, cap_openings, share_out, split
from tests.pairs_chats import MORNING


def draft(name: str, reply: str = "", origin: Origin = "reply", unit: str = "u") -> Draft:
    turns = ({"role": "user", "content": "so"}, {"role": "assistant", "content": reply or f"my words {name}"})
    pair = Pair(turns=turns, id=name, conversation=unit, origin=origin, source="s", channel="c")  # type: ignore[arg-type]
    return Draft(pair, (("t", name),))


def unit(name: str, size: int = 1, day: int | None = None, document: bool = False) -> Unit:
    date = None if day is None else MORNING + timedelta(days=day)
    return Unit(name, document, date, tuple(draft(f"{name}-{n}", unit=name) for n in range(size)))


def sizes(parts: dict[Split, list[Unit]]) -> list[int]:
    return [sum(len(one.drafts) for one in parts[name]) for name in SPLITS]


def test_the_oldest_half_trains_and_the_newest_tests() -> None:
    units = [unit(f"u{day}", 1, day) for day in range(100)]
    parts = share_out(units[::-1], seed=0)
    assert sizes(parts) == [50, 10, 25, 15]
    assert [one.id for name in SPLITS for one in parts[name]] == [one.id for one in units]


def test_units_are_never_cut_and_shares_count_pairs() -> None:
    parts = share_out([unit("big", 50, 0), *(unit(f"u{day}", 1, day) for day in range(1, 51))], seed=0)
    assert [one.id for one in parts["train"]] == ["big"]
    assert sizes(parts) == [50, 10, 25, 15]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [1, 0, 0, 0]), (2, [1, 0, 0, 1]), (3, [1, 1, 0, 1]), (4, [1, 1, 1, 1])]
)
@pytest.mark.parametrize("dated", [True, False])
def test_few_units_fill_the_splits_most_needed(count: int, expected: list[int], dated: bool) -> None:
    assert sizes(share_out([unit(f"u{n}", 1, n if dated else None) for n in range(count)], seed=0)) == expected


@given(st.lists(st.integers(1, 30), min_size=4, max_size=60))
def test_no_split_is_empty_and_nothing_is_lost(counts: list[int]) -> None:
    units = [unit(f"u{day}", size, day) for day, size in enumerate(counts)]
    parts = share_out(units, seed=0)
    assert all(parts.values())
    assert [one for name in SPLITS for one in parts[name]] == units


def test_undated_units_stay_in_their_split_when_writing_is_added() -> None:
    before = share_out([unit(f"u{n}") for n in range(200)], seed=3)
    after = share_out([unit(f"u{n}") for n in range(400)], seed=3)
    assert all({one.id for one in before[name]} <= {one.id for one in after[name]} for name in SPLITS)
    assert all(abs(len(after[name]) / 400 - SHARES[name]) < 0.08 for name in SPLITS)
    assert share_out([unit(f"u{n}") for n in range(200)], seed=4) != before


def test_documents_and_conversations_are_shared_out_apart() -> None:
    units = [unit(f"c{day}", 5, day) for day in range(20)]
    units += [unit(f"d{day}", 5, day + 1000, document=True) for day in range(20)]
    parts = split(units, 0, Ledger())
    for name in SPLITS:
        kinds = {one.pair.conversation[0] for one in parts[name]}
        assert kinds == {"c", "d"}


def test_openings_are_a_tenth_at_most_and_the_rest_is_counted() -> None:
    drafts = [draft(f"r{n}") for n in range(90)] + [draft(f"o{n}", origin="opening") for n in range(40)]
    ledger = Ledger()
    kept = cap_openings(drafts, 0, ledger)
    assert sum(one.pair.origin == "opening" for one in kept) == 10
    assert len(kept) == 100
    assert set(ledger.reasons.values()) == {"opening beyond a tenth of the pairs"}
    assert kept == cap_openings(drafts, 0, Ledger()) != cap_openings(drafts, 1, Ledger())


RUN = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu"


@pytest.mark.parametrize(
    ("seen", "reply", "expected"),
    [
        ("see you at the usual place", "See you at the usual place!!", True),
        ("haha", "haha", False),
        ("see you there ok", "see you there ok", False),
        (f"well {RUN} and then much more was said by everybody there that evening", f"{RUN} no", True),
        (
            RUN.removesuffix(" mu") + " one",
            RUN.removesuffix(" mu") + " two three four five six seven eight nine",
            False,
        ),
        ("i will be there at eight with the cake", "i will be there at eight with the wine", True),
        ("i will be there at eight with the cake", "i will not be there at all with any cake", False),
    ],
)
def test_resembling(seen: str, reply: str, expected: bool) -> None:
    assert RepliesSeen(["something else that nobody ever wrote", seen]).resembles(reply) is expected


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=5, max_size=14).map(" ".join), min_size=1, max_size=8))
def test_the_quick_comparison_finds_what_comparing_all_would(replies: list[str]) -> None:
    *seen, reply = replies
    assert RepliesSeen(seen).resembles(reply) is any(RepliesSeen([one]).resembles(reply) for one in seen)


def test_test_and_dev_hold_nothing_of_train_or_judge() -> None:
    stock = "my train is late again so start without me"
    units = [unit(f"u{day}", 1, day) for day in range(100)]
    for day in (3, 55, 70, 95, 96):
        units[day] = Unit(f"u{day}", False, units[day].date, (draft(f"s{day}", stock),))
    ledger = Ledger()
    parts = split(units, 0, ledger)
    assert [len(parts[name]) for name in SPLITS] == [50, 9, 25, 13]
    assert sorted(ledger.reasons.values()) == [
        "dev reply repeats one in train or judge",
        "test reply repeats one in train or judge",
        "test reply repeats one in train or judge",
    ]


def test_a_stock_phrase_in_every_reply_does_not_make_the_comparison_quadratic() -> None:
    replies = [f"kind regards from all of us here number{n} and word{n} again{n} with{n} more{n}" for n in range(6000)]
    started = perf_counter()
    seen = RepliesSeen(replies)
    assert not any(seen.resembles(f"kind regards from all of us here other{n} then{n} thus{n}") for n in range(3000))
    assert perf_counter() - started < 5
