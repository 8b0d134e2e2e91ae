"""style-clone consent: record that a persona's author agreed to be cloned, or take that back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import click

from style_clone.cli.options import json_option, print_json, settings
from style_clone.errors import UsageError
from style_clone.persona import Persona


@click.command()
@click.argument("persona")
@click.argument("words", required=False)
@click.option("--withdraw", is_flag=True, help="Take it back: the persona is no longer served beyond this machine.")
@json_option
def command(persona: str, words: str | None, withdraw: bool, as_json: bool) -> None:
    """Record in WORDS that PERSONA's author agreed to be cloned: who, and how. Without WORDS, show what is recorded.

    An endpoint that other machines can reach serves only personas with such a record, and heeds a change at once.

    \b
      style-clone consent me "my own writing"
      style-clone consent sam "Sam agreed by mail to a clone for our team"
      style-clone consent sam --withdraw
    """
    if withdraw and words is not None:
        raise UsageError("--withdraw takes no words", mend=f"Run: style-clone consent {persona} --withdraw")
    folder = settings().workspace.existing(persona)
    found = Persona.load(folder)
    if withdraw:
        found = replace(found, consent=None)
        found.save(folder)
    elif words is not None:
        found = agreed(found, words)
        found.save(folder)
    if as_json:
        print_json({"persona": found.slug, "consent": found.consent})
    else:
        click.echo(f"{found.slug}: {found.consent or 'no consent is recorded'}")


def agreed(persona: Persona, words: str) -> Persona:
    """The persona with its author's consent, dated today. Raises UsageError where nothing is said."""
    return persona.with_consent(check_words(words), date.today())


def check_words(words: str) -> str:
    """The words on one line. Raises UsageError where there are none."""
    if not words.strip():
        raise UsageError(
            "the record of consent is empty", mend='Say who agreed, and how; for example: "my own writing"'
        )
    return " ".join(words.split())
