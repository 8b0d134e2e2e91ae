"""`style-clone pairs`: a persona's messages become training pairs, and what is made from them alone."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from style_clone.cli.options import json_option, out_option, print_json, settings
from style_clone.cli.terminal import progress
from style_clone.errors import UsageError
from style_clone.pairs.options import MOST_PAIRS, Options
from style_clone.workspace import PersonaFolder

if TYPE_CHECKING:
    from style_clone.exporting.run import Exported
    from style_clone.preparation import Prepared
    from style_clone.progress import Report

FORMATS = ("openai", "sharegpt", "alpaca", "hub")
"""exporting.run.FORMATS by name; a test holds the two equal, and --help loads nothing for it."""
BUILD_OPTIONS = ("seed", "gap", "keep", "language")
ALL = "all"


class _Number(click.ParamType["int | str"]):
    """A whole number of at least 1, or "all" (None)."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if str(value).lower() == ALL:
            return ALL
        try:
            number = int(str(value).replace(",", "").replace("_", ""))
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"{value!r} is not a whole number from 1 on, nor {ALL}", param, ctx)
        return number


@click.command()
@click.argument("persona")
@click.option("--seed", default=0, show_default=True, help="Chooses what is left to chance: undated writing, examples.")
@click.option(
    "--gap",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MINUTES",
    help="Silence that ends a conversation; learned from the pauses if not given.",
)
@click.option(
    "--keep", type=_Number(), default=MOST_PAIRS, show_default=True, metavar="N|all", help="Choose at most N pairs."
)
@click.option(
    "--language", metavar="CODE", help="Leave out replies that are surely in another language, such as en or de."
)
@click.option("--export", "format", type=click.Choice(FORMATS), help="Write the pairs in a format other tools read.")
@out_option("FORMAT")
@click.option(
    "--examples", default=10, show_default=True, type=click.IntRange(min=0), help="Pairs shown; 0 shows none."
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    persona: str,
    seed: int,
    gap: float | None,
    keep: int | str,
    language: str | None,
    format: str | None,
    out: Path | None,
    examples: int,
    as_json: bool,
) -> None:
    """Turn PERSONA's messages into training pairs: what was said to the author, and what they answered.

    \b
    style-clone pairs me
    style-clone pairs me --gap 60 --keep 5000
    style-clone pairs me --export sharegpt --out ~/me-sharegpt

    Conversations are cut at silence, messages sent in a row become one reply, and whole conversations go to one of four
    parts by time: train (the oldest half), dev, judge, and test (the newest, kept for measuring). The prompted baseline
    and the memory, which are made from the train part, are made anew as well.

    --export takes the pairs there are, where they are up to date and no option asks for others; else it makes them first.
    Nothing is uploaded, and what is held out stays at home, except in hub, which has all four parts.
    """
    folder = settings().workspace.existing(persona)
    if out is not None and format is None:
        raise UsageError("--out says where an export goes, and there is none", mend="Add --export FORMAT.")
    if gap is not None and not isfinite(gap):
        raise UsageError(f"--gap {gap}: expected a number of minutes", mend="For example: --gap 60")
    asked = any(ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT for name in BUILD_OPTIONS)
    options = Options(seed, gap and gap * 60, None if keep == ALL else int(keep), language)
    place = out or Path(f"{folder.slug}-{format}")
    if format is not None:
        from style_clone.exporting.run import check_place

        check_place(place.expanduser().resolve())  # told before the pairs are made, which may take a while
    with progress(quiet=as_json) as report:
        made = (
            None if format and not asked and _is_fresh(folder) else _made(folder, options, bool(format), asked, report)
        )
        exported = _exported(folder, format, place, report) if format else None
    if as_json:
        print_json(_for_machines(folder, made, exported))
        return
    if made is not None:
        _show(folder, made, examples)
    if exported is not None:
        _show_export(exported, used_as_they_were=made is None)


def _is_fresh(folder: PersonaFolder) -> bool:
    from style_clone.pairs.run import is_fresh

    return is_fresh(folder)


def _made(folder: PersonaFolder, options: Options, for_export: bool, asked: bool, report: Report) -> Prepared:
    """New pairs; those that only an export needs are made with the options of the last time."""
    from style_clone.preparation import prepare

    return prepare(folder, options=None if for_export and not asked else options, report=report)


def _exported(folder: PersonaFolder, format: str, place: Path, report: Report) -> Exported:
    from style_clone.exporting.run import export

    return export(folder, format, place, report=report)


def _for_machines(folder: PersonaFolder, made: Prepared | None, exported: Exported | None) -> dict[str, Any]:
    """The summary, what was made from train if it was made now, and the export if there is one."""
    from style_clone.pairs.run import load_summary

    counts = {"exemplars": made.num_exemplars, "facts": made.num_facts} if made else {}
    summary = made.summary if made else load_summary(folder)
    return {**summary.to_json(), **counts, "made_anew": made is not None} | (
        {"export": exported.to_json()} if exported else {}
    )


def _show(folder: PersonaFolder, made: Prepared, examples: int) -> None:
    from style_clone.cli import account, paper
    from style_clone.cli import examples as some

    console, summary = paper.paper(), made.summary
    account.show(console, summary)
    seed, total = int(summary.options.get("seed", 0)), summary.splits["train"].pairs
    if pairs := some.chosen(folder, total, examples, seed):
        from style_clone.cli import maskview

        some.show(console, pairs, summary.author)
        maskview.show(console, folder, settings().workspace, pairs)
    console.print(
        f"\nprompted baseline: style guide and {made.num_exemplars} examples; memory: {made.num_facts:,} facts "
        "(train only)"
    )
    for note in summary.notes:
        console.print(f"\nnote: {note}", style="yellow")
    console.print(f"\nNext: style-clone train {folder.slug}")


def _show_export(exported: Exported, *, used_as_they_were: bool) -> None:
    if used_as_they_were:
        click.echo("The pairs are up to date and were taken as they are.")
    rows = ", ".join(f"{count:,} {name}" for name, count in exported.counts.items())
    click.echo(f"Exported to {exported.folder}: {rows}")
    click.echo("".join(f"  {name}\n" for name in exported.files), nl=False)
    if exported.held_out:
        click.echo(f"Held out for measuring, and not exported: {', '.join(exported.held_out)}.")
    click.echo(exported.use)
    click.echo("It holds private writing: nothing was uploaded, and whoever gets it can read it.")
