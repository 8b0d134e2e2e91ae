"""style-clone keys: who may use the endpoint."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from style_clone.cli.options import json_option, print_json, settings

if TYPE_CHECKING:
    from style_clone.store import ApiKey, Store


@click.group()
def command() -> None:
    """Create, list and revoke the endpoint's API keys.

    \b
    style-clone keys create --name laptop --days 30
    style-clone keys list
    style-clone keys revoke 1

    A key is shown once, when it is made; only its hash is kept. A revoked or expired key stops at once, also while the
    endpoint runs. Send it as `Authorization: Bearer sc-...`, or give it to any OpenAI client as api_key.
    """


@command.command()
@click.option("--name", default="key", show_default=True, help="What the key is for; only to tell keys apart.")
@click.option(
    "--days", type=click.FloatRange(min=0, min_open=True, max=36500), help="Days it lasts; for ever if not given."
)
@json_option
def create(name: str, days: float | None, as_json: bool) -> None:
    """Make a key and show it, this once."""
    with _store() as store:
        key, secret = store.create_key(name, timedelta(days=days) if days is not None else None)
    if as_json:
        print_json({**_row(key), "key": secret})
    else:
        click.echo(secret)
        click.echo(f"Key {key.id} ({key.name}). Keep it now: it cannot be shown again.", err=True)


@command.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """Every key: its number, beginning, name and state."""
    with _store() as store:
        keys = store.keys()
    if as_json:
        print_json([_row(key) for key in keys])
    elif not keys:
        click.echo("no keys yet; make one with: style-clone keys create")
    else:
        for key in keys:
            until = f"until {key.expires:%Y-%m-%d %H:%M} UTC" if key.expires else "no end"
            click.echo(f"{key.id:>4}  {key.prefix}...  {key.state:8}  {until:26}  {key.name}")


@command.command()
@click.argument("number", metavar="ID", type=int)
@json_option
def revoke(number: int, as_json: bool) -> None:
    """Stop a key at once; ID is its number in `keys list`."""
    with _store() as store:
        key = store.revoke_key(number)
    if as_json:
        print_json(_row(key))
    else:
        click.echo(f"key {key.id} ({key.name}) is revoked")


def _store() -> Store:
    from style_clone.store import Store

    return Store(settings().database_url)


def _row(key: ApiKey) -> dict[str, Any]:
    return {**asdict(key), "state": key.state}
