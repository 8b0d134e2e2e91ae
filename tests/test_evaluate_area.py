"""The area is scikit-learn's, and its interval is of other conversations and other people, not of other bundles alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from style_clone.evaluate.area import Rated, area, area_draws
from style_clone.evaluate.statistics import interval


def rated(logits: np.ndarray, conversations: int) -> Rated:
    """A person whose replies are shared out evenly, in order."""
    names = np.repeat(np.arange(conversations), len(logits) // conversations)
    return Rated(logits, [str(name) for name in names])


def test_the_area_is_sklearns_ties_and_all() -> None:
    rng = np.random.default_rng(5)
    positive, negative = rng.integers(0, 6, 15).astype(float) + 1, rng.integers(0, 6, 25).astype(float)
    expected = roc_auc_score([1] * 15 + [0] * 25, np.concatenate([positive, negative]))
    assert area(positive, negative) == pytest.approx(expected)
    assert np.isnan(area(positive, negative[:0]))


def test_the_first_draw_is_of_bundles_as_they_are() -> None:
    rng = np.random.default_rng(1)
    author = rated(rng.normal(1, 2, 60), 6)
    others = [rated(rng.normal(0, 2, 40), 4) for _ in range(3)]
    draws = area_draws(author, others, resamples=50)
    assert draws.shape == (51,)
    assert draws[0] == area(author.bundled(), np.concatenate([each.bundled() for each in others]))
    assert np.array_equal(draws, area_draws(author, others, resamples=50))


def test_conversations_are_drawn_whole_and_bundled_anew() -> None:
    """Of conversations of 6 and 14 replies a draw holds 12, 20 or 28: one bundle or two."""
    logits = np.concatenate([np.zeros(6), np.ones(14)])
    drawn = Rated(logits, ["a"] * 6 + ["b"] * 14).drawn(200, np.random.default_rng(0))
    assert {len(each) for each in drawn} == {1, 2}
    assert {tuple(each.round(2)) for each in drawn} == {(0.0,), (1.0, 1.0), (0.4, 1.0), (1.0, 0.4)}


def test_a_draw_of_conversations_that_fill_no_bundle_is_no_number() -> None:
    author = Rated(np.ones(14), ["a"] * 3 + ["b"] * 11)
    draws = area_draws(author, [rated(np.zeros(20), 2)], resamples=200)
    assert draws[0] == 1
    assert 0.1 < np.isnan(draws[1:]).mean() < 0.5
    assert interval(draws) == {"value": 1, "low": 1, "high": 1}


def test_the_interval_holds_the_truth_where_people_and_conversations_differ() -> None:
    """Eight people with eight conversations each, whose moods count for as much as who is who; of 60 worlds most are held."""
    held, of_bundles_alone, worlds = 0, 0, 60
    truth = world_area(np.random.default_rng(99), people=400)
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        author, others = someone(rng, 1.0, 8), [someone(rng, 0.0, 8) for _ in range(8)]
        found = interval(area_draws(author, others, resamples=300, seed=seed))
        held += found["low"] <= truth <= found["high"]
        bundle_by_bundle = [Rated(each.logits, bundle_names(each)) for each in (author, *others)]
        narrow = interval(area_draws(bundle_by_bundle[0], [pooled(bundle_by_bundle[1:])], resamples=300, seed=seed))
        of_bundles_alone += narrow["low"] <= truth <= narrow["high"]
    assert held >= 0.8 * worlds
    assert held > of_bundles_alone


def someone(rng: np.random.Generator, mean: float, conversations: int) -> Rated:
    """Replies by ten, alike in a conversation; the author's own bent is 0, other people's is drawn."""
    bent = 0.0 if mean else rng.normal(0, 0.7)
    moods = np.repeat(rng.normal(mean + bent, 0.7, conversations), 20)
    return rated(moods + rng.normal(0, 1, len(moods)), conversations)


def world_area(rng: np.random.Generator, people: int) -> float:
    author = someone(rng, 1.0, 50 * people)
    return area(author.bundled(), np.concatenate([someone(rng, 0.0, 8).bundled() for _ in range(people)]))


def bundle_names(person: Rated) -> list[str]:
    """Each bundle as if it were a conversation by itself."""
    return [str(at // 10) for at in range(len(person.logits))]


def pooled(people: list[Rated]) -> Rated:
    logits = np.concatenate([each.logits for each in people])
    return Rated(logits, bundle_names(Rated(logits, [])))
