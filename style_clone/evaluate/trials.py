"""The trials of a ballot: which prompts, which of two replies stands where, and what a reply looks like on it.

A vote is on a reply of the clone against one of the best prompted candidate, on prompts from as many conversations as there
are. Among them are catch trials, about one in CATCH_EVERY: the author's real reply against one that the plain base model gave
to a prompt of another conversation. Who cannot tell those apart is not reading, and says nothing about finer differences.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from style_clone.errors import MissingStage, UsageError
from style_clone.evaluate.kept import CLONE, PLAIN, REAL, KeptPrompt, KeptReplies
from style_clone.votes import Side, Trial

LEAST_VOTES, USUAL_VOTES, MOST_VOTES = 20, 40, 100
"""How many votes a ballot may fix. The verdict looks at them from 40 on. A lower bound over .5 needs 15 of 20, 21 of 30, 27
of 40, 32 of 50 or 60 of 100."""
CATCH_EVERY = 8
CATCH_WORDS = 3
"""Words the real reply of a catch trial has at least: nobody can tell whose "ok" it is."""


def rendered(text: str) -> str:
    """A reply as a ballot shows it, alike for all: lines without space around them, no empty lines, no control characters."""
    plain = (letter if letter != "\t" else " " for letter in text)
    lines = "".join(letter for letter in plain if letter in "\n\r" or unicodedata.category(letter) != "Cc").splitlines()
    return "\n".join(filter(None, map(str.strip, lines)))


def text_of(side: Side, prompts: Mapping[str, KeptPrompt]) -> str:
    """What stands on one side of a trial, rendered; `prompts` are the kept ones by key. Raises KeyError, IndexError."""
    kept = prompts[side.prompt]
    return rendered(kept.real if side.candidate == REAL else kept.replies[side.candidate][side.sample])


def num_catches(votes: int) -> int:
    """Catch trials on a ballot of so many votes."""
    return -(-votes // CATCH_EVERY)


def choose(kept: KeptReplies, votes: int | None, seed: str) -> tuple[Trial, ...]:
    """The trials of a ballot, the same for the same `seed`: `votes` of clone against prompted, and the catch trials.

    `votes` None takes USUAL_VOTES, or as many as there are. No prompt comes twice, so that no real reply gives away what a
    vote is on. Raises UsageError where there are too few prompts for `votes`, MissingStage where there are for none.
    """
    rng = random.Random(seed)
    decoys = _decoys(kept)
    pairs = _spread([prompt for prompt in kept.prompts if _samples(prompt, kept.prompted)], rng)
    catchable = _spread([prompt for prompt in kept.prompts if _others(prompt, decoys)], rng)
    fixed = _count(pairs, catchable, votes)
    # Prompts that are good for a catch trial alone come first: they take nothing from the votes.
    usable = {prompt.key for prompt in pairs}
    catches = sorted(catchable, key=lambda prompt: prompt.key in usable)[: num_catches(fixed)]
    taken = {prompt.key for prompt in catches}
    voted = [prompt for prompt in pairs if prompt.key not in taken][:fixed]
    trials = [_vote(prompt, kept.prompted, rng) for prompt in voted]
    return _mixed(trials, [_catch(prompt, decoys, rng) for prompt in catches], rng)


@dataclass(frozen=True, slots=True)
class _Decoy:
    """A reply of the plain base model, to be shown below another prompt than its own."""

    side: Side
    conversation: str
    text: str


def _decoys(kept: KeptReplies) -> list[_Decoy]:
    return [
        _Decoy(Side(PLAIN, prompt.key, sample), prompt.conversation, text)
        for prompt in kept.prompts
        for sample, reply in enumerate(prompt.replies.get(PLAIN, ()))
        if (text := rendered(reply))
    ]


def _others(prompt: KeptPrompt, decoys: Sequence[_Decoy]) -> list[_Decoy]:
    """The decoys for a prompt, of other conversations if there are any; none where its real reply is too short."""
    real = rendered(prompt.real)
    if len(real.split()) < CATCH_WORDS:
        return []
    away = [decoy for decoy in decoys if decoy.conversation != prompt.conversation]
    return [decoy for decoy in away or decoys if decoy.side.prompt != prompt.key and decoy.text != real]


def _count(pairs: Sequence[KeptPrompt], catchable: Sequence[KeptPrompt], votes: int | None) -> int:
    """How many votes the ballot fixes."""
    usable = {prompt.key for prompt in pairs}
    alone = sum(prompt.key not in usable for prompt in catchable)

    def fits(number: int) -> bool:
        lent = max(0, num_catches(number) - alone)
        return num_catches(number) <= len(catchable) and number + lent <= len(pairs)

    most = next(filter(fits, range(MOST_VOTES, LEAST_VOTES - 1, -1)), None)
    if most is None:
        raise MissingStage(
            f"there are too few test replies to vote on: {len(pairs)} where clone and prompted baseline differ",
            mend=f"{LEAST_VOTES} votes and {num_catches(LEAST_VOTES)} catch trials are the least. Add more writing, then "
            "make pairs, train and evaluate again.",
        )
    if votes is not None and not LEAST_VOTES <= votes <= most:
        raise UsageError(
            f"a ballot of {votes} votes cannot be made here",
            mend=f"The test replies are enough for {LEAST_VOTES} to {most}.",
        )
    return min(USUAL_VOTES, most) if votes is None else votes


def _samples(prompt: KeptPrompt, prompted: str) -> list[tuple[int, int]]:
    """Samples of clone and prompted baseline that can stand side by side: neither empty, and not the same."""
    clone, other = ([rendered(text) for text in prompt.replies.get(name, ())] for name in (CLONE, prompted))
    return [
        (first, second)
        for first, left in enumerate(clone)
        for second, right in enumerate(other)
        if left and right and left != right
    ]


def _spread(prompts: Sequence[KeptPrompt], rng: random.Random) -> list[KeptPrompt]:
    """In random order, one of each conversation before a second of any: votes within one are not independent."""
    conversations: dict[str, list[KeptPrompt]] = {}
    for prompt in rng.sample(prompts, len(prompts)):
        conversations.setdefault(prompt.conversation, []).append(prompt)
    return [prompt for row in zip_longest(*conversations.values()) for prompt in row if prompt is not None]


def _vote(prompt: KeptPrompt, prompted: str, rng: random.Random) -> Trial:
    first, second = rng.choice(_samples(prompt, prompted))
    return _sided(prompt, Side(CLONE, prompt.key, first), Side(prompted, prompt.key, second), rng)


def _catch(prompt: KeptPrompt, decoys: Sequence[_Decoy], rng: random.Random) -> Trial:
    """Of a few decoys drawn by chance the one that has the fewest words of the prompt: it is beside the question."""
    others = _others(prompt, decoys)
    asked = _words(" ".join(turn["content"] for turn in prompt.prompt))
    decoy = min(rng.sample(others, min(8, len(others))), key=lambda each: len(_words(each.text) & asked))
    return _sided(prompt, Side(REAL, prompt.key), decoy.side, rng, catch=True)


def _sided(prompt: KeptPrompt, one: Side, two: Side, rng: random.Random, *, catch: bool = False) -> Trial:
    left, right = rng.sample([one, two], 2)
    return Trial(prompt.key, left, right, catch)


def _mixed(votes: Sequence[Trial], catches: Sequence[Trial], rng: random.Random) -> tuple[Trial, ...]:
    """The votes in random order with a catch trial at a random place in each stretch of as many votes."""
    order = rng.sample(votes, len(votes))
    edges = [round(number * len(order) / len(catches)) for number in range(len(catches) + 1)]
    mixed: list[Trial] = []
    for catch, begin, end in zip(catches, edges, edges[1:], strict=False):
        stretch = order[begin:end]
        stretch.insert(rng.randint(0, len(stretch)), catch)
        mixed += stretch
    return tuple(mixed)


def _words(text: str) -> set[str]:
    return set(text.casefold().split())
