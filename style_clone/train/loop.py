"""The training loop: transformers' Trainer, with our batches, our loss and our held-out measure."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from peft.helpers import disable_input_dtype_casting
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from style_clone.progress import Event, Report
from style_clone.train.data import LengthBatches, collate
from style_clone.train.loss import reply_nats
from style_clone.train.recipe import Recipe
from style_clone.train.tokens import Example

if TYPE_CHECKING:
    from peft import PeftModel


@dataclass(frozen=True)
class Outcome:
    """What a run ended with. Losses are in nats per reply token; `best_epoch` 0 would be the untrained model."""

    curve: list[dict[str, float]]
    best_epoch: float
    best_dev_nats: float
    seconds: float
    steps: int


class VoiceTrainer(Trainer):
    """Trainer over `Example`s: batches by length, loss on replies only, held-out loss per token."""

    def __init__(
        self, model: Any, recipe: Recipe, data: Mapping[str, Sequence[Example]], pad_id: int, **kwargs: Any
    ) -> None:
        datasets = {"train_dataset": cast(Any, data["train"]), "eval_dataset": cast(Any, data["dev"])}
        super().__init__(model=model, **datasets, **kwargs)
        self.recipe = recipe
        self.pad_id = pad_id
        self.curve: list[dict[str, float]] = []

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches by length, a new order each pass."""
        return cast(DataLoader[Any], self.accelerator.prepare(self._loader(cast(Any, self.train_dataset))))

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean nats over the batch's reply tokens."""
        return reply_nats(model, **inputs).mean()

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Held-out nats per reply token, over whole conversations the adapter has not seen."""
        self.model.eval()
        nats, count = 0.0, 0
        with torch.inference_mode(), self.compute_loss_context_manager():
            for batch in self._loader(cast(Any, self.eval_dataset)):
                losses = reply_nats(self.model, **{key: value.to(self.args.device) for key, value in batch.items()})
                nats += float(losses.sum())
                count += losses.numel()
        metrics = {"eval_loss": nats / count, "epoch": float(self.state.epoch or 0)}
        self.curve.append({"epoch": metrics["epoch"], "dev_nats": metrics["eval_loss"]})
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _loader(self, examples: Sequence[Example]) -> DataLoader[Any]:
        batches = LengthBatches([len(example.ids) for example in examples], self.recipe.batch_tokens, self.recipe.seed)
        return DataLoader(
            cast(Any, examples),
            batch_sampler=cast(Any, batches),
            collate_fn=lambda chosen: collate(chosen, self.pad_id),
        )


class Narrator(TrainerCallback):
    """Tells every step's loss, speed and held-out loss to whoever listens. Speed counts real tokens, no padding."""

    def __init__(self, report: Report, tokens_per_epoch: int) -> None:
        self.report = report
        self.tokens_per_epoch = tokens_per_epoch
        self.figures: dict[str, float] = {}
        self.began = (time.monotonic(), 0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self.began = (time.monotonic(), state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """One step's loss, in nats per reply token."""
        if logs and "loss" in logs:
            seconds, first = time.monotonic() - self.began[0], self.began[1]
            epochs = (state.global_step - first) / state.max_steps * args.num_train_epochs
            self.figures |= {"loss": float(logs["loss"]), "tokens/s": epochs * self.tokens_per_epoch / seconds}
            self._tell(state)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """The held-out loss after a pass."""
        self.figures["dev loss"] = metrics["eval_loss"]
        self._tell(state)

    def _tell(self, state: Any) -> None:
        self.report(Event("train", "", state.global_step, state.max_steps, dict(self.figures)))


def run_loop(
    model: PeftModel,
    data: Mapping[str, Sequence[Example]],
    recipe: Recipe,
    checkpoints: Path,
    pad_id: int,
    report: Report,
    *,
    resume: bool = False,
) -> Outcome:
    """Train `model` on data["train"], leaving it with the weights that were best on data["dev"]."""
    tokens = sum(len(example.ids) for example in data["train"])
    steps = len(LengthBatches([len(example.ids) for example in data["train"]], recipe.batch_tokens, recipe.seed))
    trainer = VoiceTrainer(
        model,
        recipe,
        data,
        pad_id,
        args=_arguments(recipe, checkpoints, steps * recipe.epochs),
        callbacks=[Narrator(report, tokens)],
    )
    trainer.remove_callback(PrinterCallback)
    began = time.monotonic()
    if not resume:
        trainer.evaluate()
    # Autocast makes LoRA's float32 weights bfloat16 for each product; PEFT would make every activation float32 instead.
    with disable_input_dtype_casting(model):
        trainer.train(resume_from_checkpoint=resume or None)
    best = min(trainer.curve, key=lambda point: point["dev_nats"])
    return Outcome(
        curve=_merge(trainer.curve, trainer.state.log_history),
        best_epoch=best["epoch"],
        best_dev_nats=best["dev_nats"],
        seconds=time.monotonic() - began,
        steps=trainer.state.global_step,
    )


def _arguments(recipe: Recipe, checkpoints: Path, total_steps: int) -> TrainingArguments:
    has_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(total_steps * recipe.warmup_share),
        weight_decay=0.0,
        optim="adamw_torch_fused",
        bf16=True,
        use_cpu=not has_gpu,
        dataloader_pin_memory=has_gpu,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        log_level="error",
        remove_unused_columns=False,
        seed=recipe.seed,
    )


def _merge(dev: list[dict[str, float]], history: list[dict[str, Any]]) -> list[dict[str, float]]:
    """One curve from the held-out points and the steps' losses, in order of epoch."""
    steps = [{"epoch": row["epoch"], "train_nats": row["loss"]} for row in history if "loss" in row]
    return sorted([*dev, *steps], key=lambda point: point["epoch"])
