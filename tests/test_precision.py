"""What models compute in: bfloat16 only where the processor is faster with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from style_clone import precision


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    precision.cpu_words.cache_clear()
    yield
    precision.cpu_words.cache_clear()


@pytest.mark.parametrize(
    ("told", "computed"),
    [
        ("processor\t: 0\nflags\t\t: fpu sse2 avx2 fma\n", "float32"),  # most laptops, AMD before Zen 4
        ("vendor_id\t: AuthenticAMD\nflags : avx2 avx512f avx512bw avx512_bf16\n", "bfloat16"),  # Zen 4 and later
        ("vendor_id\t: AuthenticAMD\nflags : avx2 avx512f avx512bw\n", "float32"),
        ("vendor_id\t: GenuineIntel\nflags : avx2 avx512f avx512bw avx512_bf16 amx_bf16\n", "bfloat16"),
        ("vendor_id\t: GenuineIntel\nflags : avx2 avx512f avx512bw avx512_bf16\n", "float32"),  # half the speed
        ("vendor_id\t: GenuineIntel\nflags : avx2 avx512f avx512bw avx512vl avx512dq\n", "float32"),
        ("Features\t: fp asimd bf16 i8mm\n", "bfloat16"),  # ARM
        ("Features\t: fp asimd\n", "float32"),
        ("model name : AuthenticAMD bf16 avx512_bf16 amx_bf16\n", "float32"),  # a name is no flag
        ("", "float32"),
    ],
)
def test_the_processors_flags_decide(told: str, computed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(told)
    monkeypatch.setattr(precision, "CPUINFO", cpuinfo)
    assert precision.on_the_cpu() == computed


def test_where_nothing_tells_it_is_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "none")
    assert precision.on_the_cpu() == "float32"


@pytest.mark.skipif(not precision.CPUINFO.exists(), reason="this system does not tell what its processor can do")
def test_it_is_what_this_processor_multiplies_faster() -> None:
    computed = precision.on_the_cpu()
    other = "float32" if computed == "bfloat16" else "bfloat16"
    taken = {each: min(_seconds_of_a_product(each) for _ in range(9)) for each in (computed, other)}
    assert taken[computed] < 1.2 * taken[other]


def _seconds_of_a_product(number_format: str) -> float:
    """A layer's product over a long row, as in training."""
    row, layer = (torch.ones(shape, dtype=getattr(torch, number_format)) for shape in ((512, 576), (1536, 576)))
    began = time.perf_counter()
    torch.nn.functional.linear(row, layer)
    return time.perf_counter() - began


@pytest.mark.parametrize(("supported", "computed"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_says_itself(supported: bool, computed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert precision.here() == computed


@pytest.mark.parametrize(("computed", "product"), [("bfloat16", torch.bfloat16), ("float32", torch.float32)])
def test_products_are_taken_in_it(computed: str, product: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "on_the_cpu", lambda: computed)
    with precision.autocast("cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == product
