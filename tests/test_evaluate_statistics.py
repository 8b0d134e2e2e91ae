"""Statistics give what scipy, hand computations and published tables give."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from style_clone.evaluate.statistics import (
    Resamples,
    holm,
    interval,
    sign_flip,
    swap_test,
    wilson,
)


def test_the_first_row_is_the_value_and_every_draw_has_k_conversations() -> None:
    drawn = Resamples.of(["b", "a", "b", "c"], resamples=500, seed=3)
    assert drawn.names == ("b", "a", "c")
    assert drawn.weights.shape == (501, 3)
    assert drawn.weights[0].tolist() == [1, 1, 1]
    assert set(drawn.weights.sum(axis=1)) == {3}
    assert np.allclose(drawn.weights[1:].mean(axis=0), 1, atol=0.15)
    sums = drawn.sums([1, 2, 3, 4], ["b", "a", "b", "c"])
    assert sums.tolist() == [4, 2, 4]
    assert drawn.total(sums)[0] == 10
    assert drawn.mean([1, 2, 3, 4], ["b", "a", "b", "c"])[0] == 2.5


def test_draws_are_those_of_drawing_one_conversation_after_the_other() -> None:
    drawn = Resamples.of(["a", "b", "c"], resamples=50, seed=1)
    values, names = np.array([1.0, 5.0, 2.0, 8.0]), ["a", "a", "b", "c"]
    by_hand = []
    for row in drawn.weights:
        taken = [
            value
            for name, count in zip("abc", row, strict=True)
            for value in values[np.array(names) == name].tolist() * int(count)
        ]
        by_hand.append(np.mean(taken))
    assert np.allclose(drawn.mean(values, names), by_hand)


def test_draws_repeat_by_seed_and_differ_by_seed() -> None:
    names = [str(number) for number in range(20)]
    first, again, other = (Resamples.of(names, seed=seed).weights for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_strange_conversation_and_none_at_all_are_refused() -> None:
    with pytest.raises(KeyError):
        Resamples.of(["a"]).sums([1], ["b"])
    with pytest.raises(ValueError, match="no conversations"):
        Resamples.of([])


def test_a_draw_without_the_replies_is_no_number_and_is_left_out_of_the_interval() -> None:
    drawn = Resamples.of(["a", "b"], resamples=200)
    means = drawn.mean([1.0, 3.0], ["a", "a"])
    assert np.isnan(means).any()
    assert interval(means) == {"value": 2, "low": 2, "high": 2}


def test_an_interval_of_a_mean_is_scipys() -> None:
    values = np.random.default_rng(0).normal(3, 2, 60)
    names = [str(number) for number in range(60)]
    ours = interval(Resamples.of(names, resamples=10_000).mean(values, names))
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=0
    ).confidence_interval
    assert ours["value"] == pytest.approx(values.mean())
    assert (ours["low"], ours["high"]) == (pytest.approx(theirs.low, abs=0.03), pytest.approx(theirs.high, abs=0.03))


def test_pairing_takes_out_what_both_have_in_common() -> None:
    rng = np.random.default_rng(1)
    names = [str(number) for number in range(40)]
    common = rng.normal(0, 5, 40)
    first, second = common + 0.5 + rng.normal(0, 0.1, 40), common
    drawn = Resamples.of(names)
    paired = interval(drawn.mean(first, names) - drawn.mean(second, names))
    apart = interval(drawn.mean(first, names) - Resamples.of(names, seed=1).mean(second, names))
    assert paired["high"] - paired["low"] < 0.1
    assert apart["high"] - apart["low"] > 1
    assert paired["low"] <= 0.5 <= paired["high"]


@given(st.lists(st.integers(-9, 9), min_size=3, max_size=9))
def test_the_sign_flip_is_near_the_exact_test(differences: list[int]) -> None:
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product((-1, 1), repeat=len(differences))]
    exact = np.mean(np.array(sums) >= abs(sum(differences)))
    assert sign_flip(differences, flips=4_000) == pytest.approx(exact, abs=0.04)


def test_the_sign_flip_is_scipys_permutation_test() -> None:
    first, second = np.random.default_rng(2).normal(0.4, 1, (2, 14)) - [[0], [0.5]]
    theirs = scipy.stats.permutation_test(
        (first, second), lambda one, other: np.mean(one - other), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip(first - second) == pytest.approx(theirs.pvalue, abs=0.015)


def test_no_difference_is_no_evidence_and_the_smallest_p_is_not_zero() -> None:
    assert sign_flip([0.0] * 10) == 1
    assert sign_flip([1.0] * 40, flips=999) == 1 / 1000
    assert sign_flip([1.0, -2, 3], seed=1) == sign_flip([1.0, -2, 3], seed=1)


def test_under_the_null_p_is_under_a_twentieth_one_time_in_twenty() -> None:
    rng = np.random.default_rng(3)
    found = [sign_flip(rng.normal(0, 1, 25), flips=400, seed=number) for number in range(400)]
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.09


def test_a_swap_of_what_is_no_mean() -> None:
    """The difference of two ratios: swapping conversation by conversation, against doing so by hand."""
    rng = np.random.default_rng(4)
    first, second = rng.uniform(1, 3, (8, 2)), rng.uniform(1, 3, (8, 2))

    def ratio(totals: np.ndarray) -> np.ndarray:
        return totals[:, 0] / totals[:, 1]

    by_hand = []
    for swaps in itertools.product((False, True), repeat=8):
        chosen = np.array(swaps)[:, np.newaxis]
        one, other = np.where(chosen, second, first).sum(0), np.where(chosen, first, second).sum(0)
        by_hand.append(abs(one[0] / one[1] - other[0] / other[1]))
    exact = np.mean(np.array(by_hand) >= by_hand[0] * (1 - 1e-9))
    assert swap_test(first, second, lambda one, other: ratio(one) - ratio(other)) == pytest.approx(exact, abs=0.02)


def test_holm_on_a_worked_example() -> None:
    """.01, .04, .03 and .005 become .03, .06, .06 and .02: times 4, 3, 2, 1 from the smallest on, never falling."""
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(adjusted) == ["a", "b", "c", "d"]
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1, "b": 1}
    assert holm({}) == {}


@pytest.mark.parametrize(("successes", "votes"), [(15, 20), (21, 30), (32, 50), (60, 100), (0, 7), (7, 7)])
def test_wilson_is_scipys(successes: int, votes: int) -> None:
    theirs = scipy.stats.binomtest(successes, votes).proportion_ci(method="wilson")
    found = wilson(successes, votes)
    assert found["value"] == successes / votes
    assert (found["low"], found["high"]) == (pytest.approx(theirs.low, abs=1e-6), pytest.approx(theirs.high, abs=1e-6))


@pytest.mark.parametrize(("successes", "votes"), [(15, 20), (21, 30), (32, 50), (60, 100)])
def test_the_protocols_counts_are_the_least_that_show_a_preference(successes: int, votes: int) -> None:
    assert wilson(successes, votes)["low"] > 0.5
    assert wilson(successes - 1, votes)["low"] <= 0.5


def test_ties_are_halves_and_no_votes_say_nothing() -> None:
    assert wilson(10, 20)["low"] < wilson(10.5, 20)["low"] < wilson(11, 20)["low"]
    assert wilson(0, 0) == {"value": 0.5, "low": 0, "high": 1}
