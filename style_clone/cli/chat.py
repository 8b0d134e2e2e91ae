"""`style-clone chat`."""

from __future__ import annotations

import asyncio
import json
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import click

from style_clone import register
from style_clone.cli.options import json_option, settings
from style_clone.cli.terminal import progress
from style_clone.client import Address, connect, list_models, personas, stream_reply
from style_clone.conversation import Turn
from style_clone.errors import MissingStage, PersonaNotFound, StyleCloneError, UsageError
from style_clone.register import Registers
from style_clone.workspace import Workspace

QUIT = {"/quit", "/exit", "/q"}


@click.command()
@click.argument("persona")
@click.option("--vs", type=click.Choice(["prompted", "memory"]), help="Answer beside the clone: the prompted baseline.")
@click.option("--to", metavar="NAME", help="The contact to write to, where the persona has a register for them.")
@click.option("--once", metavar="MESSAGE", help="Say one thing, print the reply, end.")
@json_option
def command(persona: str, vs: str | None, to: str | None, once: str | None, as_json: bool) -> None:
    """Chat with a persona in the terminal. /quit or Ctrl-D ends; Ctrl-C stops a reply.

    Uses the endpoint that is running, or starts one. Lines piped in are answered one after the other. Every reply is
    an AI's, not the person's.

    \b
    style-clone chat me
    style-clone chat me --vs prompted
    style-clone chat me --to Ann
    style-clone chat me --once "are you coming tonight?" --json
    """
    from style_clone.serving import endpoint
    from style_clone.train.artifact import load_run

    found = settings()
    if found.endpoint_url is None:
        # Nobody should wait for vLLM to hear that there is nothing to talk to.
        folder = found.workspace.existing(persona)
        load_run(folder)
        choose(persona, register.load(folder), to)
    interactive = once is None and sys.stdin.isatty()
    with ExitStack() as started:
        with progress(quiet=as_json) as report:
            address = started.enter_context(endpoint.start(found, base=None, report=report))
        models = [persona, *([f"{persona}@{vs}"] if vs else [])]
        served = asyncio.run(_check(address, found.workspace, models))
        talk = Talk(address, models, to=choose(persona, served[persona], to), as_json=as_json)
        for line in [once] if once is not None else _lines(interactive):
            _say(talk, line, interactive)


class Talk:
    """A conversation with one or more models, each with its own history; `to` is the contact they write to, if any."""

    def __init__(self, address: Address, models: Sequence[str], *, to: str | None, as_json: bool) -> None:
        self.address = address
        self.to = to
        self.histories: dict[str, list[Turn]] = {model: [] for model in models}
        self.as_json = as_json
        self.width = max(map(len, models))

    def say(self, text: str) -> None:
        """Ask every model in turn, print what it says as it says it. Raises StyleCloneError, histories unchanged."""
        said = {model: self._ask(model, [*turns, _turn("user", text)]) for model, turns in self.histories.items()}
        for model, reply in said.items():
            self.histories[model] += [_turn("user", text), _turn("assistant", reply)]
        if self.as_json:
            click.echo(json.dumps({"message": text, "replies": said}, ensure_ascii=False))

    def _ask(self, model: str, turns: list[Turn]) -> str:
        pieces: list[str] = []
        self._print(click.style(f"{model:>{self.width}}: ", bold=True))
        try:
            asyncio.run(self._stream(model, turns, pieces))
        except KeyboardInterrupt:
            if not pieces:
                raise
        finally:
            self._print("\n")
        return "".join(pieces)

    async def _stream(self, model: str, turns: list[Turn], pieces: list[str]) -> None:
        async with connect(self.address) as client:
            async for piece in stream_reply(client, model, turns, self.to):
                pieces.append(piece)
                self._print(printable(piece).replace("\n", "\n" + " " * (self.width + 2)))

    def _print(self, text: str) -> None:
        if not self.as_json:
            click.echo(text, nl=False)


def choose(persona: str, registers: Registers, name: str | None) -> str | None:
    """The label of the register called `name`; None without a name. Raises UsageError where there is none of that name."""
    label = register.label_of(registers, name)
    if name and label is None:
        known = ", ".join(registers.values())
        mend = f"Contacts {persona} has one for: {known}." if known else f"Leave --to out: {persona} has none at all."
        raise UsageError(f"--to {name}: {persona} has no register for them", mend=mend)
    return label


def printable(text: str) -> str:
    """`text` without control characters: a reply must not be able to steer the terminal."""
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) != "Cc")


def _say(talk: Talk, line: str, interactive: bool) -> None:
    try:
        talk.say(line)
    except StyleCloneError as error:
        if not interactive:
            raise
        click.secho(f"error: {error}", fg="red", err=True)
    except KeyboardInterrupt:
        if not interactive:
            raise


def _lines(interactive: bool) -> Iterator[str]:
    """What the user types, or what is piped in, until the end or /quit; empty lines are skipped."""
    if interactive:
        click.echo("An AI that writes like them, not them. /quit or Ctrl-D ends.", err=True)
    for line in iter(_typed, None) if interactive else sys.stdin:
        text = line.strip()
        if text in QUIT:
            return
        if text:
            yield text


def _typed() -> str | None:
    import readline  # noqa: F401  gives `input` its line editing

    try:
        return input("you: ")
    except (EOFError, KeyboardInterrupt):
        click.echo()
        return None


async def _check(address: Address, workspace: Workspace, models: Sequence[str]) -> dict[str, Registers]:
    """What the endpoint serves. Raises PersonaNotFound or MissingStage where one of `models` is not among it."""
    async with connect(address) as client:
        served = await list_models(client)
    missing = next((model for model in models if model not in served), None)
    if missing is None:
        return served
    slug = models[0]
    if workspace.folder(slug).persona.exists():
        raise MissingStage(
            f"the endpoint does not serve {missing}",
            mend=f"Train it with `style-clone train {slug}`; it must be on the base model the endpoint runs.",
        )
    known = ", ".join(personas(served)) or "none yet"
    raise PersonaNotFound(f"there is no persona {slug!r} (known: {known})", mend="Choose one of these.")


def _turn(role: str, text: str) -> Turn:
    return {"role": role, "content": text}  # type: ignore[typeddict-item]
