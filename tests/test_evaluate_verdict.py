"""The verdict follows from the numbers by the protocol's rules, each of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.evaluate.settling import replies_to_agree, replies_to_settle, votes_to_settle
from style_clone.evaluate.statistics import wilson
from style_clone.evaluate.verdict import verdict


def spread(value: float, low: float, high: float, p: float = 0.001) -> dict[str, float]:
    return {"value": value, "low": low, "high": high, "p": p, "p_holm": p}


def card(**changed: Any) -> dict[str, Any]:
    """A scorecard in which the clone wins on everything."""
    row = {"voice": {"s": spread(0.9, 0.8, 1.0), "v": spread(0.9, 0.8, 1.0)}, "failed": [], "faults": {}}
    return {
        "persona": "nell",
        "author": "Nell Quayle",
        "gate": {"passed": True, "failed": []},
        "sizes": {"test_replies": 120, "test_conversations": 30},
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


def votes(preferred: float, low: float, votes: int = 40, *, high: float = 1.0, complete: bool = True) -> dict[str, Any]:
    return {"votes": votes, "preferred": preferred, "low": low, "high": high, "complete": complete}


def test_a_clone_that_wins_everywhere_is_worth_it_provisionally() -> None:
    found = verdict(card())
    assert (found["code"], found["provisional"]) == ("worth_it", True)
    assert "Nell Quayle" in found["headline"]
    assert "style-clone vote nell" in found["next"]


def test_votes_make_it_certain_and_are_said() -> None:
    found = verdict(card(votes={"stranger": votes(0.7, 0.55)}))
    assert (found["code"], found["provisional"]) == ("worth_it", False)
    said = "Fine-tuning is worth it: in 40 blind pairs the clone was preferred in 70% (ties count half)."
    assert found["headline"] == said


@pytest.mark.parametrize("given", [votes(0.7, 0.55, 39), votes(0.7, 0.55, complete=False)], ids=["few", "unfinished"])
def test_few_or_unfinished_votes_do_not_count(given: dict[str, Any]) -> None:
    assert verdict(card(votes={"author": given}))["provisional"]


@pytest.mark.parametrize(
    ("given", "said", "but"),
    [
        (
            votes(0.62, 0.466, high=0.755),
            "The votes do not settle it: 62% of 40 for the clone (47% to 76%).",
            "the votes do not confirm it",
        ),
        (
            votes(0.5, 0.35, high=0.65),
            "The votes do not settle it: 50% of 40 for the clone (35% to 65%).",
            "the votes do not confirm it",
        ),
        (
            votes(0.3, 0.18, high=0.454),
            "The votes prefer the prompt: 30% of 40 for the clone (18% to 45%).",
            "the votes prefer the prompt",
        ),
    ],
    ids=["open", "even", "lost"],
)
def test_readers_can_overrule_the_verifier(given: dict[str, Any], said: str, but: str) -> None:
    found = verdict(card(votes={"author": given}))
    assert found["code"] == "inconclusive"
    assert found["headline"].endswith(f"writes more like Nell Quayle than the best prompt does, but {but}.")
    assert said in found["reasons"]


@pytest.mark.parametrize("given", [votes(0.5, 0.35), votes(0.3, 0.18, high=0.454)], ids=["even", "lost"])
def test_more_votes_of_the_same_would_not_make_the_clone_preferred(given: dict[str, Any]) -> None:
    assert verdict(card(votes={"author": given}))["next"].startswith("More of the same would not settle it")


def test_the_author_s_votes_come_before_a_stranger_s() -> None:
    both = {"stranger": votes(0.9, 0.8), "author": votes(0.4, 0.3)}
    assert verdict(card(votes=both))["code"] == "inconclusive"


def test_without_a_gate_nothing_is_claimed_of_voice() -> None:
    found = verdict(card(gate={"passed": False, "failed": ["an area of 0.61; 0.80 is needed"]}))
    assert found["code"] == "cannot_measure"
    assert "0.61" in found["headline"]
    assert "predicts the real replies better" in " ".join(found["reasons"])


def test_fit_that_tells_nothing_apart_is_not_called_equal() -> None:
    given = contrasts(fit=spread(-0.3, -0.7, 0.1))
    reasons = verdict(card(gate={"passed": False, "failed": ["no"]}, contrasts=given))["reasons"]
    assert reasons == [
        "What can be said: held-out fit does not tell clone and prompt apart (-0.30 bits per byte, -0.70 to +0.10)"
    ]


def few(count: int) -> dict[str, Any]:
    return {"test_replies": 40, "test_conversations": count}


def test_who_has_few_conversations_is_told_to_bring_more() -> None:
    gate = {"passed": False, "failed": ["the area is 0.61", "the test replies are of 2 conversations; 5 are needed"]}
    found = verdict(card(gate=gate, sizes=few(2), contrasts={}))
    assert (found["code"], found["provisional"]) == ("cannot_measure", False)
    assert found["headline"] == "Cannot measure: the area is 0.61."
    assert found["reasons"] == ["the test replies are of 2 conversations; 5 are needed"], "fit has no interval either"
    assert "from more conversations" in found["next"]
    assert "--impostors" in verdict(card(gate=gate, sizes=few(5), contrasts={}))["next"]


COPIES, BESIDE, OPEN = (
    "9% of replies copy 12 words",
    "10% of replies fit their prompt",
    "40% of replies fit their prompt",
)


def test_guardrails_are_told_where_voice_cannot_be_measured() -> None:
    gate = {"passed": False, "failed": ["no"]}
    faulty = clone(failed=["relevance", "copying"], faults={"relevance": BESIDE, "copying": COPIES})
    reasons = verdict(card(candidates=faulty, gate=gate))["reasons"]
    assert reasons[:2] == [f"The clone fails relevance: {BESIDE}.", f"The clone fails copying: {COPIES}."]
    half = clone(failed=["copying"], faults={"copying": COPIES}, unsettled={"relevance": OPEN})
    reasons = verdict(card(candidates=half, gate=gate))["reasons"]
    assert reasons[:2] == [f"The clone fails copying: {COPIES}.", f"Relevance is not settled: {OPEN}."]


def test_a_rejection_tells_every_guardrail() -> None:
    faults = {"copying": COPIES, "shape": "20% of replies loop"}
    found = verdict(card(candidates=clone(failed=list(faults), faults=faults, unsettled={"relevance": OPEN})))
    assert found["headline"] == f"Adapter rejected: {COPIES}."
    assert found["reasons"][:2] == ["The clone fails shape: 20% of replies loop.", f"Relevance is not settled: {OPEN}."]


@pytest.mark.parametrize("voted", [{}, {"author": votes(0.7, 0.55)}], ids=["no votes", "votes"])
def test_a_clone_that_is_asked_for_nothing_is_worth_it_provisionally(voted: dict[str, Any]) -> None:
    given = contrasts()
    del given["relevance"]
    found = verdict(card(contrasts=given, votes=voted))
    assert (found["code"], found["provisional"]) == ("worth_it", True)
    assert "Relevance could not be measured: too few different messages ask for something." in found["reasons"]


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


LIKER = "the clone writes more like Nell Quayle than the best prompt does, but "


@pytest.mark.parametrize(
    ("changed", "headline"),
    [
        (
            {"voice": spread(0.3, -0.01, 0.6)},
            "this writing does not settle whether the clone or the prompt is nearer to Nell Quayle",
        ),
        (
            {"voice": spread(0.08, 0.04, 0.12)},
            "the clone is nearer to Nell Quayle than the best prompt is, but perhaps by too little to train for",
        ),
        ({"habits": spread(-0.3, -0.5, -0.1)}, f"{LIKER}habits speak against it"),
        ({"fit": spread(0.3, 0.2, 0.4)}, f"{LIKER}held-out fit speaks against it"),
        (
            {"habits": spread(-0.3, -0.5, -0.1), "fit": spread(0.3, 0.2, 0.4)},
            f"{LIKER}habits and held-out fit speak against it",
        ),
        (
            {"habits": spread(0.3, -0.1, 0.5, p=0.2), "fit": spread(-0.3, -0.7, 0.2, p=0.2)},
            f"{LIKER}neither habits nor held-out fit confirms it",
        ),
    ],
)
def test_the_headline_says_what_is_open(changed: dict[str, dict[str, float]], headline: str) -> None:
    assert verdict(card(contrasts=contrasts(**changed)))["headline"] == f"Inconclusive: {headline}."


@pytest.mark.parametrize(("own", "more"), [(0.22, ", fewer than of the clone's: the rule"), (0.4, ".")])
def test_a_clone_rejected_for_relevance_is_told_beside_its_author_s(own: float, more: str) -> None:
    row = {"relevance": spread(0.31, 0.2, 0.4), "faults": {"relevance": "31% of replies fit their prompt"}}
    found = verdict(card(candidates=clone(failed=["relevance"], **row), human={"relevance": spread(own, 0.15, 0.5)}))
    words = f"Of Nell Quayle's own replies {own:.0%} fit their prompt by the same measure{more}"
    assert [reason for reason in found["reasons"] if reason.startswith(words)]
    assert "larger base model" in found["next"]


def unsettled(value: float, **changed: dict[str, float]) -> dict[str, Any]:
    """A scorecard in which relevance may be lost, and may not."""
    row = {
        "relevance": spread(0.4, 0.2, 0.6),
        "unsettled": {"relevance": "40% of replies fit their prompt; the loss may be as much as 14 points"},
    }
    given = contrasts(relevance=spread(value, value - 0.2, value + 0.2), **changed)
    return card(candidates=clone(**row), contrasts=given, human={"relevance": spread(0.35, 0.2, 0.5)})


def test_a_guardrail_that_is_not_settled_neither_rejects_nor_is_worth_it() -> None:
    found = verdict(unsettled(0.05))
    assert found["code"] == "inconclusive"
    assert "writes more like Nell Quayle than the best prompt does, but" in found["headline"]
    assert found["reasons"][0] == "40% of replies fit their prompt; the loss may be as much as 14 points."
    assert "Of Nell Quayle's own replies 35%" in found["reasons"][1]
    assert "About 480 test replies instead of 120" in found["next"], "half of the interval, .2, has to become .05 + .05"


@pytest.mark.parametrize(
    ("value", "voice", "told"),
    [
        (0.05, spread(0.3, -0.2, 0.8), "About 480 test"),
        (0.1, spread(0.2, -0.2, 0.6), "About 480 test"),
        (-0.05, spread(0.4, 0.2, 0.6), "Blind votes"),
    ],
    ids=["relevance takes more", "voice takes more", "on the line"],
)
def test_what_takes_the_most_replies_settles_it(value: float, voice: dict[str, float], told: str) -> None:
    found = verdict(unsettled(value, voice=voice))
    assert found["code"] == "inconclusive"
    assert found["next"].startswith(told)


def test_a_prompt_is_enough_whether_or_not_relevance_is_settled() -> None:
    assert verdict(unsettled(0.05, voice=spread(0, -0.05, 0.05)))["code"] == "prompt_is_enough"


def test_one_metric_that_agrees_is_enough() -> None:
    assert verdict(card(contrasts=contrasts(habits=spread(0.1, -0.1, 0.3, p=0.5))))["code"] == "worth_it"


@pytest.mark.parametrize(("value", "low", "high"), [(0.02, -0.05, 0.09), (-0.5, -0.7, -0.3)])
def test_a_gain_that_is_surely_small_needs_no_training(value: float, low: float, high: float) -> None:
    assert verdict(card(contrasts=contrasts(voice=spread(value, low, high))))["code"] == "prompt_is_enough"


def test_a_prompt_that_is_enough_is_not_made_better_than_it_is() -> None:
    *others, last = card()["candidates"]
    faulty = [others[0], {**others[1], "faults": {"shape": "33% of replies do not end"}}, last]
    even = contrasts(voice=spread(-0.04, -0.16, 0.09), fit=spread(0.1, 0.05, 0.15))
    reasons = verdict(card(contrasts=even, candidates=faulty))["reasons"]
    assert reasons[1:] == [
        "Habits speak for the clone all the same.",
        "Held-out fit speaks against the clone too.",
        "The prompt has faults that a clone would be rejected for: 33% of replies do not end.",
    ]


def test_a_win_below_the_floor_is_called_what_it_is() -> None:
    far = clone(voice={"s": spread(-0.4, -0.6, -0.2), "v": spread(-0.4, -0.6, -0.2)})
    assert "further from you than another person" in verdict(card(candidates=far))["headline"]


@pytest.mark.parametrize(
    ("gain", "replies"),
    [
        (spread(0.2, 0.0, 0.4), None),
        (spread(0.2, -0.2, 0.6), 400),
        (spread(0.0, -0.2, 0.2), 400),
        # Too small to be worth it, so more replies can only show that it is: its upper bound has to come below 0.10.
        (spread(0.06, -0.02, 0.14), 400),
        (spread(0.1, 0.02, 0.18), None),
        (spread(0.0995, 0.0, 0.2), None),
        # V is cut at 1, so that its interval is longer below: that side alone reaches for the line.
        (spread(0.2, -0.2, 0.3), 400),
        (spread(0.0, -0.6, 0.2), 400),
        (spread(0.2, 0.1, 0.6), None),
    ],
)
def test_how_many_replies_would_settle_it(gain: dict[str, float], replies: int | None) -> None:
    assert replies_to_settle(gain, 100) == replies


def test_so_many_replies_do_settle_it() -> None:
    gain = spread(0.15, -0.05, 0.35)
    needed = replies_to_settle(gain, 100) or 0
    half = 0.2 * (100 / needed) ** 0.5
    assert verdict(card(contrasts=contrasts(voice=gain)))["code"] == "inconclusive"
    assert verdict(card(contrasts=contrasts(voice=spread(0.15, 0.15 - half, 0.15 + half))))["code"] == "worth_it"


def test_how_many_replies_would_let_a_metric_agree() -> None:
    fit, habits = spread(-0.1, -0.3, 0.1, p=0.3), spread(0.1, -0.1, 0.3, p=0.3)
    both = contrasts(habits=habits, fit=fit)
    assert replies_to_agree(both, 100) == 600, "four times as many for an interval of 95%, more for Holm's correction"
    assert replies_to_agree(contrasts(habits=spread(0.1, -0.5, 0.7), fit=fit), 100) == 600, "the one that takes fewer"
    assert replies_to_agree(contrasts(habits=spread(-0.1, -0.3, 0.1), fit=spread(0.1, -0.1, 0.3)), 100) is None
    assert replies_to_agree({"fit": fit}, 100) == 600


@pytest.mark.parametrize("share", [0.55, 0.6, 0.64, 0.7])
def test_how_many_votes_would_settle_it(share: float) -> None:
    needed = votes_to_settle(votes(share, 0.45)) or 0
    assert wilson(share * needed, needed)["low"] > 0.5
    fewer = needed - 10
    assert wilson(share * fewer, fewer)["low"] <= 0.5


@pytest.mark.parametrize("given", [votes(0.7, 0.55), votes(0.5, 0.35), votes(0.4, 0.3)], ids=["won", "even", "lost"])
def test_votes_that_are_won_or_lost_need_no_more(given: dict[str, Any]) -> None:
    assert votes_to_settle(given) is None


@pytest.mark.parametrize(
    ("changed", "voted", "told"),
    [
        ({"voice": spread(0.2, -0.2, 0.6)}, {}, "About 480 test replies instead of 120"),
        (
            {"habits": spread(0.1, -0.1, 0.3, p=0.3), "fit": spread(-0.1, -0.3, 0.1, p=0.3)},
            {},
            "About 720 test replies instead of 120",
        ),
        ({}, {"author": votes(0.6, 0.45)}, "About 100 blind votes instead of 40 would settle it"),
        (
            {"voice": spread(0.2, -0.2, 0.6)},
            {"author": votes(0.6, 0.45)},
            "or more --prompts where replies are left) and about 100 blind votes instead of 40 would settle it",
        ),
        ({"fit": spread(0.3, 0.2, 0.4)}, {}, "More of the same would not settle it; another recipe may"),
        (
            {"voice": spread(0.15, -0.02, 0.32), "habits": spread(-0.3, -0.5, -0.1)},
            {},
            "More of the same would not settle it; another recipe may",
        ),
        (
            {"voice": spread(0.05, -0.05, 0.15), "habits": spread(-0.3, -0.5, -0.1)},
            {"author": votes(0.6, 0.45)},
            "About 480 test replies instead of 120 (more writing, or more --prompts where replies are left) would settle it",
        ),
        (
            {
                "voice": spread(0.2, -0.1, 0.5),
                "habits": spread(0.1, -0.1, 0.3, p=0.3),
                "fit": spread(-0.1, -0.3, 0.1, p=0.3),
            },
            {},
            "About 720 test replies instead of 120",
        ),
    ],
    ids=["voice", "agreement", "votes", "both", "against", "open and against", "too small", "open and unconfirmed"],
)
def test_an_inconclusive_verdict_says_what_would_settle_it(
    changed: dict[str, dict[str, float]], voted: dict[str, Any], told: str
) -> None:
    found = verdict(card(contrasts=contrasts(**changed), votes=voted))
    assert found["code"] == "inconclusive"
    assert told in found["next"]
    assert ("style-clone vote nell" in found["next"]) == (not voted)


def test_no_number_is_told_where_one_question_has_none() -> None:
    leaning = {"habits": spread(-0.1, -0.3, 0.1, p=0.3), "fit": spread(0.1, -0.1, 0.3, p=0.3)}
    found = verdict(card(contrasts=contrasts(voice=spread(0.2, -0.2, 0.6), **leaning)))
    assert found["next"] == "Blind votes say what readers think: style-clone vote nell"


def test_more_than_the_author_counts_as_the_author() -> None:
    told = "where 0 is other people, 1 is Nell Quayle, and more than 1 counts as 1."
    assert verdict(card())["reasons"][0].endswith(told)


@given(st.floats(-2, 2), st.floats(0, 2), st.floats(0, 2), st.sampled_from([0.001, 0.5]))
def test_every_card_has_one_verdict(value: float, below: float, above: float, p: float) -> None:
    found = verdict(card(contrasts=contrasts(voice=spread(value, value - below, value + above, p))))
    assert found["code"] in ("worth_it", "prompt_is_enough", "inconclusive")
    assert found["headline"].endswith(".")
