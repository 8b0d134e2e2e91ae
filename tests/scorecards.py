"""Scorecards as `style-clone evaluate` writes them, with invented people and numbers."""

from __future__ import annotations

from typing import Any

from style_clone.evaluate.verdict import verdict


def between(value: float, low: float, high: float) -> dict[str, float]:
    """An interval."""
    return {"value": value, "low": low, "high": high}


def _candidate(
    key: str, name: str, setting: str, voice: tuple[float, ...], habits: tuple[float, ...], bits: tuple[float, ...]
) -> dict[str, Any]:
    s = between(*voice[:3])
    return {
        "id": key,
        "name": name,
        "setting": setting,
        "role": None,
        "voice": {
            "s": s,
            "v": between(min(s["value"], 1), min(s["low"], 1), min(s["high"], 1)),
            "attribution": voice[3],
        },
        "habits": between(*habits),
        "fit": {"bits_per_byte": between(*bits[:3]), "specificity": between(*bits[3:])},
        "relevance": between(0.41, 0.33, 0.49),
        "copying": {"share": 0.004, "excess": -0.002},
        "extraction": {"exact": 0, "of": 100},
        "shape": {
            "length_ratio": 2.1,
            "distinct2_ratio": 0.81,
            "gzip_ratio": 0.86,
            "empty": 0.0,
            "looping": 0.021,
            "unterminated": 0.034,
        },
        "failed": [],
        "faults": {},
        "unsettled": {},
        "prompt_tokens": 24.0,
        "reply_tokens": 31.0,
    }


def _candidates() -> list[dict[str, Any]]:
    found = [
        _candidate(
            "plain",
            "the plain base model",
            "",
            (-0.84, -1.1, -0.57, 0.0),
            (-1.1, -1.5, -0.74),
            (2.083, 2.01, 2.16, 0, 0, 0),
        ),
        _candidate(
            "system",
            "system prompt",
            "style guide 3 of 5",
            (-0.91, -1.2, -0.62, 0.01),
            (-1.08, -1.4, -0.7),
            (2.031, 1.96, 2.1, 0.012, -0.02, 0.04),
        ),
        _candidate(
            "few_shot",
            "few-shot, 5 random examples",
            "style guide 1, temperature 0.7",
            (-0.31, -0.58, -0.04, 0.08),
            (-0.92, -1.2, -0.61),
            (1.983, 1.91, 2.05, 0.041, 0.006, 0.078),
        ),
        _candidate(
            "retrieval",
            "few-shot, 5 retrieved examples",
            "style guide 1, temperature 0.7",
            (-0.42, -0.71, -0.15, 0.06),
            (-0.97, -1.3, -0.66),
            (1.991, 1.92, 2.06, 0.038, 0.004, 0.074),
        ),
        _candidate(
            "clone",
            "the clone",
            "rank 16, 2 passes, temperature 0.7",
            (0.94, 0.72, 1.17, 0.71),
            (0.71, 0.42, 0.98),
            (1.642, 1.58, 1.71, 0.284, 0.229, 0.341),
        ),
        _candidate(
            "memory",
            "the clone with memory",
            "3 facts a message",
            (1.48, 1.19, 1.79, 0.83),
            (0.64, 0.33, 0.93),
            (1.661, 1.59, 1.73, 0.271, 0.214, 0.33),
        ),
    ]
    by_id = {row["id"]: row for row in found}
    by_id["few_shot"] |= {
        "role": "prompted",
        "prompt_tokens": 412.0,
        "reply_tokens": 24.0,
        "relevance": between(0.46, 0.38, 0.54),
    }
    by_id["clone"] |= {
        "role": "clone",
        "relevance": between(0.48, 0.4, 0.56),
        "copying": {"share": 0.016, "excess": 0.011},
        "reply_tokens": 14.0,
        "shape": {
            "length_ratio": 0.92,
            "distinct2_ratio": 0.96,
            "gzip_ratio": 0.98,
            "empty": 0.0,
            "looping": 0.005,
            "unterminated": 0.009,
        },
    }
    by_id["plain"]["fit"]["specificity"] = None
    return found


HABITS = [
    (
        "lower",
        "open a reply in lower case",
        "share",
        0.71,
        0.68,
        0.02,
        0.18,
        True,
        "running late, save me the seat by the radiator",
    ),
    (
        "comma",
        "use a comma",
        "per 100 words",
        6.2,
        5.9,
        4.1,
        3.8,
        True,
        "well, it held its pitch, which is more than I did",
    ),
    (
        "bubbles",
        "send two messages where others send one",
        "share",
        0.34,
        0.31,
        0.0,
        0.22,
        True,
        "ha\nfine, friday then",
    ),
    ("still", "write “still”", "per 100 words", 0.62, 0.55, 0.08, 0.11, True, "still flat. still raining."),
    ("question", "answer with a question", "share", 0.12, 0.27, 0.31, 0.14, False, "did it ever stay in tune?"),
    (
        "exclaim",
        "end a sentence with an exclamation mark",
        "per 100 words",
        0.1,
        0.4,
        3.6,
        1.9,
        False,
        "what a morning!",
    ),
    (
        "dash",
        "set a thought off with a dash",
        "per 100 words",
        1.4,
        0.2,
        0.1,
        0.3,
        False,
        "the hammers - all of them - want doing",
    ),
]
EXAMPLES = [
    (
        "are you coming to the plot later? the courgettes have gone mad again",
        "give me an hour, still got the chapel's upright in bits\nbring a bag",
        "yes, in a bit. the pedal wants doing first\nsave me two",
        "I would be happy to join you at the plot later! Courgettes are a wonderful vegetable.",
        "As an AI language model, I don't have the ability to attend events, but I hope you enjoy gardening!",
    ),
    (
        "how was the concert",
        "flat. the piano, not the playing",
        "the piano was flat and so was i",
        "The concert was great!",
        "",
    ),
    (
        "Did you ever hear back from the school about the old Broadwood?",
        "they want it gone by easter, no money. I said I'd take the action out at least and see what the moths have left",
        "no. they said easter, and then nothing",
        "Yes, I did hear back from the school. They said they would let me know.",
        "The Broadwood is a type of piano that was made by John Broadwood and Sons, a company that was founded in 1728.",
    ),
    ("<b>bold</b> question & an emoji 🙂", "ha", "ha", "Ha! That is funny!", "Sure! Here is a bold question."),
    ("kettle's on", "on my way", "on my way", "Great! I will be there soon.", "The kettle is on."),
    ("what do I owe you", "forty, or a pie", "forty\nor a cake", "You owe me 40 dollars.", "You owe me nothing."),
    ("is it meant to buzz like that", "no", "no. it's the lamp", "No, it is not.", "It is possible that it is."),
    (
        "morning! sleep ok?",
        "not really, owls",
        "not much, the owls are back",
        "Good morning! Yes, I slept well.",
        "Good morning!",
    ),
]


def full() -> dict[str, Any]:
    """A full scorecard with a clear verdict and everything measured."""
    rows = [
        dict(
            zip(
                ("id", "words", "unit", "author", "clone", "prompted", "impostors", "match", "example"),
                each,
                strict=True,
            )
        )
        for each in HABITS
    ]
    examples = [
        {"prompt": prompt, "real": real, "replies": {"clone": clone, "prompted": prompted, "plain": plain}}
        for prompt, real, clone, prompted, plain in EXAMPLES
    ]
    return {
        **_head("full"),
        "verdict": {
            "code": "worth_it",
            "provisional": True,
            "headline": "Fine-tuning is worth it: the clone sounds like Nell Quayle, the best prompt like nobody.",
            "reasons": [
                "Voice: the clone is at 0.94 between other people (0) and Nell (1), the best prompt at −0.31.",
                "Habits and held-out fit say the same, and neither could be chance.",
                "No guardrail fails.",
            ],
            "next": "Forty blind votes would make this final: style-clone vote nell",
        },
        "gate": {"passed": True, "auc": between(0.94, 0.89, 0.98), "null_high": 0.69, "failed": []},
        "candidates": _candidates(),
        "human": {
            "relevance": between(0.57, 0.49, 0.65),
            "copying": 0.005,
            "shape": {"empty": 0.0, "looping": 0.0, "median_words": 11},
        },
        "contrasts": {
            "voice": {**between(1.25, 0.94, 1.51), "p": 0.0001, "p_holm": 0.0003},
            "habits": {**between(1.63, 1.2, 2.04), "p": 0.0001, "p_holm": 0.0003},
            "fit": {**between(-0.341, -0.392, -0.288), "p": 0.0001, "p_holm": 0.0003},
            "relevance": {**between(0.02, -0.04, 0.08), "p": 0.48, "p_holm": None},
        },
        "habits": rows,
        "examples": examples,
        "cost": {
            "train_seconds": 276.0,
            "train_tokens": 63_190,
            "peak_memory_gb": 1.9,
            "adapter_mb": 19.6,
            "evaluate_seconds": 1034.0,
            "thousand_replies": {
                "clone": {"prompt_tokens": 62_000, "reply_tokens": 14_100, "seconds": 120.0},
                "prompted": {"prompt_tokens": 412_000, "reply_tokens": 24_300, "seconds": 210.0},
            },
            "break_even_replies": 3067,
            "api": {
                "input_per_million": 0.15,
                "output_per_million": 0.6,
                "prompted_per_thousand": 0.0764,
                "machine_hourly": 0.05,
                "training": 0.0038,
                "clone_per_thousand": 0.0017,
                "break_even_replies": 1840,
            },
        },
        "votes": {
            "author": {
                "votes": 40,
                "preferred": 0.8,
                "low": 0.652,
                "high": 0.895,
                "fixed": 40,
                "complete": True,
                "caught": 3,
            },
            "stranger": {
                "votes": 0,
                "preferred": None,
                "low": None,
                "high": None,
                "fixed": 40,
                "complete": False,
                "caught": None,
            },
        },
        "bits_per_byte": {"plain": 2.083, "prompted": 1.983, "clone": 1.642},
    }


def _head(kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "protocol": 1,
        "persona": "nell",
        "author": "Nell Quayle",
        "base": "smollm2-135m",
        "made": "2026-11-21T20:00:00+00:00",
        "seed": 0,
        "sizes": {
            "test_replies": 131,
            "test_conversations": 18,
            "judge_replies": 208,
            "impostors_fitted": ["Ada", "Ben", "Cleo", "Dov"],
            "impostors_unseen": ["Eve", "Fin", "Gus", "Hal"],
            "samples": 3,
            "dropped_test_replies": 2,
            "exploratory": True,
        },
        "pairs": 131,
        "conversations": 18,
        "exploratory": True,
        "adapter_sha256": "3f" * 32,
        "test_sha256": "a7" * 32,
        "clone_minus_prompted": {"difference": -0.341, "low": -0.392, "high": -0.288},
        "real_prompts": {"pairs": 90, "bits_per_byte": {"plain": 2.2, "prompted": 2.1, "clone": 1.7}},
    }


def quick() -> dict[str, Any]:
    """A quick scorecard: held-out fit and nothing else."""
    found = {
        **_head("quick"),
        "pairs": 60,
        "bits_per_byte": {"plain": 2.083, "prompted": 1.983, "clone": 1.642},
        "cost": {"train_seconds": 276.0, "train_tokens": 63_190},
        "verdict": {
            "code": "inconclusive",
            "provisional": True,
            "headline": "The clone predicts this writer better than the prompt does: 1.64 bits per byte, not 1.98.",
            "reasons": ["Only held-out fit was measured."],
            "next": "style-clone evaluate nell",
        },
    }
    del found["sizes"]
    return found


def cannot_measure() -> dict[str, Any]:
    """A full scorecard whose gate failed, so that nobody's voice was measured."""
    found = full()
    found["gate"] = {
        "passed": False,
        "auc": between(0.66, 0.55, 0.77),
        "null_high": 0.72,
        "failed": ["AUC 0.66, under 0.80"],
    }
    found["verdict"] = {
        "code": "cannot_measure",
        "provisional": False,
        "headline": "This cannot be measured: the judge cannot tell Nell Quayle from other people.",
        "reasons": ["The judge's AUC is 0.66; 0.80 is asked for."],
        "next": "About 200 more replies would help.",
    }
    for row in found["candidates"]:
        row |= {"voice": None, "habits": None}
    found |= {"contrasts": {"fit": found["contrasts"]["fit"]}, "habits": [], "votes": {}}
    found["cost"]["api"] = None
    return found


def unsettled() -> dict[str, Any]:
    """A clone of which so few replies do not say whether they fit their prompts as well as the prompt's."""
    found = full()
    clone = next(row for row in found["candidates"] if row["role"] == "clone")
    clone["unsettled"] = {
        "relevance": (
            "40% of replies fit their prompt, 35% of the baseline's; the loss may be as much as 14 points, and 5 are allowed"
        )
    }
    found["contrasts"]["relevance"] = {**between(0.05, -0.14, 0.24), "p": None, "p_holm": None}
    found["votes"] = {}
    found["verdict"] = verdict(found)
    return found


def nobody_to_compare_with() -> dict[str, Any]:
    """A full scorecard of an author beside whom nobody else's writing is there."""
    found = cannot_measure()
    found["gate"] = {
        "passed": False,
        "auc": None,
        "null_high": None,
        "failed": ["there are no other writers to compare with"],
    }
    found["verdict"] = verdict(found)
    return found


def letters() -> dict[str, Any]:
    """A full scorecard of letters, whose prompts are so alike that relevance says nothing."""
    found = full()
    for row in found["candidates"]:
        row["relevance"] = None
    found["human"]["relevance"] = None
    del found["contrasts"]["relevance"]
    found["votes"] = {}
    found["verdict"] = verdict(found)
    return found


def with_rival() -> dict[str, Any]:
    """A full scorecard in which a bigger model took part, behind somebody's URL."""
    found = full()
    prompted = next(row for row in found["candidates"] if row["role"] == "prompted")
    rival = {"id": "rival", "name": "Llama-3.3-70B, prompted", "role": None, "fit": dict.fromkeys(prompted["fit"])}
    found["candidates"].append({**prompted, **rival})
    found["rival"] = {"model": "Llama-3.3-70B", "voice": between(0.4, 0.1, 0.7)}
    return found


def unbroken() -> dict[str, Any]:
    """A full scorecard of people and models who write lines without a space in them."""
    found, line = full(), "_" * 200
    written = {"prompt": line, "real": line, "replies": {"clone": line, "prompted": line, "plain": line}}
    found["examples"] = [written]
    found["habits"] = [{**row, "example": line} for row in found["habits"]]
    return found


def overdone() -> dict[str, Any]:
    """A clone that is more like its author than the author is, recites, and whose verdict is that."""
    found = full()
    clone = next(row for row in found["candidates"] if row["role"] == "clone")
    clone["voice"] |= {"s": between(5.0, 3.1, 7.0)}
    clone |= {
        "failed": ["copying"],
        "faults": {"copying": "9% of replies copy 12 words from training"},
        "copying": {"share": 0.09, "excess": 0.085},
    }
    found["verdict"] |= {
        "code": "rejected",
        "headline": "The clone recites its training: it is rejected.",
        "provisional": False,
    }
    return found
