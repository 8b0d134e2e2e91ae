"""The third step's handlers: a job started, followed across reloads, cancelled, gone on with, and its end told."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import pytest

from style_clone import jobs
from style_clone.conversation import write_lines
from style_clone.errors import JobError, MissingStage, UsageError
from style_clone.pairs.edits import Edits
from style_clone.pairs.run import SUMMARY, build
from style_clone.persona import Persona
from style_clone.ui.handlers import training
from style_clone.ui.handlers.following import Follower
from style_clone.workspace import PersonaFolder, Workspace, write_json
from tests.pairs_chats import many_chats
from tests.training_fakes import RUN

TRAINER = """
import sys, time
from style_clone.cli.terminal import progress
from style_clone.progress import Event
print(sys.argv[1:])
with progress(quiet=True) as report:
    report(Event("train", "reading pairs and base model"))
    for step in range(5):
        report(Event("train", "", step, 4, {"loss": 4.0 - step / 4, "tokens/s": 640.0, "dev loss": 4.1 - (step > 2)}))
"""
SLOW = TRAINER + "\ntime.sleep(60)\n"
FAIL = "import sys; sys.exit('error: the model is <missing>\\nFetch it.')"
CANCELLED = """
import json, pathlib, sys, time
root = pathlib.Path(sys.argv[-1])
mark = root / "runs" / "checkpoints" / "identity.json"
mark.parent.mkdir(parents=True)
mark.write_text("{}")
print("ready", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit("error: training was cancelled after step 7: the adapter of step 4 was kept\\nGo on with --resume")
"""
STOPPED = (
    "import time; print('ready', flush=True)\ntry: time.sleep(60)\nexcept KeyboardInterrupt: raise SystemExit(130)"
)
SCORECARD = {"bits_per_byte": {"plain": 2.6, "prompted": 2.5, "clone": 1.9}, "verdict": "The clone is <closer>."}


@pytest.fixture
def persona(workspace: Workspace) -> PersonaFolder:
    """A persona with 300 pairs on file."""
    folder = workspace.folder("sam")
    Persona(slug="sam", author="Sam", aliases=("Sam",)).save(folder)
    with folder.messages.open("w", encoding="utf-8") as file:
        write_lines(file, (each.to_json() for each in many_chats(12, author="Sam")))
    row = build(folder).to_json()
    for part in row["splits"].values():
        part |= {"pairs": 75, "words": 1000}
    write_json(folder.pairs / SUMMARY, row)
    return folder


@pytest.fixture
def run_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets a piece of Python run where `style-clone train` would."""
    start = jobs.start

    def use(code: str) -> None:
        monkeypatch.setattr(jobs, "start", partial(start, program=[sys.executable, "-c", code]))

    return use


def follow(workspace: Workspace, until: Callable[[training.View], bool]) -> training.View:
    limit = time.monotonic() + 20
    while not until(view := training.look(workspace, "sam", Follower())):
        assert time.monotonic() < limit, view
        time.sleep(0.05)
    return view


def test_facts_tell_what_there_is_to_train_on(workspace: Workspace, persona: PersonaFolder) -> None:
    shown = training.facts(workspace, "sam")
    for figure in ("75", "1,000", "1,400", "225", "sam: Sam"):
        assert figure in shown
    assert "step 1" in training.facts(workspace, None)


def test_edits_that_are_not_applied_are_told_and_not_trained_without(
    workspace: Workspace, persona: PersonaFolder
) -> None:
    assert "not up to date" not in training.facts(workspace, "sam")
    Edits().exclude("any").save(persona)
    assert "not up to date" in training.facts(workspace, "sam")
    with pytest.raises(MissingStage, match="not up to date") as caught:
        training.begin(workspace, "sam", "")
    assert "step 2" in caught.value.mend
    assert jobs.latest(persona) is None


def test_a_persona_without_pairs_is_sent_to_step_one(workspace: Workspace) -> None:
    write_json(workspace.folder("ann").persona, {})
    assert "no pairs yet" in training.facts(workspace, "ann")


def test_training_is_told_from_bar_to_verdict(
    workspace: Workspace, persona: PersonaFolder, run_as: Callable[[str], None]
) -> None:
    run_as(TRAINER)
    training.begin(workspace, "sam", " smollm2-135m ", " epochs=3\n rank=8")
    assert training.look(workspace, "sam", Follower()).running
    view = follow(workspace, lambda view: view.done)
    assert view.next_step == "talk"
    assert "The clone is ready" in view.status
    assert "Held-out loss <b>3.10</b>" in view.chart
    assert view.result == ""
    job = jobs.latest(persona)
    assert job is not None
    assert job.result() == "['train', 'sam', '--base', 'smollm2-135m', '--set', 'epochs=3', '--set', 'rank=8']\n"
    write_json(persona.scorecard, SCORECARD)
    view = training.look(workspace, "sam", Follower())
    assert "The clone is &lt;closer&gt;." in view.result
    assert all(bits in view.result for bits in ("2.60", "2.50", "1.90"))


def test_a_running_job_is_shown_and_cancelled(
    workspace: Workspace, persona: PersonaFolder, run_as: Callable[[str], None]
) -> None:
    run_as(SLOW)
    training.begin(workspace, "sam", "")
    view = follow(workspace, lambda view: "100%" in view.status)
    assert view.running
    for shown in ("Training", "loss 3.00", "640 tokens/s", "held-out loss 3.10"):
        assert shown in view.status
    with pytest.raises(JobError, match="already running"):
        training.begin(workspace, "sam", "")
    training.stop(workspace, "sam")
    view = training.look(workspace, "sam", Follower())
    assert not view.running
    assert "cancelled" in view.status
    assert "Nothing that was there before has changed" in view.status
    assert (view.can_go_on, view.done) == (False, False)


def test_a_failure_is_told_in_the_childs_words(
    workspace: Workspace, persona: PersonaFolder, run_as: Callable[[str], None]
) -> None:
    run_as(FAIL)
    training.begin(workspace, "sam", "")
    view = follow(workspace, lambda view: not view.running)
    assert "the model is &lt;missing&gt;" in view.status
    assert "Fetch it." in view.status
    assert not view.done


def test_nobody_chosen_is_told(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="no persona"):
        training.begin(workspace, None, "")
    assert training.look(workspace, None, Follower()) == training.View()
    training.stop(workspace, None)


def wait_until_ready(persona: PersonaFolder) -> jobs.Job:
    job = jobs.latest(persona)
    assert job is not None
    limit = time.monotonic() + 20
    while (job.folder / "stdout.txt").read_text() != "ready\n":
        assert time.monotonic() < limit
        time.sleep(0.02)
    return job


def test_what_was_kept_is_told_in_the_commands_own_words_and_gone_on_with(
    workspace: Workspace, persona: PersonaFolder, run_as: Callable[[str], None]
) -> None:
    run_as(CANCELLED)
    training.begin(workspace, "sam", "", f"epochs=3 {persona.root}")
    job = wait_until_ready(persona)
    job.cancel_mark.touch()
    assert "Stopping" in training.look(workspace, "sam", Follower()).status
    training.stop(workspace, "sam")
    view = training.look(workspace, "sam", Follower())
    assert "Training was cancelled after step 7: the adapter of step 4 was kept" in view.status
    assert "--resume" not in view.status, "there is a button for that"
    assert (view.can_go_on, view.next_step) == (True, "go on")
    run_as(TRAINER)
    training.go_on(workspace, "sam")
    view = follow(workspace, lambda view: view.done)
    assert not view.can_go_on
    resumed = jobs.latest(persona)
    assert resumed is not None
    assert list(resumed.record().argv) == [*job.record().argv, "--resume"]
    with pytest.raises(UsageError, match="no training to go on with"):
        training.go_on(workspace, "sam")


def test_a_failure_can_be_gone_on_with_and_settings_stay(
    workspace: Workspace, persona: PersonaFolder, run_as: Callable[[str], None]
) -> None:
    run_as(FAIL)
    training.begin(workspace, "sam", "smollm2-135m", "epochs=3")
    assert not follow(workspace, lambda view: not view.running).can_go_on
    write_json(persona.runs / "checkpoints" / "identity.json", {})
    view = training.look(workspace, "sam", Follower())
    assert view.can_go_on
    assert "last checkpoint" in view.status
    for _ in range(2):
        training.go_on(workspace, "sam")
        follow(workspace, lambda view: not view.running)
    last = jobs.latest(persona)
    assert last is not None
    assert " ".join(last.record().argv) == "train sam --base smollm2-135m --set epochs=3 --resume"


def test_a_cancelled_measurement_leaves_the_clone(
    workspace: Workspace, persona: PersonaFolder, run_as: Callable[[str], None]
) -> None:
    write_json(persona.scorecard, SCORECARD)
    run_as(STOPPED)
    training.begin(workspace, "sam", "")
    wait_until_ready(persona)
    write_json(persona.adapter / "run.json", RUN)
    training.stop(workspace, "sam")
    view = training.look(workspace, "sam", Follower())
    assert "The clone is trained" in view.status
    assert view.done
    assert "Leak check: clean" in view.result
    assert "closer" not in view.result, "the scorecard is of another adapter"


def test_a_plan_does_not_hide_how_training_stands(
    workspace: Workspace, persona: PersonaFolder, run_as: Callable[[str], None]
) -> None:
    run_as(TRAINER)
    training.begin(workspace, "sam", "")
    follow(workspace, lambda view: view.done)
    run_as(SLOW)
    jobs.start(workspace, persona, ["plan", "sam"])
    view = training.look(workspace, "sam", Follower())
    assert view.planning
    assert view.running
    assert "Planning" in view.plan
    assert "The clone is ready" in view.status
    training.stop(workspace, "sam")
    view = training.look(workspace, "sam", Follower())
    assert "Planning was cancelled" in view.plan
    assert "The clone is ready" in view.status


def test_the_result_holds_what_was_predicted_against_what_was(workspace: Workspace, persona: PersonaFolder) -> None:
    write_json(persona.adapter / "run.json", RUN)
    shown = training.look(workspace, "sam", Follower()).result
    for told in ("9 min", "9 min predicted, +6%", "1.8 GB", "1.9 GB predicted, -6%", "3.40", "from 4.45", "3 of 200"):
        assert told in shown, told
    assert "It ran to its end" in shown
    write_json(persona.adapter / "run.json", {**RUN, "resumed": 2, "stopped": "early", "leaks": {"verdict": "<leaky>"}})
    shown = training.look(workspace, "sam", Follower()).result
    for told in ("taken up again twice", "since it was last taken up", "stopped early", "Leak check: &lt;leaky&gt;"):
        assert told in shown, told
    assert "9 min predicted" not in shown, "only the last part was timed"
    write_json(persona.adapter / "run.json", {"base": {"name": "older"}})
    assert "Time" not in training.look(workspace, "sam", Follower()).result


def test_a_scorecard_without_the_three_numbers_shows_nothing() -> None:
    assert training.verdict({}) == ""
    assert training.verdict({"bits_per_byte": {"plain": 1}}) == ""
