"""The fourth step's handlers: a measurement started, told candidate by candidate, cancelled, and the scorecard shown."""

from __future__ import annotations

import re
import sys
import time
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from html import unescape
from typing import Any

import pytest

from style_clone import jobs
from style_clone.errors import JobError, MissingStage, StorageError, UsageError
from style_clone.evaluate.page.run import render
from style_clone.persona import Persona
from style_clone.ui.handlers import scoring, training
from style_clone.ui.handlers.following import Follower
from style_clone.workspace import PersonaFolder, Workspace, file_hash, write_json
from tests import scorecards

MEASURER = """
import sys
from style_clone.cli.terminal import progress
from style_clone.progress import Event
print(sys.argv[1:])
with progress(quiet=True) as report:
    for number, name in enumerate(("plain", "few-shot <5>", "clone")):
        report(Event("evaluate", name, number, 3))
"""
SLOW = MEASURER + "\nimport time\nprint('ready', flush=True)\ntime.sleep(60)\n"
FAIL = "import sys; sys.exit('error: the adapter is <missing>\\nTrain it.')"


@pytest.fixture
def nell(workspace: Workspace) -> PersonaFolder:
    """A persona with an adapter on file."""
    folder = workspace.folder("nell")
    Persona(slug="nell", author="Nell", aliases=("Nell",)).save(folder)
    for name in ("train", "dev", "test"):
        path = folder.split(name)  # type: ignore[arg-type]
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}\n")
    pairs = file_hash(folder.split("train"), folder.split("dev"))
    write_json(folder.adapter / "run.json", {"adapter_sha256": "3f" * 32, "pairs_sha256": pairs})
    return folder


@pytest.fixture
def run_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets a piece of Python run where `style-clone evaluate` would."""
    start = jobs.start

    def use(code: str) -> None:
        monkeypatch.setattr(jobs, "start", partial(start, program=[sys.executable, "-c", code]))

    return use


def keep(folder: PersonaFolder, scorecard: dict[str, Any]) -> None:
    write_json(folder.scorecard, scorecard | {"test_sha256": file_hash(folder.split("test"))})


def follow(workspace: Workspace, until: Callable[[scoring.View], bool]) -> scoring.View:
    limit = time.monotonic() + 20
    while not until(view := scoring.look(workspace, "nell", Follower())):
        assert time.monotonic() < limit, view
        time.sleep(0.05)
    return view


def test_what_to_do_is_told_before_there_is_a_scorecard(workspace: Workspace, nell: PersonaFolder) -> None:
    page = scoring.look(workspace, "nell", Follower()).page
    assert page is not None
    assert "not been measured yet" in page
    assert "step 1" in scoring.look(workspace, None, Follower()).status
    (nell.adapter / "run.json").unlink()
    page = scoring.look(workspace, "nell", Follower()).page
    assert page is not None
    assert "Train one in step 3" in page


def test_nothing_is_begun_without_a_clone(workspace: Workspace, nell: PersonaFolder) -> None:
    with pytest.raises(UsageError, match="no clone to measure"):
        scoring.begin(workspace, None, quick=False)
    (nell.adapter / "run.json").unlink()
    with pytest.raises(MissingStage, match="no clone yet"):
        scoring.begin(workspace, "nell", quick=False)
    assert jobs.latest(nell) is None


@pytest.mark.parametrize(("quick", "options"), [(False, ["--json"]), (True, ["--quick", "--json"])])
def test_a_measurement_runs_the_command(
    workspace: Workspace, nell: PersonaFolder, run_as: Callable[[str], None], quick: bool, options: list[str]
) -> None:
    run_as(MEASURER)
    scoring.begin(workspace, "nell", quick=quick)
    view = follow(workspace, lambda view: not view.running)
    assert view.status == ""
    job = jobs.latest(nell)
    assert job is not None
    assert job.result() == f"{['evaluate', 'nell', *options]}\n"


def test_it_is_told_candidate_by_candidate_and_cancelled(
    workspace: Workspace, nell: PersonaFolder, run_as: Callable[[str], None]
) -> None:
    keep(nell, scorecards.full())
    run_as(SLOW)
    scoring.begin(workspace, "nell", quick=False)
    view = follow(workspace, lambda view: "✓ few-shot" in view.status)
    assert (view.running, view.busy) == (True, True)
    assert "✓ plain" in view.status
    assert "few-shot &lt;5&gt;" in view.status
    assert "<li>clone</li>" in view.status
    assert "67%" in view.status
    assert scoring.look(workspace, "nell", Follower(), with_page=False).page is None
    with pytest.raises(JobError, match="already running"):
        scoring.begin(workspace, "nell", quick=True)
    assert training.look(workspace, "nell", Follower()).running, "nothing else is begun meanwhile"
    scoring.stop(workspace, "nell")
    view = scoring.look(workspace, "nell", Follower(), with_page=False)
    assert not view.running
    assert "cancelled" in view.status
    assert view.page is not None
    assert "<iframe" in view.page


def test_other_jobs_go_on_and_are_named(
    workspace: Workspace, nell: PersonaFolder, run_as: Callable[[str], None]
) -> None:
    run_as(SLOW)
    job = jobs.start(workspace, nell, ["train", "nell"])
    view = scoring.look(workspace, "nell", Follower())
    assert "style-clone train nell is running" in view.status
    assert view.busy
    scoring.stop(workspace, "nell")
    assert job.state() == "running"
    job.cancel()


def test_a_failure_is_told_in_the_childs_words(
    workspace: Workspace, nell: PersonaFolder, run_as: Callable[[str], None]
) -> None:
    run_as(FAIL)
    scoring.begin(workspace, "nell", quick=False)
    view = follow(workspace, lambda view: not view.running)
    assert "the adapter is &lt;missing&gt;" in view.status
    assert "Train it." in view.status


def test_the_scorecard_is_framed_and_can_be_downloaded(workspace: Workspace, nell: PersonaFolder) -> None:
    hostile = scorecards.full() | {"author": "<script>alert(1)</script>\"'"}
    keep(nell, hostile)
    page = scoring.look(workspace, "nell", Follower()).page
    assert page is not None
    whole = render(hostile | {"test_sha256": file_hash(nell.split("test"))})
    (framed,) = re.findall(r'<iframe[^>]* sandbox="allow-same-origin" srcdoc="([^"]*)"></iframe>', page)
    assert unescape(framed) == whole
    assert "<script" not in page
    html, json = (b64decode(part) for part in re.findall(r"base64,([^\"]+)\"", page))
    assert html.decode() == whole
    assert json == nell.scorecard.read_bytes()
    assert re.findall(r'download="([^"]+)"', page) == ["nell-scorecard.html", "nell-scorecard.json"]


def test_a_stale_scorecard_says_so(workspace: Workspace, nell: PersonaFolder) -> None:
    keep(nell, scorecards.quick())
    fresh = scoring.look(workspace, "nell", Follower()).page
    nell.split("test").write_text("{}\n{}\n")
    stale = scoring.look(workspace, "nell", Follower()).page
    assert fresh is not None
    assert stale is not None
    assert scoring.STALE not in fresh
    assert scoring.STALE in stale


def test_a_damaged_scorecard_is_no_crash(workspace: Workspace, nell: PersonaFolder) -> None:
    for damaged in ([1, 2], {"candidates": [1]}):
        write_json(nell.scorecard, damaged)
        page = scoring.look(workspace, "nell", Follower()).page
        assert page is not None
        assert scoring.UNREADABLE in page
    nell.scorecard.write_text("{")
    with pytest.raises(StorageError, match="damaged"):
        scoring.look(workspace, "nell", Follower())
