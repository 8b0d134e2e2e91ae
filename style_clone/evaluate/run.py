"""The story of the scorecard: held-out prompts -> every candidate's replies -> metrics from floor to ceiling -> verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from style_clone import baseline
from style_clone.client import Address
from style_clone.conversation import Pair
from style_clone.errors import MissingStage
from style_clone.evaluate import blind, contest, impostors, quick
from style_clone.evaluate.answers import Answers
from style_clone.evaluate.candidates import CLONE, PLAIN
from style_clone.evaluate.card import Card, Measured, relevance_of, sizes
from style_clone.evaluate.choosing import by_fit, by_voice
from style_clone.evaluate.contest import Contest
from style_clone.evaluate.cost import Prices, costs
from style_clone.evaluate.fitting import FitOf
from style_clone.evaluate.generating import Generator, decoding_for
from style_clone.evaluate.impostors import Impostor
from style_clone.evaluate.kept import KeptPrompt, KeptReplies
from style_clone.evaluate.leakage import apart, unseen
from style_clone.evaluate.material import Adapter, Material, spread
from style_clone.evaluate.page.run import write_page
from style_clone.evaluate.prompting import Embed
from style_clone.evaluate.protocol import EXPLORATORY
from style_clone.evaluate.rival import Rival
from style_clone.evaluate.scales import Scales
from style_clone.evaluate.verdict import verdict
from style_clone.models import BaseModel, load_tokenizer
from style_clone.persona import Persona
from style_clone.progress import WARNING, Event, Report, silent
from style_clone.store import Store
from style_clone.train import artifact
from style_clone.workspace import PersonaFolder, file_hash, read_json, write_json

PROTOCOL = 2
"""Raised where the same replies get other numbers. 2: the gate's interval is of conversations and people, every candidate
reads the same turns for held-out fit, an empty reply is like nobody."""
FITTED_ELSEWHERE = 60
"""Unseen impostors' replies that specificity is measured on."""


@dataclass(frozen=True)
class Options:
    """At most `prompts` test prompts, each answered `samples` times; `impostors` are other people's exports."""

    prompts: int = 150
    samples: int = 3
    impostors: Sequence[Path] = ()
    prices: Prices = field(default_factory=Prices)


@dataclass(frozen=True)
class Instruments:
    """What measuring takes: the base model, the endpoint that answers, called for once there is something to ask, and texts
    as points."""

    base: BaseModel
    endpoint: Callable[[], Address]
    embed: Embed


@dataclass(frozen=True)
class Tools(Instruments):
    """What an evaluation works with: the same, the votes, a bigger model that takes part where there is one, and the host
    of the endpoint where that is another machine."""

    store: Store
    rival: Rival | None = None
    elsewhere: str | None = None


def evaluate(folder: PersonaFolder, tools: Tools, options: Options, *, report: Report = silent) -> dict[str, Any]:
    """Measure the persona's clone against the best prompt and save scorecard.json, scorecard.html and replies.jsonl.

    Returns the scorecard. Raises MissingStage where pairs or adapter are missing or do not belong together, ServingError
    where the endpoint fails; what was answered by then is kept, and the next evaluation goes on from there.
    """
    began = time.monotonic()
    material, dropped = held_out(folder, options.prompts)
    adapters = {CLONE: material.adapter}
    people = impostors.find(folder, options.impostors, report=report)
    scales = fitted(material, people, report)
    generate = generator(material, adapters, tools, report)
    fit = cache(partial(FitOf.load, adapters, tools.base, report))
    scores = (
        by_voice(generate.replies, scales.score) if scales.gate.passed else by_fit(lambda *asked: fit().each(*asked))
    )
    held = contest.hold(material, tools.base.name, generate, scores, tools.embed, options.samples, tools.rival)
    card = measure(material, adapters, held, scales, people, fit(), tools.embed)
    # One that was stopped and taken up again has taken what both parts did.
    seconds = time.monotonic() - began + generate.answers.spared_seconds
    scorecard = _scorecard(card, dropped, tools, options, seconds)
    _save(card, scorecard)
    return scorecard


def evaluate_quickly(folder: PersonaFolder, base: BaseModel, *, report: Report = silent) -> dict[str, Any]:
    """Held-out fit alone, on some of the test pairs; saves scorecard.json and its page. Raises MissingStage."""
    scorecard = quick.measure(folder, base, pairs=quick.QUICK_PAIRS, characters=quick.QUICK_CHARACTERS, report=report)
    write_json(folder.scorecard, scorecard)
    write_page(folder, scorecard)
    return scorecard


def is_fresh(folder: PersonaFolder) -> bool:
    """Whether scorecard.json is of the adapter, the test pairs and, where there are replies in it, the sampling of now."""
    if not folder.scorecard.exists() or not artifact.is_fresh(folder):
        return False
    scorecard, now = read_json(folder.scorecard), Persona.load(folder).effective_sampling.settings
    measured = (scorecard["adapter_sha256"], scorecard["test_sha256"], scorecard.get("sampling", now))
    return bool(measured == (artifact.load_run(folder)["adapter_sha256"], file_hash(folder.split("test")), now))


def held_out(
    folder: PersonaFolder, prompts: int, on: Literal["dev", "test"] = "test", others: Sequence[Pair] = ()
) -> tuple[Material, int]:
    """The material with what is measured on as its test part, at most `prompts` pairs of the split `on`.

    `others` is what another adapter was trained on: the judge is not fitted on its conversations, and nobody is measured on
    them. Beside the material, how many replies were dropped because they are among those, or stand nearly so in train or
    judge. Raises MissingStage where none is left.
    """
    material = Material.load(folder)
    chosen = {"dev": material.dev, "test": material.test}[on]
    judge = apart(material.judge, others)
    kept = unseen(apart(chosen, others), [*material.train, *judge])
    if not kept:
        raise MissingStage(
            f"all of {folder.slug}'s {on} replies stand nearly so in judge or in what was trained on: there is nothing to "
            "measure on",
            mend="Add more writing, then make pairs again.",
        )
    return replace(material, judge=judge, test=spread(kept, prompts), others=others), len(chosen) - len(kept)


def fitted(material: Material, people: Sequence[Impostor], report: Report) -> Scales:
    """The scales. What will limit the verdict is told now, before the long work."""
    report(Event("evaluate", "fitting the judge"))
    scales = Scales.fit(material, people)
    if not scales.gate.passed:
        measured = "held-out fit, the guardrails and blind votes still can be"
        report(Event("evaluate", f"{WARNING}voice cannot be measured: {scales.gate.failed[0]}; {measured}"))
    if len(material.test) < EXPLORATORY[0]:
        few = f"{len(material.test)} held-out replies: with fewer than {EXPLORATORY[0]} the result is exploratory"
        report(Event("evaluate", WARNING + few))
    return scales


def generator(material: Material, adapters: Mapping[str, Adapter], tools: Instruments, report: Report) -> Generator:
    """Asks the endpoint. An answer is good again only for the same weights, prompts, pairs and decoding."""
    decoding = decoding_for(material.persona.effective_sampling, load_tokenizer(tools.base), material.train)
    pairs, weights = file_hash(material.folder.split("train")), {"": tools.base.sha256}
    for name, adapter in adapters.items():
        decisive = (tools.base.sha256, adapter.run["adapter_sha256"], adapter.persona.prompt.system, pairs)
        weights[name] = sha256("\n".join(decisive).encode()).hexdigest()
    return Generator(Answers(material.folder.answers), tools.endpoint, decoding, weights, report)


def measure(
    material: Material,
    adapters: Mapping[str, Adapter],
    held: Contest,
    scales: Scales,
    people: Sequence[Impostor],
    fit: FitOf,
    embed: Embed,
) -> Card:
    """Everything that is not about replies: fit on the author, on other people, and what relevance is measured on.

    Fit asks for the weights, so a rival elsewhere has none.
    """
    strangers = [pair for person in people if person.name in scales.humans.unseen for pair in person.pairs]
    here = [each for each in held.candidates if each.rival is None]
    compared = [each for each in here if each.id == PLAIN or held.role(each)]
    return Card(
        material=material,
        adapters=adapters,
        contest=held,
        scales=scales,
        fits=fit(here, held.pairs, "held-out fit: "),
        elsewhere=fit(compared, spread(strangers, FITTED_ELSEWHERE), "fit on other people: ") if strangers else {},
        relevance=relevance_of(material, embed),
    )


def _scorecard(card: Card, dropped: int, tools: Tools, options: Options, seconds: float) -> dict[str, Any]:
    material, held, scales = card.material, card.contest, card.scales
    measured = card.measured()
    clone, prompted = (measured[held.compared[role].id] for role in ("clone", "prompted"))
    named = {"plain": card.fits[PLAIN], **{role: card.fits[each.id] for role, each in held.compared.items()}}
    scorecard = {
        "kind": "full",
        "protocol": PROTOCOL,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "sampling": material.persona.effective_sampling.settings,
        **quick.fit_figures(named, held.pairs),
        **quick.provenance(material),
        "sizes": sizes(material, held, scales, dropped),
        "gate": scales.gate.to_json(),
        "candidates": card.candidates(measured),
        "human": card.human(),
        "contrasts": card.contrasts(clone, prompted),
        "habits": card.habits(clone, prompted),
        "examples": card.examples(),
        "rival": card.rival(measured),
        "sent_to": tools.elsewhere,
        "dev": held.tried,
        "votes": blind.tally(tools.store, material.folder),
    }
    scorecard["cost"] = _cost(material, clone, prompted, options.prices, seconds)
    scorecard["verdict"] = verdict(scorecard)
    return scorecard


def _cost(material: Material, clone: Measured, prompted: Measured, prices: Prices, seconds: float) -> dict[str, Any]:
    """What training took, and what replies take from then on."""
    run, weights = material.run, material.folder.adapter / artifact.WEIGHTS
    replies = {"clone": clone.thousand_replies(), "prompted": prompted.thousand_replies()}
    return {
        "train_seconds": run["seconds"],
        "train_tokens": run["num_train_tokens"],
        "peak_memory_gb": run["peak_memory_bytes"] / 1e9,
        "adapter_mb": weights.stat().st_size / 1e6,
        "evaluate_seconds": seconds,
        **costs(run["seconds"], replies, prices),
    }


def _save(card: Card, scorecard: dict[str, Any]) -> None:
    """The scorecard, its page, everybody's replies, and the best prompt as the baseline that is served."""
    material, held = card.material, card.contest
    step = held.samples
    prompts = [
        KeptPrompt(
            id=pair.id,
            conversation=pair.conversation,
            prompt=tuple(pair.context),
            real=pair.reply,
            replies={
                name: tuple(answer.text for answer in answers[at * step : (at + 1) * step])
                for name, answers in held.answers.items()
            },
        )
        for at, pair in enumerate(held.pairs)
    ]
    hashes = (scorecard["adapter_sha256"], scorecard["test_sha256"])
    prompted = held.compared["prompted"]
    KeptReplies(*hashes, prompted.id, step, tuple(prompts)).write(material.folder)
    if prompted.is_fixed:
        baseline.save(material.folder, prompted.prompt)
    write_json(material.folder.scorecard, scorecard)
    write_page(material.folder, scorecard)
