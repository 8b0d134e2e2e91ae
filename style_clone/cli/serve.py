"""style-clone serve: vLLM and the endpoint."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import click

from style_clone.addresses import LOOPBACK, is_loopback
from style_clone.cli.options import json_option, print_json, settings
from style_clone.cli.terminal import progress
from style_clone.settings import ServeAs, Settings, engine_root

if TYPE_CHECKING:
    from style_clone.serving.endpoint import Notice


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; a free one if not given.")
@click.option("--base", help="Base model: smollm2-135m, a hub id or a folder. Default: the one the personas need.")
@click.option("--engine-url", metavar="URL", help="Use the engine that runs there instead of starting vLLM.")
@click.option("--no-key", is_flag=True, help="Answer without an API key; only on this machine's own address.")
@click.option(
    "--serve-as",
    type=click.Choice(get_args(ServeAs)),
    help="adapters: all on one engine, each ready at once. merged: the two trained last get an engine of their own, about "
    "three times as fast on a CPU, ready a minute or two later; adapters until then. apart: merged and never an adapter, "
    "which makes base model and prompts as fast. auto, the default: merged on a CPU with a C++ compiler and memory for it.",
)
@json_option
def command(
    host: str,
    port: int | None,
    base: str | None,
    engine_url: str | None,
    no_key: bool,
    serve_as: ServeAs | None,
    as_json: bool,
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

    With a --host that other machines reach, only personas are served whose author's consent is recorded: see
    style-clone consent.

    With --engine-url (or STYLE_CLONE_ENGINE_URL) no vLLM is started: the engine is the one at that address, made by
    `style-clone engine`, or any vLLM or server of OpenAI's wire format that serves the base model. Its key is taken from
    STYLE_CLONE_ENGINE_KEY. To load adapters it must see the same STYLE_CLONE_HOME at the same path.
    """
    from style_clone.serving import run

    if not is_loopback(host):
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
                    _with_engine(engine_url),
                    host=host,
                    port=port,
                    base=base,
                    keys=not no_key,
                    serve_as=serve_as,
                    report=report,
                )
            )
        report = stack.enter_context(progress(quiet=as_json, bars=False))
        service.answer(lambda ids, withheld: _announce(service.notice, ids, withheld, as_json), report)


def _with_engine(url: str | None) -> Settings:
    """The settings, with the engine that was named on the command line, if one was."""
    found = settings()
    return replace(found, engine_url=engine_root(url)) if url is not None else found


def _announce(notice: Notice, ids: list[str], withheld: list[str], as_json: bool) -> None:
    for slug in withheld:
        click.secho(
            f"warning: {slug} is not served beyond this machine: nobody has recorded that its author agreed. If so: "
            f'style-clone consent {slug} "WHO AGREED, AND HOW"',
            fg="yellow",
            err=True,
        )
    if as_json:
        told = {"url": notice.url, "pid": notice.pid, "base": notice.base, "models": ids, "withheld": withheld}
        print_json({**told, "needs_key": notice.needs_key})
        return
    click.echo(f"Endpoint  {notice.url}/v1")
    click.echo(f"Models    {', '.join(ids)}")
    click.echo("Key       " + ("make one with: style-clone keys create" if notice.needs_key else "none needed"))
    click.echo("Ctrl-C ends it.", err=True)
