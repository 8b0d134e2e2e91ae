"""A run that is killed goes on where its last checkpoint was, and ends with the same weights to the last bit."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from style_clone.errors import TrainingError
from style_clone.progress import Event
from style_clone.train.artifact import WEIGHTS
from style_clone.train.checkpoints import MARK, Checkpoints, Story
from style_clone.train.loop import Outcome
from style_clone.workspace import Workspace, read_json
from tests.test_train_loop import DATA, FEW, RECIPE, SPOILED, fresh, run, weights
from tests.tiny_base import paired

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = 27
KEY = {"pairs": "abc"}


class Killed(Exception):
    """What the listener raises to end a run."""


def kill_after(step: int, folder: Path, model: Any, recipe: Any = RECIPE, **more: Any) -> None:
    """Run until `step` is done and told, with a checkpoint after each; that of `step` itself is not written any more."""

    def listen(event: Event) -> None:
        if event.done == step:
            raise Killed

    with pytest.raises(Killed):
        run(model, folder, recipe, report=listen, checkpoint_seconds=0, **more)


def same_to_the_bit(first: Any, second: Any) -> bool:
    pairs = zip(weights(first).values(), weights(second).values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Outcome]]:
    """An uninterrupted run, with dropout, so that random states matter."""
    model = fresh(dropout=0.2)
    yield model, run(model, tmp_path_factory.mktemp("whole"))


# Mid-pass, after a measurement, at the last step of a pass, its first, and right before the end.
@pytest.mark.parametrize("steps", [(3,), (6,), (9, 10), (STEPS,), (2, 12, 20)], ids=str)
def test_a_killed_run_ends_where_an_uninterrupted_one_does(
    whole: tuple[Any, Outcome], tmp_path: Path, steps: tuple[int, ...]
) -> None:
    for step in steps:
        kill_after(step, tmp_path, fresh(dropout=0.2))
    resumed = fresh(dropout=0.2)
    outcome = run(resumed, tmp_path)
    assert same_to_the_bit(resumed, whole[0])
    assert outcome.curve == whole[1].curve
    assert (outcome.best_step, outcome.steps) == (whole[1].best_step, whole[1].steps)


def test_the_untrained_model_is_measured_once(tmp_path: Path) -> None:
    kill_after(4, tmp_path, fresh())
    told: list[Event] = []
    outcome = run(fresh(), tmp_path, report=told.append)
    assert told[0].done == 4, "it goes on with the step after the checkpoint, and measures nothing before"
    assert next(point["epoch"] for point in outcome.curve if "dev_nats" in point) == 0


def test_a_resumed_run_is_not_credited_with_tokens_it_did_not_compute(tmp_path: Path) -> None:
    kill_after(10, tmp_path, fresh())
    outcome = run(fresh(), tmp_path)
    all_tokens = RECIPE.epochs * sum(len(example.ids) for example in DATA["train"])
    assert outcome.tokens_per_second * outcome.seconds == pytest.approx(all_tokens * 18 / STEPS)


def test_a_run_that_had_stopped_early_is_not_trained_on(tmp_path: Path) -> None:
    model = fresh()
    expected = run(model, tmp_path, SPOILED, data=FEW)
    told: list[Event] = []
    resumed = fresh()
    outcome = run(resumed, tmp_path, SPOILED, data=FEW, report=told.append)
    assert (outcome.stopped, outcome.steps, told) == ("early", expected.steps, [])
    assert outcome.curve == expected.curve
    assert same_to_the_bit(resumed, model)


def test_patience_counts_across_a_kill(tmp_path: Path) -> None:
    expected = run(fresh(), tmp_path / "whole", SPOILED, data=FEW)
    kill_after(expected.steps - 1, tmp_path / "cut", fresh(), SPOILED, data=FEW)
    outcome = run(fresh(), tmp_path / "cut", SPOILED, data=FEW)
    assert (outcome.stopped, outcome.steps, outcome.best_step) == ("early", expected.steps, expected.best_step)


def test_only_the_newest_and_the_best_checkpoint_stay(tmp_path: Path) -> None:
    kill_after(8, tmp_path, fresh())
    kept = Checkpoints(tmp_path)
    assert [path.name for path in kept.whole()] == ["checkpoint-5", "checkpoint-7"], "measured after step 5"
    assert kept.newest() == tmp_path / "checkpoint-7"


def test_without_time_gone_by_only_measurements_are_kept(tmp_path: Path) -> None:
    run(fresh(), tmp_path, replace(RECIPE, epochs=1), checkpoint_seconds=3600)
    assert [path.name for path in Checkpoints(tmp_path).whole()] == ["checkpoint-9"]


def checkpoint(path: Path, step: int) -> Path:
    """A folder with something in it, as Trainer leaves one."""
    folder = path / f"checkpoint-{step}"
    (folder / "deeper").mkdir(parents=True)
    for name in ("weights", "deeper/state"):
        (folder / name).write_text("x")
    return folder


def test_a_checkpoint_counts_once_it_is_sealed(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    first = checkpoint(tmp_path, 9)
    assert kept.newest() is None
    kept.seal(first, keep=[None])
    second = checkpoint(tmp_path, 10)
    assert kept.newest() == first
    kept.tidy()
    assert (first.exists(), second.exists()) == (True, False)


def test_everything_is_on_the_disk_before_the_mark_and_older_ones_lose_theirs_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut or a kill would leave at each moment."""
    kept = Checkpoints(tmp_path)
    old = checkpoint(tmp_path, 1)
    kept.seal(old, keep=[])
    new = checkpoint(tmp_path, 2)
    synced: list[str] = []
    monkeypatch.setattr("style_clone.train.checkpoints.sync", lambda path: synced.append(path.name))

    def see(path: Path, **more: Any) -> None:
        assert kept.whole() == [new], "the old one is unmarked when its files begin to go"
        assert path == old

    monkeypatch.setattr(shutil, "rmtree", see)
    kept.seal(new, keep=[])
    mark = synced.index(MARK)
    assert {"weights", "state", "deeper"} <= set(synced[:mark])
    assert synced[mark + 1 :][:2] == ["checkpoint-2", tmp_path.name], "the folders that name the files, too"


def test_a_kill_at_any_write_leaves_a_checkpoint_to_go_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends the sealing at every one of its steps in turn."""
    for moment in range(12):
        path = tmp_path / str(moment)
        kept = Checkpoints(path)
        kept.seal(checkpoint(path, 1), keep=[])
        new = checkpoint(path, 2)
        countdown = iter(range(moment))

        def fail_in_time(*args: Any, left: Iterator[int] = countdown, **more: Any) -> None:
            if next(left, None) is None:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr("style_clone.train.checkpoints.sync", fail_in_time)
            patch.setattr(shutil, "rmtree", fail_in_time)
            with contextlib.suppress(Killed):
                kept.seal(new, keep=[])
        newest = kept.newest()
        assert newest is not None, f"killed at moment {moment}"
        assert (newest / "weights").exists()


def test_a_run_killed_before_its_first_checkpoint_starts_anew(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "checkpoints")
    kept.open(KEY, "nell", resume=False)
    checkpoint(kept.path, 3)
    kept.open(KEY, "nell", resume=True)
    assert (kept.newest(), kept.story().resumed) == (None, 0)


def test_resuming_is_counted_and_what_was_predicted_stays(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "checkpoints")
    kept.open(KEY, "nell", resume=False)
    kept.tell(Story(predicted={"seconds": 3.0}))
    kept.seal(checkpoint(kept.path, 3), keep=[])
    for _ in range(2):
        kept.open(KEY, "nell", resume=True)
    assert kept.story() == Story(2, {"seconds": 3.0})
    kept.open(KEY, "nell", resume=False)
    assert (kept.newest(), kept.story()) == (None, Story())


def test_another_run_is_not_resumed(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "checkpoints")
    with pytest.raises(TrainingError, match="nell has no run to resume"):
        kept.open(KEY, "nell", resume=True)
    kept.open(KEY, "nell", resume=False)
    with pytest.raises(TrainingError, match="with this recipe, base model and pairs"):
        kept.open({"pairs": "other"}, "nell", resume=True)
    kept.clear()
    with pytest.raises(TrainingError, match="nell has no run to resume"):
        kept.open(KEY, "nell", resume=True)


CHILD = """
import sys
from pathlib import Path
from style_clone.models import resolve
from style_clone.train.run import train
from style_clone.workspace import Workspace

workspace = Workspace(Path(sys.argv[1]))
overrides = {"epochs": "3", "batch_tokens": "256", "max_tokens": "256", "rank": "4", "evaluations": "1"}
base = resolve("smollm2-135m", workspace)
train(workspace.existing("nell"), base, overrides=overrides, resume="resume" in sys.argv, checkpoint_seconds=0.5)
"""


def start(home: Path, *more: str) -> subprocess.Popen[bytes]:
    """`train` in a process of its own on one core, with a checkpoint every half second."""
    command = [sys.executable, "-c", CHILD, str(home), *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})


def look_until(found: Any, process: subprocess.Popen[bytes], seconds: float = 300) -> None:
    """Look at the disk again and again, as fast as can be."""
    limit = time.monotonic() + seconds
    while not found() and process.poll() is None:
        assert time.monotonic() < limit
        time.sleep(0.0005)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, told = process.communicate(timeout=600)
    assert process.returncode == 0, told.decode()


@pytest.mark.slow
@pytest.mark.long
def test_kill_9_again_and_again_on_the_real_model_changes_no_bit(home_with_model: Path) -> None:
    """Killed at random moments, while a checkpoint is written, and before there is one."""
    folder = paired(Workspace(home_with_model))
    finish(start(home_with_model))
    whole, expected = read_json(folder.adapter / "run.json"), (folder.adapter / WEIGHTS).read_bytes()
    shutil.rmtree(folder.adapter)

    kept, rng, killed = Checkpoints.of(folder), random.Random(0), 0
    process = start(home_with_model)
    look_until((kept.path / "identity.json").exists, process)
    for moment in ("before", "random", "writing"):
        before = kept.newest()
        if moment == "writing":
            look_until(lambda: any(not (path / MARK).exists() for path in kept.path.glob("checkpoint-*")), process)
        elif moment == "random":
            look_until(lambda before=before: kept.newest() not in (None, before), process)  # type: ignore[misc]
            time.sleep(rng.uniform(0, 1.5))
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        process = start(home_with_model, "resume")
    finish(process)
    assert killed == 3, "or the run is too short to show anything"
    run = read_json(folder.adapter / "run.json")
    assert run["resumed"] >= 2
    assert (folder.adapter / WEIGHTS).read_bytes() == expected
    assert run["curve"] == whole["curve"]
