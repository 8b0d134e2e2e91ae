"""What this machine has to train with, and how much of it this process has used."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux tells a container its limits (cgroup v2)."""


@dataclass(frozen=True)
class Machine:
    """Cores this process may use, free memory (of the GPU where there is one) and free disk in bytes, and what computes."""

    cores: int
    memory_bytes: int
    disk_bytes: int
    device: str


def this_machine(folder: Path) -> Machine:
    """The machine as it is now; the disk is the one `folder`, which need not exist yet, will stand on."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    gpu = _gpu()
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=gpu[1] if gpu else _free_memory(),
        disk_bytes=shutil.disk_usage(there).free,
        device=gpu[0] if gpu else "cpu",
    )


def peak_memory_bytes() -> int:
    """The most memory training has held since this process began: of the GPU where there is one, else of the process.

    On Linux it is read from /proc, since getrusage(2) also counts what the program that started this one had held.
    """
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    status = Path("/proc/self/status")
    if status.exists():
        line = next(
            line for line in status.read_text(encoding="ascii", errors="replace").splitlines() if "VmHWM" in line
        )
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, the others kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def world_size() -> int:
    """Processes that train together, as torchrun and accelerate tell each of them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _gpu() -> tuple[str, int] | None:
    """Name and free bytes of the GPU this process would use."""
    import torch

    if not torch.cuda.is_available():
        return None
    index = int(os.environ.get("LOCAL_RANK", "0"))
    return torch.cuda.get_device_name(index), torch.cuda.mem_get_info(index)[0]


def _free_memory() -> int:
    """Bytes of memory that are free, within the limits of the container where there is one."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((CGROUP / "memory.max").read_text())  # the word "max" where there is none
        return min(free, limit - int((CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):
        return free
