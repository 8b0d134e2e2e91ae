"""`style-clone pairs`: a persona's messages become training pairs, and what is made from them alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

import click

from style_clone.cli.options import json_option, print_json, settings
from style_clone.cli.terminal import progress
from style_clone.conversation import SPLITS, Pair, read_pairs
from style_clone.pairs.summary import PairsSummary, SplitSummary
from style_clone.workspace import PersonaFolder

SHOWN_PAIRS = 3
SHOWN_TURNS = 3
SHOWN_CHARACTERS = 300


@click.command()
@click.argument("persona")
@click.option("--seed", default=0, show_default=True, help="Chooses what is left to chance: undated writing, examples.")
@json_option
def command(persona: str, seed: int, as_json: bool) -> None:
    """Turn PERSONA's messages into training pairs: what was said to the author, and what they answered.

    \b
    style-clone pairs me

    Conversations are cut at three hours of silence, messages sent in a row become one reply, and whole conversations
    go to one of four parts by time: train (the oldest half), dev, judge, and test (the newest, kept for measuring).
    The prompted baseline and the memory, which are made from the train part, are made anew as well.
    """
    from style_clone.preparation import prepare

    folder = settings().workspace.existing(persona)
    with progress(quiet=as_json) as report:
        made = prepare(folder, seed=seed, report=report)
    if as_json:
        print_json({**made.summary.to_json(), "exemplars": made.num_exemplars, "facts": made.num_facts})
        return
    for line in _lines(folder, made.summary, made.num_exemplars, made.num_facts, seed):
        click.echo(line)


def _lines(folder: PersonaFolder, summary: PairsSummary, exemplars: int, facts: int, seed: int) -> Iterator[str]:
    yield f"{summary.messages:,} messages, {summary.author_messages:,} of them by {summary.author}"
    yield f"{summary.pairs:,} pairs from {summary.used_messages:,} messages in {summary.conversations:,} conversations"
    yield from _counts(f"left out of {summary.author}'s messages", summary.dropped)
    yield from _counts("left out of other people's messages", summary.ignored)
    yield from _counts("pairs kept, but changed", summary.mended)
    yield ""
    yield from _table(summary)
    yield f"\nprompted baseline: style guide and {exemplars} examples; memory: {facts:,} facts (both from train only)"
    yield from _examples(folder, seed)
    yield from (f"\nnote: {note}" for note in summary.notes)
    yield f"\nNext: style-clone train {folder.slug}"


def _counts(what: str, counts: Mapping[str, int]) -> Iterator[str]:
    if counts:
        yield f"{what}:"
        yield from (f"  {count:>7,}  {reason}" for reason, count in counts.items())


def _table(summary: PairsSummary) -> Iterator[str]:
    yield f"{'part':<6} {'pairs':>7} {'conversations':>14} {'words':>9}  dates"
    for name in SPLITS:
        part = summary.splits[name]
        yield f"{name:<6} {part.pairs:>7,} {part.conversations:>14,} {part.words:>9,}  {_dates(part)}".rstrip()


def _dates(part: SplitSummary) -> str:
    if part.first_date is None or part.last_date is None:
        return "no dates" if part.pairs else ""
    return f"{part.first_date[:10]} to {part.last_date[:10]}"


def _examples(folder: PersonaFolder, seed: int) -> Iterator[str]:
    train = read_pairs(folder.split("train"))
    yield f"\n{min(SHOWN_PAIRS, len(train))} pairs of train, picked by chance:"
    for pair in random.Random(seed).sample(train, min(SHOWN_PAIRS, len(train))):
        yield from _example(pair)


def _example(pair: Pair) -> Iterator[str]:
    yield f"\n  {pair.origin}, {pair.date or 'no date'}"
    context: Sequence[str] = [f"{_arrow(turn['role'])} {turn['content']}" for turn in pair.turns]
    for text in context[-SHOWN_TURNS:]:
        short = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS].rstrip() + " ..."
        yield from (f"  {line}" for line in short.replace("\n", "\n    ").splitlines())


def _arrow(role: str) -> str:
    return ">" if role == "user" else "<"
