"""What each choice in training buys, measured side by side in one run: `python benchmarks/train.py [--json] [--steps N]`.

All contestants train the same LoRA on the same sample conversations and differ in one thing. The figure is reply tokens
learned a second, since those are what training is for; contestants take turns, and medians over the turns are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft.helpers import disable_input_dtype_casting

from style_clone.conversation import Pair, read_pairs
from style_clone.demo import AUTHOR, CORPUS
from style_clone.ingest.run import ingest
from style_clone.models import DEFAULT_BASE, BaseModel, load_tokenizer, resolve
from style_clone.pairs.run import build
from style_clone.persona import Persona
from style_clone.train.data import LengthBatches, collate
from style_clone.train.loss import reply_nats
from style_clone.train.recipe import Recipe
from style_clone.train.run import attach_lora
from style_clone.train.tokens import Example, Tokeniser
from style_clone.workspace import Workspace

Loss = Callable[[Any, dict[str, torch.Tensor]], torch.Tensor]


def projected_where_needed(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return reply_nats(model, **batch).mean()


def projected_everywhere(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    loss: torch.Tensor = model(**batch, attention_mask=torch.ones_like(batch["input_ids"])).loss
    return loss


@dataclass(frozen=True)
class Contestant:
    """One way to train; the defaults are ours."""

    loss: Loss = projected_where_needed
    attention: str = "eager"
    joined: bool = True
    dropout: float = 0.0


CONTESTANTS = {
    "ours": Contestant(),
    "whole_projection": Contestant(loss=projected_everywhere),
    "fused_attention": Contestant(attention="sdpa"),
    "pairs_apart": Contestant(joined=False),
    "dropout": Contestant(dropout=0.05),
}


def sample_pairs(home: Path) -> tuple[Persona, list[Pair]]:
    folder = Workspace(home).folder("sample")
    ingest(folder, [CORPUS], [AUTHOR])
    build(folder)
    return Persona.load(folder), read_pairs(folder.split("train"))


def tokenise(tokenizer: Any, persona: Persona, pairs: Sequence[Pair], recipe: Recipe, *, joined: bool) -> list[Example]:
    make = Tokeniser(tokenizer, persona.prompt, recipe.max_tokens)
    if joined:
        return make(pairs).examples
    return [example for pair in pairs for example in make([pair]).examples]


class Run:
    """A model that trains as a contestant does, a few steps at a time."""

    def __init__(self, base: BaseModel, contestant: Contestant, examples: list[Example], recipe: Recipe) -> None:
        self.loss = contestant.loss
        self.model = attach_lora(base, replace(recipe, dropout=contestant.dropout))
        self.model.get_base_model().set_attn_implementation(contestant.attention)
        self.model.train()
        self.optimizer = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], lr=1e-4, fused=True)
        self.examples = examples
        self.batches = iter(list(LengthBatches([len(e.ids) for e in examples], recipe.batch_tokens, recipe.seed)) * 9)

    def reply_tokens_per_second(self, steps: int) -> float:
        began, learned = time.perf_counter(), 0
        for _ in range(steps):
            chosen = [self.examples[index] for index in next(self.batches)]
            with torch.autocast("cpu", torch.bfloat16), disable_input_dtype_casting(self.model):
                loss = self.loss(self.model, collate(chosen, pad_id=2))
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            learned += sum(sum(example.mask) for example in chosen)
        return learned / (time.perf_counter() - began)


def measure(base: BaseModel, turns: int, steps: int) -> dict[str, dict[str, float]]:
    recipe = Recipe()
    with tempfile.TemporaryDirectory() as home:
        persona, pairs = sample_pairs(Path(home))
    tokenizer = load_tokenizer(base)
    runs = {
        name: Run(base, contestant, tokenise(tokenizer, persona, pairs, recipe, joined=contestant.joined), recipe)
        for name, contestant in CONTESTANTS.items()
    }
    for run in runs.values():
        run.reply_tokens_per_second(1)
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            speeds[name].append(run.reply_tokens_per_second(steps))
    figures = {f"{name}_reply_tokens_per_second": statistics.median(values) for name, values in speeds.items()}
    paired = {
        name: [a / b for a, b in zip(speeds["ours"], speeds[name], strict=True)] for name in runs if name != "ours"
    }
    return {
        "figures": figures,
        "ratios": {f"ours/{name}": statistics.median(values) for name, values in paired.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".cache"), help="where the base model is kept")
    parser.add_argument("--turns", type=int, default=5, help="how often each contestant is measured")
    parser.add_argument("--steps", type=int, default=4, help="training steps a turn")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    result = measure(resolve(DEFAULT_BASE, Workspace(options.home.absolute())), options.turns, options.steps)
    if options.json:
        print(json.dumps(result))
        return
    for group, values in result.items():
        print(group)
        for name, value in values.items():
            print(f"  {name:<44}{value:8.2f}")


if __name__ == "__main__":
    main()
