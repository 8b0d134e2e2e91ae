"""`style-clone show`."""

from __future__ import annotations

from typing import Any

import click

from style_clone import register
from style_clone.cli.options import json_option, print_json, settings
from style_clone.evaluate.page.card import headline
from style_clone.persona import Persona
from style_clone.workspace import PersonaFolder, read_json


@click.command()
@click.argument("persona")
@json_option
def command(persona: str, as_json: bool) -> None:
    """Show PERSONA: whose it is, what has been made, what is stale, and what to do next.

    \b
      style-clone show me
    """
    row = describe(settings().workspace.existing(persona))
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        click.echo(f"{name:<12} {value}")


def describe(folder: PersonaFolder) -> dict[str, Any]:
    """One persona's state, in the order of the stages."""
    from style_clone.pairs.run import is_fresh as pairs_are_fresh
    from style_clone.train.artifact import is_fresh as adapter_is_fresh

    persona = Persona.load(folder)
    pairs = _state(folder.split("train").exists(), pairs_are_fresh(folder))
    adapter = _state((folder.adapter / "run.json").exists(), adapter_is_fresh(folder))
    return {
        "persona": folder.slug,
        "author": persona.author,
        "aliases": ", ".join(persona.aliases),
        "consent": persona.consent or "not recorded",
        "base model": persona.base_model or "none yet",
        "folder": str(folder.root),
        "pairs": pairs,
        "adapter": adapter,
        "registers": ", ".join(register.load(folder).values()) or "none",
        "scorecard": headline(read_json(folder.scorecard)) if folder.scorecard.exists() else "missing",
        "next": _next(folder.slug, pairs, adapter),
    }


def _state(exists: bool, fresh: bool) -> str:
    return "missing" if not exists else "ready" if fresh else "stale"


def _next(slug: str, pairs: str, adapter: str) -> str:
    if pairs != "ready":
        return f"style-clone pairs {slug}"
    return f"style-clone train {slug}" if adapter != "ready" else f"style-clone chat {slug}"
