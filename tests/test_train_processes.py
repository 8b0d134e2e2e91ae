"""Several processes train one adapter, and it is the one that a single process with the same steps would have trained."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from style_clone.models import BaseModel
from style_clone.train import processes
from style_clone.train.checkpoints import Checkpoints
from style_clone.train.data import LengthBatches
from style_clone.train.run import train
from style_clone.workspace import PersonaFolder, read_json

pytestmark = pytest.mark.usefixtures("one_thread")

LENGTHS = [16, 16, 16, 32, 32, 48, 64, 64, 96]


def dealt(monkeypatch: pytest.MonkeyPatch, count: int, batch_tokens: int, epoch: int = 0) -> list[list[list[int]]]:
    """What each of `count` processes is dealt: [process][step][example]."""
    hands = []
    for rank in range(count):
        monkeypatch.setenv("WORLD_SIZE", str(count))
        monkeypatch.setenv("RANK", str(rank))
        batches = processes.Dealt(LengthBatches(LENGTHS, batch_tokens, seed=0))
        batches.set_epoch(epoch)
        hands.append(list(batches))
    return hands


@pytest.mark.parametrize("count", [2, 3])
def test_the_processes_together_take_the_steps_of_one(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    [alone] = dealt(monkeypatch, 1, 300)
    for whole, *parts in zip(alone, *dealt(monkeypatch, count, 300), strict=True):
        assert all(parts), "nobody is left without an example"
        assert {index for part in parts for index in part} == set(whole)
        if len(whole) >= count:
            assert sorted(index for part in parts for index in part) == sorted(whole)


def test_a_batch_too_small_to_go_round_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    hands = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        hands.append(processes.share([7, 8]))
    assert hands == [[7], [8], [7]]


def test_each_pass_is_dealt_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dealt(monkeypatch, 2, 100, epoch=0) != dealt(monkeypatch, 2, 100, epoch=1)


def test_alone_nobody_is_waited_for() -> None:
    with processes.joined(), processes.first_alone():
        processes.wait()
        assert processes.total(2, 0.5) == [2, 0.5]
    assert processes.is_first()


def settings(batch_tokens: int) -> dict[str, str]:
    return {"epochs": "2", "max_tokens": "256", "learning_rate": "0.01", "batch_tokens": str(batch_tokens)}


def launch(launcher: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`style-clone train nell` as the launcher starts it."""
    command = [sys.executable, "-m", *launcher, "-m", "style_clone", "train", "nell", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, check=False)


def given(folder: PersonaFolder, base: BaseModel) -> list[str]:
    sets = [part for key, value in settings(256).items() for part in ("--set", f"{key}={value}")]
    return ["--base", str(base.path), *sets]


TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
"""With a port of its own: the usual one may still be held by the run before."""
ACCELERATE = ["accelerate.commands.launch", "--num_processes", "1", "--cpu"]
"""On CPUs it starts a single process; for more of them it hands over to torchrun's own code, or to MPI."""


def dev(run: dict[str, Any]) -> list[float]:
    return [point["dev_nats"] for point in run["curve"] if "dev_nats" in point]


@pytest.mark.slow
def test_two_processes_train_what_one_does(folder: PersonaFolder, base: BaseModel) -> None:
    """Two with half of the tokens each, so that their steps are the same."""
    alone = train(folder, base, overrides=settings(512))
    ended = launch(TORCHRUN, *given(folder, base))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("Trained nell on tiny") == 1, "the first process alone speaks"
    together = read_json(folder.adapter / "run.json")
    assert "Predicted " in ended.stdout
    assert together["leaks"]["sentence"] in ended.stdout
    assert together["recipe"]["batch_tokens"] == 256
    assert together["steps"] == alone["steps"]
    assert dev(together) == pytest.approx(dev(alone), rel=0.01)
    assert dev(together)[-1] < dev(together)[0] - 0.1, "or they would agree without having learned anything"
    assert together["num_train_tokens"] == alone["num_train_tokens"]
    assert not Checkpoints.of(folder).path.exists()


@pytest.mark.slow
def test_accelerate_launches_it_too(folder: PersonaFolder, base: BaseModel) -> None:
    ended = launch(ACCELERATE, *given(folder, base))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("Trained nell on tiny") == 1


@pytest.mark.slow
def test_two_processes_fail_with_one_message(folder: PersonaFolder, base: BaseModel) -> None:
    ended = launch(TORCHRUN, *given(folder, base), "--resume")
    assert ended.returncode == 1
    assert ended.stderr.count("error: nell has no run to resume") == 1
    assert not folder.adapter.exists()


@pytest.mark.slow
def test_two_processes_are_cancelled_with_the_best_so_far(folder: PersonaFolder, base: BaseModel) -> None:
    long = ["--base", str(base.path), "--set", "epochs=500", "--set", "patience=1000"]
    command = [sys.executable, "-m", *TORCHRUN, "-m", "style_clone", "train", "nell", *long]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not Checkpoints.of(folder).newest() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=120)
    assert told.count("error: training was cancelled after step") == 1
    assert read_json(folder.adapter / "run.json")["stopped"] == "cancelled"
    assert Checkpoints.of(folder).newest() is not None


RESUMED = """
import sys
from pathlib import Path
from style_clone.models import resolve
from style_clone.train import processes
from style_clone.train.run import train
from style_clone.workspace import Workspace

home, base, kill, resume = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), len(sys.argv) > 4


def listen(event):
    if event.stage == "train" and event.total and event.done == kill:
        sys.exit(3)


workspace = Workspace(home)
with processes.joined():
    with processes.first_alone():
        model = resolve(base, workspace)
    overrides = {"epochs": "2", "max_tokens": "256", "learning_rate": "0.01", "batch_tokens": "256"}
    train(workspace.existing("nell"), model, overrides=overrides, resume=resume, report=listen, checkpoint_seconds=0)
"""


@pytest.mark.slow
@pytest.mark.long
def test_two_processes_resume_to_the_same_weights(folder: PersonaFolder, base: BaseModel, tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(RESUMED)

    def child(kill: int, *more: str) -> subprocess.CompletedProcess[str]:
        home = str(folder.root.parent.parent)
        command = [sys.executable, "-m", *TORCHRUN, str(script), home, str(base.path), str(kill), *more]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    first = child(-1)
    assert first.returncode == 0, first.stderr
    whole = read_json(folder.adapter / "run.json")
    assert child(whole["steps"] // 2).returncode != 0
    assert Checkpoints.of(folder).newest() is not None
    last = child(-1, "resume")
    assert last.returncode == 0, last.stderr
    resumed = read_json(folder.adapter / "run.json")
    assert (resumed["resumed"], resumed["adapter_sha256"]) == (1, whole["adapter_sha256"])
    assert resumed["curve"] == whole["curve"]
