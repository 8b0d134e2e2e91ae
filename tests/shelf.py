"""Clients that only tests need, fetched once into .cache: Python's, on a path of their own behind our packages, and npm's."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

CLIENTS = ROOT / "tests" / "clients"
REQUIREMENTS = CLIENTS / "requirements.txt"
NPM_OPENAI = "openai@6.30.1"
FETCH_SECONDS = 300


def python_shelf() -> Path:
    """The folder with the packages of clients/requirements.txt; skips the test where they cannot be fetched."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
    return _kept(REQUIREMENTS.read_text(), lambda folder: [*pip, "--target", str(folder), "-r", str(REQUIREMENTS)])


def python_environment(home: Path) -> dict[str, str]:
    """The environment of a process that finds the shelf's packages behind ours, and no proxy between it and this machine."""
    return {**_environment(home), "PYTHONPATH": str(python_shelf())}


def node_environment(home: Path) -> dict[str, str]:
    """The environment of a node process that finds the openai package; skips where node is absent or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("there is no node with npm on this machine")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip("v\n").partition(".")[0]) < 20:
        pytest.skip(f"node is {version.strip()}, and the openai package needs 20")
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--omit=peer"]
    shelf = _kept(NPM_OPENAI, lambda folder: [*command, "--prefix", str(folder), NPM_OPENAI])
    return {**_environment(home), "CLIENT_MODULES": str(shelf / "node_modules")}


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, "HOME": str(home), "NO_PROXY": "*", "PYTHONWARNINGS": "ignore"}


def _kept(name: str, command: Callable[[Path], list[str]]) -> Path:
    """The folder that `command` fills, made where it is not there yet."""
    folder = ROOT / ".cache" / f"clients-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        try:
            done = subprocess.run(command(new), capture_output=True, text=True, check=False, timeout=FETCH_SECONDS)
            told = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        except subprocess.TimeoutExpired:
            told = f"not done after {FETCH_SECONDS} s"
        if told:
            pytest.skip(f"the clients could not be fetched into .cache: {told}")
        new.rename(folder)
    return folder
