"""The number format that models compute in on this machine.

Weights are kept as bfloat16. Most laptops' processors (AVX2 and no more) multiply it some ten times slower than float32, and
not all that have instructions for it are faster with them; on those weights are read as float32, which holds each exactly.
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
ENOUGH = ({"amx_bf16"}, {"AuthenticAMD", "avx512_bf16"}, {"bf16"})
"""Vendor and flags, of x86 and of ARM, with which PyTorch and vLLM are faster in bfloat16.

Intel's matrix unit is. Its vector instructions alone (AVX512_BF16 in a virtual machine that hides the unit) multiply at half
the speed of float32 and train at two thirds of it (measured on a Xeon with AVX512_FP16; AMD's, of Zen 5: over four times and
twice as fast). AVX-512 without AVX512_BF16 has no product of bfloat16 at all: oneDNN computes it by converting.
"""
_TOLD = ("vendor_id", "flags", "features")
BYTES: dict[Precision, int] = {"bfloat16": 2, "float32": 4}


def on_the_cpu() -> Precision:
    """What a CPU computes in. Where nothing tells what it can do it is float32, which no processor is slow at."""
    return "bfloat16" if any(words <= cpu_words() for words in ENOUGH) else "float32"


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
def cpu_words() -> frozenset[str]:
    """Who made the processor and what it says it can do, in Linux's words; nothing on other systems."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    told = (line.partition(":") for line in lines)
    return frozenset(word for key, _, words in told if key.strip().lower() in _TOLD for word in words.split())
