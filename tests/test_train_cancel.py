"""A cancel keeps the best so far at once, changes nothing where there is none, and leaves the run to be resumed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from style_clone import jobs
from style_clone.errors import TrainingCancelled
from style_clone.models import BaseModel
from style_clone.progress import Event
from style_clone.train import run as training
from style_clone.train.checkpoints import Checkpoints
from style_clone.train.processes import told_to_stop
from style_clone.workspace import PersonaFolder, Workspace, read_json
from tests.test_train_loop import dev_nats, fresh, run
from tests.test_train_resume import same_to_the_bit

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"epochs": "2", "batch_tokens": "512"}


class Stop:
    """A listener that asks for a stop once an event is such as `when` says."""

    def __init__(self, when: Callable[[Event], bool]) -> None:
        self.when = when
        self.asked = False
        self.told: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.told.append(event)
        self.asked = self.asked or self.when(event)

    def now(self) -> bool:
        return self.asked


def after(step: int) -> Stop:
    return Stop(lambda event: event.total > 0 and event.done >= step)


def test_a_cancel_stops_after_the_step_with_the_best_so_far(tmp_path: Path) -> None:
    stop, model = after(8), fresh()
    outcome = run(model, tmp_path, report=stop, cancelled=stop.now)
    assert (outcome.stopped, outcome.steps, outcome.best_step) == ("cancelled", 9, 5)
    assert [event.done for event in stop.told if event.total][-1] == 9, "step 9 is due to be measured, and is not"
    assert dev_nats(model) == pytest.approx(outcome.best_dev_nats, rel=0.01)


@pytest.mark.parametrize("step", [2, 6, 8, 26])
def test_a_cancelled_run_goes_on_to_what_an_uninterrupted_one_ends_with(tmp_path: Path, step: int) -> None:
    whole, resumed = fresh(), fresh()
    expected = run(whole, tmp_path / "whole")
    stop = after(step)
    run(fresh(), tmp_path / "cut", report=stop, cancelled=stop.now)
    outcome = run(resumed, tmp_path / "cut")
    assert (outcome.curve, outcome.best_step) == (expected.curve, expected.best_step)
    assert same_to_the_bit(resumed, whole)


def test_a_measurement_that_runs_is_cut_short_and_measured_again_later(tmp_path: Path) -> None:
    """The stop comes between the log of step 5 and its measurement's first batch."""
    whole, resumed = fresh(), fresh()
    expected = run(whole, tmp_path / "whole")
    asked: list[bool] = []
    stop = after(99)

    def from_the_second_question_after_step_five() -> bool:
        asked.extend([True] if stop.told and stop.told[-1].done == 5 else [])
        return bool(asked)

    cut = run(fresh(), tmp_path / "cut", report=stop, cancelled=from_the_second_question_after_step_five)
    assert (cut.stopped, cut.steps, cut.best_step) == ("cancelled", 5, 0)
    assert len([point for point in cut.curve if "dev_nats" in point]) == 1, "the untrained model alone"
    assert run(resumed, tmp_path / "cut").curve == expected.curve
    assert same_to_the_bit(resumed, whole)


def cancelling(monkeypatch: pytest.MonkeyPatch, stop: Stop) -> None:
    """As a signal would."""

    class Told:
        def __enter__(self) -> Callable[[], bool]:
            return stop.now

        def __exit__(self, *ended: object) -> None:
            return None

    monkeypatch.setattr(training.processes, "told_to_stop", Told)


def is_measured(event: Event) -> bool:
    return event.stage == "train" and event.done > 0 and bool(event.sample)


def test_what_was_best_becomes_the_adapter_and_the_message_says_so(
    folder: PersonaFolder, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Stop(is_measured)
    with monkeypatch.context() as patch:
        cancelling(patch, stop)
        with pytest.raises(TrainingCancelled) as caught:
            training.train(folder, base, overrides=SMALL, report=stop)
    kept = read_json(folder.adapter / "run.json")
    assert (kept["stopped"], kept["leaks"]) == ("cancelled", None)
    step, loss = kept["best_step"], kept["best_dev_nats"]
    assert f"the adapter of step {step} is kept, held-out loss {loss:.3f}" in caught.value.problem
    assert "style-clone train nell --resume" in caught.value.mend
    went_on = training.train(folder, base, overrides=SMALL, resume=True)
    assert (went_on["stopped"], went_on["resumed"]) == ("finished", 1)
    assert went_on["leaks"]["sentence"]


def test_where_nothing_was_measured_nothing_changes(
    folder: PersonaFolder, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.train(folder, base, overrides={**SMALL, "epochs": "1"})
    before = {path.name: path.read_bytes() for path in folder.adapter.iterdir()}
    stop = Stop(lambda event: event.stage == "train" and event.total > 0)
    cancelling(monkeypatch, stop)
    with pytest.raises(
        TrainingCancelled, match="nothing was measured yet, so nothing that was there before has changed"
    ):
        training.train(folder, base, overrides=SMALL, report=stop)
    assert {path.name: path.read_bytes() for path in folder.adapter.iterdir()} == before
    assert Checkpoints.of(folder).path.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_heard_and_ends_nothing(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with told_to_stop() as told:
        assert not told()
        signal.raise_signal(number)
        assert told()
    assert signal.getsignal(number) is before


def test_who_cannot_wait_presses_twice() -> None:
    with told_to_stop() as told, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert told(), "one after the other is what a cancelled job gets, and a launcher's children"
        signal.raise_signal(signal.SIGINT)


def test_only_a_main_thread_listens() -> None:
    heard: list[bool] = []

    def work() -> None:
        with told_to_stop() as told:
            heard.append(told())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [False]


LONG = ["--set", "epochs=500", "--set", "patience=1000", "--set", "batch_tokens=512"]


def wait_until(condition: Callable[[], Any], seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.mark.slow
def test_a_cancelled_job_says_what_it_kept(folder: PersonaFolder, base: BaseModel, workspace: Workspace) -> None:
    job = jobs.start(workspace, folder, ["train", "nell", "--base", str(base.path), *LONG])
    wait_until(lambda: any(is_measured(event) for event in job.events()) or job.state() != "running")
    began = time.monotonic()
    job.cancel()
    assert time.monotonic() - began < jobs.GRACE_SECONDS, "SIGINT was enough"
    wait_until(lambda: job.record().exit_code is not None)
    record = job.record()
    assert (job.state(), record.exit_code) == ("cancelled", 1)
    assert record.problem.startswith("training was cancelled after step")
    assert "--resume" in record.mend
    assert read_json(folder.adapter / "run.json")["stopped"] == "cancelled"


@pytest.mark.slow
def test_a_terminated_command_ends_well_too(folder: PersonaFolder, base: BaseModel) -> None:
    command = [sys.executable, "-m", "style_clone", "train", "nell", "--base", str(base.path), *LONG]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: Checkpoints.of(folder).newest() or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: training was cancelled after step" in told
    assert "Traceback" not in told
    assert (folder.adapter / "run.json").exists()
