"""People made of rules: whose replies are whose is known, so that what an instrument says can be checked."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from style_clone.evaluate.humans import Humans
from style_clone.evaluate.replies import Reply

TOPICS = tuple("boat garden invoice train kettle violin server recipe harbour ticket ladder parcel".split())  # noqa: SIM905
_SLOTS = (
    ("so", "but", "and", "then", "well", "because", "if", "when"),
    ("i", "we", "you", "they", "he", "she", "it", "one"),
    ("would", "could", "should", "must", "can", "will", "may", "might"),
    ("just", "really", "still", "now", "also", "never", "always", "even"),
    ("go", "come"),
    ("with", "about", "for", "from", "in", "on", "to", "by"),
    ("the", "a", "my", "your", "this", "that", "our", "their"),
    ("TOPIC",),
    ("too", "again", "here", "there", "before", "after", "down", "back"),
)
Surface = Callable[[str, random.Random], str]


@dataclass(frozen=True)
class Manner:
    """How somebody writes: which words they choose (by a seed; None is all alike), and what they make of a sentence."""

    seed: int | None
    surface: Surface

    @cached_property
    def _weights(self) -> list[list[float]]:
        own = random.Random(self.seed)
        return [[1.0 if self.seed is None else own.lognormvariate(0, 1) for _ in slot] for slot in _SLOTS]

    def __call__(self, topic: str, rng: random.Random) -> str:
        """A sentence or two on a topic."""
        clauses = [
            " ".join(rng.choices(slot, weights)[0] for slot, weights in zip(_SLOTS, self._weights, strict=True))
            for _ in range(rng.choice((1, 1, 2)))
        ]
        return self.surface(" ".join(clauses).replace("TOPIC", topic), rng)


def plainly(said: str, rng: random.Random) -> str:
    """As anybody writes."""
    return said[0].upper() + said[1:] + "."


def noisily(said: str, rng: random.Random) -> str:
    """Small letters, stretched words, and ends that are like nobody's."""
    return said.replace("so ", "sooo ") + rng.choice(("...", " haha", " :)", "!!"))


def manner_of(seed: int) -> Manner:
    """One of many other people: each has words and a few small ways of their own."""
    own = random.Random(seed)
    opening = own.choice(("", "Oh, ", "OK, ", "Hm. ", "Yes, ", "Right: "))
    ending = own.choice((".", ".", "!", "?", ";", " - right"))
    often = own.uniform(0.2, 0.6)

    def surface(said: str, rng: random.Random) -> str:
        return (opening if rng.random() < often else "") + said[0].upper() + said[1:] + ending

    return Manner(seed, surface)


plain = Manner(None, plainly)
noisy = Manner(1000, noisily)


def replies(manner: Manner, count: int, seed: int, conversations: int = 20, name: str = "c") -> list[Reply]:
    """Replies about what they were asked, spread over conversations."""
    rng = random.Random(seed)
    asked = []
    for number in range(count):
        prompt = f"{number}: what about the {rng.choice(TOPICS)}"
        asked.append(Reply("", f"{name}{number * conversations // count}", prompt))
    return answering(asked, manner, seed)


def answering(test: Sequence[Reply], manner: Manner, seed: int) -> list[Reply]:
    """Somebody who answers the same prompts in some manner, each about what it was asked."""
    rng = random.Random(seed)
    return [replace(each, text=manner(re.findall(r"the (\w+)", each.prompt)[0], rng)) for each in test]


def humans(author: Manner = noisy, *, own: int = 300, each: int = 80, fitted: int = 6, unseen: int = 6) -> Humans:
    """The author and a dozen others."""
    people = [
        (f"person {number}", replies(manner_of(number), each, 100 + number, 8, f"p{number}-"))
        for number in range(fitted + unseen)
    ]
    judge, test = replies(author, own, 1, name="j"), replies(author, own // 2, 2, name="t")
    return Humans(judge, test, dict(people[:fitted]), dict(people[fitted:]))
