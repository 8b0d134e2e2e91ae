"""The verdict follows from the numbers by the protocol's rules, each of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.evaluate.verdict import replies_to_settle, verdict


def spread(value: float, low: float, high: float, p: float = 0.001) -> dict[str, float]:
    return {"value": value, "low": low, "high": high, "p": p, "p_holm": p}


def card(**changed: Any) -> dict[str, Any]:
    """A scorecard in which the clone wins on everything."""
    row = {"voice": {"s": spread(0.9, 0.8, 1.0), "v": spread(0.9, 0.8, 1.0)}, "failed": [], "faults": {}}
    return {
        "persona": "nell",
        "author": "Nell Quayle",
        "gate": {"passed": True, "failed": []},
        "sizes": {"test_replies": 120},
        "candidates": [{**row, "role": None}, {**row, "role": "prompted"}, {**row, "role": "clone"}],
        "contrasts": {
            "voice": spread(0.4, 0.2, 0.6),
            "habits": spread(0.3, 0.1, 0.5),
            "fit": spread(-0.3, -0.4, -0.2),
            "relevance": spread(0, -0.03, 0.03),
        },
        "votes": {},
        **changed,
    }


def contrasts(**changed: dict[str, float]) -> dict[str, Any]:
    return {**card()["contrasts"], **changed}


def clone(**changed: Any) -> list[dict[str, Any]]:
    *others, last = card()["candidates"]
    return [*others, {**last, **changed}]


def votes(preferred: float, low: float, votes: int = 40, *, complete: bool = True) -> dict[str, Any]:
    return {"votes": votes, "preferred": preferred, "low": low, "high": 1.0, "complete": complete}


def test_a_clone_that_wins_everywhere_is_worth_it_provisionally() -> None:
    found = verdict(card())
    assert (found["code"], found["provisional"]) == ("worth_it", True)
    assert "Nell Quayle" in found["headline"]
    assert "style-clone vote nell" in found["next"]


def test_votes_make_it_certain_and_are_said() -> None:
    found = verdict(card(votes={"stranger": votes(0.7, 0.55)}))
    assert (found["code"], found["provisional"]) == ("worth_it", False)
    assert "40 blind pairs" in found["headline"]
    assert "70%" in found["headline"]


@pytest.mark.parametrize("given", [votes(0.7, 0.55, 39), votes(0.7, 0.55, complete=False)], ids=["few", "unfinished"])
def test_few_or_unfinished_votes_do_not_count(given: dict[str, Any]) -> None:
    assert verdict(card(votes={"author": given}))["provisional"]


def test_readers_can_overrule_the_verifier() -> None:
    found = verdict(card(votes={"author": votes(0.5, 0.35)}))
    assert found["code"] == "inconclusive"
    assert any("Readers did not prefer" in reason for reason in found["reasons"])


def test_the_author_s_votes_come_before_a_stranger_s() -> None:
    both = {"stranger": votes(0.9, 0.8), "author": votes(0.4, 0.3)}
    assert verdict(card(votes=both))["code"] == "inconclusive"


def test_without_a_gate_nothing_is_claimed_of_voice() -> None:
    found = verdict(card(gate={"passed": False, "failed": ["an area of 0.61; 0.80 is needed"]}))
    assert found["code"] == "cannot_measure"
    assert "0.61" in found["headline"]
    assert "predicts the real replies better" in " ".join(found["reasons"])


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("relevance", "larger base model"), ("copying", "fewer epochs"), ("shape", "Train again on more writing")],
)
def test_a_failed_guardrail_rejects_whatever_voice_says(name: str, remedy: str) -> None:
    found = verdict(card(candidates=clone(failed=[name], faults={name: f"{name} went wrong by 7%"})))
    assert found["code"] == "rejected"
    assert f"{name} went wrong by 7%" in found["headline"]
    assert remedy in found["next"]


@pytest.mark.parametrize(
    "changed",
    [
        {"voice": spread(0.09, 0.05, 0.13)},
        {"voice": spread(0.3, -0.01, 0.6)},
        {"habits": spread(0.3, 0.1, 0.5, p=0.2), "fit": spread(-0.3, -0.4, -0.2, p=0.2)},
        {"habits": spread(-0.3, -0.5, -0.1)},
        {"fit": spread(0.3, 0.2, 0.4)},
    ],
    ids=["gain too small", "may be nothing", "nothing agrees", "habits disagree", "fit disagrees"],
)
def test_what_is_not_shown_is_inconclusive(changed: dict[str, dict[str, float]]) -> None:
    assert verdict(card(contrasts=contrasts(**changed)))["code"] == "inconclusive"


@pytest.mark.parametrize(("own", "more"), [(0.22, ", fewer than of the clone's: the rule"), (0.4, ".")])
def test_a_clone_rejected_for_relevance_is_told_beside_its_author_s(own: float, more: str) -> None:
    row = {"relevance": spread(0.31, 0.2, 0.4), "faults": {"relevance": "31% of replies fit their prompt"}}
    found = verdict(card(candidates=clone(failed=["relevance"], **row), human={"relevance": spread(own, 0.15, 0.5)}))
    words = f"Of Nell Quayle's own replies {own:.0%} fit their prompt by the same measure{more}"
    assert [reason for reason in found["reasons"] if reason.startswith(words)]
    assert "larger base model" in found["next"]


def test_one_metric_that_agrees_is_enough() -> None:
    assert verdict(card(contrasts=contrasts(habits=spread(0.1, -0.1, 0.3, p=0.5))))["code"] == "worth_it"


@pytest.mark.parametrize(("value", "low", "high"), [(0.02, -0.05, 0.09), (-0.5, -0.7, -0.3)])
def test_a_gain_that_is_surely_small_needs_no_training(value: float, low: float, high: float) -> None:
    assert verdict(card(contrasts=contrasts(voice=spread(value, low, high))))["code"] == "prompt_is_enough"


def test_a_win_below_the_floor_is_called_what_it_is() -> None:
    far = clone(voice={"s": spread(-0.4, -0.6, -0.2), "v": spread(-0.4, -0.6, -0.2)})
    assert "further from you than another person" in verdict(card(candidates=far))["headline"]


def test_how_many_replies_would_settle_it() -> None:
    assert replies_to_settle(spread(0.2, 0.0, 0.4), 100) is None
    assert replies_to_settle(spread(0.2, -0.2, 0.6), 100) == 400
    assert replies_to_settle(spread(0.0, -0.2, 0.2), 100) == 400


@given(st.floats(-2, 2), st.floats(0, 2), st.floats(0, 2), st.sampled_from([0.001, 0.5]))
def test_every_card_has_one_verdict(value: float, below: float, above: float, p: float) -> None:
    found = verdict(card(contrasts=contrasts(voice=spread(value, value - below, value + above, p))))
    assert found["code"] in ("worth_it", "prompt_is_enough", "inconclusive")
    assert found["headline"].endswith(".")
