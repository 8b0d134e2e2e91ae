"""The command line: one module per command, loaded only when asked for, so that `--help` imports no torch."""

from __future__ import annotations

import importlib
import os
import sys

import click

from style_clone import __version__
from style_clone.errors import StyleCloneError
from style_clone.settings import PRIVATE_ENVIRONMENT, QUIET_ENVIRONMENT

COMMANDS = {
    "demo": "The whole job on a sample corpus, ending in the chat page.",
    "inspect": "What would be read: format, people, counts, dates; writes nothing.",
    "ingest": "Read writing into a persona.",
    "pairs": "Turn a persona's messages into training pairs.",
    "redact": "What is masked in a persona's pairs; add words, keep words, see a report.",
    "backtranslate": "Let a model write prompts for documents that have only a template.",
    "plan": "What training would take on this machine, and what to expect of it.",
    "train": "Train a persona's adapter.",
    "evaluate": "Measure clone against prompted baseline on held-out writing.",
    "compare": "Measure two adapters of one persona against each other, such as of two recipes.",
    "vote": "Vote blind on clone against prompted baseline: which did they write?",
    "export": "Write a clone for other programs: adapter, merged model or GGUF.",
    "serve": "Start vLLM and the endpoint.",
    "engine": "Start vLLM alone, for an endpoint that runs elsewhere.",
    "bench": "Measure how fast the endpoint answers.",
    "ui": "Open the page: upload, train, chat.",
    "chat": "Chat with a persona in the terminal.",
    "keys": "Create, list and revoke API keys.",
    "personas": "List the personas there are.",
    "sampling": "Show or change how a persona's replies are drawn: temperature and the like.",
    "consent": "Record that a persona's author agreed to be cloned, or take it back.",
    "show": "Show one persona: what is there, what is stale, what to do next.",
    "delete": "Delete a persona and everything made from it.",
    "doctor": "What is installed, missing, mis-set, and how to mend it.",
}


class _Commands(click.Group):
    """Loads `style_clone.cli.<name>` when `<name>` is called; its module holds a `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"style_clone.cli.{name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="style-clone")
def cli() -> None:
    """Turn a person's own writing into a small model that writes like them, and prove it.

    \b
    Try it on a sample:     style-clone demo
    Your own writing:       style-clone ingest me ~/chat.txt --me "Your Name"
                            style-clone pairs me
                            style-clone plan me
                            style-clone train me
                            style-clone ui

    Everything stays on this machine, under STYLE_CLONE_HOME.
    """


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed, 2 misused, 130 interrupted."""
    for name, value in {**PRIVATE_ENVIRONMENT, **QUIET_ENVIRONMENT}.items():
        os.environ.setdefault(name, value)
    try:
        code = cli.main(standalone_mode=False)  # what a command returns, or the code it asked to exit with
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as misuse:
        misuse.show()
        sys.exit(2)
    except StyleCloneError as error:
        click.secho(f"error: {error.problem}", fg="red", err=True)
        if error.mend:
            click.echo(error.mend, err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        sys.exit(130)
    except Exception as error:
        if os.environ.get("STYLE_CLONE_DEBUG"):
            raise
        click.secho(
            f"error: something went wrong inside style-clone: {type(error).__name__}: {error}", fg="red", err=True
        )
        click.echo("This is a bug. Set STYLE_CLONE_DEBUG=1 and run again to see where.", err=True)
        sys.exit(1)
