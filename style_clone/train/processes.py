"""Several processes that train one adapter together, as `torchrun` and `accelerate launch` start them.

The launcher tells each process its place in the environment; without one, this process is alone and the first. The first
does what must be done once: it holds the lock, fetches, prepares folders, reports and writes the adapter.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from style_clone.train.data import LengthBatches
from style_clone.train.machine import world_size

PATIENCE = timedelta(hours=2)
"""How long a process waits for the others: the first may have a large base model to fetch."""


def rank() -> int:
    """This process's place among those that train together, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_first() -> bool:
    """Whether this process does what must be done once."""
    return rank() == 0


@contextmanager
def joined() -> Iterator[None]:
    """Within the block the processes of a launcher can wait for each other; alone, nothing happens."""
    if world_size() == 1:
        yield
        return
    import torch
    import torch.distributed as dist

    if dist.is_initialized():
        yield
        return
    _share_cores()
    # Numbers that processes tell each other are on the CPU; gradients go between GPUs where there are any.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process goes through the block before the others do; where it fails, the launcher ends them."""
    if not is_first():
        wait()
    yield
    if is_first():
        wait()


def wait() -> None:
    """Go on once every process has come as far."""
    total()


def total(*numbers: float) -> list[float]:
    """Each of `numbers` summed over the processes."""
    if world_size() == 1:
        return list(numbers)
    import torch
    import torch.distributed as dist

    sums = torch.tensor([0.0, *numbers], dtype=torch.float64)
    dist.all_reduce(sums)
    return [float(value) for value in sums[1:]]


@contextmanager
def told_to_stop() -> Iterator[Callable[[], bool]]:
    """Within the block SIGINT and SIGTERM end nothing: the function given tells whether one has come.

    A second SIGINT does what it always does, for whoever cannot wait. Only a main thread hears signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    come: list[int] = []

    def note(number: int, frame: object) -> None:
        if number == signal.SIGINT and number in come:
            raise KeyboardInterrupt
        come.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(come)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Dealt:
    """A batch sampler that deals each of `batches` over the processes: all see the same steps, each its own examples.

    With `batch_tokens` for each process in a batch, a step of N processes is that of one with N times as many. Where a
    batch has fewer examples than there are processes, some go to two; the mean over their tokens stays what it was.
    """

    def __init__(self, batches: LengthBatches) -> None:
        self.batch_sampler = batches

    def set_epoch(self, epoch: int) -> None:
        """Choose the pass the next iteration gives. Trainer calls this on `batch_sampler` or here, as it resumes or not."""
        self.batch_sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[list[int]]:
        return (share(batch) for batch in self.batch_sampler)

    def __len__(self) -> int:
        return len(self.batch_sampler)


def share(batch: Sequence[int]) -> list[int]:
    """This process's part of a batch; never an empty one."""
    return list(batch[rank() :: world_size()]) or [batch[rank() % len(batch)]]


def _share_cores() -> None:
    """Divide this machine's cores among its processes, where torchrun has given each of them a single one."""
    import torch

    if os.environ.get("OMP_NUM_THREADS") == "1" and not torch.cuda.is_available():
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
