"""What happens between two steps: measuring, saving, stopping, and telling how it goes."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import TrainerCallback

from style_clone.progress import WARNING, Event, Report
from style_clone.train import processes
from style_clone.train.checkpoints import Checkpoints

Sample = Callable[[Any, int], dict[str, str]]
"""Asks a model something: (model, number of the measurement) -> an event's sample."""


@dataclass(frozen=True)
class Schedule:
    """Which steps a measurement follows: `evaluations` a pass, evenly, the last of them at its end."""

    steps_per_pass: int
    passes: int
    evaluations: int

    @property
    def steps(self) -> int:
        """All steps."""
        return self.steps_per_pass * self.passes

    @property
    def due(self) -> list[int]:
        """The steps, in order, from 1."""
        parts = min(self.evaluations, self.steps_per_pass)
        ends = [math.ceil(self.steps_per_pass * part / parts) for part in range(1, parts + 1)]
        return [start + end for start in range(0, self.steps, self.steps_per_pass) for end in ends]


def dev_losses(history: Sequence[dict[str, Any]]) -> list[float]:
    """Held-out losses so far, without the untrained model's."""
    return [row["eval_loss"] for row in history if "eval_loss" in row and row["step"]]


def is_past_best(history: Sequence[dict[str, Any]], patience: int) -> bool:
    """Whether the last `patience` measurements brought no new best.

    It is read from the history, which checkpoints keep, so that a resumed run stops where an uninterrupted one does.
    """
    losses = dev_losses(history)
    return bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= patience


class Keeper(TrainerCallback):
    """Decides after each step whether to measure, save and stop, and sees that a checkpoint is complete or ignored."""

    def __init__(
        self, checkpoints: Checkpoints, schedule: Schedule, patience: int, seconds: float, cancelled: Callable[[], bool]
    ) -> None:
        self.checkpoints = checkpoints
        self.due = set(schedule.due)
        self.patience = patience
        self.seconds = seconds
        self.cancelled = cancelled
        self.saved = 0.0
        self.is_torn = False
        self.stopped = "finished"

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self.saved = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """What comes next. The processes must agree, for all of them take part in measuring and saving."""
        due = state.global_step in self.due
        is_late = processes.is_first() and time.monotonic() - self.saved >= self.seconds
        cancelled, late = (votes > 0 for votes in processes.total(self.cancelled(), is_late))
        if cancelled:
            self._stop(control, "cancelled")
        control.should_evaluate = due and not cancelled
        # A checkpoint without the measurement that belongs to its step would leave a hole in the curve.
        control.should_save = (cancelled or late) and not due and not self.is_torn

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Save what was measured; stop where it gets no better, or where the measuring was cut short by a cancel."""
        self.is_torn = math.isnan(metrics["eval_loss"])
        control.should_save = state.global_step > 0 and not self.is_torn
        if self.is_torn:
            self._stop(control, "cancelled")
        elif state.global_step < state.max_steps and is_past_best(state.log_history, self.patience):
            self._stop(control, "early")

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Seal the checkpoint once every process has written its part, and drop those no longer needed."""
        processes.wait()
        if processes.is_first():
            new = self.checkpoints.path / f"checkpoint-{state.global_step}"
            self.checkpoints.seal(new, keep=[best_checkpoint(state, self.checkpoints)])
        self.saved = time.monotonic()

    def _stop(self, control: Any, why: str) -> None:
        self.stopped = why
        control.should_training_stop = True


class Narrator(TrainerCallback):
    """Tells every step's figures, the held-out losses and a sample with each. Speed counts real tokens, no padding."""

    def __init__(self, report: Report, schedule: Schedule, tokens_per_pass: int, sample: Sample | None = None) -> None:
        self.report = report
        self.schedule = schedule
        self.due = schedule.due
        self.tokens_per_step = tokens_per_pass / schedule.steps_per_pass
        self.sample = sample
        self.figures: dict[str, float] = {}
        self.began = self.stepped = 0.0
        self.first_step = 0
        self.measuring: list[float] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock, and take up the last held-out loss of a resumed run."""
        self.began = self.stepped = time.monotonic()
        self.first_step = state.global_step
        if losses := dev_losses(state.log_history):
            self.figures["dev loss"] = losses[-1]

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """One step's loss, in nats per reply token."""
        if logs and "loss" in logs:
            self.stepped = time.monotonic()
            speed = self.tokens(state.global_step) / (self.stepped - self.began)
            self.figures |= {"loss": float(logs["loss"]), "tokens/s": speed}
            self._tell(state)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """A held-out loss, how it compares to the best before it, and what the model writes by now."""
        loss = metrics["eval_loss"]
        if math.isnan(loss) or not processes.is_first():
            return
        self.figures["dev loss"] = loss
        before = dev_losses(state.log_history)[:-1]
        if before and loss > min(before):
            text = f"held-out loss rose from {min(before):.3f} to {loss:.3f}"
            self._tell(state, f"{WARNING}{text}; the adapter of step {state.best_global_step} is kept")
        measured = bisect_right(self.due, state.global_step)
        self._tell(state, sample=self.sample(kwargs["model"], measured) if self.sample else {})
        self.measuring.append(time.monotonic() - self.stepped)

    def tokens(self, step: int) -> float:
        """Tokens all processes trained on since this one began or was resumed."""
        return (step - self.first_step) * self.tokens_per_step

    def _tell(self, state: Any, text: str = "", sample: dict[str, str] | None = None) -> None:
        self.figures |= {**self._left(state.global_step), "memory GB": memory_bytes() / 1e9}
        step, steps = state.global_step, self.schedule.steps
        self.report(Event("train", text, step, steps, dict(self.figures), sample=sample or {}))

    def _left(self, step: int) -> dict[str, float]:
        """Seconds until the last step at this pace, with the measurements to come; nothing before there is a pace."""
        done = step - self.first_step
        if not done:
            return {}
        pace = (self.stepped - self.began - sum(self.measuring)) / done
        each = sum(self.measuring) / len(self.measuring) if self.measuring else 0.0
        to_come = len(self.due) - bisect_right(self.due, step)
        return {"seconds left": pace * (self.schedule.steps - step) + each * to_come}


def memory_bytes() -> int:
    """Memory of this process now; on a GPU the most its tensors have taken."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return int(psutil.Process().memory_info().rss)


def best_checkpoint(state: Any, checkpoints: Checkpoints) -> Path | None:
    """Where the best weights measured so far are; None before the first measurement."""
    return checkpoints.path / f"checkpoint-{state.best_global_step}" if state.best_global_step else None
