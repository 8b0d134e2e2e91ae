"""`style-clone sampling`."""

from __future__ import annotations

import click

from style_clone.cli.options import assigned, json_option, print_json, settings
from style_clone.errors import UsageError
from style_clone.persona import Persona, Sampling


@click.command()
@click.argument("persona")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a setting; repeatable.")
@click.option("--reset", is_flag=True, help="Take the settings every persona begins with.")
@json_option
def command(persona: str, assignments: tuple[str, ...], reset: bool, as_json: bool) -> None:
    """Show how PERSONA's replies are drawn, or change it.

    A lower temperature keeps to what is likely: replies are more alike. max_tokens ends a reply wherever it is; 0, which is
    usual, is room for nearly all that the author writes, as training found. These are the defaults for whoever asks without
    settings of their own: the page, the terminal, the endpoint. A running endpoint heeds a change at once; a full scorecard
    is of the settings it was made with. Whether a change writes more like the author, `compare` says.

    \b
      style-clone sampling me
      style-clone compare me me --sampling-b temperature=0.5
      style-clone sampling me --set temperature=0.5
      style-clone sampling me --reset
    """
    if reset and assignments:
        raise UsageError("--reset and --set exclude each other", mend="Run one after the other.")
    folder = settings().workspace.existing(persona)
    found = Persona.load(folder)
    chosen = Sampling() if reset else found.sampling.with_overrides(assigned("--set", assignments))
    if chosen != found.sampling:
        found.with_sampling(chosen).save(folder)
    now, usual = (found.with_sampling(each).effective_sampling.settings for each in (chosen, Sampling()))
    if as_json:
        print_json({"persona": folder.slug, "sampling": now})
    else:
        for name, value in now.items():
            click.echo(f"{name:<20}{value:<8g}{'' if value == usual[name] else f'(usually {usual[name]:g})'}".rstrip())
