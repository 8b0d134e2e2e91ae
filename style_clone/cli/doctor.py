"""`style-clone doctor`."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from style_clone.cli.options import json_option, print_json, settings

MARKS = {"good": ("ok", "green"), "advice": ("--", "yellow"), "problem": ("!!", "red")}


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Say what is installed, missing or mis-set, and how to mend it. Exits 1 where something must be mended.

    \b
      style-clone doctor
    """
    from style_clone.doctor import examine

    findings = examine(settings(), os.environ)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    for finding in findings if not as_json else []:
        mark, colour = MARKS[finding.state]
        click.secho(f"{mark} ", fg=colour, nl=False)
        click.echo(f"{finding.name:<14} {finding.said}")
        if finding.mend:
            click.echo(f"{'':<17} {finding.mend}")
    if any(finding.state == "problem" for finding in findings):
        raise click.exceptions.Exit(1)
