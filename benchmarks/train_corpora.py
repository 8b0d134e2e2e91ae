"""What the training benchmarks train on: the sample corpus, the same as short chat pairs, or a folder of writing."""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from style_clone.conversation import Pair, read_pairs
from style_clone.demo import AUTHOR, CORPUS
from style_clone.ingest.run import ingest
from style_clone.pairs.run import build
from style_clone.persona import Persona
from style_clone.prompt import Prompt
from style_clone.train.recipe import Recipe
from style_clone.train.tokens import Example, Tokeniser
from style_clone.workspace import PersonaFolder, Workspace

SAMPLE, SHORT = "sample", "short"
"""The sample corpus as it is, and cut down to the last message and its reply, each pair a conversation of its own."""


@dataclass(frozen=True)
class Corpus:
    """A corpus as training reads it."""

    name: str
    prompt: Prompt
    train: list[Pair]
    dev: list[Pair]


def persona(home: Path, source: Path = CORPUS, author: str = AUTHOR) -> PersonaFolder:
    """A persona under `home` with the pairs of the writing in `source`."""
    folder = Workspace(home).folder("bench")
    ingest(folder, [source], [author])
    build(folder)
    return folder


def load(name: str, author: str = AUTHOR) -> Corpus:
    """`name` is SAMPLE, SHORT or a folder, whose `author` is then cloned."""
    with tempfile.TemporaryDirectory(prefix="style-clone-") as home:
        folder = persona(Path(home), CORPUS if name in (SAMPLE, SHORT) else Path(name), author)
        train, dev = (read_pairs(folder.split(split)) for split in ("train", "dev"))
        prompt = Persona.load(folder).prompt
    if name == SHORT:
        train, dev = shortened(train), shortened(dev)
    return Corpus(name, prompt, train, dev)


def shortened(pairs: Sequence[Pair]) -> list[Pair]:
    """Each pair with only the last message before the reply."""
    return [replace(pair, turns=pair.turns[-2:], conversation=pair.key) for pair in pairs]


def examples(tokenizer: Any, corpus: Corpus, pairs: Sequence[Pair], recipe: Recipe, *, joined: bool) -> list[Example]:
    """The pairs' examples as `style-clone train` makes them; not `joined`, each pair with its whole context."""
    make = Tokeniser(tokenizer, corpus.prompt, recipe.max_tokens)
    if joined:
        return make(pairs).examples
    return [example for pair in pairs for example in make([pair]).examples]


def part(tokenizer: Any, corpus: Corpus, pairs: Sequence[Pair], recipe: Recipe, tokens: int) -> list[Pair]:
    """Whole conversations, drawn by the recipe's seed, until they have so many tokens.

    Conversations with a pair that is longer than the window are left out: contestants would cut them differently.
    """
    conversations: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        conversations[pair.conversation].append(pair)
    names = sorted(conversations)
    random.Random(recipe.seed).shuffle(names)
    chosen: set[str] = set()
    for name in names:
        made = Tokeniser(tokenizer, corpus.prompt, recipe.max_tokens)(conversations[name])
        if tokens > 0 and not made.dropped_turns and not made.cut_replies:
            chosen.add(name)
            tokens -= made.num_tokens
    return [pair for pair in pairs if pair.conversation in chosen]
