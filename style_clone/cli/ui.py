"""`style-clone ui`."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack

import click

from style_clone.addresses import LOOPBACK
from style_clone.cli.options import json_option, settings
from style_clone.cli.terminal import progress
from style_clone.models import DEFAULT_BASE


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; a free one if not given.")
@click.option("--base", help="Base model the endpoint runs on; the bundled one if not given.")
@click.option("--name", "names", multiple=True, help="Host name the page answers to, and no other; repeatable.")
@json_option
def command(host: str, port: int | None, base: str | None, names: tuple[str, ...], as_json: bool) -> None:
    """Open the page: upload your writing, train, chat with clone and prompted baseline side by side.

    Starts the endpoint if it is not running, prints the page's address and stays until Ctrl-C, which ends everything
    it started. The page has no password: with --host other than 127.0.0.1, whoever reaches it can use it. In a container
    that is published on 127.0.0.1 only, --name 127.0.0.1 keeps other web sites from pointing their names at it.

    \b
    style-clone ui
    style-clone ui --port 7860
    """
    from style_clone.serving import endpoint
    from style_clone.ui.run import choose_port, launch

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found = settings()
    choose_port(host, port)  # what can be wrong with the request, before what takes half a minute
    try:
        with ExitStack() as started:
            with progress(quiet=as_json) as report:
                running = started.enter_context(endpoint.start(found, base=base, report=report))
            page = launch(found, running, host=host, port=port, base=base or DEFAULT_BASE, names=names)
            started.callback(page.close)
            click.echo(json.dumps({"url": page.url}) if as_json else f"The page is at {page.url}  (Ctrl-C ends it)")
            page.wait()
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
