"""style-clone engine: vLLM alone, for a gateway that runs elsewhere."""

from __future__ import annotations

from contextlib import ExitStack

import click

from style_clone.addresses import LOOPBACK
from style_clone.cli.options import json_option, print_json, settings
from style_clone.cli.terminal import progress


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8001, show_default=True, help="Port to listen on.")
@click.option("--base", help="Base model: smollm2-135m, a hub id or a folder. Default: the one the personas need.")
@click.option("--fetch-only", is_flag=True, help="Fetch the base model where it is not here yet, and end.")
@json_option
def command(host: str, port: int, base: str | None, fetch_only: bool, as_json: bool) -> None:
    """Start vLLM alone, as `serve` would, for a gateway in another process or on another machine.

    \b
    export STYLE_CLONE_ENGINE_KEY=$(openssl rand -hex 32)
    style-clone engine --port 8001
    style-clone serve --port 8000 --engine-url http://127.0.0.1:8001

    Whoever has its key can do with it what the gateway can. Keep it on a network of its own, and give people the
    gateway. Both need the same STYLE_CLONE_HOME. When vLLM ends, so does this command: let a service manager start it
    again. Ctrl-C ends it.
    """
    from style_clone.serving import alone, run

    if fetch_only:
        _fetch(base, as_json)
        return
    with run.stoppable(), ExitStack() as stack:
        with progress(quiet=as_json) as report:
            engine = stack.enter_context(alone.starting(settings(), host=host, port=port, base=base, report=report))
        if as_json:
            print_json({"url": engine.url, "base": engine.plan.name, "log": engine.log})
        else:
            click.echo(f"Engine    {engine.url}, serving {engine.plan.name}")
            click.echo(f"Log       {engine.log}")
            click.echo("Ctrl-C ends it.", err=True)
        alone.watch(engine)


def _fetch(base: str | None, as_json: bool) -> None:
    from style_clone import models
    from style_clone.serving.run import default_base

    workspace = settings().workspace
    with progress(quiet=as_json) as report:
        model = models.resolve(base or default_base(workspace), workspace, report)
    if as_json:
        print_json({"base": model.name, "path": model.path})
    else:
        click.echo(f"{model.name} is at {model.path}")
