"""`style-clone evaluate`."""

from __future__ import annotations

import click

from style_clone.cli.options import json_option, print_json, settings
from style_clone.cli.scorecard_print import print_scorecard
from style_clone.cli.terminal import progress


@click.command()
@click.argument("persona")
@click.option("--quick", is_flag=True, help="About 60 held-out replies instead of all.")
@json_option
def command(persona: str, quick: bool, as_json: bool) -> None:
    """Measure PERSONA's clone against the prompted baseline and the plain base model on held-out replies.

    The number is bits per byte of what the author really wrote, each candidate under its own full prompt; lower is better.

    \b
      style-clone evaluate me --quick
    """
    from style_clone.models import keep_few_shapes

    keep_few_shapes()
    workspace = settings().workspace
    folder = workspace.existing(persona)
    with progress(quiet=as_json) as report:
        from style_clone.evaluate.run import evaluate
        from style_clone.models import trained_on

        scorecard = evaluate(folder, trained_on(folder, workspace, report), quick=quick, report=report)
    if as_json:
        print_json(scorecard)
    else:
        print_scorecard(scorecard, folder.scorecard_page)
