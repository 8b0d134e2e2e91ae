"""`style-clone evaluate`."""

from __future__ import annotations

from typing import Any

import click

from style_clone.cli.options import json_option, print_json, settings
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
        print_scorecard(scorecard)


def print_scorecard(scorecard: dict[str, Any]) -> None:
    """The small table: one line a candidate, the best marked, then the verdict."""
    bits: dict[str, float] = scorecard["bits_per_byte"]
    click.echo(f"\nHeld-out fit on {scorecard['pairs']} replies (bits per byte, lower is better)")
    for name, value in bits.items():
        mark = "  <- lowest" if value == min(bits.values()) else ""
        click.echo(f"  {name:<10}{value:6.3f}  {'█' * round(8 * value)}{mark}")
    real = scorecard["real_prompts"]
    if 0 < real["pairs"] < scorecard["pairs"]:
        values = ", ".join(f"{name} {value:.3f}" for name, value in real["bits_per_byte"].items())
        click.echo(f"  on the {real['pairs']} that answer a real message: {values}")
    difference = scorecard["clone_minus_prompted"]
    click.echo(
        f"  clone - prompted: {difference['difference']:+.3f} "
        f"(95% interval {difference['low']:+.3f} to {difference['high']:+.3f})\n{scorecard['verdict']}"
    )
