"""The evidence for the recipe: `python benchmarks/sweep.py [--corpus FOLDER --me NAME] [--only learning_rate] [--json]`.

One setting at a time is changed in the default recipe; each run makes the same passes over the same pairs, without stopping
early, and the loss on held-out conversations is measured along the way. Runs are on the sample corpus, or on the writing in
--corpus. Each is added to --records, JSON Lines, as soon as it is done, and one that is there already is not run again: a
sweep can be stopped at any time and go on later. LoRA's scale alpha stays as it is when the rank changes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import train_corpora

from style_clone.conversation import read_lines
from style_clone.demo import AUTHOR, CORPUS
from style_clone.models import DEFAULT_BASE, BaseModel, resolve
from style_clone.train.loop import run_loop
from style_clone.train.lora import attach_lora
from style_clone.train.prepared import Prepared, prepare
from style_clone.train.recipe import Recipe
from style_clone.train.step import measured
from style_clone.workspace import PersonaFolder, Workspace

RECORDS = Path(__file__).resolve().parent / "records" / "sweep-135m.jsonl"
ATTENTION = "q_proj,k_proj,v_proj,o_proj"
FACTORS: dict[str, list[Any]] = {
    "learning_rate": [3e-4, 5e-4, 1e-3, 2e-3],
    "rank": [4, 8, 16, 32],
    "targets": ["all-linear", ATTENTION, "q_proj,v_proj"],
    "dropout": [0.0, 0.05],
    "prompt_loss_weight": [0.0, 0.1],
    "batch_tokens": [512, 1024],
}
"""The settings and the values that are tried; passes over the pairs are read off the curves."""
NEVER = 10**9

Record = dict[str, Any]


def changes(only: Sequence[str] | None = None) -> Iterator[dict[str, str]]:
    """The default recipe, {}, then every other value of each setting by itself."""
    yield {}
    for name, values in FACTORS.items():
        if not only or name in only:
            yield from ({name: str(value)} for value in values if value != getattr(Recipe(), name))


def identity(prepared: Prepared, corpus: str, change: dict[str, str], tokens: int) -> Record:
    """What makes two runs the same run, in clear and as a digest."""
    says: Record = {"corpus": corpus, "change": change, "tokens": tokens, "recipe": asdict(prepared.recipe)}
    made_of = json.dumps({**says, **prepared.identity}, sort_keys=True)
    return {"id": hashlib.sha256(made_of.encode()).hexdigest()[:16], **says}


def trained(prepared: Prepared, base: BaseModel, tokens: int) -> Record:
    """Train; what came of it."""
    data = prepared.examples
    data["train"] = measured(data["train"], replace(prepared.recipe, dev_tokens=tokens))
    with tempfile.TemporaryDirectory(prefix="style-clone-") as folder:
        outcome = run_loop(attach_lora(base, prepared.recipe), data, prepared.recipe, Path(folder), prepared.pad_id)
    made = asdict(outcome)
    made["curve"] = [point for point in made["curve"] if "dev_nats" in point]
    return {**made, "num_train_tokens": sum(len(example.ids) for example in data["train"])}


def sweep(folder: PersonaFolder, corpus: str, base: BaseModel, options: argparse.Namespace) -> list[Record]:
    """The records of all runs that were asked for; those that are not there yet are made."""
    there = {row["id"]: row for row in read_lines(options.records)} if options.records.exists() else {}
    rows = []
    for change in changes(options.only):
        common = {"epochs": str(options.passes), "patience": str(NEVER)}
        prepared = prepare(folder, base, {**common, **change})
        key = identity(prepared, corpus, change, options.tokens)
        if key["id"] not in there:
            record = {**key, **trained(prepared, base, options.tokens)}
            options.records.parent.mkdir(parents=True, exist_ok=True)
            with options.records.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            there[key["id"]] = record
        rows.append(there[key["id"]])
    return rows


def table(rows: Sequence[Record]) -> Iterator[str]:
    """A line a run: what was changed, the best held-out nats per token and after how many passes, and the speed."""
    yield f"{'change':<44}{'dev nats':>9}{'passes':>8}{'against':>9}{'seconds':>9}{'tokens/s':>10}"
    for row in rows:
        name = ", ".join(f"{key}={value}" for key, value in row["change"].items()) or "(the default)"
        against = row["best_dev_nats"] - rows[0]["best_dev_nats"]
        yield (
            f"{name:<44}{row['best_dev_nats']:9.4f}{row['best_epoch']:8.2f}{against:+9.4f}{row['seconds']:9.0f}"
            f"{row['tokens_per_second']:10.1f}"
        )


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".cache"), help="where the base model is kept")
    parser.add_argument("--base", default=DEFAULT_BASE, help="base model: a folder, a hub id, or the bundled one")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="the writing to train on; without it the sample")
    parser.add_argument("--me", default=AUTHOR, help="whose writing of it")
    parser.add_argument("--tokens", type=int, default=30_000, help="tokens of a pass at most")
    parser.add_argument("--passes", type=int, default=3, help="passes over the pairs")
    parser.add_argument("--only", nargs="+", choices=list(FACTORS), help="change these settings only")
    parser.add_argument("--records", type=Path, default=RECORDS, help="where runs are kept")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    base = resolve(options.base, Workspace(options.home.absolute()))
    with tempfile.TemporaryDirectory(prefix="style-clone-") as home:
        folder = train_corpora.persona(Path(home), options.corpus, options.me)
        rows = sweep(folder, f"{options.corpus.name}: {options.me}", base, options)
    if options.json:
        print(json.dumps(rows))
        return
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
