"""`style-clone train`."""

from __future__ import annotations

import click

from style_clone.cli.options import base_option, json_option, print_json, settings
from style_clone.cli.terminal import progress
from style_clone.errors import MissingStage, UsageError
from style_clone.workspace import PersonaFolder


@click.command()
@click.argument("persona")
@base_option
@click.option("--resume", is_flag=True, help="Go on with an interrupted run from its last whole epoch.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change the recipe; repeatable.")
@json_option
def command(persona: str, base: str, resume: bool, assignments: tuple[str, ...], as_json: bool) -> None:
    """Train PERSONA's adapter: a LoRA on the base model, kept at its best epoch.

    Then the quick scorecard: does the clone predict the author's held-out replies better than a prompt does?

    \b
      style-clone train me
      style-clone train me --set epochs=4 --set learning_rate=3e-4
      style-clone train me --base HuggingFaceTB/SmolLM2-360M-Instruct

    Recipe: epochs, learning_rate, warmup_share, rank, alpha, dropout, batch_tokens, max_tokens, seed,
    registers.
    """
    from style_clone.pairs.run import load_summary
    from style_clone.train.recipe import Recipe

    overrides = _parse(assignments)
    workspace = settings().workspace
    folder = workspace.existing(persona)
    # What can be known to be wrong is told before a base model is fetched.
    Recipe().with_overrides(overrides)
    _check_pairs(folder)
    with progress(quiet=as_json) as report:
        from style_clone.evaluate.run import evaluate
        from style_clone.models import resolve
        from style_clone.train.run import train

        model = resolve(base, workspace, report)
        run = train(folder, model, overrides=overrides, resume=resume, report=report)
        # A corpus too small to be held out from can still be trained on.
        scorecard = (
            evaluate(folder, model, quick=True, report=report) if load_summary(folder).splits["test"].pairs else None
        )
    if as_json:
        print_json({"run": run, "scorecard": scorecard})
        return
    click.echo(
        f"Trained {persona} on {run['base']['name']}: {run['steps']} steps, {run['num_train_tokens']:,} tokens in "
        f"{run['seconds'] / 60:.1f} min ({run['tokens_per_second']:,.0f} tokens/s), best epoch {run['best_epoch']:.0f}, "
        f"held-out loss {run['best_dev_nats']:.2f} nats/token."
    )
    click.echo(scorecard["verdict"] if scorecard else "There are no test pairs to measure it on: add more writing.")
    click.echo(f"Next: style-clone chat {persona}, or style-clone ui")


def _check_pairs(folder: PersonaFolder) -> None:
    """Raises MissingStage where there are no pairs, or messages that came after them."""
    from style_clone.pairs.run import is_fresh, load_summary

    load_summary(folder)
    if not is_fresh(folder):
        raise MissingStage(
            f"{folder.slug}'s pairs are older than its messages or your changes to them",
            mend=f"Make them anew: style-clone pairs {folder.slug}",
        )


def _parse(assignments: tuple[str, ...]) -> dict[str, str]:
    pairs = [assignment.partition("=") for assignment in assignments]
    for key, equals, _ in pairs:
        if not equals:
            raise UsageError(f"--set {key}: expected KEY=VALUE", mend="For example: --set epochs=4")
    return {key: value for key, _, value in pairs}
