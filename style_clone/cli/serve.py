"""style-clone serve: vLLM and the endpoint."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, get_args

import click

from style_clone.cli.options import json_option, print_json, settings
from style_clone.cli.terminal import progress
from style_clone.settings import LOOPBACK, ServeAs

if TYPE_CHECKING:
    from style_clone.serving.endpoint import Notice


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; a free one if not given.")
@click.option("--base", help="Base model: smollm2-135m, a hub id or a folder. Default: the one the personas need.")
@click.option("--no-key", is_flag=True, help="Answer without an API key; only on this machine's own address.")
@click.option(
    "--serve-as",
    type=click.Choice(get_args(ServeAs)),
    help="adapters: all on one engine, each ready at once. merged: the two trained last get an engine of their own, about "
    "three times as fast on a CPU, ready a minute or two later. auto, the default: merged on a CPU with a C++ compiler and "
    "memory for it.",
)
@json_option
def command(
    host: str, port: int | None, base: str | None, no_key: bool, serve_as: ServeAs | None, as_json: bool
) -> None:
    """Start vLLM and, in front of it, an endpoint that any OpenAI client can use.

    \b
    style-clone serve --port 8000
    style-clone keys create
    curl http://127.0.0.1:8000/v1/chat/completions -H "Authorization: Bearer sc-..." \\
         -H "Content-Type: application/json" \\
         -d '{"model": "me", "messages": [{"role": "user", "content": "hi"}]}'

    Model ids: PERSONA is the clone, PERSONA@memory the clone with facts from its memory, PERSONA@prompted the
    prompted baseline, and the base model's name the plain model. Personas trained meanwhile appear by themselves.
    Ctrl-C ends everything.
    """
    from style_clone.serving import auth, run

    if not auth.is_loopback(host):
        click.secho(
            f"warning: on {host} every machine that reaches this one can talk to the endpoint, given a key; words and keys "
            "travel unencrypted unless you put TLS in front",
            fg="yellow",
            err=True,
        )
    with run.stoppable(), ExitStack() as stack:
        with progress(quiet=as_json) as report:
            service = stack.enter_context(
                run.starting(
                    settings(), host=host, port=port, base=base, keys=not no_key, serve_as=serve_as, report=report
                )
            )
        report = stack.enter_context(progress(quiet=as_json, bars=False))
        service.answer(lambda ids: _announce(service.notice, ids, as_json), report)


def _announce(notice: Notice, ids: list[str], as_json: bool) -> None:
    if as_json:
        print_json(
            {"url": notice.url, "pid": notice.pid, "base": notice.base, "models": ids, "needs_key": notice.needs_key}
        )
        return
    click.echo(f"Endpoint  {notice.url}/v1")
    click.echo(f"Models    {', '.join(ids)}")
    click.echo("Key       " + ("make one with: style-clone keys create" if notice.needs_key else "none needed"))
    click.echo("Ctrl-C ends it.", err=True)
