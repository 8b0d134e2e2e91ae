"""The number format that models compute in on this machine.

Weights are kept as bfloat16. A processor without instructions for it multiplies them some ten times slower than float32
(most laptops of today: AVX2 and no more), so there they are read as float32, which holds each of them exactly.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["bfloat16", "float32"]

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux tells what its processors can do."""
ENOUGH = ({"avx512bw", "avx512vl", "avx512dq"}, {"bf16"})
"""Flags of x86 and of ARM with which oneDNN, that PyTorch and vLLM compute with, has bfloat16 kernels that pay."""
BYTES: dict[Precision, int] = {"bfloat16": 2, "float32": 4}


def on_the_cpu() -> Precision:
    """What a CPU computes in. Where nothing tells what it can do it is float32, which no processor is slow at."""
    return "bfloat16" if any(flags <= cpu_flags() for flags in ENOUGH) else "float32"


def here() -> Precision:
    """What PyTorch computes in, on the GPU where there is one it can use. GPUs before Ampere have no bfloat16 either."""
    import torch

    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return on_the_cpu()


def autocast(device: str) -> torch.autocast:
    """A block in which products on `device` ("cpu" or "cuda") are taken in that format, whatever the weights' own."""
    import torch

    return torch.autocast(device, torch.bfloat16, enabled=here() == "bfloat16")


@cache
def cpu_flags() -> frozenset[str]:
    """What the processor says it can do, in Linux's words; nothing on other systems."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    told = next((line for line in lines if line.partition(":")[0].strip().lower() in ("flags", "features")), "")
    return frozenset(told.partition(":")[2].split())
