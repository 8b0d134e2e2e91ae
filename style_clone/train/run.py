"""The story of training: pairs -> examples -> LoRA on the base model -> the best epoch -> adapter/."""

from __future__ import annotations

import fcntl
import platform
import resource
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from style_clone.conversation import Pair, read_pairs
from style_clone.errors import MissingStage, TrainingError
from style_clone.models import BaseModel, load_model, load_tokenizer
from style_clone.persona import Persona
from style_clone.progress import Event, Report, silent
from style_clone.register import lines_of, registers_of
from style_clone.train import artifact
from style_clone.train.recipe import Recipe
from style_clone.train.tokens import Tokenised, Tokeniser
from style_clone.workspace import PersonaFolder, read_json, storage_errors, write_json

LIBRARIES = ("torch", "transformers", "peft", "accelerate", "style-clone")


def train(
    folder: PersonaFolder,
    base: BaseModel,
    *,
    overrides: Mapping[str, str] | None = None,
    resume: bool = False,
    report: Report = silent,
) -> dict[str, Any]:
    """Train the persona's adapter and save it; returns run.json.

    `overrides` change the recipe, as `--set` does. With `resume`, a run of the same recipe, base and pairs goes on from its
    last whole epoch. Raises MissingStage, UsageError, TrainingError, StorageError.
    """
    recipe = Recipe().with_overrides(overrides or {})
    with only_run(folder):
        report(Event("train", "reading pairs and base model"))
        tokenizer = load_tokenizer(base)
        pairs = _read_pairs(folder)
        registers = registers_of(pairs["train"]) if recipe.registers else {}
        lines = lines_of([pair for split in pairs.values() for pair in split], registers)
        tokenise = Tokeniser(tokenizer, Persona.load(folder).prompt, recipe.max_tokens, lines)
        data = {split: tokenise(of_split) for split, of_split in pairs.items()}
        identity = _identity(folder, base, recipe)
        checkpoints = _checkpoints(folder, identity, resume=resume)
        model = attach_lora(base, recipe)
        from style_clone.train.loop import run_loop

        with artifact.saving_weights(checkpoints):
            outcome = run_loop(
                model,
                {split: tokenised.examples for split, tokenised in data.items()},
                recipe,
                checkpoints,
                tokenizer.pad_token_id or tokenizer.eos_token_id,
                report,
                resume=resume,
            )
        run = {**identity, "registers": registers, **_describe(data["train"], recipe, asdict(outcome))}
        artifact.save(model, folder, run)
        # Read again: aliases or consent may have changed in the meantime.
        trained = Persona.load(folder).with_base(base.name, base.source, base.revision, base.sha256)
        replace(trained, versions=run["versions"]).save(folder)
        shutil.rmtree(checkpoints, ignore_errors=True)
    return artifact.load_run(folder)


@contextmanager
def only_run(folder: PersonaFolder) -> Iterator[None]:
    """Hold the persona's training lock; the system lets go of it however this process ends."""
    with storage_errors(folder.runs):
        folder.runs.mkdir(parents=True, exist_ok=True)
    with (folder.runs / "train.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainingError(
                f"{folder.slug} is being trained already",
                mend="Wait for that run to end, or cancel it, then run again.",
            ) from error
        yield


def _read_pairs(folder: PersonaFolder) -> dict[str, list[Pair]]:
    if not folder.split("train").exists():
        raise MissingStage(f"{folder.slug} has no pairs yet", mend=f"Make them: style-clone pairs {folder.slug}")
    pairs = {split: read_pairs(folder.split(split)) for split in ("train", "dev")}
    for split, of_split in pairs.items():
        if not of_split:
            raise TrainingError(
                f"{folder.slug} has no {split} pairs: conversations and documents stay whole, and there are too few of them",
                mend=f"Add more writing, from other days or chats, then: style-clone pairs {folder.slug}",
            )
    return pairs


def _identity(folder: PersonaFolder, base: BaseModel, recipe: Recipe) -> dict[str, Any]:
    """What makes two runs the same run."""
    named = {"name": base.name, "revision": base.revision, "sha256": base.sha256}
    return {"base": named, "recipe": asdict(recipe), "pairs_sha256": artifact.pairs_hash(folder)}


def _checkpoints(folder: PersonaFolder, identity: dict[str, Any], *, resume: bool) -> Path:
    """The folder of this run's checkpoints: kept for `resume` where it belongs to the same run, else emptied."""
    path = folder.runs / "checkpoints"
    note = path / "identity.json"
    for unfinished in (folder for folder in path.glob("checkpoint-*") if not (folder / "trainer_state.json").exists()):
        shutil.rmtree(unfinished)  # killed while it was written; its state comes last
    if resume and not (note.exists() and read_json(note) == identity and any(path.glob("checkpoint-*"))):
        raise TrainingError(
            f"{folder.slug} has no run to resume with this recipe, base model and pairs",
            mend=f"Start anew: style-clone train {folder.slug}",
        )
    if not resume:
        shutil.rmtree(path, ignore_errors=True)
        write_json(note, identity)
    return path


def attach_lora(base: BaseModel, recipe: Recipe) -> Any:
    """The base model in bfloat16 with a fresh LoRA in float32 on every linear layer but the output."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(recipe.seed)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(load_model(base), config)


def _describe(data: Tokenised, recipe: Recipe, outcome: dict[str, Any]) -> dict[str, Any]:
    """What run.json says besides the run's identity."""
    return {
        **outcome,
        "num_train_tokens": data.num_tokens * recipe.epochs,
        "num_target_tokens": data.num_target_tokens * recipe.epochs,
        "dropped_turns": data.dropped_turns,
        "cut_replies": data.cut_replies,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }
