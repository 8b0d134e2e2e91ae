"""The quick scorecard, made after every training: held-out fit alone, of plain, prompted and clone, on some test pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from style_clone import baseline
from style_clone.conversation import Pair
from style_clone.evaluate import candidates
from style_clone.evaluate.candidates import CLONE, SYSTEM, Candidate
from style_clone.evaluate.fit import Fit
from style_clone.evaluate.fitting import FitOf
from style_clone.evaluate.material import Material, spread
from style_clone.evaluate.protocol import EXPLORATORY, LEAST_CONVERSATIONS
from style_clone.evaluate.statistics import ratio_difference_interval
from style_clone.models import BaseModel
from style_clone.progress import Event, Report, silent
from style_clone.units import counted
from style_clone.workspace import PersonaFolder, file_hash

QUICK_PAIRS = 60
QUICK_CHARACTERS = 250_000
"""All three read together, of pairs and of the prompts above them: some 60,000 tokens, a minute and a half of two cores."""


def measure(
    folder: PersonaFolder, base: BaseModel, *, pairs: int, characters: float = math.inf, report: Report = silent
) -> dict[str, Any]:
    """The quick scorecard on at most about that many test pairs, or fewer long ones. Raises MissingStage."""
    material = Material.load(folder)
    contestants = [
        candidates.plain(base.name),
        Candidate(SYSTEM, "prompted", base.name, baseline.load(folder)),
        candidates.clone(material.persona),
    ]
    test = spread(material.test, int(min(pairs, _affordable(material.test, contestants, characters))))
    report(Event("evaluate", f"{len(test)} held-out replies"))
    fit = FitOf.load({CLONE: material.adapter}, base, report)
    fits = dict(zip(NAMES, fit(contestants, test).values(), strict=True))
    scorecard = {"kind": "quick", **fit_figures(fits, test), **provenance(material)}
    headline = sentence(scorecard)
    return {
        **scorecard,
        "verdict": {"code": "quick", "provisional": True, "headline": headline, "reasons": [], "next": ""},
    }


NAMES = ("plain", "prompted", "clone")


def fit_figures(fits: dict[str, Fit], test: Sequence[Pair]) -> dict[str, Any]:
    """What every scorecard says of the held-out fit of plain, prompted and clone."""
    conversations = len(fits["clone"].bits)
    return {
        "pairs": len(test),
        "conversations": conversations,
        "exploratory": len(test) < EXPLORATORY[0] or conversations < EXPLORATORY[1],
        "bits_per_byte": {name: fit.bits_per_byte for name, fit in fits.items()},
        "real_prompts": _on_real_prompts(fits),
        "clone_minus_prompted": _difference(fits["clone"], fits["prompted"]),
    }


def provenance(material: Material) -> dict[str, Any]:
    """What the scorecard is of, and what that adapter cost."""
    run = material.run
    return {
        "persona": material.folder.slug,
        "author": material.persona.author,
        "base": run["base"]["name"],
        "cost": {"train_seconds": run["seconds"], "train_tokens": run["num_train_tokens"]},
        "adapter_sha256": run["adapter_sha256"],
        "test_sha256": file_hash(material.folder.split("test")),
    }


def sentence(scorecard: dict[str, Any]) -> str:
    """One sentence a layperson understands, from the held-out fit alone."""
    bits, difference = scorecard["bits_per_byte"], scorecard["clone_minus_prompted"]
    numbers = f"{bits['clone']:.2f} bits per byte of their real replies, the prompt {bits['prompted']:.2f}"
    if scorecard["conversations"] < LEAST_CONVERSATIONS:
        said = f"Too little to say which is better: so far the clone needs {numbers}."
    elif difference["high"] < 0:
        said = f"The clone predicts this writer better than the prompt does: {numbers}."
    elif difference["low"] > 0:
        said = f"The prompt predicts this writer better than the clone does: the clone {numbers}."
    else:
        said = f"Clone and prompt cannot be told apart on this writing: the clone {numbers}."
    return f"{said} From {_size(scorecard)}" + (": exploratory." if scorecard["exploratory"] else ".")


def _size(scorecard: dict[str, Any]) -> str:
    replies, conversations = scorecard["pairs"], scorecard["conversations"]
    return f"{counted(replies, 'reply', 'replies')} in {counted(conversations, 'conversation')}"


def _affordable(pairs: Sequence[Pair], contestants: Sequence[Candidate], characters: float) -> float:
    """How many pairs of this length all contestants read in `characters`, one at least."""
    read = sum(
        len(turn["content"])
        for pair in pairs
        for each in contestants
        for turn in each.prompt.messages([*pair.context, {"role": "assistant", "content": pair.reply}])
    )
    return max(1, characters / max(1, read / len(pairs)))


def _on_real_prompts(fits: dict[str, Fit]) -> dict[str, Any]:
    """The same on the replies somebody asked for, apart from those to templates, headings and what a model wrote."""
    real = {name: fit.only(lambda pair: pair.asked_by == "person") for name, fit in fits.items()}
    count = len(real["clone"].pairs)
    return {"pairs": count, "bits_per_byte": {name: fit.bits_per_byte for name, fit in real.items()} if count else {}}


def _difference(first: Fit, second: Fit) -> dict[str, float]:
    names = sorted(first.bits)
    difference, low, high = ratio_difference_interval(
        [first.bits[name] for name in names],
        [second.bits[name] for name in names],
        [first.num_bytes[name] for name in names],
    )
    return {"difference": difference, "low": low, "high": high}
