"""`style-clone compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from style_clone.cli.options import assigned, json_option, measuring_options, print_json, settings
from style_clone.cli.scorecard_print import print_comparison
from style_clone.cli.terminal import progress
from style_clone.progress import Report
from style_clone.settings import Settings

if TYPE_CHECKING:
    from style_clone.evaluate.compare import On
    from style_clone.evaluate.run import Options
    from style_clone.evaluate.sides import Sides


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--on",
    type=click.Choice(("dev", "test")),
    default="dev",
    show_default=True,
    help="Held-out part that is measured on: recipes are chosen on dev, and what was chosen is reported on test.",
)
@click.option("--sampling-a", multiple=True, metavar="KEY=VALUE", help="Draw A's replies so; repeatable.")
@click.option("--sampling-b", multiple=True, metavar="KEY=VALUE", help="Draw B's replies so; repeatable.")
@measuring_options
@json_option
def command(
    a: str,
    b: str,
    on: On,
    sampling_a: tuple[str, ...],
    sampling_b: tuple[str, ...],
    prompts: int,
    samples: int,
    impostors: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Put adapters A and B side by side: which writes more like their author?

    Each is a persona's name or a folder with an adapter, such as `style-clone export PERSONA --adapter` writes; one at least
    is a persona. They must belong to one base model. A recipe is how an adapter was trained and how its replies are drawn: A
    and B may be one adapter, sampled in two ways. Trained on the same pairs, recipes are all that differs; two personas may
    have different pairs, to see which writing to train on: both are then asked what A holds back and B was not trained on.

    Both answer the same held-out messages and are measured as by `evaluate`; nothing of the persona's scorecard changes.
    Whoever tries recipes until one looks good on test has no test left, so the default is dev. An endpoint of its own is
    started for both; where memory is short, stop the one that is running first.

    \b
      style-clone export me --adapter --out ~/before
      style-clone train me --set rank=32
      style-clone compare ~/before me
      style-clone compare only-chats chats-and-blog
      style-clone compare me me --sampling-b temperature=0.5
    """
    from style_clone.models import keep_few_shapes

    keep_few_shapes()
    samplings = {"a": assigned("--sampling-a", sampling_a), "b": assigned("--sampling-b", sampling_b)}
    with progress(quiet=as_json) as report:
        from style_clone.evaluate.run import Options
        from style_clone.evaluate.sides import Sides

        found = settings()
        sides = Sides.find(found.workspace, a, b, samplings)
        comparison = _compared(found, sides, on, Options(prompts, samples, impostors), report)
    print_json(comparison) if as_json else print_comparison(comparison)


def _compared(found: Settings, sides: Sides, on: On, options: Options, report: Report) -> dict[str, Any]:
    from style_clone.embedding import load_embedder
    from style_clone.evaluate.compare import compare
    from style_clone.evaluate.run import Instruments
    from style_clone.evaluate.sides import side_by_side
    from style_clone.models import trained_on
    from style_clone.serving import endpoint
    from style_clone.serving.merged import apart_pays

    base = trained_on(sides.folder, found.workspace, report)
    embed = load_embedder(found.workspace, report)
    apart = apart_pays(found, base, 2)
    with (
        side_by_side(found, sides, base, "apart" if apart else "adapters") as beside,
        endpoint.when_asked(beside, base=base.source, all_ready=apart, report=report) as answering,
    ):
        return compare(sides, Instruments(base, answering, embed), options, on, report=report)
