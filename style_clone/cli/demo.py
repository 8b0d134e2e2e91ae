"""`style-clone demo`."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import Any

import click

from style_clone.cli.options import json_option, print_json, settings
from style_clone.cli.terminal import progress


@click.command()
@click.option("--check", is_flag=True, help="Ask clone, baseline and plain model one question, then stop everything.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the page; a free one if not given.")
@json_option
def command(check: bool, port: int | None, as_json: bool) -> None:
    """Do the whole job on the sample corpus: read, pair, train, measure, serve, and open the chat page.

    The sample is seven chats and fourteen posts by Nell Quayle, an invented piano tuner. What is up to date is not done
    again. Ctrl-C ends everything the demo started.

    \b
      style-clone demo
      style-clone demo --check --json
    """
    from style_clone import demo
    from style_clone.addresses import LOOPBACK
    from style_clone.cli.scorecard_print import print_scorecard
    from style_clone.models import DEFAULT_BASE
    from style_clone.serving import endpoint
    from style_clone.ui.run import choose_port, launch
    from style_clone.workspace import read_json

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found, clock = settings(), demo.Clock()
    choose_port(LOOPBACK, port)
    with ExitStack() as started:
        watch = started.enter_context(demo.MemoryWatch())
        with progress(quiet=as_json) as report:
            folder = demo.make_ready(found, clock, report)
            with clock("endpoint"):
                running = started.enter_context(endpoint.start(found, report=report))
            with clock("page"):
                page = launch(found, running, port=port)
                started.callback(page.close)
        if not as_json:
            print_scorecard(read_json(folder.scorecard))
        if check:
            models = [demo.PERSONA, f"{demo.PERSONA}@prompted", f"{demo.PERSONA}@memory", DEFAULT_BASE]
            replies = demo.ask_everyone(running.url, running.key, models)
            result = demo.numbers(folder, clock, replies, watch.peak_bytes)
            print_json(result) if as_json else _print_replies(result)
        else:
            click.echo(f"\nThe page is at {page.url}  (Ctrl-C ends it)\nThe endpoint is at {running.url}/v1")
            page.wait()


def _print_replies(result: dict[str, Any]) -> None:
    click.echo(f"\n> {result['question']}")
    for model, answer in result["models"].items():
        speed = f"first token {1000 * answer['first_token_seconds']:.0f} ms, {answer['tokens_per_second']:.0f} tokens/s"
        click.echo(f"\n{model}  ({speed})")
        click.echo("\n".join(f"  {line}" for line in answer["reply"].splitlines()))
    click.echo(
        f"\n{result['seconds']['total'] / 60:.1f} minutes on {result['cores']} cores, "
        f"peak memory {result['peak_memory_bytes'] / 1e9:.1f} GB"
    )
