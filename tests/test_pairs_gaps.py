"""The silence that ends a conversation, learnt from pauses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from style_clone.pairs.reading.gaps import (
    DEFAULT_GAP_SECONDS,
    LEAST_GAP_SECONDS,
    MIN_PAUSES,
    MOST_GAP_SECONDS,
    Floats,
    learn,
)
from style_clone.pairs.run import build
from style_clone.workspace import Workspace
from tests.pairs_chats import persona
from tests.test_pairs_run import irc_messages


def pauses(within: float, between: float, count: int = 5000, seed: int = 0) -> Floats:
    """Nine in ten pauses about `within` seconds, the others about `between`."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.lognormal(np.log(within), 0.8, count * 9 // 10), rng.lognormal(np.log(between), 0.8, count // 10)]
    )


@pytest.mark.parametrize(("within", "between"), [(20, 20_000), (120, 40_000), (300, 86_400), (60, 3 * 86_400)])
def test_the_gap_lies_in_the_valley_between_the_heaps(within: float, between: float) -> None:
    gap = learn(pauses(within, between))
    assert gap.learned
    assert within * 4 < gap.seconds < between / 1.5
    assert LEAST_GAP_SECONDS <= gap.seconds <= MOST_GAP_SECONDS
    assert gap.seconds % 60 == 0


def test_it_follows_the_corpus() -> None:
    assert learn(pauses(15, 5_000)).seconds < learn(pauses(400, 86_400)).seconds


@pytest.mark.parametrize(
    "unclear",
    [
        np.empty(0),
        pauses(60, 86_400, MIN_PAUSES - 10),
        np.random.default_rng(0).lognormal(np.log(60), 1, 5000),
        10 ** np.random.default_rng(0).uniform(1, 7, 5000),
    ],
    ids=["none", "few", "one heap", "flat"],
)
def test_where_pauses_tell_nothing_it_is_three_hours(unclear: Floats) -> None:
    gap = learn(unclear)
    assert (gap.seconds, gap.learned) == (DEFAULT_GAP_SECONDS, False)


def test_every_pause_is_in_the_histogram_and_minutes_do_as_well_as_seconds() -> None:
    found = pauses(60, 86_400)
    gap = learn(found)
    assert sum(count for _, count in gap.histogram) == len(found)
    assert abs(learn(found // 60 * 60).seconds / gap.seconds - 1) < 0.5


def test_a_real_channel_in_one_thread(workspace: Workspace, corpora: Path) -> None:
    from dataclasses import replace

    folder = persona(workspace, [replace(each, thread="#duraspace") for each in irc_messages(corpora)], "tdonohue")
    summary = build(folder)
    assert summary.gap_learned
    assert 1800 < summary.gap_seconds < MOST_GAP_SECONDS
