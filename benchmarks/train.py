"""Training side by side with what else there is: `python benchmarks/train.py [--corpus short] [--json]`.

Four contestants train the same LoRA (rank, scale, layers, start weights, learning rate) on the same pairs:

    ours         as `style-clone train` does
    trl_default  TRL's SFTTrainer with its own defaults, prompt and completion, loss on the completion only
    trl_packed   the same with packing, weights as ours and no gradient checkpointing, the fastest TRL offers on a CPU
    trainer      transformers' Trainer with a stock collator, one example a pair, in the precision of ours

Each trains in a process of its own and stops between passes, so that they can take turns: ours, one of the others, ours, the
next. A turn is one whole pass over the same few conversations, and a ratio compares two neighbouring turns; figures and
ratios are medians. Speed is tokens of the conversations over seconds of the pass's steps, each token counted once however
often a contestant computes it: context that pairs share, padding and recomputation earn nothing. `ours/ceiling` is the share
that ours reaches of what the machine's matrix products would allow (train_ceiling.py says how that is counted).

With --quality each contestant trains through one pass and its loss on held-out pairs is measured, alike for all; with
--memory each trains through one pass alone and its process's peak memory is read; with --linear a whole training of ours,
tokenising included, is timed at 10^4 and 10^6 tokens. These run instead of the speed turns. What the choices within our own
training buy is measured by train_parts.py.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import train_corpora
from printing import tell
from train_ceiling import products, shapes, work
from train_contestants import CONTESTANTS, Task, compete
from train_linear import SMALL, linear
from train_turns import Contestant

from style_clone.models import DEFAULT_BASE, KEPT_SHAPES, BaseModel, load_tokenizer, resolve
from style_clone.train.lora import attach_lora
from style_clone.train.recipe import Recipe
from style_clone.workspace import Workspace

Result = dict[str, dict[str, float]]


class Field:
    """The contestants' common task, and how much work it is."""

    def __init__(self, base: BaseModel, corpus: str, tokens: int, recipe: Recipe, start: Path) -> None:
        loaded = train_corpora.load(corpus)
        tokenizer = load_tokenizer(base)
        self.pairs = train_corpora.part(tokenizer, loaded, loaded.train, recipe, tokens)
        joined = train_corpora.examples(tokenizer, loaded, self.pairs, recipe, joined=True)
        model = attach_lora(base, recipe)
        model.save_pretrained(start)
        self.tokens = sum(len(example.ids) for example in joined)
        self.flop = work(model).total(joined)
        self.shapes = shapes(model, recipe.batch_tokens)
        self.task = Task("ours", base, loaded, self.pairs, recipe, start)

    def enter(self, name: str, passes: int, *, measured: bool = False) -> Contestant:
        """A contestant who will train through so many passes."""
        recipe = replace(self.task.recipe, epochs=passes)
        task = replace(self.task, contestant=name, recipe=recipe, measured=measured)
        return Contestant(compete, task, KEPT_SHAPES if name == "ours" else {})  # as `style-clone train` sets them

    def figures(self) -> dict[str, float]:
        """The size of the task."""
        return {"pairs": len(self.pairs), "tokens": self.tokens, "flop_per_token": self.flop / self.tokens}


def speed(field: Field, names: Sequence[str], turns: int) -> Result:
    """Tokens a second of ours, of each other and of the ceiling, in alternation."""
    with everybody(field, names, turns) as (ours, others, ceiling):
        speeds: dict[str, list[float]] = {name: [] for name in ("ours", *names, "ceiling")}
        ratios: dict[str, list[float]] = {f"ours/{name}": [] for name in (*names, "ceiling")}
        for _ in range(turns):
            for name, other in others.items():
                mine, theirs = (field.tokens / contestant.turn() for contestant in (ours, other))
                allowed = field.tokens * ceiling.turn() / field.flop
                for key, value in (("ours", mine), (name, theirs), ("ceiling", allowed)):
                    speeds[key].append(value)
                ratios[f"ours/{name}"].append(mine / theirs)
                ratios["ours/ceiling"].append(mine / allowed)
    return {
        "figures": field.figures() | {f"{name}_tokens_per_second": median(values) for name, values in speeds.items()},
        "ratios": {name: median(values) for name, values in ratios.items()},
    }


@contextmanager
def everybody(
    field: Field, names: Sequence[str], turns: int
) -> Iterator[tuple[Contestant, dict[str, Contestant], Contestant]]:
    """Ours, the others and the ceiling, each after a first turn that does not count: libraries set themselves up in it."""
    ours = field.enter("ours", 1 + turns * len(names))
    entered = [ours]
    try:
        ours.turn()
        others: dict[str, Contestant] = {}
        for name in names:
            entered.append(field.enter(name, 1 + turns))
            others[name] = entered[-1]
            others[name].turn()
        entered.append(Contestant(products, field.shapes))
        entered[-1].turn()
        yield ours, others, entered[-1]
    finally:
        for contestant in entered:
            contestant.stop()


def alone(field: Field, names: Sequence[str], *, measured: bool) -> Result:
    """One pass of each, one after the other: held-out loss if `measured`, else peak memory."""
    figures: dict[str, float] = {}
    for name in ("ours", *names):
        contestant = field.enter(name, 1, measured=measured)
        seconds, last = contestant.turn(), contestant.end()
        if measured:
            figures |= {f"{name}_dev_loss": last["dev_loss"], f"{name}_pass_seconds": seconds}
        else:
            figures[f"{name}_peak_memory_mb"] = last["peak_memory_mb"]
    key = "dev_loss" if measured else "peak_memory_mb"
    ratios = {f"ours/{name} {key}": figures[f"ours_{key}"] / figures[f"{name}_{key}"] for name in names}
    return {"figures": field.figures() | figures, "ratios": ratios}


def median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 4)


def measure(base: BaseModel, options: argparse.Namespace) -> Result:
    """The parts that were asked for, together."""
    recipe = Recipe().with_overrides(dict(each.split("=", 1) for each in options.set))
    names = [name for name in CONTESTANTS if name != "ours" and name in (options.only or CONTESTANTS)]
    parts: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="style-clone-") as start:
        if options.linear:
            parts.append(linear(base, recipe, options.largest))
        if options.quality or options.memory or not parts:
            field = Field(base, options.corpus, options.tokens, recipe, Path(start))
            parts += [alone(field, names, measured=True)] if options.quality else []
            parts += [alone(field, names, measured=False)] if options.memory else []
            parts += [] if parts else [speed(field, names, options.turns)]
    return {group: {k: v for part in parts for k, v in part[group].items()} for group in ("figures", "ratios")}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".cache"), help="where the base model is kept")
    parser.add_argument("--base", default=DEFAULT_BASE, help="base model: a folder, a hub id, or the bundled one")
    parser.add_argument("--corpus", choices=[train_corpora.SAMPLE, train_corpora.SHORT], default=train_corpora.SAMPLE)
    parser.add_argument("--tokens", type=int, default=2000, help="tokens of a pass (about)")
    parser.add_argument("--turns", type=int, default=3, help="how often each contestant is measured")
    parser.add_argument("--only", nargs="+", choices=list(CONTESTANTS), help="compare ours with these only")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe, for all")
    parser.add_argument("--quality", action="store_true", help="held-out loss after one pass; minutes")
    parser.add_argument("--memory", action="store_true", help="peak memory of each alone")
    parser.add_argument(
        "--linear",
        action="store_true",
        help=f"cost of a token at {SMALL:,} and at --largest tokens; of the larger run only every k-th batch is really "
        "trained on, the other steps taken to cost the same by the token; everything else is done whole",
    )
    parser.add_argument("--largest", type=int, default=10**6, help="tokens of the larger run of --linear")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    tell(measure(resolve(options.base, Workspace(options.home.absolute())), options), as_json=options.json)


if __name__ == "__main__":
    main()
