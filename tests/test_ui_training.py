"""The second step's handlers: a job started, followed across reloads, cancelled, and its end told."""

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
from style_clone.progress import Event
from style_clone.ui.handlers import training
from style_clone.workspace import PersonaFolder, Workspace, write_json
from tests.pairs_chats import many_chats

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
    while not until(view := training.look(workspace, "sam")):
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
    assert training.begin(workspace, "sam", " smollm2-135m ").running
    view = follow(workspace, lambda view: view.done)
    assert "The clone is ready" in view.status
    assert "Held-out loss <b>3.10</b>" in view.chart
    assert view.result == ""
    job = jobs.latest(persona)
    assert job is not None
    assert job.result() == "['train', 'sam', '--base', 'smollm2-135m']\n"
    write_json(persona.scorecard, SCORECARD)
    view = training.look(workspace, "sam")
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
    view = training.stop(workspace, "sam")
    assert not view.running
    assert "cancelled" in view.status


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
    assert training.look(workspace, None) == training.View()
    assert training.stop(workspace, None) == training.View()


def test_curves_have_a_point_where_a_figure_changes() -> None:
    rows = [(0, {"dev loss": 4.0}), (1, {"dev loss": 4.0, "loss": 5.0}), (2, {"dev loss": 4.0, "loss": 4.0})]
    events = [Event("train", done=done, total=3, figures=figures) for done, figures in rows]
    events += [Event("train", done=2, figures={"dev loss": 3.0, "loss": 4.0}), Event("evaluate", done=1)]
    curves = training.curves(events)
    assert curves["Held-out loss"] == [(0, 4.0), (2, 3.0)]
    assert curves["Training loss"] == [(1, 5.0), (2, pytest.approx(4.8))]


def test_time_left_follows_the_pace_of_the_stage() -> None:
    events = [Event("model", done=1, total=1, time=0)]
    events += [Event("train", done=step, total=100, time=100 + 6 * step) for step in (0, 10, 20)]
    assert training.minutes_left(events) == "about 8 min left"
    assert training.minutes_left(events[:2]) == ""
    assert training.minutes_left([*events, Event("train", done=99, total=100, time=700)]) == "under a minute left"


def test_a_scorecard_without_the_three_numbers_shows_nothing() -> None:
    assert training.verdict({}) == ""
    assert training.verdict({"bits_per_byte": {"plain": 1}}) == ""
