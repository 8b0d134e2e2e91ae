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
    """What a run ended with. Losses are in nats per reply token; the curve's epoch 0 is the untrained model.

    `seconds` and `tokens_per_second` are of this process: a resumed run does not count what went before.
    """

    curve: list[dict[str, float]]
    best_epoch: float
    best_dev_nats: float
    seconds: float
    tokens_per_second: float
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
        metrics = {"eval_loss": nats / count}
        self.log(metrics)  # into the history that checkpoints keep, so that a resumed run knows its whole curve
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
            speed = self.tokens(state, args.num_train_epochs) / (time.monotonic() - self.began[0])
            self.figures |= {"loss": float(logs["loss"]), "tokens/s": speed}
            self._tell(state)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """The held-out loss after a pass."""
        self.figures["dev loss"] = metrics["eval_loss"]
        self._tell(state)

    def tokens(self, state: Any, epochs: float) -> float:
        """Tokens trained on since training began or was resumed."""
        return float((state.global_step - self.began[1]) / state.max_steps * epochs * self.tokens_per_epoch)

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
    narrator = Narrator(report, sum(len(example.ids) for example in data["train"]))
    steps = len(LengthBatches([len(example.ids) for example in data["train"]], recipe.batch_tokens, recipe.seed))
    trainer = VoiceTrainer(
        model,
        recipe,
        data,
        pad_id,
        args=_arguments(recipe, checkpoints, steps * recipe.epochs),
        callbacks=[narrator],
    )
    trainer.remove_callback(PrinterCallback)
    began = time.monotonic()
    untrained = trainer.evaluate()["eval_loss"]
    # Autocast makes LoRA's float32 weights bfloat16 for each product; PEFT would make every activation float32 instead.
    with disable_input_dtype_casting(model):
        trainer.train(resume_from_checkpoint=resume or None)
    curve = [{"epoch": 0.0, "dev_nats": untrained}, *_points(trainer.state.log_history)]
    # Among the epochs that were kept: the untrained model has no adapter to keep.
    best = min((point for point in curve[1:] if "dev_nats" in point), key=lambda point: point["dev_nats"])
    seconds = time.monotonic() - began
    return Outcome(
        curve=curve,
        best_epoch=best["epoch"],
        best_dev_nats=best["dev_nats"],
        seconds=seconds,
        tokens_per_second=narrator.tokens(trainer.state, recipe.epochs) / seconds,
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


def _points(history: list[dict[str, Any]]) -> list[dict[str, float]]:
    """The curve's points after the start, in order: a step's loss, or the held-out loss after an epoch."""
    names = {"loss": "train_nats", "eval_loss": "dev_nats"}
    return [{"epoch": row["epoch"], names[kind]: row[kind]} for row in history for kind in names if kind in row]
