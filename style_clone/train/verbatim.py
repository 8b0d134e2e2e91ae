"""Which stretches of a reply came out of a model word for word, and which of them are stock sentences. No model here."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby

from style_clone.train.tokens import NO_LOSS, Example

RUN_TOKENS = 12
"""Tokens in a row, some nine words of English, that make a run worth telling. Carlini and others take 50, of web text; most
chat messages are shorter than that."""
SHORTEST = 8
"""Replies of fewer tokens, their end of turn counted, are left out: "ok, see you there" comes out of any model."""

Run = tuple[int, ...]
Named = tuple[Example, str]
"""An example, and the conversation it is of."""


@dataclass(frozen=True)
class Reply:
    """`ids[start:stop]` is a reply with its end of turn, `ids[:start]` what came before it."""

    ids: Sequence[int]
    start: int
    stop: int
    conversation: str

    @property
    def width(self) -> int:
        """Tokens in a row that count: a run's, or the whole of a short reply's."""
        return min(RUN_TOKENS, self.stop - self.start)

    def runs(self, hits: Sequence[bool]) -> dict[int, Run]:
        """Each stretch of `width` tokens that came out and is not in the text before it, by its start.

        `hits` (T) says for each of `ids` whether the model would have said it.
        """
        found, streak = {}, 0
        for stop in range(self.start + 1, self.stop + 1):
            streak = streak + 1 if hits[stop - 1] else 0
            if streak >= self.width:
                found[stop - self.width] = tuple(self.ids[stop - self.width : stop])
        first = _first_places(self.ids, self.width) if found else {}
        return {start: run for start, run in found.items() if first[run] + self.width > start}


@dataclass
class Sample:
    """Examples looked at, and which of their tokens (T) each model would have said."""

    examples: Sequence[Named]
    hits: dict[str, list[list[bool]]] = field(default_factory=dict)

    def replies(self) -> Iterator[tuple[Reply, dict[str, dict[int, Run]]]]:
        """Each reply of SHORTEST tokens or more, with the runs that came out of each model."""
        for at, named in enumerate(self.examples):
            for reply in replies_of(named):
                yield reply, {model: reply.runs(hits[at]) for model, hits in self.hits.items()}

    def telling(self, model: str) -> list[int]:
        """The examples, by index, of which something came out of `model`."""
        found = zip(self.examples, self.hits[model], strict=True)
        return [at for at, (named, hits) in enumerate(found) if any(reply.runs(hits) for reply in replies_of(named))]


def replies_of(named: Named) -> Iterator[Reply]:
    """The replies of SHORTEST tokens or more in an example."""
    example, conversation = named
    return (Reply(example.ids, start, stop, conversation) for start, stop in spans(example))


def draw(examples: Sequence[Named], limit: int, seed: int) -> Sample:
    """Whole examples in a drawn order, until they hold `limit` replies."""
    order = list(examples)
    random.Random(seed).shuffle(order)
    counts = accumulate((sum(1 for _ in spans(example)) for example, _ in order), initial=0)
    return Sample([example for example, before in zip(order, counts, strict=False) if before < limit])


def spans(example: Example) -> Iterator[tuple[int, int]]:
    """Where each reply of SHORTEST tokens or more starts and stops."""
    for owner, places in groupby(range(len(example.ids)), key=example.owner.__getitem__):
        start, *rest = places
        if owner != NO_LOSS and 1 + len(rest) >= SHORTEST:
            yield start, start + 1 + len(rest)


def stock_of(samples: Sequence[Sample], everything: Sequence[Named]) -> set[Run]:
    """The runs found that a training reply of another conversation holds too.

    Only what was found is looked up, so memory does not grow with the corpus, and time grows in step with it.
    """
    spoken: dict[Run, set[str]] = {}
    for sample in samples:
        for reply, found in sample.replies():
            for run in (run for runs in found.values() for run in runs.values()):
                spoken.setdefault(run, set()).add(reply.conversation)
    stock = {run for run, names in spoken.items() if len(names) > 1}
    widths = {len(run) for run in spoken}
    for example, name in everything:
        for start, stop in spans(example):
            windows = (tuple(example.ids[at : at + width]) for width in widths for at in range(start, stop - width + 1))
            stock.update(run for run in windows if run in spoken and name not in spoken[run])
    return stock


def _first_places(ids: Sequence[int], width: int) -> dict[Run, int]:
    places: dict[Run, int] = {}
    for start in range(len(ids) - width + 1):
        places.setdefault(tuple(ids[start : start + width]), start)
    return places
