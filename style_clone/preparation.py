"""Pairs and what is made of their train part, always together: the prompted baseline and the memory."""

from __future__ import annotations

from dataclasses import dataclass

from style_clone import baseline
from style_clone.memory import run as memory
from style_clone.pairs import run as pairs
from style_clone.pairs.options import Options
from style_clone.pairs.summary import PairsSummary
from style_clone.progress import Report, silent
from style_clone.workspace import PersonaFolder


@dataclass(frozen=True)
class Prepared:
    """What training and serving start from: the pairs' summary, and how many exemplars and facts there are."""

    summary: PairsSummary
    num_exemplars: int
    num_facts: int


def prepare(folder: PersonaFolder, *, options: Options | None = None, report: Report = silent) -> Prepared:
    """Make pairs, baseline and memory anew from messages.jsonl; without `options`, with those of the last time.

    Raises MissingStage, TooFewPairs, StorageError.
    """
    summary = pairs.build(folder, options=options or pairs.last_options(folder), report=report)
    prompt = baseline.build(folder)
    return Prepared(summary, len(prompt.exemplars), memory.build(folder))
