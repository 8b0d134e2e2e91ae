"""`style-clone evaluate`."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from style_clone.cli.options import json_option, measuring_options, print_json, settings
from style_clone.cli.scorecard_print import print_scorecard
from style_clone.cli.terminal import progress
from style_clone.progress import Report
from style_clone.settings import Settings
from style_clone.workspace import PersonaFolder

if TYPE_CHECKING:
    from style_clone.evaluate.rival import Rival
    from style_clone.evaluate.run import Options
    from style_clone.models import BaseModel


class Price(click.ParamType[tuple[float, float]]):
    """Two prices, such as 0.15/0.60."""

    name = "price"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Read them."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split("/")
        try:
            read, written = (float(part) for part in parts)
        except ValueError:
            self.fail(f"{value!r} is not two prices; for example: 0.15/0.60", param, ctx)
        if not (0 <= read < float("inf") and 0 <= written < float("inf")):
            self.fail(f"{value!r}: prices are numbers from 0 up", param, ctx)
        return read, written


@click.command()
@click.argument("persona")
@click.option("--quick", is_flag=True, help="Held-out fit alone, on about 60 replies: under two minutes.")
@measuring_options
@click.option("--api-price", type=Price(), metavar="IN/OUT", help="What an API asks for a million tokens read/written.")
@click.option("--machine-price", type=click.FloatRange(min=0), default=0.0, help="What an hour of this machine costs.")
@click.option(
    "--rival",
    metavar="URL",
    help="A bigger model, prompted, at an OpenAI-compatible URL. It is sent held-out messages and some of the writing.",
)
@click.option("--rival-model", metavar="NAME", help="Which of that server's models.")
@json_option
def command(
    persona: str,
    quick: bool,
    prompts: int,
    samples: int,
    impostors: tuple[Path, ...],
    api_price: tuple[float, float] | None,
    machine_price: float,
    rival: str | None,
    rival_model: str | None,
    as_json: bool,
) -> None:
    """Measure PERSONA's clone against the best prompt there is, on writing that neither has seen.

    The clone, the plain base model and every kind of prompt answer the same held-out messages. A judge that was shown to
    tell the author from other people says whose replies come nearest; habits, held-out fit, relevance, copying and shape are
    measured beside it. The result is one sentence, a page (scorecard.html) and its numbers (scorecard.json).

    Starts engines of its own where that is faster and memory allows; else uses the endpoint that is running, or starts
    one. A stopped evaluation goes on where it was.

    \b
      style-clone evaluate me --quick
      style-clone evaluate me
      style-clone evaluate me --impostors ~/other-peoples-letters
      style-clone evaluate me --api-price 0.15/0.60 --machine-price 0.10
      style-clone evaluate me --rival http://127.0.0.1:11434
    """
    from style_clone.models import keep_few_shapes

    keep_few_shapes()
    found = settings()
    folder = found.workspace.existing(persona)
    if quick and rival:
        raise click.UsageError("--rival takes part in the full scorecard; leave --quick out.")
    bigger = _rival(rival, rival_model)
    with progress(quiet=as_json) as report:
        from style_clone.evaluate import run
        from style_clone.evaluate.cost import Prices
        from style_clone.models import trained_on

        base = trained_on(folder, found.workspace, report)
        if quick:
            scorecard = run.evaluate_quickly(folder, base, report=report)
        else:
            options = run.Options(prompts, samples, impostors, Prices(api_price, machine_price))
            scorecard = _fully(found, folder, base, options, bigger, report)
    if as_json:
        print_json(scorecard)
    else:
        print_scorecard(scorecard, folder.scorecard_page)


def _rival(url: str | None, model: str | None) -> Rival | None:
    if url is None:
        if model is not None:
            raise click.UsageError("--rival-model needs --rival, the server's URL.")
        return None
    from style_clone.evaluate.rival import KEY_VARIABLE, Rival

    return Rival.find(url, model, os.environ.get(KEY_VARIABLE) or None)


def _fully(
    found: Settings, folder: PersonaFolder, base: BaseModel, options: Options, rival: Rival | None, report: Report
) -> dict[str, Any]:
    """The full scorecard, by engines started for it where they are faster and there is room, else as anything is asked."""
    from style_clone.embedding import load_embedder
    from style_clone.evaluate.aside import alone
    from style_clone.evaluate.run import Tools, evaluate
    from style_clone.serving import endpoint
    from style_clone.serving.merged import apart_pays
    from style_clone.store import Store

    embed = load_embedder(found.workspace, report)
    apart = found.endpoint_url is None and apart_pays(found, base, 1)
    with (
        alone(found, folder) if apart else nullcontext(found) as served,
        endpoint.when_asked(served, base=base.source, all_ready=apart, report=report) as answering,
        Store(found.database_url) as store,
    ):
        tools = Tools(base, answering, embed, store, rival, endpoint.elsewhere(served))
        return evaluate(folder, tools, options, report=report)
