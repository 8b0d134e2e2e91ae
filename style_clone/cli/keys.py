"""style-clone keys: who may use the endpoint, for what, and how much."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from style_clone.cli.options import json_option, print_json, settings

if TYPE_CHECKING:
    from style_clone.store import ApiKey, Store

_COUNT = click.IntRange(min=1, max=10**12)


@click.group()
def command() -> None:
    """Create, list and revoke the endpoint's API keys.

    \b
    style-clone keys create --name laptop --days 30
    style-clone keys create --persona me --requests-per-minute 20 --tokens-per-day 50000
    style-clone keys list
    style-clone keys revoke 1

    A key is shown once, when it is made; only its hash is kept. A revoked or expired key stops at once, also while the
    endpoint runs. Send it as `Authorization: Bearer sc-...`, or give it to any OpenAI client as api_key. Who asks for more
    than a limit allows gets 429, and is told when to ask again.
    """


@command.command()
@click.option("--name", default="key", show_default=True, help="What the key is for; only to tell keys apart.")
@click.option(
    "--days", type=click.FloatRange(min=0, min_open=True, max=36500), help="Days it lasts; for ever if not given."
)
@click.option(
    "--persona",
    "personas",
    multiple=True,
    metavar="PERSONA",
    help="Only this persona may be asked for; repeatable. Every model if not given.",
)
@click.option("--requests-per-minute", type=_COUNT, help="Requests of every kind; no limit if not given.")
@click.option("--tokens-per-minute", type=_COUNT, help="Tokens of prompts and replies; no limit if not given.")
@click.option("--concurrent", type=_COUNT, help="Answers under way at a time; no limit if not given.")
@click.option(
    "--tokens-per-day", type=_COUNT, help="Tokens of prompts and replies in a day in UTC; no limit if not given."
)
@json_option
def create(name: str, days: float | None, personas: tuple[str, ...], as_json: bool, **limits: int | None) -> None:
    """Make a key and show it, this once."""
    from style_clone.store import KeyLimits

    for persona in personas:
        settings().workspace.existing(persona)
    lifetime = timedelta(days=days) if days is not None else None
    with _store() as store:
        key, secret = store.create_key(name, lifetime, personas=personas or None, limits=KeyLimits(**limits))
    if as_json:
        print_json({**_row(key), "key": secret})
    else:
        click.echo(secret)
        click.echo(f"Key {key.id} ({key.name}, {_terms(key)}). Keep it now: it cannot be shown again.", err=True)


@command.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """Every key: its number, beginning, name and state, what it is for and how much it may ask."""
    with _store() as store:
        keys = store.keys()
    if as_json:
        print_json([_row(key) for key in keys])
    elif not keys:
        click.echo("no keys yet; make one with: style-clone keys create")
    else:
        for key in keys:
            until = f"until {key.expires:%Y-%m-%d %H:%M} UTC" if key.expires else "no end"
            click.echo(f"{key.id:>4}  {key.prefix}...  {key.state:8}  {until:26}  {key.name}  ({_terms(key)})")


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
    row = asdict(key)
    del row["day"]
    return {**row, "state": key.state}


def _terms(key: ApiKey) -> str:
    """What a key is for, and its limits."""
    limits = key.limits
    words = {
        "requests a minute": limits.requests_per_minute,
        "tokens a minute": limits.tokens_per_minute,
        "at a time": limits.concurrent,
        f"tokens a day, {key.tokens_today} used today": limits.tokens_per_day,
    }
    scope = "every model" if key.personas is None else "only " + (", ".join(key.personas) or "deleted personas")
    return "; ".join([scope, *(f"{limit} {word}" for word, limit in words.items() if limit is not None)])
