"""What the line that names a contact buys: `python benchmarks/registers.py PERSONA HOME [HOME...] [--split test] [--json]`.

Each HOME holds the same persona, trained in one way or another; the first one's registers are measured in all of them.
Bits per byte of the author's held-out replies to contacts with a register are compared under the right line, without a
line, and under the line of the next contact; and of all other held-out replies without a line.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel

from style_clone import register
from style_clone.conversation import Pair, read_pairs
from style_clone.evaluate.fit import Fit, Measurer
from style_clone.evaluate.statistics import ratio_difference_interval
from style_clone.models import load_model, load_tokenizer, trained_on
from style_clone.persona import Persona
from style_clone.prompt import Prompt
from style_clone.workspace import PersonaFolder, Workspace

Label = Callable[[str], str | None]


def measurer(folder: PersonaFolder, workspace: Workspace) -> Measurer:
    base = trained_on(folder, workspace)
    return Measurer(PeftModel.from_pretrained(load_model(base), folder.adapter), load_tokenizer(base))


def fit(measure: Measurer, pairs: Sequence[Pair], prompt: Prompt, label: Label) -> Fit:
    """Pairs under the line for their own recipient."""
    parts = []
    for recipient in sorted({pair.recipient or "" for pair in pairs}):
        chosen = [pair for pair in pairs if (pair.recipient or "") == recipient]
        parts.append(measure(chosen, prompt.writing_to(label(recipient))))
    return Fit([pair for part in parts for pair in part.pairs], [bits for part in parts for bits in part.pair_bits])


def difference(first: Fit, second: Fit) -> tuple[float, float, float]:
    """First minus second in bits per byte, with its interval over conversations."""
    names = sorted(first.bits)
    bits, others = ([each.bits[name] for name in names] for each in (first, second))
    return ratio_difference_interval(bits, others, [first.num_bytes[name] for name in names])


def measure_home(home: Path, slug: str, registers: register.Registers, split: str) -> dict[str, Fit]:
    workspace = Workspace(home)
    folder = workspace.folder(slug)
    pairs = read_pairs(folder.pairs / f"{split}.jsonl")
    known = [pair for pair in pairs if register.label_of(registers, pair.recipient)]
    labels = [*registers.values()]
    wrong = dict(zip(labels, [*labels[1:], labels[0]], strict=True))
    measure, prompt = measurer(folder, workspace), Persona.load(folder).prompt

    def right(recipient: str) -> str | None:
        return register.label_of(registers, recipient)

    return {
        "right line": fit(measure, known, prompt, right),
        "no line": fit(measure, known, prompt, lambda recipient: None),
        "wrong line": fit(measure, known, prompt, lambda recipient: wrong[right(recipient) or ""]),
        "others, no line": fit(measure, [pair for pair in pairs if pair not in known], prompt, lambda recipient: None),
    }


def compare(fits: dict[str, dict[str, Fit]]) -> dict[str, Any]:
    first = next(iter(fits))
    rows = [(home, name, "no line") for home in fits for name in ("right line", "wrong line")]
    found = {f"{home}: {name} - {other}": difference(fits[home][name], fits[home][other]) for home, name, other in rows}
    for home in [home for home in fits if home != first]:
        found |= {
            f"{first} - {home}: {name}": difference(fits[first][name], fits[home][name])
            for name in ("no line", "others, no line")
        }
        found[f"{first} right line - {home} no line"] = difference(fits[first]["right line"], fits[home]["no line"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("persona")
    parser.add_argument("homes", nargs="+", type=Path, help="each a STYLE_CLONE_HOME")
    parser.add_argument("--split", default="test", help="which held-out pairs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    registers = register.load(Workspace(options.homes[0]).folder(options.persona))
    fits = {home.name: measure_home(home, options.persona, registers, options.split) for home in options.homes}
    bits = {home: {name: fit.bits_per_byte for name, fit in each.items()} for home, each in fits.items()}
    result = {"bits_per_byte": bits, "differences": compare(fits)}
    if options.json:
        print(json.dumps(result))
        return
    for home, row in bits.items():
        print(home, "  ".join(f"{name} {value:.4f}" for name, value in row.items()))
    for name, (middle, low, high) in result["differences"].items():
        print(f"{name:<44}{middle:+.4f}  95% {low:+.4f} to {high:+.4f}")


if __name__ == "__main__":
    main()
