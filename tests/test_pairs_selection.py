"""What is kept where there is too much: the lengths as they were, the rare whole, nothing too often."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from style_clone.pairs.choosing.selection import (
    LENGTH_BINS,
    _halved,
    _most_typical,
    cap_contacts,
    cap_shares,
    cap_stock_replies,
    length_shares,
    typical_and_diverse,
)
from style_clone.pairs.choosing.texts import Texts
from tests.test_pairs_nearness import built, texts_of

Mask = NDArray[np.bool_]


def ascending(number: int) -> NDArray[np.int64]:
    return np.arange(number, dtype=np.int64)


def chatter(number: int, seed: int = 0) -> Texts:
    """Texts of common and rarer words, of 0 to a hundred words, most of them short."""
    random = np.random.default_rng(seed)
    lengths = np.minimum(random.lognormal(1.8, 1, number).astype(int), 100)
    return texts_of([np.minimum(random.zipf(1.3, length), 5000).tolist() for length in lengths])


def one_topic(common: int = 900, rare: int = 100, topic_words: int = 40) -> Texts:
    """`common` texts of a few words, then `rare` ones of words hardly anybody else has."""
    random = np.random.default_rng(1)
    rows = [random.integers(0, topic_words, 15).tolist() for _ in range(common)]
    rows += [
        [*random.integers(0, topic_words, 5).tolist(), *random.integers(100, 6000, 10).tolist()] for _ in range(rare)
    ]
    return texts_of(rows)


def test_lengths_are_counted_by_bins() -> None:
    assert length_shares(np.array([0, 1, 2, 3, 5, 6, 10, 11, 20, 21, 40, 41, 80, 81, 900])) == (3, 2, 2, 2, 2, 2, 2)
    assert length_shares(np.array([], np.int64)) == (0,) * len(LENGTH_BINS)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 400), st.floats(0, 1.2), st.integers(0, 9))
def test_exactly_as_many_as_wanted_and_the_lengths_stay(number: int, share: float, seed: int) -> None:
    texts, wanted = chatter(number, seed), int(number * share)
    kept = typical_and_diverse(texts, wanted, seed=seed)
    assert kept.sum() == min(wanted, number)
    assert kept.tolist() == typical_and_diverse(texts, wanted, seed=seed).tolist()
    exact = np.array(length_shares(texts.lengths())) * min(wanted / number, 1)
    assert np.abs(np.array(length_shares(texts.lengths()[kept])) - exact).max() < 1


@settings(deadline=None, max_examples=50)
@given(st.integers(10, 300), st.integers(1, 5))
def test_every_group_keeps_its_share(number: int, kinds: int) -> None:
    groups, wanted = np.sort(np.arange(number) % kinds), number // 3
    kept = typical_and_diverse(chatter(number), wanted, groups)
    assert kept.sum() == wanted
    assert np.abs(np.bincount(groups[kept], minlength=kinds) - np.bincount(groups) * wanted / number).max() < 1


@pytest.mark.parametrize("wanted", [200, 400, 700])
@pytest.mark.parametrize("seed", [0, 1])
def test_where_most_is_one_topic_all_that_is_rare_stays(wanted: int, seed: int) -> None:
    kept = typical_and_diverse(one_topic(), wanted, seed=seed)
    assert kept[900:].all()
    assert kept[:900].sum() == wanted - 100


def test_every_topic_is_kept_in_part_where_all_are_as_common() -> None:
    topics = [[topic * 10 + word for word in range(8)] for topic in range(20)]
    kept = typical_and_diverse(texts_of([topic for topic in topics for _ in range(50)]), 100)
    assert np.add.reduceat(kept, np.arange(0, 1000, 50)).min() >= 1


def test_the_seed_moves_the_planes() -> None:
    texts = chatter(500)
    assert typical_and_diverse(texts, 100, seed=0).tolist() != typical_and_diverse(texts, 100, seed=1).tolist()


def test_the_most_typical_of_a_part_comes_first() -> None:
    angles = np.radians([0, 40, 50, 55, 100, 10, 20, 20, 30])
    parts = np.array([[5, 0], [9, 5], [1, 2]])
    chosen = _most_typical(parts, np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32))
    assert np.flatnonzero(chosen).tolist() == [2, 3, 6]


def test_only_parts_with_places_to_share_are_halved() -> None:
    codes = np.array([1, 2, 3 << 31, 0, 1 << 30, 1 << 31, 2**32 - 1], np.uint64)
    parts = _halved(np.array([[0, 3], [3, 7], [1, 3]]), codes)
    assert sorted(parts.T.tolist()) == [[0, 3, 1], [3, 5, 2], [5, 7, 1]]


def test_odd_numbers_and_texts_that_say_nothing() -> None:
    same = texts_of([[0, 1, 2]] * 6 + [[]] * 4)
    assert np.flatnonzero(typical_and_diverse(same, 5)).tolist() == [0, 1, 2, 6, 7]
    assert typical_and_diverse(same, 99).all()
    assert not typical_and_diverse(same, 0).any()
    assert typical_and_diverse(texts_of([]), 3).tolist() == []
    with pytest.raises(ValueError, match="-1"):
        typical_and_diverse(same, -1)


def largest(keys: NDArray[np.int64], kept: Mask) -> int:
    return int(np.bincount(keys[kept & (keys >= 0)]).max(initial=0))


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(-1, 5), max_size=120),
    st.sampled_from([0.01, 0.1, 0.3, 0.5]),
    st.integers(0, 5),
    st.integers(0, 9),
)
def test_no_key_has_more_than_its_share_of_what_is_kept(drawn: list[int], share: float, least: int, seed: int) -> None:
    keys, rank = np.array(drawn, np.int64), np.random.default_rng(seed).permutation(len(drawn))
    kept = cap_shares(keys, rank, share, least)
    most = largest(keys, kept)
    assert most <= max(least, share * kept.sum())
    assert kept[keys < 0].all()
    for key in set(drawn) - {-1}:
        own = keys == key
        assert kept[own].sum() == min(own.sum(), most)
        assert set(rank[own & kept]) == set(sorted(rank[own])[: kept[own].sum()])
    if not kept.all():
        more = kept.sum() + sum(np.count_nonzero(keys == key) > most for key in set(drawn) - {-1})
        assert most + 1 > max(least, share * more)


def test_a_stock_reply_is_a_hundredth_of_what_stays() -> None:
    said = ["OK!"] * 50 + ["ok"] * 50 + ["will do"] * 9 + [f"that is thing number{number}" for number in range(990)]
    kept = cap_stock_replies(built(*said), ascending(len(said)))
    assert np.flatnonzero(~kept).tolist() == list(range(10, 100))
    assert largest(np.zeros(len(said), np.int64), kept) == 1009


def test_few_or_long_or_different_replies_are_no_stock() -> None:
    texts = built(
        *["ok"] * 3, *["yes that is right now"] * 40, "👍", "👍", "😂", "😂", "", "", "", "", "no ok", "ok no"
    )
    assert cap_stock_replies(texts, ascending(len(texts))).all()


def test_the_stock_replies_of_the_lowest_rank_stay() -> None:
    texts = built(*["👍"] * 6)
    assert cap_stock_replies(texts, ascending(6)[::-1].copy()).tolist() == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([5000, 20], [5000, 20]),
        ([5000, 20, 30], [1000, 20, 30]),
        ([5000, 1500, 300], [1800, 1500, 300]),
        ([2000, 1900, 1800], [2000, 1900, 1800]),
    ],
)
def test_a_contact_has_half_or_a_thousand(counts: list[int], expected: list[int]) -> None:
    contact = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    kept = cap_contacts(contact, ascending(len(contact)))
    assert np.bincount(contact[kept]).tolist() == expected


def test_pairs_of_no_known_contact_are_kept_and_count_as_others() -> None:
    contact = np.repeat(np.array([0, 1, 2, -1], np.int32), [5000, 20, 30, 1950])
    kept = cap_contacts(contact, ascending(7000))
    assert np.bincount(contact[kept] + 1).tolist() == [1950, 2000, 20, 30]
