"""`style-clone personas`."""

from __future__ import annotations

import click

from style_clone.cli.options import json_option, print_json, settings
from style_clone.cli.show import describe


@click.command()
@json_option
def command(as_json: bool) -> None:
    """List the personas there are, with how far each has come.

    \b
      style-clone personas
    """
    rows = [describe(folder) for folder in settings().workspace.personas()]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo('There is no persona yet. Make one: style-clone ingest me PATH... --me "Your Name"')
    for row in rows if not as_json else []:
        click.echo(f"{row['persona']:<16} {row['author']:<24} next: {row['next']}")
