"""Before training: what there is, what it will take on this machine, and what can be expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from style_clone import precision
from style_clone.conversation import SPLITS
from style_clone.errors import TrainingError
from style_clone.models import BaseModel, license_of, num_parameters
from style_clone.progress import Event, Report, silent
from style_clone.train.advice import Facts, advice, warnings, why
from style_clone.train.larger import Seen, shape_of
from style_clone.train.lora import attach_lora
from style_clone.train.machine import Machine, this_machine
from style_clone.train.probe import probe
from style_clone.train.run import Prepared, prepare
from style_clone.train.strength import more, strength_of
from style_clone.workspace import PersonaFolder


@dataclass(frozen=True)
class Plan:
    """The pre-flight card. Bytes, seconds and counts are plain numbers; sentences are for people.

    `base` has name, revision, sha256, license and parameters; `pairs` counts each split. Tokens are a pass's, padding not
    counted: all that are computed, and those of replies, which carry loss. `recipe` is every setting the run would have, and
    `why` gives the reason for the main ones. `predicted` has seconds, peak_memory_bytes, disk_bytes and tokens_per_second;
    `machine` cores, memory_bytes and disk_bytes that are free, and device. `more` says what adding pairs would bring:
    pairs (0 where nothing is above), strength, sentence. `larger` lists known base models: name, license, parameters,
    memory_bytes, seconds and fits, all estimates.
    """

    persona: str
    base: dict[str, str | int]
    pairs: dict[str, int]
    num_train_tokens: int
    num_target_tokens: int
    dropped_turns: int
    cut_replies: int
    recipe: dict[str, Any]
    why: dict[str, str]
    steps: int
    predicted: dict[str, float]
    machine: dict[str, int | str]
    strength: str
    more: dict[str, int | str]
    larger: list[dict[str, Any]]
    advice: list[str]
    warnings: list[str]


def plan(
    folder: PersonaFolder, base: BaseModel, *, overrides: Mapping[str, str] | None = None, report: Report = silent
) -> Plan:
    """What `train` would do with the same arguments, found out by some seconds of it; writes nothing.

    Raises what `run.prepare` does, and TrainingError where memory ends before there is anything to tell.
    """
    report(Event("plan", "reading pairs and base model"))
    machine = this_machine(folder.root)
    prepared = prepare(folder, base, overrides)
    _check_weights_fit(base, machine)
    facts = _found(folder, base, overrides or {}, prepared, machine, report)
    return Plan(
        persona=facts.persona,
        base={**prepared.identity["base"], "license": facts.license, "parameters": facts.parameters},
        pairs=facts.pairs,
        num_train_tokens=facts.train.num_tokens,
        num_target_tokens=facts.train.num_target_tokens,
        dropped_turns=facts.train.dropped_turns,
        cut_replies=facts.train.cut_replies,
        recipe=asdict(facts.recipe),
        why=why(facts),
        steps=facts.steps,
        predicted={
            "seconds": facts.seen.seconds,
            "peak_memory_bytes": facts.seen.peak_memory_bytes,
            "disk_bytes": facts.disk_bytes,
            "tokens_per_second": facts.tokens_per_second,
        },
        machine=asdict(machine),
        strength=strength_of(facts.amount),
        more=more(facts.amount),
        larger=facts.larger,
        advice=advice(facts),
        warnings=warnings(facts),
    )


def _found(
    folder: PersonaFolder,
    base: BaseModel,
    overrides: Mapping[str, str],
    prepared: Prepared,
    machine: Machine,
    report: Report,
) -> Facts:
    """Load the model, time it, and gather what the card is made from."""
    parameters, before = num_parameters(base), _held(machine)
    model = attach_lora(base, prepared.recipe)
    predicted = probe(model, prepared.examples, prepared.recipe, prepared.pad_id, report)
    shape = shape_of(model.config, parameters)
    return Facts(
        persona=folder.slug,
        base=base,
        license=license_of(base),
        parameters=parameters,
        overrides=overrides,
        prepared=prepared,
        pairs=_counted(folder),
        trainable=sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        seen=Seen(shape, prepared.recipe, predicted.seconds, predicted.peak_memory_bytes, before),
        tokens_per_second=predicted.tokens_per_second,
        machine=machine,
    )


def _check_weights_fit(base: BaseModel, machine: Machine) -> None:
    """Raises TrainingError where the base model's weights alone are more than the memory there is: the system would end
    this process while they are loaded, without a word."""
    needed = precision.BYTES[precision.here()] * num_parameters(base)
    if needed > machine.memory_bytes:
        raise TrainingError(
            f"{base.name}'s weights alone need {needed / 1e9:.1f} GB of memory, and {machine.memory_bytes / 1e9:.1f} GB are "
            "free",
            mend="Take a smaller --base, close other programs, or use a machine with more memory.",
        )


def _held(machine: Machine) -> int:
    """Bytes this process holds before a model is there; of a GPU's memory, none."""
    return int(psutil.Process().memory_info().rss) if machine.device == "cpu" else 0


def _counted(folder: PersonaFolder) -> dict[str, int]:
    """Pairs of each split, the held-out ones that training never reads included."""
    counts: dict[str, int] = {}
    for split in SPLITS:
        with folder.split(split).open("rb") as file:
            counts[split] = sum(1 for _ in file)
    return counts
