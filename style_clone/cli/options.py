"""What commands share: the workspace from the environment, `--json`, and how results are printed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from style_clone.settings import Settings

Function = TypeVar("Function", bound=Callable[..., Any])


def json_option(function: Function) -> Function:
    """Add `--json`, given to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for machines.")(function)


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
