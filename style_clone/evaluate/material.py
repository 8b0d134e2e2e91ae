"""What an evaluation is made from: the adapter there is, and the four parts of the pairs it was trained on."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from style_clone.conversation import SPLITS, Pair, read_pairs
from style_clone.errors import MissingStage
from style_clone.persona import Persona
from style_clone.train import artifact
from style_clone.workspace import PersonaFolder


@dataclass(frozen=True)
class Adapter:
    """A trained adapter: whom it imitates and how it is prompted, the folder it lies in, and its run.json."""

    persona: Persona
    path: Path
    run: dict[str, Any]


@dataclass(frozen=True)
class Material:
    """`test` is what is measured on; `run` is the adapter's run.json; `others` is what another adapter was trained on that
    takes part and was not trained on `train`."""

    folder: PersonaFolder
    persona: Persona
    train: Sequence[Pair]
    dev: Sequence[Pair]
    judge: Sequence[Pair]
    test: Sequence[Pair]
    run: dict[str, Any]
    others: Sequence[Pair] = ()

    @classmethod
    def load(cls, folder: PersonaFolder) -> Material:
        """Raises MissingStage where pairs or adapter are missing, or the adapter was trained on other pairs."""
        if not folder.split("test").exists():
            raise MissingStage(f"{folder.slug} has no pairs yet", mend=f"Make them: style-clone pairs {folder.slug}")
        train, dev, judge, test = (read_pairs(folder.split(name)) for name in SPLITS)
        if not test:
            raise MissingStage(
                f"{folder.slug} has no test pairs to measure on", mend="Add more writing, then make pairs again."
            )
        return cls(folder, Persona.load(folder), train, dev, judge, test, current_run(folder))

    @property
    def trained(self) -> list[Pair]:
        """What any of the adapters may have by heart."""
        return [*self.train, *self.others]

    @property
    def adapter(self) -> Adapter:
        """The persona's own."""
        return Adapter(self.persona, self.folder.adapter, self.run)


def current_run(folder: PersonaFolder) -> dict[str, Any]:
    """run.json of an adapter trained on the pairs there are: one of older pairs may have seen what is test now."""
    run = artifact.load_run(folder)
    if not artifact.is_fresh(folder):
        raise MissingStage(
            f"{folder.slug}'s adapter was trained on other pairs than there are now",
            mend=f"Train it again: style-clone train {folder.slug}",
        )
    return run


def spread(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """`limit` pairs (all, where there are fewer), in their order, from as many conversations as that allows.

    Each gives a run of neighbours at a seeded place, as long as any other's where it has that many.
    """
    if len(pairs) <= limit:
        return list(pairs)
    held: dict[str, list[Pair]] = {}
    for pair in pairs:
        held.setdefault(pair.conversation, []).append(pair)
    rng = random.Random(0)
    chosen = set(rng.sample(sorted(held), min(limit, len(held))))
    shares = _shares({name: len(own) for name, own in held.items() if name in chosen}, limit)
    starts = {name: rng.randrange(len(held[name]) - share + 1) for name, share in sorted(shares.items())}
    return [pair for name, share in shares.items() for pair in held[name][starts[name] : starts[name] + share]]


def _shares(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """`total` of what conversations of these sizes hold, as evenly as the small ones allow."""
    shares, left = {}, total
    for done, (name, size) in enumerate(sorted(sizes.items(), key=lambda item: (item[1], item[0]))):
        shares[name] = min(size, left // (len(sizes) - done))
        left -= shares[name]
    return {name: shares[name] for name in sizes}
