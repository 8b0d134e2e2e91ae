"""The plan on the page: asked for as a job, shown as a card, and what is told of a job, read once and kept small."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from style_clone import jobs
from style_clone.errors import MissingStage, UsageError
from style_clone.pairs.edits import Edits
from style_clone.progress import Event
from style_clone.ui.chart import line_chart
from style_clone.ui.handlers import following, planning, training
from style_clone.ui.handlers.following import Curve, Follower, Story, told
from style_clone.ui.plan_markup import gauge, plan_card
from style_clone.ui.run_markup import voice
from style_clone.units import spell_bytes, spell_count, spell_seconds
from style_clone.workspace import PersonaFolder, Workspace, write_json
from tests.test_ui_training import persona, run_as
from tests.training_fakes import PLAN

__all__ = ["persona", "run_as"]
NASTY = "<img src=x onerror=alert(1)>"
PLANNER = f"import json, sys; print(json.dumps({{**{PLAN!r}, 'advice': [str(sys.argv[1:])]}}))"


def planned_as(workspace: Workspace, persona: PersonaFolder) -> str:
    """The plan as it is shown once its job has ended."""
    job = jobs.latest(persona, "plan")
    assert job is not None
    limit = time.monotonic() + 20
    while job.state() == "running":
        assert time.monotonic() < limit
        time.sleep(0.02)
    return planning.planned(persona, None)


def event(step: float, total: float = 100, stage: str = "train", **more: Any) -> Event:
    return Event(stage, done=step, total=total, time=1000 + 6 * step, **more)


def test_the_stand_in_is_shaped_like_a_real_plan() -> None:
    from style_clone.train.plan import Plan

    assert set(PLAN) == {field.name for field in fields(Plan)}


def test_a_plan_is_offered_made_and_shown(
    workspace: Workspace, persona: PersonaFolder, run_as: Callable[[str], None]
) -> None:
    assert "Plan it first" in planning.planned(persona, None)
    assert training.look(workspace, "sam", Follower()).next_step == "plan"
    assert "Words to learn from" in training.facts(workspace, "sam")
    run_as(PLANNER)
    planning.begin_plan(workspace, "sam", " org/name ", "epochs=3")
    shown = planned_as(workspace, persona)
    for words in (
        "312",
        "61,204",
        "135M parameters, licence Apache-2.0",
        "9 min",
        "of 7.4 GB free",
        "1,400 more pairs",
    ):
        assert words in shown, words
    assert "[&#x27;plan&#x27;, &#x27;sam&#x27;, &#x27;--base&#x27;, &#x27;org/name&#x27;" in shown
    assert "&#x27;--set&#x27;, &#x27;epochs=3&#x27;, &#x27;--json&#x27;]" in shown
    assert training.look(workspace, "sam", Follower()).next_step == "train"
    assert training.facts(workspace, "sam") == "", "the plan says it better"


def test_a_plan_folds_up_under_a_training_and_tells_that_it_is_old(
    workspace: Workspace, persona: PersonaFolder, run_as: Callable[[str], None]
) -> None:
    run_as(PLANNER)
    planning.begin_plan(workspace, "sam", "", "")
    assert not planned_as(workspace, persona).startswith("<details")
    record = jobs.latest(persona, "plan")
    assert record is not None
    write_json(record.folder / "job.json", {**vars(record.record()), "created": "2020-01-01T00:00:00+00:00"})
    assert planning.STALE in planning.planned(persona, None)
    assert not planning.is_planned(persona)
    training.begin(workspace, "sam", "")
    folded = planning.planned(persona, None)
    assert folded.startswith("<details")
    assert "The plan: 9 min, 1.9 GB of memory, comparable" in folded


def test_a_plan_is_not_made_of_pairs_that_are_not_up_to_date(workspace: Workspace, persona: PersonaFolder) -> None:
    Edits().exclude("any").save(persona)
    with pytest.raises(MissingStage, match="not up to date"):
        planning.begin_plan(workspace, "sam", "", "")
    with pytest.raises(UsageError, match="no persona"):
        planning.begin_plan(workspace, None, "", "")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit('error: --set x: expected KEY=VALUE')", "--set x: expected KEY=VALUE"),
        ("print('{}')", planning.UNREADABLE),
        ("print('[1]')", planning.UNREADABLE),
        ("print('half of a pl')", planning.UNREADABLE),
    ],
)
def test_a_plan_that_went_wrong_is_told(
    workspace: Workspace, persona: PersonaFolder, run_as: Callable[[str], None], code: str, words: str
) -> None:
    run_as(code)
    planning.begin_plan(workspace, "sam", "", "x")
    assert words in planned_as(workspace, persona)


def test_everything_in_a_plan_is_escaped() -> None:
    def spoil(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spoil(each) for key, each in value.items()}
        if isinstance(value, list):
            return [spoil(each) for each in value]
        return f"{value}{NASTY}`{NASTY}`" if isinstance(value, str) else value

    shown = plan_card({**spoil(PLAN), "strength": "strong", "warnings": [NASTY]})
    assert "<img" not in shown
    assert shown.count("&lt;img") > 15
    assert "<code>" in shown


def test_the_gauge_marks_one_of_three_and_takes_no_other() -> None:
    assert gauge("comparable").count("sc-reached") == 2
    assert gauge("comparable").count("aria-current") == 1
    with pytest.raises(ValueError, match="superb"):
        gauge("superb")


def test_only_models_that_fit_can_be_chosen_and_what_is_too_much_is_told() -> None:
    machine = {**PLAN["machine"], "memory_bytes": 10**9}
    shown = plan_card({**PLAN, "machine": machine})
    assert shown.count('data-act="base"') == 1
    assert 'data-key="HuggingFaceTB/SmolLM2-360M-Instruct"' in shown
    assert "too large" in shown
    assert "more than the 1.0 GB free" in shown
    assert "Larger base models" not in plan_card({**PLAN, "larger": []})


def test_a_sentence_of_the_advice_is_not_told_twice() -> None:
    sentence = PLAN["more"]["sentence"]
    assert plan_card({**PLAN, "advice": [f"Add more writing: {sentence}"]}).count(sentence) == 1


def test_curves_have_a_point_where_a_figure_changes() -> None:
    rows = [(0, {"dev loss": 4.0}), (1, {"dev loss": 4.0, "loss": 5.0}), (2, {"dev loss": 4.0, "loss": 4.0})]
    events = [event(done, figures=figures) for done, figures in rows]
    events += [event(2, figures={"dev loss": 3.0, "loss": float("nan")}), event(1, stage="evaluate")]
    story = told(events)
    assert story.held_out.drawn() == [(0, 4.0), (2, 3.0)]
    assert story.loss.drawn() == [(1, 5.0), (2, pytest.approx(4.8))]


def test_time_left_is_what_the_event_says_or_follows_the_pace_of_the_stage() -> None:
    events = [event(1, 1, "model"), *(event(step) for step in (0, 10, 20))]
    assert "about 8 min left" in training.bar(told(events))
    assert told(events[:2]).seconds_left() is None
    assert "under a minute left" in training.bar(told([*events, event(99)]))
    said = told([*events, event(30, figures={"seconds left": 7800.0, "memory GB": 1.62, "dev loss": 3.5})])
    shown = training.bar(said)
    for words in ("about 2 h 10 min left", "memory 1.6 GB", "held-out loss 3.50", "30%"):
        assert words in shown
    assert "seconds left" not in shown


def test_a_warning_stays_to_be_seen_and_is_told_once() -> None:
    rising = event(5, text=f"warning: rising {NASTY}")
    shown = training.bar(told([event(4, text="on"), rising, rising, event(6)]))
    assert shown.count("Rising &lt;img") == 1
    assert "<img" not in shown


def test_the_voice_is_told_from_step_to_step() -> None:
    def heard(step: float, prompt: str, clone: str) -> Event:
        return event(step, sample={"prompt": prompt, "clone": clone, "author": "omw <b>"})

    story = told([heard(10 * number, "where?", f"reply {number}{NASTY}") for number in range(7)])
    story.add(heard(80, "when?", ""))
    shown = voice(story.samples)
    assert [step for step, _ in story.samples[0].replies] == [0, 40, 50, 60], "the first, and the latest"
    assert shown.index("when?") < shown.index("where?")
    assert shown.count("omw &lt;b&gt;") == 2
    assert shown.count("sc-now") == 2
    assert "<img" not in shown
    assert voice([]) == ""
    for number in range(9):
        story.add(heard(90, f"message {number}", "x"))
    assert len(story.samples) == following.MOST_SAMPLES


def test_a_curve_of_any_length_stays_small_and_keeps_its_ends() -> None:
    curve = Curve()
    for number in range(50_001):
        curve.add((number, number))
        assert len(curve.points) < following.MOST_POINTS
    drawn = curve.drawn()
    assert (drawn[0][0], drawn[-1][0]) == (0, 50_000)
    gaps = {second[0] - first[0] for first, second in zip(drawn[:-1], drawn[1:-1], strict=False)}
    assert len(gaps) == 1, "as dense at the left as at the right"


@pytest.fixture
def job(tmp_path: Path) -> jobs.Job:
    return make_job(tmp_path, "20250101-000000-000000-train")


def make_job(runs: Path, name: str, *argv: str) -> jobs.Job:
    job = jobs.Job(runs / name)
    write_json(job.folder / "job.json", vars(jobs.Record("style-clone train me", "", 1, 1.0, argv=argv)))
    return job


def tell(job: jobs.Job, *events: Event) -> None:
    with (job.folder / "events.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(vars(each)) + "\n" for each in events)


def test_events_are_read_once_and_half_a_line_is_waited_for(job: jobs.Job, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    add = Story.add
    monkeypatch.setattr(Story, "add", lambda self, each: (seen.append(each.done), add(self, each))[1])
    follower = Follower()
    assert follower.story(job).last is None
    tell(job, event(1, figures={"loss": 4.0}), event(2, figures={"loss": 3.0}))
    line = json.dumps(vars(event(3, text="grüße")))
    with (job.folder / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(line[:20])
    first = follower.story(job)
    assert seen == [1, 2]
    with (job.folder / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(line[20:] + "\n" + "cut short by a full disk{\n")
    tell(job, event(4))
    assert follower.story(job).last == event(4)
    assert seen == [1, 2, 3, 4]
    assert first.last == event(2, figures={"loss": 3.0}), "what was handed out stays as it was"


def test_a_run_gone_on_with_has_the_curve_from_before(tmp_path: Path) -> None:
    older = make_job(tmp_path, "20250101-000000-000000-train", "train", "me")
    before = make_job(tmp_path, "20250102-000000-000000-train", "train", "me")
    after = make_job(tmp_path, "20250103-000000-000000-train", "train", "me", "--resume")
    tell(older, event(1, figures={"loss": 9.0}))
    for step in (1, 2, 3, 4):
        sample = {"prompt": "where?", "clone": f"first run {step}", "author": "here"}
        tell(before, event(step, figures={"loss": 4.0 - step / 10, "dev loss": 4.0 - step}, sample=sample))
    tell(after, event(3, figures={"loss": 3.0, "dev loss": 1.5}, sample={"prompt": "where?", "clone": "second run 3"}))
    story = Follower().joined([after, before, older])
    assert [x for x, _ in story.loss.drawn()] == [1, 2, 3]
    assert story.held_out.drawn() == [(1, 3.0), (2, 2.0), (3, 1.5)]
    assert [reply for _, reply in story.samples[0].replies] == ["first run 1", "first run 2", "second run 3"]
    assert Follower().joined([before, older]).loss.drawn()[0] == (1, 3.9), "a run of its own"


def test_the_best_point_is_ringed_and_told() -> None:
    curves = {"Held-out loss": [(0, 4.0), (10, 3.0), (20, 3.5), (30, float("nan"))]}
    shown = line_chart(curves, x_name="steps", y_name="loss", best="Held-out loss")
    assert "Best <b>3.00</b> after 10 steps" in shown
    assert shown.count('class="sc-best"') == 2, "once on the desk's picture, once on the phone's"
    assert "sc-best" not in line_chart(curves, x_name="steps", y_name="loss")


def test_numbers_are_spelled_for_people() -> None:
    assert [spell_seconds(seconds) for seconds in (0.2, 42, 89, 100, 3600, 7800)] == [
        *("1 s", "42 s", "89 s", "2 min", "1 h", "2 h 10 min")
    ]
    assert [spell_bytes(size) for size in (0, 5, 24e6, 1.93e9, 38e9)] == ["0 MB", "1 MB", "24 MB", "1.9 GB", "38 GB"]
    assert [spell_count(number) for number in (12, 134_515_008, 999_999_999)] == ["12", "135M", "1B"]
