"""The train step's handlers with the real commands behind them: a tiny base model planned, trained, stopped and taken up."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from style_clone.ui.handlers import planning, training
from style_clone.ui.handlers.following import Follower
from style_clone.workspace import Workspace
from tests.tiny_base import paired, tiny_base

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_planned_stopped_and_taken_up_with_the_real_commands(workspace: Workspace) -> None:
    slug, base, follower = paired(workspace).slug, str(tiny_base(workspace).path), Follower()

    def follow(until: Callable[[training.View], bool]) -> training.View:
        limit = time.monotonic() + 240
        while not until(view := training.look(workspace, slug, follower)):
            assert time.monotonic() < limit, view
            time.sleep(0.1)
        return view

    planning.begin_plan(workspace, slug, base, "epochs=30")
    view = follow(lambda view: not view.running)
    for words in (f"Plan for {slug}", "exploratory", "Passes", "you set it"):
        assert words in view.plan, words
    assert view.next_step == "train"

    training.begin(workspace, slug, base, "epochs=30 patience=60")
    view = follow(lambda view: view.chart.count("<circle") > 8 or not view.running)
    assert view.running, view.status
    assert "The voice as it comes" in view.voice
    training.stop(workspace, slug)
    view = follow(lambda view: not view.running)
    assert "cancelled" in view.status
    assert "held-out" in view.status
    assert view.can_go_on, view.status
    assert "It was cancelled" in view.result

    training.go_on(workspace, slug)
    view = follow(lambda view: not view.running)
    assert view.done, view.status
    assert not view.can_go_on
    for words in ("It ran to its end", "taken up again once", "Leak check: ", "Bits per byte"):
        assert words in view.result, words
