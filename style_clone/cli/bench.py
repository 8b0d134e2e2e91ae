"""style-clone bench: how fast the endpoint answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from style_clone.cli.options import json_option, print_json, settings
from style_clone.cli.terminal import progress

if TYPE_CHECKING:
    from style_clone.serving.bench import Bench, Row

MOST_USERS = 10_000


@click.command()
@click.argument("model")
@click.option(
    "--users", default="1,4,16,64", show_default=True, metavar="N,N...", help="How many ask at once, one row each."
)
@click.option(
    "--tokens", type=click.IntRange(1, 4096), default=100, show_default=True, help="Tokens of every reply, exactly."
)
@click.option("--requests", type=click.IntRange(1), help="Requests of a row; three a user, at least 8, if not given.")
@json_option
def command(model: str, users: str, tokens: int, requests: int | None, as_json: bool) -> None:
    """Measure how fast the endpoint answers; MODEL is a model id, such as a persona.

    Some users ask at once, each again as soon as the reply is over. Asked are the persona's own held-out messages where
    it has any. Uses the endpoint that is running, or starts one; or the one STYLE_CLONE_URL names. Ctrl-C prints what
    was measured so far.

    \b
    style-clone bench me
    style-clone bench me@prompted --users 1,8 --tokens 50
    """
    from style_clone.serving import bench, endpoint

    levels = _levels(users)
    found = settings()
    with progress(quiet=as_json) as report, endpoint.start(found, report=report) as running:
        target = bench.Target(running.url, running.key, model, tokens)
        measured = bench.Bench(target, bench.held_out(found.workspace, model))
        try:
            asyncio.run(measured.run(levels, requests, report))
        finally:
            if measured.rows:
                _show(measured, as_json)


def _levels(users: str) -> list[int]:
    """Numbers of users. Raises click.BadParameter."""
    parts = [part.strip() for part in users.split(",")]
    if not all(part.isdecimal() and 0 < int(part) <= MOST_USERS for part in parts):
        raise click.BadParameter(
            f"{users!r} is no list of numbers from 1 to {MOST_USERS}, such as 1,4,16", param_hint="--users"
        )
    return [int(part) for part in parts]


def _show(measured: Bench, as_json: bool) -> None:
    target = measured.target
    if as_json:
        rows = [row.to_json() for row in measured.rows]
        print_json({"model": target.model, "url": target.url, "tokens": target.tokens, "rows": rows})
        return
    click.echo(f"{target.model}, replies of {target.tokens} tokens")
    click.echo(f"{'':>13}  {'first token, ms':>17}  {'tokens/s':>17}")
    click.echo(f"{'users':>5} {'asked':>7}  {'median':>8} {'p95':>8}  {'all':>8} {'a user':>8}  errors")
    for row in measured.rows:
        click.echo(_line(row))
    for row in measured.rows:
        for error, count in row.errors.items():
            click.echo(f"{row.users} users: {count} x {error}", err=True)


def _line(row: Row) -> str:
    return (
        f"{row.users:>5} {row.requests:>7}  {row.first_ms_median:>8.0f} {row.first_ms_p95:>8.0f}  "
        f"{row.tokens_per_second:>8.1f} {row.tokens_per_second_user:>8.1f}  {sum(row.errors.values()):>6}"
    )
