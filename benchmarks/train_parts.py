"""What each choice in training buys, measured side by side in one run: `python benchmarks/train_parts.py [--json]`.

All contestants train the same LoRA on the same sample conversations and differ from ours in what they are named for. The
figure is reply tokens learned a second, since those are what training is for; contestants take turns, and medians over the
turns are compared. What else there is to train with is compared in train.py.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import train_corpora
from peft.helpers import disable_input_dtype_casting
from printing import tell
from train_turns import Clock

from style_clone import precision
from style_clone.models import DEFAULT_BASE, BaseModel, load_tokenizer, resolve
from style_clone.precision import Precision
from style_clone.train.data import LengthBatches, collate
from style_clone.train.lora import attach_lora
from style_clone.train.loss import reply_nats
from style_clone.train.recipe import Recipe
from style_clone.train.step import as_in_training
from style_clone.train.tokens import Example
from style_clone.workspace import Workspace

Loss = Callable[[Any, dict[str, torch.Tensor]], torch.Tensor]


def projected_where_needed(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return reply_nats(model, **batch).mean()


def projected_everywhere(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    loss: torch.Tensor = model(**batch, attention_mask=torch.ones_like(batch["input_ids"])).loss
    return loss


@dataclass(frozen=True)
class Contestant:
    """One way to train; the defaults are ours. `attention` is seen only without our kernels, which bring their own.

    `other_precision` is bfloat16 where we compute in float32, and the other way round.
    """

    loss: Loss = projected_where_needed
    within: Callable[[Any], AbstractContextManager[Any]] = as_in_training
    attention: str = "eager"
    joined: bool = True
    padded: bool = False
    dropout: float = 0.0
    computed: Precision = field(default_factory=precision.here)


CONTESTANTS = {
    "ours": Contestant(),
    "plain_products": Contestant(within=disable_input_dtype_casting),
    "plain_products_sdpa": Contestant(within=disable_input_dtype_casting, attention="sdpa"),
    "padded": Contestant(padded=True),
    "padded_whole_projection": Contestant(padded=True, loss=projected_everywhere),
    "pairs_apart": Contestant(joined=False),
    "dropout": Contestant(dropout=0.05),
    "other_precision": Contestant(computed="float32" if precision.here() == "bfloat16" else "bfloat16"),
}


class Run:
    """A model that trains as a contestant does, a few steps at a time."""

    def __init__(self, base: BaseModel, contestant: Contestant, examples: Sequence[Example], recipe: Recipe) -> None:
        self.loss = contestant.loss
        with patch.object(precision, "here", lambda: contestant.computed):
            self.model = attach_lora(base, replace(recipe, dropout=contestant.dropout))
        self.model.get_base_model().set_attn_implementation(contestant.attention)
        self.model.to("cuda" if torch.cuda.is_available() else "cpu").train()
        self.contestant = contestant
        self.in_one_row = False
        self.optimizer = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], lr=1e-4, fused=True)
        self.examples = examples
        self.batches = iter(list(LengthBatches([len(e.ids) for e in examples], recipe.batch_tokens, recipe.seed)) * 9)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Within the block the model computes as the contestant's does."""
        with self.contestant.within(self.model) as in_one_row:
            self.in_one_row = in_one_row is True and not self.contestant.padded
            yield

    def reply_tokens_per_second(self, steps: int) -> float:
        clock, learned = Clock(), 0
        clock.start()
        for _ in range(steps):
            chosen = [self.examples[index] for index in next(self.batches)]
            made = collate(chosen, pad_id=2, in_one_row=self.in_one_row)
            batch = {key: value.to(self.model.device) for key, value in made.items()}
            with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.model.dtype == torch.bfloat16):
                loss = self.loss(self.model, batch)
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            learned += sum(sum(example.mask) for example in chosen)
        return learned / clock.stop()


def measure(base: BaseModel, turns: int, steps: int) -> dict[str, dict[str, float]]:
    recipe, corpus, tokenizer = Recipe(), train_corpora.load(train_corpora.SAMPLE), load_tokenizer(base)
    data = {
        joined: train_corpora.examples(tokenizer, corpus, corpus.train, recipe, joined=joined)
        for joined in (True, False)
    }
    runs = {name: Run(base, each, data[each.joined], recipe) for name, each in CONTESTANTS.items()}
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    with ExitStack() as stack:
        for run in runs.values():
            stack.enter_context(run.ready())
            run.reply_tokens_per_second(1)
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".cache"), help="where the base model is kept")
    parser.add_argument("--base", default=DEFAULT_BASE, help="base model: a folder, a hub id, or the bundled one")
    parser.add_argument("--turns", type=int, default=5, help="how often each contestant is measured")
    parser.add_argument("--steps", type=int, default=4, help="training steps a turn")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    result = measure(resolve(options.base, Workspace(options.home.absolute())), options.turns, options.steps)
    tell(result, as_json=options.json)


if __name__ == "__main__":
    main()
