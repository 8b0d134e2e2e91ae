"""`style-clone backtranslate`: a model writes prompts for documents that have only a template."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from style_clone.cli.options import json_option, print_json, settings
from style_clone.cli.terminal import progress
from style_clone.errors import UsageError
from style_clone.models import DEFAULT_BASE

if TYPE_CHECKING:
    from style_clone.backtranslation.asking import Endpoint
    from style_clone.backtranslation.run import Account, Tools
    from style_clone.backtranslation.tasks import Task
    from style_clone.progress import Report
    from style_clone.workspace import PersonaFolder, Workspace

KEY_VARIABLE = "OPENAI_API_KEY"
SHOWN_CHARACTERS = 200


@click.command()
@click.argument("persona")
@click.option("--base", metavar="M", help=f"Base model to run here: {DEFAULT_BASE}, a hub id, or a folder.")
@click.option("--endpoint", metavar="URL", help="Ask this OpenAI-compatible endpoint instead of a model run here.")
@click.option("--model", metavar="M", help="The model's id at --endpoint.")
@click.option("--candidates", default=2, show_default=True, type=click.IntRange(1, 16), help="Prompts to choose from.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Ask about at most N texts.")
@click.option(
    "--rewrites", is_flag=True, help='Also write paraphrases, for pairs that ask "say this in your own words".'
)
@click.option("--again", is_flag=True, help="Ask again about texts for which nothing usable came.")
@click.option("--yes", is_flag=True, help="Do not ask before writing is sent to another machine.")
@json_option
def command(
    persona: str,
    base: str | None,
    endpoint: str | None,
    model: str | None,
    candidates: int,
    limit: int | None,
    rewrites: bool,
    again: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Let a model write prompts for PERSONA's documents, so that they are asked for by more than a template.

    \b
    style-clone backtranslate me
    style-clone backtranslate me --base HuggingFaceTB/SmolLM2-1.7B-Instruct
    OPENAI_API_KEY=... style-clone backtranslate me --endpoint https://api.example.com/v1 --model some-model

    For each text the model guesses the question that it answers. A guess is kept if it is related to the text, has no
    six words of it in a row, and makes the text likelier under the bundled model than the template does. Results are
    kept as they come: interrupt with Ctrl-C and run again at any time. A key for --endpoint is read from OPENAI_API_KEY.

    The bundled model is small. With two candidates a third of the texts get a question, with four half of them: on the
    subject, but often clumsy. It can hardly paraphrase. Name a bigger one with --base or --endpoint where you can.
    """
    from style_clone.backtranslation.tasks import tasks

    workspace = settings().workspace
    folder = workspace.existing(persona)
    foreign = _foreign(endpoint, model)
    wanted = {"prompts": tasks(folder, "prompt", again=again, limit=limit)}
    if rewrites:
        wanted["rewrites"] = tasks(folder, "rewrite", again=again, limit=limit)
    if foreign and not foreign.is_loopback and any(wanted.values()):
        _warn(foreign, sum(map(len, wanted.values())), sure=yes, as_json=as_json)
    made = _ask(folder, workspace, wanted, foreign, base or DEFAULT_BASE, candidates, quiet=as_json)
    if as_json:
        print_json({name: asdict(account) for name, account in made.items()})
        return
    for line in _lines(folder, made):
        click.echo(line)


def _foreign(url: str | None, model: str | None) -> Endpoint | None:
    """The endpoint the user names, if any. Raises UsageError."""
    from style_clone.backtranslation.asking import Endpoint

    if url is None and model is None:
        return None
    if url is None or model is None:
        raise UsageError(
            "--endpoint and --model go together", mend="To choose the model that is run here, name it with --base."
        )
    return Endpoint.parse(url, model, os.environ.get(KEY_VARIABLE) or None)


def _warn(endpoint: Endpoint, texts: int, *, sure: bool, as_json: bool) -> None:
    """Say that writing leaves this machine, and ask whether it may. Raises UsageError where nobody can be asked."""
    told = f"{texts:,} texts of the author's writing are sent to {endpoint.host}"
    if endpoint.url.startswith("http://"):
        told += ", unencrypted"
    click.secho(f"warning: {told}", fg="yellow", err=True)
    if not sure and as_json:
        raise UsageError("--json does not ask, and sending writing away needs a yes", mend="Add --yes if you mean it.")
    if not sure:
        click.confirm("Send them?", abort=True, err=True)


def _ask(
    folder: PersonaFolder,
    workspace: Workspace,
    wanted: dict[str, list[Task]],
    foreign: Endpoint | None,
    base: str,
    candidates: int,
    *,
    quiet: bool,
) -> dict[str, Account]:
    """Ask about everything wanted, with the models loaded and the engine started once. Nothing to ask loads nothing."""
    from style_clone.backtranslation.run import Account, backtranslate

    if not any(wanted.values()):
        return {name: Account() for name in wanted}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        report = stack.enter_context(progress(quiet=quiet))
        endpoint, tools = _made_ready(stack, workspace, foreign, base, candidates, report)
        return {name: backtranslate(folder, texts, endpoint, tools, report) for name, texts in wanted.items()}


def _made_ready(
    stack: ExitStack, workspace: Workspace, foreign: Endpoint | None, base: str, candidates: int, report: Report
) -> tuple[Endpoint, Tools]:
    """The endpoint that is asked and what its answers are judged with. Raises ModelError, EngineError."""
    from style_clone.backtranslation.asking import Endpoint
    from style_clone.backtranslation.likelihood import Likelihood
    from style_clone.backtranslation.run import Tools
    from style_clone.embedding import load_embedder
    from style_clone.models import load_model, load_tokenizer, resolve
    from style_clone.serving.engine import Engine, running

    small = resolve(DEFAULT_BASE, workspace, report)
    likelihood = Likelihood(load_model(small), load_tokenizer(small))
    tools = Tools(load_embedder(workspace, report), likelihood, candidates)
    if foreign is not None:
        return foreign, tools
    chosen = resolve(base, workspace, report)
    engine = stack.enter_context(running(Engine(chosen.path, chosen.name, workspace, ()), report))
    return Endpoint(f"{engine.url}/v1", chosen.name, engine.key), tools


def _lines(folder: PersonaFolder, made: dict[str, Account]) -> Iterator[str]:
    if not any(account.asked for account in made.values()):
        yield "Nothing to ask: no document has only a template for a prompt, or all of them were asked about before."
        return
    for name, account in made.items():
        rate = account.asked / account.seconds if account.seconds else 0
        yield f"{name}: {account.kept:,} kept of {account.asked:,} texts asked about ({rate:.1f} texts/s)"
        yield from (f"  {count:>7,}  {reason}" for reason, count in account.rejected.most_common())
        for prompt, text in account.examples:
            yield f"\n  > {prompt}\n  < {_short(text)}"
    yield f"\nNext: style-clone pairs {folder.slug}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else line[:SHOWN_CHARACTERS].rstrip() + " ..."
