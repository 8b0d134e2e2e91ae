"""The story of a comparison: two adapters of one persona answer the same prompts and are read on the same scales."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from style_clone.evaluate import candidates, contest, impostors
from style_clone.evaluate.card import Card, sizes
from style_clone.evaluate.fitting import FitOf
from style_clone.evaluate.nearer import nearer
from style_clone.evaluate.run import PROTOCOL, Instruments, Options, fitted, generator, held_out, measure
from style_clone.evaluate.sides import Sides
from style_clone.progress import Report, silent

On = Literal["dev", "test"]


def compare(
    sides: Sides, instruments: Instruments, options: Options, on: On = "dev", *, report: Report = silent
) -> dict[str, Any]:
    """Measure both on the held-out part `on`; the endpoint serves each by its adapter's slug (`sides.side_by_side`).

    Differences are B less A. Relevance, a guardrail, is held against the plain base model's, since no prompt takes part.
    The persona's scorecard stays as it is; answers are kept beside those of its evaluations, so a comparison that was
    stopped goes on. Raises MissingStage where the persona's pairs are missing or not those trained on, ServingError.
    """
    material, dropped = held_out(sides.folder, options.prompts, on, sides.others(on))
    people = impostors.find(sides.folder, options.impostors, report=report)
    scales = fitted(material, people, report)
    generate = generator(material, sides.adapters, instruments, report)
    clones = {
        side: candidates.clone(
            adapter.persona, side, f"{side.upper()}: {Path(sides.names[side]).name or sides.names[side]}"
        )
        for side, adapter in sides.adapters.items()
    }
    held = contest.face(material, instruments.base.name, clones, generate, options.samples)
    fit = FitOf.load(sides.adapters, instruments.base, report)
    card = measure(material, sides.adapters, held, scales, people, fit, instruments.embed)
    return _comparison(card, sides, on, dropped)


def _comparison(card: Card, sides: Sides, on: On, dropped: int) -> dict[str, Any]:
    measured = card.measured()
    comparison = {
        "kind": "comparison",
        "protocol": PROTOCOL,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "persona": sides.folder.slug,
        "author": card.material.persona.author,
        "base": card.material.run["base"]["name"],
        "on": on,
        **{side: _named(sides, side) for side in sides.names},
        "recipes": sides.changes,
        "sizes": sizes(card.material, card.contest, card.scales, dropped),
        "gate": card.scales.gate.to_json(),
        "candidates": card.candidates(measured),
        "human": card.human(),
        "contrasts": card.contrasts(measured["b"], measured["a"]),
        "examples": card.examples(),
    }
    return {**comparison, "verdict": nearer(comparison)}


def _named(sides: Sides, side: str) -> Mapping[str, Any]:
    """One of the two: as given, and what its training was."""
    run = sides.adapters[side].run
    told = ("adapter_sha256", "best_dev_nats", "num_train_tokens", "seconds")
    return {"name": sides.names[side], **{key: run.get(key) for key in told}}
