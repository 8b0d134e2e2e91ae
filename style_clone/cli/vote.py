"""`style-clone vote`: the blind preference in the terminal, one key for each answer."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from style_clone.cli.options import json_option, print_json, settings
from style_clone.errors import UsageError

if TYPE_CHECKING:
    from style_clone.evaluate.blind import Shown
    from style_clone.store import Store
    from style_clone.votes import Choice
    from style_clone.workspace import PersonaFolder

VOTERS = ("author", "acquaintance", "stranger")
"""votes.VOTERS; a test holds the two equal, and --help loads no database for it."""
LEAST_VOTES, MOST_VOTES = 20, 100
KEYS: dict[str, Choice] = {"1": "left", "a": "left", "2": "right", "b": "right", "0": "tie", "t": "tie"}
QUIT = ("q", "\x1b", "\x03", "\x04", "")
"""The letter, Escape, Ctrl-C, Ctrl-D, and the end of what can be read."""
LAST_TURNS = 4


@click.command()
@click.argument("persona")
@click.option(
    "--as",
    "voter",
    type=click.Choice(VOTERS),
    default="author",
    show_default=True,
    help="What you are to the author: their votes are counted apart.",
)
@click.option(
    "--votes",
    type=click.IntRange(LEAST_VOTES, MOST_VOTES),
    help="Votes of a new ballot, fixed when it is begun; 40 if not given, or as many as the test replies allow.",
)
@click.option("--name", default="", metavar="TEXT", help="Who you are, where several people vote; free text.")
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the votes of every complete ballot to FILE, and ask nothing.",
)
@json_option
def command(persona: str, voter: str, votes: int | None, name: str, csv_file: Path | None, as_json: bool) -> None:
    """Vote blind on PERSONA's replies: which did they write, the clone's or those of the best prompt?

    Press 1, 2, or 0 for "can't tell"; q stops, and the next time goes on from there. Nothing of how it stands is shown
    before the last answer. About one trial in eight has a real reply and one that is not, to see who reads. --json asks
    nothing and prints every ballot and what counts of it.

    \b
    style-clone vote me
    style-clone vote me --as acquaintance --name Ann --votes 50
    style-clone vote me --csv votes.csv
    """
    from style_clone.store import Store

    found = settings()
    folder = found.workspace.existing(persona)
    with Store(found.database_url) as store:
        if csv_file is not None:
            _export(store, folder, csv_file, quiet=as_json)
        if as_json:
            print_json(_row(store, folder))
        elif csv_file is None:
            _vote(store, folder, voter, name, votes)


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def _row(store: Store, folder: PersonaFolder) -> dict[str, Any]:
    from style_clone.evaluate.blind import describe, tally

    return {"persona": folder.slug, "votes": tally(store, folder), "ballots": describe(store, folder)}


def _export(store: Store, folder: PersonaFolder, path: Path, *, quiet: bool) -> None:
    from style_clone.evaluate.blind import export_csv

    written, withheld = export_csv(store, folder, path)
    if not quiet:
        click.echo(f"Wrote {written} answers to {path}.")
        if withheld:
            what = "1 ballot is" if withheld == 1 else f"{withheld} ballots are"
            click.echo(f"{what} not complete and withheld: its votes are hidden until its last one.")


def _vote(store: Store, folder: PersonaFolder, voter: Any, name: str, votes: int | None) -> None:
    from style_clone.evaluate import blind
    from style_clone.evaluate.recount import recount
    from style_clone.persona import Persona

    if not is_terminal():
        raise UsageError(
            "voting needs a terminal, to read one key for each answer",
            mend="Run it in one, vote on the page (style-clone ui), or add --json to see how far the ballots are.",
        )
    ballot = blind.open_ballot(store, folder, voter, name, votes)
    author = Persona.load(folder).author
    question = f"Which did {'you' if voter == 'author' else author} write?"
    if voter == "stranger":
        _introduce(author, blind.writing(folder))
    while (shown := blind.show(store, folder, ballot.id)) is not None:
        _print(shown, author, question)
        begun = time.monotonic()
        choice = _answer()
        if choice is None:
            done, left = shown.number - 1, shown.total - shown.number + 1
            click.echo(f"Stopped after {done} of {shown.total}; {left} to go. The same command goes on from here.")
            return
        store.votes.cast(ballot.id, shown.number - 1, choice, time.monotonic() - begun)
    recount(store, folder)
    _print_result(store, folder, ballot.id)


def _introduce(author: str, texts: Sequence[str]) -> None:
    """Who does not know the author learns how they write."""
    click.secho(f"\nHow {author} writes:", bold=True)
    for text in texts:
        click.echo(_under("  · ", text))


def _print(shown: Shown, author: str, question: str) -> None:
    click.secho(f"\n{shown.number} of {shown.total} ".ljust(60, "─"), fg="cyan")
    for turn in shown.prompt[-LAST_TURNS:]:
        who = author if turn["role"] == "assistant" else "They"
        click.secho(_under(f"  {who}: ", turn["content"]), dim=True)
    for key, reply in (("1", shown.left), ("2", shown.right)):
        click.echo(f"\n{click.style(f' {key} ', reverse=True)} {_under('    ', reply).lstrip()}")
    click.secho(f"\n{question} [1/2, 0 can't tell, q stop]", bold=True)


def _under(head: str, text: str) -> str:
    """A text below its head, its further lines set in as far."""
    from style_clone.evaluate.trials import rendered

    return head + rendered(text).replace("\n", "\n" + " " * len(head))


def _answer() -> Choice | None:
    """The answer to a trial; None to stop."""
    while True:
        try:
            key = click.getchar().lower()
        except (EOFError, KeyboardInterrupt):
            return None
        if key in QUIT:
            return None
        if key in KEYS:
            return KEYS[key]


def _print_result(store: Store, folder: PersonaFolder, number: int) -> None:
    from style_clone.evaluate.blind import summary

    click.echo()
    for line in summary(store, folder, number):
        click.echo(line)
