"""style-clone inspect: what would be read."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import click
from rich.cells import cell_len

from style_clone.cli.options import json_option, print_json
from style_clone.ingest import identity, run
from style_clone.ingest.registry import NAMES
from style_clone.ingest.report import FileReport, total_authors

SHOWN_FILES = 40
SHOWN_SKIPPED = 10
UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
HEADINGS = ("file", "format", "messages", "from", "to", "unparsed lines")


@click.command("inspect")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option("--format", "format_name", metavar="F", help=f"Read every file as one of: {', '.join(NAMES)}.")
@json_option
def command(paths: tuple[Path, ...], format_name: str | None, as_json: bool) -> None:
    """Show what would be read from files, folders and zip archives; write nothing.

    \b
    Examples:
      style-clone inspect "WhatsApp Chat with Ann.txt"
      style-clone inspect ~/exports ~/blog --json
    """
    reports = run.inspect(paths, format_name=format_name)
    authors = total_authors(reports)
    if as_json:
        print_json({"files": [report.to_json() for report in reports], "authors": authors})
        return
    print_files(reports)
    if authors:
        click.echo(f"\nWho writes in them, and how many messages:\n{identity.listed(authors)}")
    name = next(iter(authors), "Your Name")
    given = " ".join(shlex.quote(str(path)) for path in paths)
    forced = f" --format {format_name}" if format_name else ""
    click.echo(f"\nIf that is you, go on with:\n  style-clone ingest me {given} --me {shlex.quote(name)}{forced}")


def print_files(reports: Sequence[FileReport]) -> None:
    """A table of the files read, and a line for each of those that were not."""
    read = [report for report in reports if not report.skipped]
    print_table([HEADINGS, *map(_row, read[:SHOWN_FILES])], right=(2, 5))
    if len(read) > SHOWN_FILES:
        click.echo(f"and {len(read) - SHOWN_FILES:,} more files")
    undated = sum(report.undated for report in read)
    if undated:
        click.echo(f"{undated:,} messages have a date that could not be read; they are kept without one.")
    for report in read:
        if report.first_unparsed is not None:
            click.echo(f"{printable(report.path)}: the first unparsed line is line {report.first_unparsed:,}.")
    skipped = [report for report in reports if report.skipped]
    for report in skipped[:SHOWN_SKIPPED]:
        click.echo(f"skipped {printable(report.path)}: {report.skipped}")
    if len(skipped) > SHOWN_SKIPPED:
        click.echo(f"skipped {len(skipped) - SHOWN_SKIPPED:,} more")


def print_table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Rows in columns as wide as their widest cell; the columns in `right` are set right."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (_padded(cell, widths[at], right=at in right) for at, cell in enumerate(row))
        click.echo("  ".join(cells).rstrip())


def printable(text: str) -> str:
    """`text` without characters that could move the cursor or recolour the terminal."""
    return "".join("?" if unicodedata.category(letter) in UNPRINTABLE else letter for letter in text)


def _row(report: FileReport) -> tuple[str, ...]:
    dates = (date.date().isoformat() if date else "-" for date in (report.first_date, report.last_date))
    return printable(report.path), report.format, f"{report.messages:,}", *dates, f"{report.unparsed:,}"


def _padded(cell: str, width: int, *, right: bool) -> str:
    space = " " * (width - cell_len(cell))
    return space + cell if right else cell + space
