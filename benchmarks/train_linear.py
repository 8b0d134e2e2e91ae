"""Whether the cost of a token depends on how many there are: a whole training of ours, small and large.

Tokenising, batching and loading are done whole. Of the large run's steps every k-th is really done, spread evenly over the
run, and the others are taken to cost as much by the token, padding included: a million tokens in minutes, not in an hour.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import train_corpora
from train_contestants import NEVER
from train_turns import Clock, Contestant, Line

from style_clone.conversation import Pair
from style_clone.models import BaseModel, load_tokenizer
from style_clone.progress import silent
from style_clone.train.loop import VoiceTrainer, run_loop
from style_clone.train.lora import attach_lora
from style_clone.train.recipe import Recipe

SMALL = 10_000
"""Tokens of the small run, every step of which is done."""


@dataclass(frozen=True)
class Run:
    """One training: of `tokens` tokens or a little more."""

    base: BaseModel
    recipe: Recipe
    corpus: train_corpora.Corpus
    tokens: int


class Sampled:
    """Stands in for the trainer's `training_step` and does only every `every`-th."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.real = VoiceTrainer.training_step
        self.clock = Clock()
        self.steps = self.seen = self.done = 0

    def __call__(self, trainer: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """One step's loss, or nothing."""
        self.steps += 1
        self.seen += inputs["input_ids"].numel()
        if (self.steps - 1) % self.every:
            return torch.zeros((), device=trainer.args.device)
        self.done += inputs["input_ids"].numel()
        self.clock.start()
        loss: torch.Tensor = self.real(trainer, model, inputs, *args, **kwargs)
        self.clock.stop()
        return loss

    def left_out(self) -> float:
        """Seconds the steps that were not done would have taken."""
        return self.clock.seconds * (self.seen / self.done - 1)


def linear(base: BaseModel, recipe: Recipe, largest: int) -> dict[str, dict[str, float]]:
    """Seconds by the token, and the large run's over the small one's; the small one before and after the large one."""
    corpus = train_corpora.load(train_corpora.SAMPLE)
    costs = []
    for tokens in (SMALL, largest, SMALL):
        contestant = Contestant(
            whole, Run(base, replace(recipe, epochs=1, evaluations=1, patience=NEVER), corpus, tokens)
        )
        costs.append(contestant.end()["seconds_per_token"])
    small = (costs[0] + costs[2]) / 2
    figures = {f"seconds_per_token_{SMALL}": small, f"seconds_per_token_{largest}": costs[1]}
    return {"figures": figures, "ratios": {"linear_cost_ratio": costs[1] / small}}


def whole(run: Run, line: Line) -> dict[str, float]:
    """A process that trains once, from pairs to the end of the pass."""
    tokenizer = load_tokenizer(run.base)
    pairs = repeated(tokenizer, run)
    model = attach_lora(run.base, run.recipe)
    began = time.perf_counter()
    data = {
        "train": train_corpora.examples(tokenizer, run.corpus, pairs, run.recipe, joined=True),
        "dev": train_corpora.examples(tokenizer, run.corpus, run.corpus.dev[:1], run.recipe, joined=True),
    }
    sampled = Sampled(every=max(1, run.tokens // (2 * SMALL)))

    def training_step(trainer: VoiceTrainer, *args: Any, **kwargs: Any) -> torch.Tensor:
        return sampled(trainer, *args, **kwargs)

    VoiceTrainer.training_step = training_step
    with tempfile.TemporaryDirectory(prefix="style-clone-") as folder:
        run_loop(model, data, run.recipe, Path(folder), tokenizer.pad_token_id or tokenizer.eos_token_id, silent)
    seconds = time.perf_counter() - began + sampled.left_out()
    return {"seconds_per_token": seconds / sum(len(example.ids) for example in data["train"])}


def repeated(tokenizer: Any, run: Run) -> Sequence[Pair]:
    """The corpus's pairs, again and again as other conversations, up to the run's tokens."""
    once = train_corpora.examples(tokenizer, run.corpus, run.corpus.train, run.recipe, joined=True)
    size = sum(len(example.ids) for example in once)
    times = run.tokens // size
    again = [
        replace(pair, conversation=f"{pair.conversation} {number}")
        for number in range(times)
        for pair in run.corpus.train
    ]
    return again + train_corpora.part(tokenizer, run.corpus, run.corpus.train, run.recipe, run.tokens - times * size)
