"""`style-clone delete`."""

from __future__ import annotations

import click

from style_clone.cli.options import json_option, print_json, settings
from style_clone.errors import UsageError


@click.command()
@click.argument("persona")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def command(persona: str, yes: bool, as_json: bool) -> None:
    """Delete PERSONA: what was ingested and everything made from it. This cannot be undone.

    API keys for it alone are revoked.

    \b
      style-clone delete me
    """
    from style_clone.store import Store
    from style_clone.train.run import only_run

    workspace = settings().workspace
    folder = workspace.existing(persona)
    if as_json and not yes:
        raise UsageError("--json does not ask, and deleting needs a yes", mend="Add --yes if you mean it.")
    if not yes:
        click.confirm(f"Delete {folder.root} and everything in it?", abort=True)
    with only_run(folder):  # a training that goes on would write the persona anew
        with Store(settings().database_url) as store:
            store.forget_persona(persona)
        workspace.delete(persona)
    print_json({"deleted": persona}) if as_json else click.echo(f"Deleted {persona}.")
