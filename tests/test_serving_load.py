"""The serving benchmark runs to its end; and a thousand streams at once through the gateway, on one core."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from style_clone.models import BaseModel
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
BENCHMARK = ROOT / "benchmarks" / "serve.py"


def run(*options: str) -> Any:
    command = [sys.executable, str(BENCHMARK), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert list(found) == ["figures", "ratios"]
    return found


def test_a_thousand_streams_at_once_are_all_finished_in_the_same_memory() -> None:
    found = run("--fake", "--users", "4", "--tokens", "20", "--turns", "1", "--streams", "1000", "--seconds", "16")
    figures = found["figures"]
    assert figures["streams_replies"] >= 2000, "each of the thousand had time for two"
    assert figures["streams_broken"] == 0
    assert figures["streams_memory_mb_end"] < 1.1 * figures["streams_memory_mb_settled"]
    for name in ("vllm", "gateway", "clone"):
        assert figures[f"{name}_errors@4"] == 0
        assert figures[f"{name}_first_ms@4"] >= 20
        assert figures[f"most_{name}_tokens_per_second@16"] > figures[f"{name}_tokens_per_second@4"]
    assert list(found["ratios"]) == ["gateway/vllm@4", "clone/vllm@4"]
    # A tenth: this is one short turn on a machine that may be busy; what it is exactly, the benchmark itself tells.
    assert all(0.9 < ratio < 1.1 for ratio in found["ratios"].values())


def test_the_real_contestants_answer(base_model: BaseModel, tmp_path: Path) -> None:
    home = tmp_path / "models-home"
    home.mkdir()
    (home / "models").symlink_to(base_model.path.parent)
    options = ("--users", "2", "--turns", "1", "--tokens", "8", "--requests", "4", "--home", str(home))
    found = run(*options)
    names = {name.partition("_")[0] for name in found["figures"]}
    assert {"vllm", "gateway", "adapter", "prompted", "merged"} <= names
    assert all(value == 0 for name, value in found["figures"].items() if "_errors@" in name)
    assert {"gateway/vllm@2", "adapter/vllm@2", "merged/vllm@2"} <= set(found["ratios"])
