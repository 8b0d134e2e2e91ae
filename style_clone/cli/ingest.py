"""style-clone ingest: read writing into a persona."""

from __future__ import annotations

from pathlib import Path

import click

from style_clone.cli.consent import agreed, check_words
from style_clone.cli.inspect import print_files
from style_clone.cli.options import json_option, print_json, settings
from style_clone.cli.terminal import progress
from style_clone.ingest import run
from style_clone.ingest.registry import NAMES
from style_clone.ingest.run import IngestSummary
from style_clone.persona import Persona


@click.command("ingest")
@click.argument("persona")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option("--me", multiple=True, metavar="NAME", help="Your name in the export; repeat it for further names.")
@click.option("--format", "format_name", metavar="F", help=f"Read every file as one of: {', '.join(NAMES)}.")
@click.option("--consent", metavar="TEXT", help="Record that the author agreed to be cloned: who, and how.")
@json_option
def command(
    persona: str,
    paths: tuple[Path, ...],
    me: tuple[str, ...],
    format_name: str | None,
    consent: str | None,
    as_json: bool,
) -> None:
    """Read chats and documents into PERSONA: WhatsApp exports, JSON Lines, Markdown, plain text, folders, zip archives.

    Give the same persona more files at any time; what it has already is recognised. Names match whole, in any case:
    "Ann" is not "Anna".

    \b
    Examples:
      style-clone ingest me "WhatsApp Chat with Ann.txt" --me "Robert Hale"
      style-clone ingest me chats.zip ~/blog --me Rob --me "Robert Hale"
      style-clone ingest sam sam.zip --me Sam --consent "Sam agreed by mail to a clone for our team"
    """
    folder = settings().workspace.folder(persona)
    if consent is not None:
        check_words(consent)
    with progress(quiet=as_json) as report:
        summary = run.ingest(folder, paths, me, format_name=format_name, report=report)
    if consent is not None:
        agreed(Persona.load(folder), consent).save(folder)
    if as_json:
        print_json({**summary.to_json(), "folder": str(folder.root)})
        return
    _print(summary)


def _print(summary: IngestSummary) -> None:
    print_files(summary.files)
    known = f", {summary.known_files:,} already there" if summary.known_files else ""
    repeated = f" ({summary.repeated:,} that several files hold are counted once)" if summary.repeated else ""
    files = "1 new file" if summary.new_files == 1 else f"{summary.new_files:,} new files"
    click.echo(f"\n{files}{known}. {summary.persona} now has {summary.messages:,} messages{repeated},")
    click.echo(f"{summary.by_author:,} of them texts by {' / '.join(summary.aliases)}.")
    click.echo(f"\nNext:\n  style-clone pairs {summary.persona}")
