"""What a thousand replies cost, and when training has paid for itself."""

from __future__ import annotations

import math

import pytest

from style_clone.evaluate.cost import Prices, break_even, costs, thousand_replies

REPLIES = {
    "clone": thousand_replies((60.0, 14.0), 0.25),
    "prompted": thousand_replies((400.0, 24.0), 0.5),
}


def test_a_thousand_replies() -> None:
    assert REPLIES["clone"] == {"prompt_tokens": 60_000, "reply_tokens": 14_000, "seconds": 250}


def test_in_time_training_is_made_up_by_faster_replies() -> None:
    found = costs(300.0, REPLIES, Prices())
    assert found["break_even_replies"] == 1200  # 300 s, a quarter of a second at a time
    assert found["api"] is None


def test_slower_replies_never_make_it_up() -> None:
    turned = {"clone": REPLIES["prompted"], "prompted": REPLIES["clone"]}
    assert costs(300.0, turned, Prices())["break_even_replies"] is None


def test_in_money() -> None:
    api = costs(360.0, REPLIES, Prices((0.5, 2.0), machine=0.9))["api"]
    assert api["prompted_per_thousand"] == pytest.approx(0.4 * 0.5 + 0.024 * 2.0)
    assert api["clone_per_thousand"] == pytest.approx(0.9 * 250 / 3600)
    assert api["training"] == pytest.approx(0.09)
    assert api["break_even_replies"] == math.ceil(0.09 / ((0.248 - 0.0625) / 1000))


def test_a_dear_machine_never_pays() -> None:
    assert costs(360.0, REPLIES, Prices((0.5, 2.0), machine=9.0))["api"]["break_even_replies"] is None


@pytest.mark.parametrize(
    ("spent", "saved", "replies"), [(10, 1, 10), (10.1, 1, 11), (0, 1, 0), (1, 0, None), (0, -1, None)]
)
def test_break_even(spent: float, saved: float, replies: int | None) -> None:
    assert break_even(spent, saved) == replies
