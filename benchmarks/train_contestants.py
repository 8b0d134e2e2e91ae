"""Four ways to train the same LoRA on the same pairs. Each function does a whole training and returns the trained model."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers.trainer
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file
from train_corpora import Corpus, examples
from train_turns import Clock, Line
from transformers import AutoModelForCausalLM, DataCollatorForSeq2Seq, Trainer, TrainerCallback, TrainingArguments
from trl import SFTConfig, SFTTrainer

from style_clone import precision
from style_clone.conversation import Pair
from style_clone.models import BaseModel, load_tokenizer
from style_clone.progress import silent
from style_clone.train.data import LengthBatches, collate
from style_clone.train.loop import run_loop
from style_clone.train.lora import attach_lora
from style_clone.train.loss import reply_nats
from style_clone.train.recipe import Recipe
from style_clone.train.tokens import NO_LOSS, Example

NEVER = 10**9


@dataclass(frozen=True)
class Task:
    """What a contestant is to do. `start` is a folder with the adapter that everybody starts from."""

    contestant: str
    base: BaseModel
    corpus: Corpus
    pairs: Sequence[Pair]
    recipe: Recipe
    start: Path
    measured: bool = False
    """Whether the held-out loss is measured at the end."""


def ours(task: Task) -> Any:
    """As `style-clone train` does it. What it measures and saves between passes is not timed; the others do not do it."""
    tokenizer = load_tokenizer(task.base)
    data = {
        "train": examples(tokenizer, task.corpus, task.pairs, task.recipe, joined=True),
        "dev": examples(tokenizer, task.corpus, task.corpus.dev[:1], task.recipe, joined=True),
    }
    model = with_start(attach_lora(task.base, task.recipe), task.start)
    recipe = replace(task.recipe, evaluations=1, patience=NEVER)
    with tempfile.TemporaryDirectory(prefix="style-clone-") as folder:
        run_loop(model, data, recipe, Path(folder), tokenizer.pad_token_id or tokenizer.eos_token_id, silent)
    return model


def trl_default(task: Task) -> Any:
    """TRL's SFTTrainer as it comes: bf16 autocast over float32 weights, gradient checkpointing, eight pairs a step."""
    return _trl(task)


def trl_packed(task: Task) -> Any:
    """TRL's SFTTrainer with what it offers for speed: packing, weights as ours, no gradient checkpointing.

    A step is one packed row, as long as a step of ours.
    """
    return _trl(
        task,
        packing=True,
        max_length=task.recipe.batch_tokens,
        per_device_train_batch_size=1,
        gradient_checkpointing=False,
        bf16=precision.here() == "bfloat16",
        model_init_kwargs={"dtype": precision.here()},
    )


def trainer(task: Task) -> Any:
    """transformers' Trainer with a stock collator: one example a pair, padded on the right, eight a step."""
    tokenizer = load_tokenizer(task.base)
    rows = [_row(each) for each in examples(tokenizer, task.corpus, task.pairs, task.recipe, joined=False)]
    model = AutoModelForCausalLM.from_pretrained(task.base.path, local_files_only=True)
    model = with_start(get_peft_model(model, lora_config(task.start)), task.start)
    with tempfile.TemporaryDirectory(prefix="style-clone-") as folder:
        arguments = TrainingArguments(output_dir=folder, bf16=precision.here() == "bfloat16", **_shared(task.recipe))
        Trainer(model, arguments, DataCollatorForSeq2Seq(tokenizer), Dataset.from_list(rows)).train()
    return model


CONTESTANTS: dict[str, Callable[[Task], Any]] = {
    each.__name__: each for each in (ours, trl_default, trl_packed, trainer)
}


def compete(task: Task, line: Line) -> dict[str, float]:
    """A contestant's process: train with a stop before every pass, then, if asked, measure what came of it."""
    disable_progress_bars()
    transformers.logging.set_verbosity_error()
    # The one place that every Trainer of this process looks, whoever makes it.
    transformers.trainer.DEFAULT_CALLBACKS.append(Passes(line))
    model = CONTESTANTS[task.contestant](task)
    return {"dev_loss": dev_nats(task, model)} if task.measured else {}


class Passes(TrainerCallback):
    """Waits for its turn before each pass, and says after it how many seconds its steps took."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.clock = Clock()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step:
            self.line.tell(self.clock.seconds)
        self.line.wait()
        self.clock = Clock()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.clock.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.clock.stop()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.line.tell(self.clock.seconds)


def dev_nats(task: Task, trained: Any) -> float:
    """Nats per held-out reply token, measured alike for everybody: with the adapter on our own model."""
    tokenizer = load_tokenizer(task.base)
    model = attach_lora(task.base, task.recipe)
    set_peft_model_state_dict(model, {k: v.cpu() for k, v in _weights(trained).items()})
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    held_out = examples(tokenizer, task.corpus, task.corpus.dev, task.recipe, joined=True)
    nats = [nats_of(model, [held_out[index] for index in batch]) for batch in _batches(held_out, task.recipe)]
    return float(torch.cat(nats).mean())


def nats_of(model: Any, chosen: Sequence[Example]) -> torch.Tensor:
    """Nats of each reply token of a batch, (N,)."""
    batch = {key: value.to(model.device) for key, value in collate(chosen, pad_id=0).items()}
    with torch.inference_mode(), precision.autocast(model.device.type):
        return reply_nats(model, **batch).cpu()


def with_start(model: Any, start: Path) -> Any:
    """The model with the adapter weights in the folder `start`."""
    set_peft_model_state_dict(model, load_file(start / "adapter_model.safetensors"))
    return model


def lora_config(start: Path) -> LoraConfig:
    """The configuration of the adapter in the folder `start`, ready for training."""
    config = PeftConfig.from_pretrained(start)
    config.inference_mode = False
    return config


def _trl(task: Task, **settings: Any) -> Any:
    rows = [
        {
            "prompt": task.corpus.prompt.messages(pair.context),
            "completion": [{"role": "assistant", "content": pair.reply}],
        }
        for pair in task.pairs
    ]
    with tempfile.TemporaryDirectory(prefix="style-clone-") as folder:
        made = SFTTrainer(
            str(task.base.path),
            SFTConfig(output_dir=folder, **_shared(task.recipe), **settings),
            train_dataset=Dataset.from_list(rows),
            peft_config=lora_config(task.start),
        )
        with_start(made.model, task.start)
        made.train()
    return made.model


def _shared(recipe: Recipe) -> dict[str, Any]:
    """What is no choice of speed and so the same for all: the learning rate, and no files or bars."""
    return {
        "num_train_epochs": recipe.epochs,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": recipe.warmup_share,  # below 1: a share of all steps
        "weight_decay": 0.0,
        "seed": recipe.seed,
        "use_cpu": not torch.cuda.is_available(),  # without it, bf16 is refused where there is no GPU
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "log_level": "error",
    }


def _row(example: Example) -> dict[str, list[int]]:
    labels = [-100 if owner == NO_LOSS else token for token, owner in zip(example.ids, example.owner, strict=True)]
    return {"input_ids": example.ids, "attention_mask": [1] * len(example.ids), "labels": labels}


def _weights(model: PeftModel) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = get_peft_model_state_dict(model)
    return weights


def _batches(held_out: Sequence[Example], recipe: Recipe) -> LengthBatches:
    return LengthBatches([len(example.ids) for example in held_out], recipe.batch_tokens, recipe.seed)
