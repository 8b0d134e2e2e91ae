"""The story of training: pairs -> examples -> LoRA on the base model -> the best of what was measured -> adapter/."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from style_clone import models, precision
from style_clone.errors import StorageError, TrainingCancelled, TrainingError
from style_clone.models import BaseModel
from style_clone.persona import Persona
from style_clone.progress import Event, Report, silent
from style_clone.train import artifact, processes
from style_clone.train.checkpoints import Checkpoints, Story
from style_clone.train.leaks import leak_check
from style_clone.train.lora import attach_lora
from style_clone.train.prepared import Prepared, prepare
from style_clone.train.probe import probe
from style_clone.train.samples import Sampler
from style_clone.workspace import PersonaFolder, storage_errors

if TYPE_CHECKING:
    from style_clone.train.loop import Outcome

__all__ = ["CHECKPOINT_SECONDS", "Prepared", "only_run", "prepare", "train"]
CHECKPOINT_SECONDS = 30.0
"""At most so much work is lost when the process is killed, besides the step or the measurement that runs."""


def train(
    folder: PersonaFolder,
    base: BaseModel,
    *,
    overrides: Mapping[str, str] | None = None,
    resume: bool = False,
    report: Report = silent,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> dict[str, Any]:
    """Train the persona's adapter and save it; returns run.json. Of several processes the first does that, others return {}.

    `overrides` change the recipe, as `--set` does. With `resume`, a run of the same recipe, base and pairs goes on from its
    last checkpoint. SIGINT and SIGTERM end the loop after the step that runs. Raises MissingStage, UsageError, TrainingError
    and its TrainingCancelled, StorageError.
    """
    report(Event("train", "reading pairs and base model"))
    run = _Run(folder, base, prepare(folder, base, overrides), Checkpoints.of(folder), report)
    with processes.joined(), only_run(folder):
        with processes.first_alone():
            if processes.is_first():
                run.checkpoints.open(run.prepared.key, folder.slug, resume=resume)
        model = attach_lora(base, run.prepared.recipe)
        if run.checkpoints.newest() is None:
            run.predict(model)
        with processes.told_to_stop() as told:
            outcome = run.loop(model, told, checkpoint_seconds)
            if not processes.is_first():
                return {}
            if told() or outcome.stopped == "cancelled":
                raise run.cancelled(model, outcome)
        run.keep(model, outcome, run.leaks(model))
        run.checkpoints.clear()
    return artifact.load_run(folder)


@dataclass(frozen=True)
class _Run:
    """The parts of one run."""

    folder: PersonaFolder
    base: BaseModel
    prepared: Prepared
    checkpoints: Checkpoints
    report: Report

    def predict(self, model: Any) -> None:
        """See what the run will take, and note it for the end. Every process takes part: they share the machine."""
        prepared = self.prepared
        found = probe(model, prepared.examples, prepared.recipe, prepared.pad_id, self.report)
        if processes.is_first():
            predicted = {"seconds": found.seconds, "peak_memory_bytes": found.peak_memory_bytes}
            self.checkpoints.tell(Story(predicted=predicted))

    def loop(self, model: Any, told: Callable[[], bool], checkpoint_seconds: float) -> Outcome:
        """Train; where the disk gets full meanwhile, the last complete checkpoint is left to go on from."""
        from style_clone.train.loop import run_loop

        prepared, recipe = self.prepared, self.prepared.recipe
        prompt = Persona.load(self.folder).prompt
        try:
            with artifact.saving_weights(self.checkpoints.path):
                return run_loop(
                    model,
                    prepared.examples,
                    recipe,
                    self.checkpoints.path,
                    prepared.pad_id,
                    self.report,
                    sample=Sampler(prepared.tokenizer, prompt, prepared.pairs["dev"], recipe.seed),
                    cancelled=told,
                    checkpoint_seconds=checkpoint_seconds,
                )
        except StorageError as error:
            self.checkpoints.tidy()
            raise StorageError(error.problem, mend=f"{error.mend} {self._how_to_go_on}") from error

    def leaks(self, model: Any) -> dict[str, Any]:
        """What the adapter gives away of the pairs it was trained on."""
        prepared = self.prepared
        return leak_check(
            model,
            prepared.examples["train"],
            prepared.examples["dev"],
            prepared.pad_id,
            seed=prepared.recipe.seed,
            conversations=[pair.conversation for pair in prepared.pairs["train"]],
            canaries=prepared.canaries,
            report=self.report,
        )

    def keep(self, model: Any, outcome: Outcome, leaks: dict[str, Any] | None) -> None:
        """Make `model` the persona's adapter. Raises StorageError."""
        prepared, base = self.prepared, self.base
        counts = artifact.counts(prepared.data["train"], prepared.recipe.epochs)
        told = {"registers": prepared.registers, **asdict(self.checkpoints.story()), "leaks": leaks}
        how = {"precision": precision.here(), "versions": artifact.versions()}
        run = {**prepared.identity, **told, **asdict(outcome), **counts, **how}
        artifact.save(model, self.folder, run, license=models.license_of(base))
        # Read again: aliases or consent may have changed in the meantime.
        trained = Persona.load(self.folder).with_base(base.name, base.source, base.revision, base.sha256)
        replace(trained.with_room(prepared.reply_tokens), versions=run["versions"]).save(self.folder)

    def cancelled(self, model: Any, outcome: Outcome) -> TrainingCancelled:
        """Keep the best so far, unless nothing was measured yet, and say so. No leak check: nobody waits for it now."""
        if outcome.best_step:
            self.keep(model, outcome, None)
            kept = f"the adapter of step {outcome.best_step} is kept, held-out loss {outcome.best_dev_nats:.3f}"
        else:
            kept = "nothing was measured yet, so nothing that was there before has changed"
        return TrainingCancelled(f"training was cancelled after step {outcome.steps}: {kept}", mend=self._how_to_go_on)

    @property
    def _how_to_go_on(self) -> str:
        return f"Go on, with the same options: style-clone train {self.folder.slug} --resume"


@contextmanager
def only_run(folder: PersonaFolder) -> Iterator[None]:
    """Hold the persona's training lock; the system lets go of it however this process ends.

    Of several processes that train together the first holds it for all.
    """
    if not processes.is_first():
        yield
        return
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
