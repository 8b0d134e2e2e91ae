"""The story of the quick scorecard: held-out pairs -> bits per byte of plain, prompted and clone -> scorecard.json."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from style_clone import baseline
from style_clone.conversation import Pair, read_pairs
from style_clone.errors import MissingStage
from style_clone.evaluate.fit import Fit, Measurer
from style_clone.evaluate.statistics import ratio_difference_interval
from style_clone.models import BaseModel, load_model, load_tokenizer
from style_clone.persona import Persona
from style_clone.progress import Event, Report, silent
from style_clone.prompt import Prompt
from style_clone.train import artifact
from style_clone.workspace import PersonaFolder, file_hash, read_json, write_json

QUICK_PAIRS = 60
EXPLORATORY = (100, 20)
"""Under so many test pairs or conversations the scorecard is exploratory."""
LEAST_CONVERSATIONS = 5
"""Under so many conversations an interval says nothing: there are too few ways to resample them."""


def evaluate(folder: PersonaFolder, base: BaseModel, *, quick: bool = True, report: Report = silent) -> dict[str, Any]:
    """Measure the persona's clone on its test pairs and save scorecard.json, which is returned.

    `quick` takes about QUICK_PAIRS pairs, spread over all conversations; otherwise all. Raises
    MissingStage where pairs or adapter are missing, or the adapter was trained on other pairs.
    """
    pairs = _test_pairs(folder, QUICK_PAIRS if quick else None)
    run = _current_run(folder)
    report(Event("evaluate", f"{len(pairs)} held-out replies"))
    fits = _measure(folder, base, pairs, report)
    scorecard = {
        "kind": "quick" if quick else "held-out fit",
        "pairs": len(pairs),
        "conversations": len(fits["clone"].bits),
        "exploratory": len(pairs) < EXPLORATORY[0] or len(fits["clone"].bits) < EXPLORATORY[1],
        "bits_per_byte": {name: fit.bits_per_byte for name, fit in fits.items()},
        "real_prompts": _on_real_prompts(fits),
        "clone_minus_prompted": _difference(fits["clone"], fits["prompted"]),
        "cost": {"train_seconds": run["seconds"], "train_tokens": run["num_train_tokens"]},
        "adapter_sha256": run["adapter_sha256"],
        "test_sha256": file_hash(folder.split("test")),
    }
    scorecard["verdict"] = verdict(scorecard)
    write_json(folder.scorecard, scorecard)
    return scorecard


def is_fresh(folder: PersonaFolder) -> bool:
    """Whether scorecard.json is of the adapter and the test pairs that are there now."""
    if not folder.scorecard.exists() or not artifact.is_fresh(folder):
        return False
    scorecard = read_json(folder.scorecard)
    measured = (scorecard["adapter_sha256"], scorecard["test_sha256"])
    return bool(measured == (artifact.load_run(folder)["adapter_sha256"], file_hash(folder.split("test"))))


def verdict(scorecard: dict[str, Any]) -> str:
    """One sentence a layperson understands, from the held-out fit alone."""
    bits, difference = scorecard["bits_per_byte"], scorecard["clone_minus_prompted"]
    numbers = f"{bits['clone']:.2f} bits per byte of their real replies, the best prompt here {bits['prompted']:.2f}"
    if scorecard["conversations"] < LEAST_CONVERSATIONS:
        said = f"Too little to say which is better: so far the clone needs {numbers}."
    elif difference["high"] < 0:
        said = f"The clone predicts this writer better than the prompt does: {numbers}."
    elif difference["low"] > 0:
        said = (
            f"The prompt predicts this writer better than the clone does, so a prompt is enough: the clone {numbers}."
        )
    else:
        said = f"Clone and prompt cannot be told apart on this writing: the clone {numbers}."
    size = f" From {scorecard['pairs']} replies in {scorecard['conversations']} conversations"
    return said + size + (": exploratory." if scorecard["exploratory"] else ".")


def _current_run(folder: PersonaFolder) -> dict[str, Any]:
    """run.json of an adapter trained on the pairs there are: one of older pairs may have seen what is test now."""
    run = artifact.load_run(folder)
    if not artifact.is_fresh(folder):
        raise MissingStage(
            f"{folder.slug}'s adapter was trained on other pairs than there are now",
            mend=f"Train it again: style-clone train {folder.slug}",
        )
    return run


def _test_pairs(folder: PersonaFolder, limit: int | None) -> list[Pair]:
    if not folder.split("test").exists():
        raise MissingStage(f"{folder.slug} has no pairs yet", mend=f"Make them: style-clone pairs {folder.slug}")
    pairs = read_pairs(folder.split("test"))
    if not pairs:
        raise MissingStage(
            f"{folder.slug} has no test pairs to measure on", mend="Add more writing, then make pairs again."
        )
    if limit is None:
        return pairs
    return _spread(pairs, limit)


def _spread(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """About `limit` pairs from as many conversations as there are: a run of neighbours from each, at a seeded place."""
    conversations: dict[str, list[Pair]] = {}
    for pair in pairs:
        conversations.setdefault(pair.conversation, []).append(pair)
    share = -(-limit // len(conversations))
    rng = random.Random(0)
    starts = {name: rng.randrange(max(1, len(held) - share + 1)) for name, held in sorted(conversations.items())}
    return [pair for name, held in conversations.items() for pair in held[starts[name] : starts[name] + share]]


def _measure(folder: PersonaFolder, base: BaseModel, pairs: Sequence[Pair], report: Report) -> dict[str, Fit]:
    """Each candidate's fit. Plain and prompted run with the adapter switched off, in the same process and weights."""
    import torch
    from peft import PeftModel

    model = PeftModel.from_pretrained(load_model(base), folder.adapter)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    measure = Measurer(model, load_tokenizer(base))
    candidates: dict[str, tuple[Prompt, Callable[[], Any]]] = {
        "plain": (Prompt(), model.disable_adapter),
        "prompted": (baseline.load(folder), model.disable_adapter),
        "clone": (Persona.load(folder).prompt, nullcontext),
    }
    fits = {}
    for number, (name, (prompt, using)) in enumerate(candidates.items()):

        def told(done: int, total: int, name: str = name, number: int = number) -> None:
            report(Event("evaluate", name, number + done / total, len(candidates)))

        fits[name] = measure(pairs, prompt, using, told)
    return fits


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
