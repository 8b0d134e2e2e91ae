"""What training will take on this machine, from about five seconds of it.

The steps timed are real ones: real batches, the loop's own loss, precision, kernels and optimiser; only the learning rate
is nothing, so that the adapter stays as it was. The costliest batch of the whole run goes first, for memory is at its
highest there; then batches spread over the run until time is up; last some of the held-out ones, without gradients.

A step's seconds are taken to be a + b cost, where a batch's cost is the products it asks for: its padded tokens pass the
model's body, its reply tokens the vocabulary as well. With a and b by least squares, the run is the sum over its batches,
and over those of its measurements, each with a sample reply, whose tokens cost what a batch of one token does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import linear_regression
from typing import TYPE_CHECKING, Any

from style_clone.errors import TrainingError
from style_clone.precision import autocast
from style_clone.progress import Event, Report, silent
from style_clone.train.data import collate
from style_clone.train.machine import peak_memory_bytes, world_size
from style_clone.train.processes import rank, share
from style_clone.train.recipe import Recipe
from style_clone.train.samples import NEW_TOKENS
from style_clone.train.step import as_in_training, measured
from style_clone.train.tokens import Example

if TYPE_CHECKING:
    import torch

Batch = list[Example]
LEAST_STEPS = 2
"""Steps timed however long they take."""
DEV_SHARE = 0.2
"""Share of the probe's time for held-out batches."""
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
"""How PyTorch says so: of a GPU, and of a CPU on Linux and on Windows."""
GOLDEN = 0.618033988749895
"""Multiples of it, whole parts left out, are spread evenly over 0 to 1 wherever one stops (Weyl's sequence)."""


@dataclass(frozen=True)
class Prediction:
    """What a run will take: seconds of the loop with its evaluations if it does not stop early, peak memory of one process
    in bytes, and tokens trained a second over the whole of it, padding not counted."""

    seconds: float
    peak_memory_bytes: int
    tokens_per_second: float


def probe(
    model: Any,
    data: Mapping[str, Sequence[Example]],
    recipe: Recipe,
    pad_id: int,
    report: Report = silent,
    *,
    seconds: float = 5.0,
) -> Prediction:
    """Train `model` on some batches of data["train"] and measure it on some of data["dev"], for about `seconds`.

    Weights, random states, gradients and training mode are afterwards what they were; the model may have moved to the GPU.
    Raises TrainingError where memory runs out.
    """
    from style_clone.train.callbacks import Schedule

    report(Event("probe", "a few steps, to see what training takes on this machine"))
    cost = Cost.of(model, recipe)
    steps = sorted(training_batches(data["train"], recipe), key=cost)
    dev = sorted(held_out_batches(data["dev"], recipe), key=cost)
    with left_as_it_was(model), told_where_memory_ends(), Stepper(model, pad_id, recipe.prompt_loss_weight) as stepper:
        stepper.step(steps[-1])
        timed = _timed(stepper.step, steps, cost, seconds * (1 - DEV_SHARE), LEAST_STEPS)
        held_out = _timed(stepper.measure, dev, cost, seconds * DEV_SHARE, 1)
        token = min(_timed(stepper.measure, [[Example([pad_id], [0])]] * 2, cost, 0, 2))[1]
        peak = peak_memory_bytes()
    training = sum(map(_line(timed), map(cost, steps)))
    measuring = sum(map(_line(held_out), map(cost, dev))) + NEW_TOKENS * token
    due = Schedule(len(steps) // recipe.epochs, recipe.epochs, recipe.evaluations).due
    whole = training + measuring * (1 + len(due))  # the untrained model is measured too
    tokens = recipe.epochs * sum(len(example.ids) for example in data["train"])
    return Prediction(whole, peak, tokens / whole)


def training_batches(examples: Sequence[Example], recipe: Recipe) -> Iterator[Batch]:
    """The batches of the whole run, pass by pass: of each this process's share."""
    from style_clone.train.loop import batches_of

    batches = batches_of(examples, recipe)
    for epoch in range(recipe.epochs):
        batches.set_epoch(epoch)
        for indices in batches:
            yield [examples[index] for index in share(indices)]


def held_out_batches(examples: Sequence[Example], recipe: Recipe) -> Iterator[Batch]:
    """The batches of one measurement: those of them that this process, or the first, reads."""
    from style_clone.train.loop import batches_of

    chosen = measured(examples, recipe)
    batches = [[chosen[index] for index in indices] for indices in batches_of(chosen, recipe)]
    yield from batches[rank() :: world_size()] or batches[:1]


@dataclass(frozen=True)
class Cost:
    """Weights a batch's tokens are multiplied with: `body` for each padded token, `head` for each that carries loss."""

    body: int
    head: int
    loss_on_prompts: bool

    @classmethod
    def of(cls, model: Any, recipe: Recipe) -> Cost:
        """The cost of a model's batches."""
        embeddings = {
            id(layer.weight): layer.weight for layer in (model.get_input_embeddings(), model.get_output_embeddings())
        }
        body = sum(weight.numel() for weight in model.parameters()) - sum(map(_size, embeddings.values()))
        return cls(body, _size(model.get_output_embeddings().weight), recipe.prompt_loss_weight > 0)

    def __call__(self, batch: Batch) -> float:
        """Products, in weights times tokens."""
        padded = len(batch) * max(len(example.ids) for example in batch)
        learned = sum(len(example.ids) if self.loss_on_prompts else sum(example.mask) for example in batch)
        return float(self.body * padded + self.head * learned)


class Stepper:
    """Training steps as the loop takes them, but for a learning rate of nothing."""

    def __init__(self, model: Any, pad_id: int, prompt_weight: float = 0.0) -> None:
        import torch

        self.model = model
        self.pad_id = pad_id
        self.prompt_weight = prompt_weight
        self.device = _device(model)
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(self.weights, lr=0.0, weight_decay=0.0, fused=True)
        self.stack = ExitStack()
        self.in_one_row = False

    def __enter__(self) -> Stepper:
        """Within the block the model computes as it does in the loop."""

        self.in_one_row = self.stack.enter_context(as_in_training(self.model))
        self.stack.enter_context(autocast(self.device.type))
        return self

    def __exit__(self, *ended: object) -> None:
        self.optimizer.zero_grad()
        self.stack.close()

    def step(self, batch: Batch) -> None:
        """One step of training."""
        import torch

        from style_clone.train.loss import weighted_nats

        self.model.train()
        nats, weight = weighted_nats(self.model, **self._tensors(batch, self.prompt_weight))
        (nats / weight).backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._wait()

    def measure(self, batch: Batch) -> None:
        """One batch's held-out loss."""
        import torch

        from style_clone.train.loss import reply_nats

        self.model.eval()
        with torch.inference_mode():
            float(reply_nats(self.model, **self._tensors(batch)).sum())

    def _tensors(self, batch: Batch, prompt_weight: float = 0.0) -> dict[str, torch.Tensor]:
        tensors = collate(batch, self.pad_id, prompt_weight, in_one_row=self.in_one_row)
        return {name: value.to(self.device) for name, value in tensors.items()}

    def _wait(self) -> None:
        """A GPU works on after it was told to; the clock must not."""
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@contextmanager
def left_as_it_was(model: Any) -> Iterator[None]:
    """Put random states and the modules' training mode back after the block."""
    import torch

    modes = {module: module.training for module in model.modules()}
    try:
        with torch.random.fork_rng():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def told_where_memory_ends() -> Iterator[None]:
    """Turn PyTorch's word that there is no more memory into TrainingError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError; on a CPU it is a plain one
        if not isinstance(error, MemoryError) and not any(word in str(error) for word in OUT_OF_MEMORY):
            raise
        raise TrainingError(
            "there is not enough memory for the largest step of this run",
            mend="Make steps smaller (--set batch_tokens=256 --set max_tokens=256), take a smaller --base, "
            "or close other programs.",
        ) from error


def _timed(
    act: Callable[[Batch], None], ordered: Sequence[Batch], cost: Cost, seconds: float, least: int
) -> list[tuple[float, float]]:
    """Cost and seconds of batches spread over `ordered`, until `seconds` are over and at least so many were timed.

    No more than there are: a short run needs no long probe.
    """
    timed: list[tuple[float, float]] = []
    began = time.perf_counter()
    while len(timed) < least or (len(timed) < len(ordered) and time.perf_counter() - began < seconds):
        batch = ordered[int((0.5 + len(timed) * GOLDEN) % 1 * len(ordered))]
        start = time.perf_counter()
        act(batch)
        timed.append((cost(batch), time.perf_counter() - start))
    return timed


def _line(timed: Sequence[tuple[float, float]]) -> Callable[[float], float]:
    """Seconds by cost: the least squares' line where it makes sense, else through nothing and the mean."""
    costs, seconds = zip(*timed, strict=True)
    if len(set(costs)) > 1:
        slope, start = linear_regression(costs, seconds)
        if slope >= 0 and start >= 0:
            return lambda cost: start + slope * cost
    return lambda cost: cost * sum(seconds) / sum(costs)


def _device(model: Any) -> torch.device:
    """Where the model trains: the GPU of this process where there is one, as Trainer has it, else where it is."""
    import torch

    here: torch.device = next(model.parameters()).device
    if here.type == "cpu" and torch.cuda.is_available():
        here = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        model.to(here)
    return here


def _size(weight: torch.Tensor) -> int:
    return int(weight.numel())
