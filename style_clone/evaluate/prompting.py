"""The prompts that are tried: style guides, a description by the model itself, and exemplars at random and retrieved.

The prompt is what the clone has to beat, so it gets what a careful user would try. Everything here is made from TRAIN.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from style_clone import baseline
from style_clone.baseline import MAX_EXEMPLAR_CHARACTERS, Exemplar, within_budget
from style_clone.conversation import Pair, Turn
from style_clone.evaluate.candidates import FEW_SHOT, RETRIEVAL, SYSTEM, Candidate, asked
from style_clone.prompt import Prompt, clone_system

EXEMPLAR_COUNTS = (2, 5, 10)
"""Beside none at all, which is the system prompt alone; the protocol's default is five."""
SHOWN_REPLIES = 12
"""Replies that the model sees when it describes the author, and that one of the system prompts quotes."""
MOST_SEARCHED = 4000
"""Exemplars that retrieval chooses from, taken evenly from TRAIN."""

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Shown:
    """Exchanges of TRAIN short enough to be shown: (prompt, reply)."""

    exemplars: tuple[Exemplar, ...]

    @classmethod
    def of(cls, train: Sequence[Pair]) -> Shown:
        """The replies to somebody, or prose where there are none; those that are short, unless all are long."""
        replies = [pair for pair in train if pair.origin == "reply"] or list(train)
        short = [pair for pair in replies if len(asked(pair)) + len(pair.reply) <= MAX_EXEMPLAR_CHARACTERS]
        kept = short if len(short) >= max(EXEMPLAR_COUNTS) else sorted(replies, key=lambda pair: len(pair.reply))
        step = max(1, -(-len(kept) // MOST_SEARCHED))
        return cls(tuple((asked(pair), pair.reply) for pair in kept[::step]))

    def at_random(self, count: int, seed: int = 0) -> tuple[Exemplar, ...]:
        """`count` of them, seeded; a larger draw begins with the smaller one."""
        order = list(range(len(self.exemplars)))
        random.Random(seed).shuffle(order)
        return tuple(self.exemplars[number] for number in order[:count])


@dataclass(frozen=True)
class Retriever:
    """The exemplars whose prompts are nearest in meaning to what a pair answers, nearest last: beside the question."""

    shown: Shown
    vectors: Any
    embed: Embed
    count: int

    def __call__(self, pair: Pair) -> list[Exemplar]:
        """`count` exemplars for a pair."""
        nearness = self.vectors @ self.embed([asked(pair)])[0]
        best = np.argsort(-nearness, kind="stable")[: self.count]
        return [self.shown.exemplars[number] for number in reversed(best.tolist())]


def system_prompts(author: str, train: Sequence[Pair], description: str) -> Iterator[tuple[str, Prompt]]:
    """What is tried for the system prompt, each with its name, the usual one first; `description` is the model's own."""
    from style_clone.styleguide.notes import describe

    heard = [asked(pair) for pair in train if pair.origin == "reply"]
    notes = describe([pair.reply for pair in train], heard)
    quoted = [reply for _, reply in Shown.of(train).at_random(SHOWN_REPLIES, seed=1)]
    yield "style guide of computed habits", Prompt(baseline.system_prompt(author, notes))
    yield "the clone's own short prompt", Prompt(clone_system(author))
    yield "style guide, its first half", Prompt(baseline.system_prompt(author, notes[: len(notes) // 2]))
    yield "a description by the model", Prompt(baseline.system_prompt(author, description.splitlines()))
    yield "style guide and quoted replies", Prompt(_quoting(baseline.system_prompt(author, notes), author, quoted))


def describing(author: str, train: Sequence[Pair]) -> list[Turn]:
    """What the model is asked in order to describe the author in its own words."""
    replies = "\n".join(f"- {reply}" for _, reply in Shown.of(train).at_random(SHOWN_REPLIES))
    return [
        {
            "role": "user",
            "content": f"These are messages by {author}:\n{replies}\n\nDescribe in five short lines how {author} writes: "
            "length, capitals, punctuation, favourite words, tone. Only the five lines.",
        }
    ]


def with_system(base: str, tried: tuple[str, Prompt]) -> Candidate:
    """The system prompt alone."""
    setting, prompt = tried
    return Candidate(SYSTEM, "system prompt", base, within_budget(prompt), setting=setting)


def few_shot(base: str, system: Candidate, shown: Shown) -> Iterator[Candidate]:
    """The system prompt with more and more exemplars below it, and with those the prompted baseline begins with."""
    for count in EXEMPLAR_COUNTS:
        prompt = within_budget(Prompt(system.prompt.system, shown.at_random(count)))
        yield Candidate(
            FEW_SHOT, "few-shot, random examples", base, prompt, setting=f"{len(prompt.exemplars)} examples at random"
        )


def typical(base: str, system: Candidate, train: Sequence[Pair]) -> Candidate:
    """The system prompt with the baseline's own exemplars: typical ones, from short to long."""
    prompt = within_budget(Prompt(system.prompt.system, baseline.exemplars(train)))
    return Candidate(
        FEW_SHOT, "few-shot, random examples", base, prompt, setting=f"{len(prompt.exemplars)} typical examples"
    )


def retrieved(base: str, system: Candidate, shown: Shown, embed: Embed) -> Iterator[Candidate]:
    """The system prompt with exemplars near the question."""
    vectors = embed([question for question, _ in shown.exemplars])
    for count in EXEMPLAR_COUNTS:
        yield Candidate(
            RETRIEVAL,
            "few-shot, retrieved examples",
            base,
            system.prompt,
            retrieve=Retriever(shown, vectors, embed, count),
            setting=f"{count} examples nearest in meaning",
        )


def _quoting(system: str, author: str, replies: Sequence[str]) -> str:
    return f"{system}\n\nThings {author} has written:\n" + "\n".join(f"- {reply}" for reply in replies)
