"""The whole line on real authors: `python benchmarks/authors.py [--only irc-1 keats] [--home FOLDER] [--json]`.

Everybody's writing is ingested, made into pairs, trained on and evaluated by the commands people type. A row then says what
came of it: training as predicted and as it was, whether the verifier could measure, every candidate's voice, the guardrails,
the verdict, the minutes. Rows are added to --records, JSON Lines, as soon as they are there, and at the end authors.md and
authors.svg beside it are made anew. Who has a row of the present protocol is not done again; whoever was being done when it
was stopped goes on.
Rows hold numbers, and nobody's words or name: living people are those who wrote the most, second most and third most.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import authors_report
from authors_report import Row
from printing import tell

from style_clone.conversation import SPLITS, read_lines, read_pairs, write_lines
from style_clone.evaluate.run import PROTOCOL, Options, is_fresh
from style_clone.train import artifact
from style_clone.train.checkpoints import Checkpoints
from style_clone.workspace import PersonaFolder, Workspace, atomic_file, read_json

RECORDS = Path(__file__).resolve().parent / "records" / "authors.jsonl"
CORPORA = Path(__file__).resolve().parents[2] / "shared" / "corpora"


@dataclass(frozen=True)
class Author:
    """Whoever wrote the `rank`th most of a corpus; `impostors` is where other people's writing of the kind is found."""

    key: str
    corpus: str
    rank: int = 1
    impostors: str = ""

    def writing(self, corpora: Path) -> Path:
        """The corpus. Ends this program where it is not there."""
        folder = corpora / "authors" / self.corpus
        found = list(folder.glob("*.jsonl"))
        if len(found) != 1:
            sys.exit(f"{folder}: expected one file of JSON Lines there, and found {len(found)}. Say --corpora FOLDER.")
        return found[0]

    def name(self, corpora: Path) -> str:
        """What they are called in it."""
        counts = Counter(message["author"] for message in read_lines(self.writing(corpora)))
        return sorted(counts, key=lambda name: (-counts[name], name))[self.rank - 1]


AUTHORS = [
    *(Author(f"irc-{rank}", "chat/duraspace-irc", rank) for rank in (1, 2, 3)),
    *(Author(f"r-sig-{rank}", "email/r-sig-lists", rank) for rank in (1, 2, 3)),
    Author("enron", "email/enron-ucb"),
    *(
        Author(key, f"letters/{folder}", impostors="authors/letters")
        for key, folder in {"keats": "john-keats", "james": "henry-james", "burns": "robert-burns"}.items()
    ),
]


def do(folder: PersonaFolder, author: Author, corpora: Path, measuring: Sequence[str]) -> None:
    """Whatever of the line is not done yet, by the commands; `measuring` are options of `evaluate`."""
    others = ["--impostors", str(corpora / author.impostors)] if author.impostors else []
    if not folder.messages.exists():
        style_clone(folder, "ingest", str(author.writing(corpora)), "--me", author.name(corpora))
    if not folder.split("train").exists():
        style_clone(folder, "pairs")
    if not (folder.adapter.exists() and artifact.is_fresh(folder)):
        style_clone(folder, "train", *(["--resume"] if Checkpoints.of(folder).newest() else []))
    if not (is_fresh(folder) and read_json(folder.scorecard).get("protocol") == PROTOCOL):
        style_clone(folder, "evaluate", *measuring, *others)


def style_clone(folder: PersonaFolder, command: str, *options: str) -> None:
    """One command on the persona. Ends this program where it fails; it has said why."""
    home = folder.root.parent.parent
    called = [sys.executable, "-m", "style_clone", command, folder.slug, *options]
    with subprocess.Popen(called, env={**os.environ, "STYLE_CLONE_HOME": str(home)}) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:  # it was told too, and ends in order
            code = process.wait()
    if code:
        sys.exit(code)


def row(folder: PersonaFolder, key: str) -> Row:
    """What came of it."""
    run, card = artifact.load_run(folder), read_json(folder.scorecard)
    sizes = card["sizes"]
    return {
        "author": key,
        "protocol": card["protocol"],
        "pairs": {split: len(read_pairs(folder.split(split))) for split in SPLITS},
        "training": _training(run),
        "test_replies": sizes["test_replies"],
        "test_conversations": sizes["test_conversations"],
        "samples": sizes["samples"],
        "impostors": len(sizes["impostors_fitted"]) + len(sizes["impostors_unseen"]),
        "exploratory": sizes["exploratory"],
        "gate": card["gate"],
        "candidates": [_candidate(each) for each in card["candidates"]],
        "human": card["human"],
        "contrasts": card["contrasts"],
        "verdict": card["verdict"]["code"],
        "evaluate_seconds": card["cost"]["evaluate_seconds"],
    }


def _training(run: Mapping[str, Any]) -> Row:
    dev = [point["dev_nats"] for point in run["curve"] if "dev_nats" in point]
    leaks = {name: run["leaks"][name] for name in ("extracted", "replies", "held_out_extracted", "held_out")}
    wanted = (
        "num_train_tokens",
        "tokens_per_second",
        "seconds",
        "peak_memory_bytes",
        "predicted",
        "resumed",
        "precision",
    )
    return {"dev_nats": dev, "leaks": leaks, **{name: run[name] for name in wanted}}


def _candidate(each: Mapping[str, Any]) -> Row:
    wanted = ("id", "role", "setting", "voice", "habits", "fit", "relevance", "copying", "shape", "failed", "unsettled")
    return {name: each[name] for name in wanted}


def figures(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """The rows' main numbers by author; ratios of what was predicted to what came."""
    numbers: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for each in rows:
        key, training = each["author"], each["training"]
        numbers[f"{key}_train_seconds"] = training["seconds"]
        numbers[f"{key}_evaluate_seconds"] = each["evaluate_seconds"]
        for name in ("seconds", "peak_memory_bytes"):
            ratios[f"{key}_predicted/actual_{name}"] = training["predicted"][name] / training[name]
        if each["gate"]["auc"]:
            numbers[f"{key}_gate_auc"] = each["gate"]["auc"]["value"]
        for side in each["candidates"]:
            numbers[f"{key}_bits_{side['id']}"] = side["fit"]["bits_per_byte"]["value"]
            if side["voice"]:
                numbers[f"{key}_s_{side['id']}"] = side["voice"]["s"]["value"]
    return {"figures": numbers, "ratios": ratios}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    keys = [author.key for author in AUTHORS]
    parser.add_argument("--only", nargs="+", choices=keys, default=keys, help="these authors only")
    corpora = Path(os.environ.get("STYLE_CLONE_CORPORA") or CORPORA)
    parser.add_argument("--corpora", type=Path, default=corpora, help="where the real writing is")
    parser.add_argument("--home", type=Path, default=Path(".cache/authors"), help="where the personas are kept")
    parser.add_argument("--prompts", type=int, default=Options.prompts, help="test messages answered, at most")
    parser.add_argument("--samples", type=int, default=Options.samples, help="replies of each candidate to each")
    parser.add_argument("--records", type=Path, default=RECORDS, help="where the rows are kept")
    parser.add_argument("--json", action="store_true", help="print figures and ratios as JSON")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    there = {each["author"]: each for each in read_lines(options.records)} if options.records.exists() else {}
    workspace = Workspace(options.home.absolute())
    for author in AUTHORS:
        if author.key in options.only and there.get(author.key, {}).get("protocol") != PROTOCOL:
            folder = workspace.folder(author.key)
            do(folder, author, options.corpora, ["--prompts", str(options.prompts), "--samples", str(options.samples)])
            there[author.key] = row(folder, author.key)
            with atomic_file(options.records) as file:
                write_lines(file, there.values())
    authors_report.write(list(there.values()), options.records.parent)
    rows = [there[key] for key in options.only if key in there]
    if options.json:
        tell(figures(rows), as_json=True)
    else:
        print("\n".join(authors_report.summary(rows)))


if __name__ == "__main__":
    main()
