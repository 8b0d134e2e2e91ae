"""What commands share: the workspace from the environment, `--json`, and how results are printed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from style_clone.errors import MissingStage, UsageError
from style_clone.settings import Settings
from style_clone.workspace import PersonaFolder

Function = TypeVar("Function", bound=Callable[..., Any])


def json_option(function: Function) -> Function:
    """Add `--json`, given to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for machines.")(function)


def out_option(kind: str) -> Callable[[Function], Function]:
    """Add `--out`, the folder of an export of that kind, given to the command as a path or None."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help=f"Folder of the export; PERSONA-{kind} in the current one if not given.",
    )


def measuring_options(function: Function) -> Function:
    """Add `--prompts`, `--samples` and `--impostors`: how much is answered, and with whom the author is compared."""
    for option in (
        click.option(
            "--impostors",
            type=click.Path(exists=True, path_type=Path),
            multiple=True,
            metavar="PATH",
            help="Other people's writing of the same kind, in any format that can be ingested; repeatable. Default: those of "
            "last time.",
        ),
        click.option(
            "--samples",
            type=click.IntRange(1, 10),
            default=3,
            show_default=True,
            help="Replies of each candidate to a prompt.",
        ),
        click.option(
            "--prompts",
            type=click.IntRange(min=1),
            default=150,
            show_default=True,
            help="Most held-out prompts that are answered.",
        ),
    ):
        function = option(function)
    return function


def settings() -> Settings:
    """What the environment says."""
    return Settings.from_environment(os.environ)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def base_option(function: Function) -> Function:
    """Add `--base`: the bundled base model, a hub id or a folder."""
    return click.option(
        "--base",
        default="smollm2-135m",
        show_default=True,
        help="Base model: the bundled one, a hub id such as org/name, or a local folder.",
    )(function)


def set_option(function: Function) -> Function:
    """Add `--set KEY=VALUE`, repeatable, given to the command as `assignments`; `overrides` reads them."""
    return click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change the recipe; repeatable."
    )(function)


def overrides(assignments: tuple[str, ...]) -> dict[str, str]:
    """What `--set` gave, by setting: told to be wrong before a base model is fetched.

    Raises UsageError for what is no KEY=VALUE, and for settings that fit no size of base model.
    """
    found = assigned("--set", assignments, example="epochs=4")
    _check_settings(found)
    return found


def assigned(option: str, assignments: tuple[str, ...], example: str = "temperature=0.5") -> dict[str, str]:
    """What an option of KEY=VALUE gave, by key. Raises UsageError for what is none."""
    pairs = [assignment.partition("=") for assignment in assignments]
    for key, equals, _ in pairs:
        if not equals:
            raise UsageError(f"{option} {key}: expected KEY=VALUE", mend=f"For example: {option} {example}")
    return {key: value for key, _, value in pairs}


def _check_settings(changes: dict[str, str]) -> None:
    from style_clone.train.recipes import TABLE

    refused: list[UsageError] = []
    for row in TABLE:
        try:
            row.recipe.with_overrides(changes)
            return
        except UsageError as error:
            refused.append(error)
    raise refused[0]


def paired(persona: str) -> PersonaFolder:
    """The folder of a persona whose pairs are up to date.

    Raises MissingStage where there is none, no pairs, or messages that came after them.
    """
    from style_clone.pairs.run import is_fresh, load_summary

    folder = settings().workspace.existing(persona)
    load_summary(folder)
    if not is_fresh(folder):
        raise MissingStage(
            f"{folder.slug}'s pairs are older than its messages or your changes to them",
            mend=f"Make them anew: style-clone pairs {folder.slug}",
        )
    return folder
