"""`style-clone train`."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from style_clone.cli.options import (
    base_option,
    json_option,
    overrides,
    paired,
    print_json,
    set_option,
    settings,
)
from style_clone.cli.terminal import progress
from style_clone.evaluate.page.card import headline
from style_clone.progress import silent
from style_clone.workspace import PersonaFolder

if TYPE_CHECKING:
    from style_clone.models import BaseModel
    from style_clone.progress import Report


@click.command()
@click.argument("persona")
@base_option
@click.option("--resume", is_flag=True, help="Go on with an interrupted run from its last checkpoint.")
@set_option
@json_option
def command(persona: str, base: str, resume: bool, assignments: tuple[str, ...], as_json: bool) -> None:
    """Train PERSONA's adapter: a LoRA on the base model, kept where it was best on held-out conversations.

    Ctrl-C keeps the best so far; --resume goes on, also after a crash. Then the quick scorecard: does the clone predict
    the author's held-out replies better than a prompt does?

    \b
      style-clone train me
      style-clone train me --set epochs=4 --set learning_rate=3e-4
      style-clone train me --base HuggingFaceTB/SmolLM2-360M-Instruct
      torchrun --nproc-per-node 2 -m style_clone train me

    Recipe: epochs, learning_rate, warmup_share, rank, alpha, dropout, targets, prompt_loss_weight, batch_tokens,
    max_tokens, evaluations, dev_tokens, patience, quantization, canaries, seed, registers.
    """
    from style_clone.models import keep_few_shapes, resolve
    from style_clone.train import processes

    keep_few_shapes()
    changes = overrides(assignments)
    folder, workspace = paired(persona), settings().workspace
    with processes.joined(), progress(quiet=as_json) if processes.is_first() else nullcontext(silent) as report:
        from style_clone.train.run import train

        with processes.first_alone():
            model = resolve(base, workspace, report)
        run = train(folder, model, overrides=changes, resume=resume, report=report)
        if not processes.is_first():
            return
        scorecard = _measure(folder, model, report)
    if as_json:
        print_json({"run": run, "scorecard": scorecard})
        return
    for line in [*_tell(persona, run), *_compare(run)]:
        click.echo(line)
    click.echo(headline(scorecard) if scorecard else "There are no test pairs to measure it on: add more writing.")
    click.echo(f"Next: style-clone chat {persona}, or style-clone ui")


def _measure(folder: PersonaFolder, model: BaseModel, report: Report) -> dict[str, Any] | None:
    """The quick scorecard; a corpus too small to be held out from can still be trained on."""
    from style_clone.evaluate.run import evaluate_quickly
    from style_clone.pairs.run import load_summary

    if not load_summary(folder).splits["test"].pairs:
        return None
    return evaluate_quickly(folder, model, report=report)


def _tell(persona: str, run: dict[str, Any]) -> list[str]:
    """What was trained, what was kept of it, and what it gives away."""
    early = (
        f", stopped early: no better in {run['recipe']['patience']} measurements" if run["stopped"] == "early" else ""
    )
    return [
        f"Trained {persona} on {run['base']['name']}: {run['steps']} steps in {run['seconds'] / 60:.1f} min "
        f"({run['tokens_per_second']:,.0f} tokens/s){early}.",
        f"Kept the adapter of epoch {run['best_epoch']:.1f}: held-out loss {run['best_dev_nats']:.2f} nats/token.",
        run["leaks"]["sentence"],
    ]


def _compare(run: dict[str, Any]) -> list[str]:
    """What was predicted beside what came; nothing after a resumed run, of which only the last part was timed."""
    predicted = run["predicted"]
    if not predicted or run["resumed"]:
        return []
    return [
        f"Predicted {predicted['seconds'] / 60:.1f} min and {predicted['peak_memory_bytes'] / 1e9:.1f} GB of memory, "
        f"took {run['seconds'] / 60:.1f} min and {run['peak_memory_bytes'] / 1e9:.1f} GB."
    ]
