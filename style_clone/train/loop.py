"""The training loop: transformers' Trainer, with our batches, our loss and our held-out measure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import set_peft_model_state_dict
from safetensors.torch import load_file
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerState, TrainingArguments

from style_clone import precision
from style_clone.progress import Report, silent
from style_clone.train import processes
from style_clone.train.artifact import WEIGHTS
from style_clone.train.callbacks import Keeper, Narrator, Sample, Schedule, best_checkpoint, is_past_best
from style_clone.train.checkpoints import Checkpoints
from style_clone.train.data import LengthBatches, collate
from style_clone.train.loss import reply_nats, weighted_nats
from style_clone.train.machine import peak_memory_bytes, world_size
from style_clone.train.recipe import Recipe
from style_clone.train.step import as_in_training, measured
from style_clone.train.tokens import Example

if TYPE_CHECKING:
    from peft import PeftModel

TRAINER_STATE = "trainer_state.json"
"""Where Trainer notes, in a checkpoint, how far it is."""


@dataclass(frozen=True)
class Outcome:
    """What a run ended with. Losses are in nats per reply token; the curve's epoch 0 is the untrained model.

    `stopped` is "finished", "early" or "cancelled"; where nothing was measured before a cancel, `best_step` is 0.
    `seconds`, `tokens_per_second` (of all processes) and `peak_memory_bytes` (of this one) are of this process: a resumed
    run does not count what went before.
    """

    curve: list[dict[str, float]]
    best_step: int
    best_epoch: float
    best_dev_nats: float
    seconds: float
    tokens_per_second: float
    peak_memory_bytes: int
    steps: int
    stopped: str


class VoiceTrainer(Trainer):
    """Trainer over `Example`s: batches by length, loss on replies only, held-out loss per token."""

    def __init__(
        self,
        model: Any,
        recipe: Recipe,
        data: Mapping[str, Sequence[Example]],
        pad_id: int,
        cancelled: Callable[[], bool] = lambda: False,
        **kwargs: Any,
    ) -> None:
        self.held_out = measured(data["dev"], recipe)
        datasets = {"train_dataset": cast(Any, data["train"]), "eval_dataset": cast(Any, self.held_out)}
        super().__init__(model=model, **datasets, **kwargs)
        self.recipe = recipe
        self.pad_id = pad_id
        self.cancelled = cancelled
        self.in_one_row = False

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches by length, a new order each pass, dealt over the processes."""
        examples = cast(Any, self.train_dataset)
        return DataLoader(
            examples,
            batch_sampler=cast(Any, processes.Dealt(batches_of(examples, self.recipe))),
            collate_fn=lambda chosen: self.collate(chosen, self.recipe.prompt_loss_weight),
            pin_memory=self.args.dataloader_pin_memory,
        )

    def collate(self, examples: Sequence[Example], prompt_weight: float = 0.0) -> dict[str, torch.Tensor]:
        """A batch, laid out as suits the model."""
        return collate(examples, self.pad_id, prompt_weight, in_one_row=self.in_one_row)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean nats over the reply tokens of all processes' batches.

        Gradients are averaged over the processes afterwards, hence the factor.
        """
        nats, weight = weighted_nats(model, **inputs)
        [everywhere] = processes.total(float(weight))
        return nats * (world_size() / everywhere)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Held-out nats per reply token, over whole conversations the adapter has not seen; nan if cancelled meanwhile."""
        self.model.eval()
        nats, count, is_cut = 0.0, 0.0, False
        with torch.inference_mode(), self.compute_loss_context_manager():
            # Each process measures its share of the batches.
            for indices in list(batches_of(self.held_out, self.recipe))[processes.rank() :: world_size()]:
                is_cut = is_cut or self.cancelled()
                losses = self._held_out_nats(indices) if not is_cut else torch.empty(0)
                nats += float(losses.sum())
                count += losses.numel()
        nats, count, cuts = processes.total(nats, count, is_cut)
        metrics = {"eval_loss": math.nan if cuts else nats / count}
        if not cuts:
            self.log(metrics)  # into the history that checkpoints keep, so that a resumed run knows its whole curve
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _held_out_nats(self, indices: Sequence[int]) -> torch.Tensor:
        batch = self.collate([self.held_out[index] for index in indices])
        return reply_nats(self.model, **{key: value.to(self.args.device) for key, value in batch.items()})


def run_loop(
    model: PeftModel,
    data: Mapping[str, Sequence[Example]],
    recipe: Recipe,
    checkpoints: Path,
    pad_id: int,
    report: Report = silent,
    *,
    sample: Sample | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    checkpoint_seconds: float = math.inf,
) -> Outcome:
    """Train `model` on data["train"], leaving it with the weights that were best on data["dev"].

    It goes on from the newest complete checkpoint in `checkpoints`, if there is one. `cancelled` is asked after each step and
    between held-out batches. `checkpoint_seconds` is how often a checkpoint is written besides those at measurements.
    """
    kept = Checkpoints(checkpoints)
    start = kept.newest()
    schedule = Schedule(len(batches_of(data["train"], recipe)), recipe.epochs, recipe.evaluations)
    tokens = sum(len(example.ids) for example in data["train"])
    narrator = Narrator(report if processes.is_first() else silent, schedule, tokens, sample)
    keeper = Keeper(kept, schedule, recipe.patience, checkpoint_seconds, cancelled)
    arguments = _arguments(recipe, checkpoints, schedule.steps, measure_first=start is None)
    trainer = VoiceTrainer(model, recipe, data, pad_id, cancelled, args=arguments, callbacks=[narrator, keeper])
    trainer.remove_callback(PrinterCallback)
    before = _state(start)
    began = time.monotonic()
    if start is not None and is_past_best(before.log_history, recipe.patience):
        trainer.state, keeper.stopped = before, "early"  # it was killed after its last step
    else:
        with as_in_training(model) as trainer.in_one_row:
            trainer.train(resume_from_checkpoint=str(start) if start else None)
    best = best_checkpoint(trainer.state, kept)
    if best is not None and processes.is_first():
        set_peft_model_state_dict(model, load_file(best / WEIGHTS))
    seconds = time.monotonic() - began
    return _outcome(trainer.state, schedule, keeper.stopped, seconds, narrator.tokens(trainer.state.global_step))


def batches_of(examples: Sequence[Example], recipe: Recipe) -> LengthBatches:
    """The batches of all processes together."""
    lengths = [len(example.ids) for example in examples]
    return LengthBatches(lengths, recipe.batch_tokens * world_size(), recipe.seed)


def _outcome(state: TrainerState, schedule: Schedule, stopped: str, seconds: float, tokens: float) -> Outcome:
    best_step = state.best_global_step or 0
    return Outcome(
        curve=_points(state.log_history),
        best_step=best_step,
        best_epoch=best_step / schedule.steps_per_pass,
        best_dev_nats=state.best_metric if best_step else math.nan,
        seconds=seconds,
        tokens_per_second=tokens / seconds,
        peak_memory_bytes=peak_memory_bytes(),
        steps=state.global_step,
        stopped=stopped,
    )


def _state(start: Path | None) -> TrainerState:
    return TrainerState.load_from_json(str(start / TRAINER_STATE)) if start else TrainerState()


def _arguments(recipe: Recipe, checkpoints: Path, total_steps: int, *, measure_first: bool) -> TrainingArguments:
    has_gpu = torch.cuda.is_available()
    never = total_steps + 1  # Keeper decides when
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(total_steps * recipe.warmup_share),
        weight_decay=0.0,
        optim="adamw_torch_fused",
        bf16=precision.here() == "bfloat16",
        use_cpu=not has_gpu,
        dataloader_pin_memory=has_gpu,
        ddp_backend="gloo" if world_size() > 1 and not has_gpu else None,
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
        average_tokens_across_devices=False,  # compute_loss does
        eval_strategy="steps",
        eval_steps=never,
        eval_on_start=measure_first,
        save_strategy="steps",
        save_steps=never,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        log_level="error",
        remove_unused_columns=False,
        seed=recipe.seed,
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # one process drives one GPU; for several there is torchrun
    return arguments


def _points(history: list[dict[str, Any]]) -> list[dict[str, float]]:
    """The curve's points in order: the held-out loss of the untrained model, then a step's loss or a held-out one."""
    names = {"loss": "train_nats", "eval_loss": "dev_nats"}
    return [
        {"epoch": row.get("epoch", 0.0), names[kind]: row[kind]} for row in history for kind in names if kind in row
    ]
