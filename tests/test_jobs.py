"""jobs.py: a child process whose events, end and error are found again by anybody, and which leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from style_clone import jobs
from style_clone.cli.terminal import progress
from style_clone.errors import JobError
from style_clone.progress import EVENTS_VARIABLE, Event
from style_clone.workspace import PersonaFolder, Workspace, read_json, write_json

QUICK = """
import sys
from style_clone.cli.terminal import progress
with progress(quiet=True) as report:
    from style_clone.progress import Event
    report(Event("train", "step", 1, 2, {"loss": 3.5}))
    report(Event("train", "step", 2, 2, {"loss": 2.5}))
print("done", *sys.argv[1:])
"""
SLEEP = "import time; time.sleep(60)"
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", child])
print("ready", flush=True)
time.sleep(60)
"""
FAIL = """
import sys
print("warming up", file=sys.stderr)
print("error: too few pairs: 7", file=sys.stderr)
print("Add more writing.", file=sys.stderr)
sys.exit(1)
"""
Begin = Callable[..., jobs.Job]


@pytest.fixture
def persona(workspace: Workspace) -> PersonaFolder:
    folder = workspace.folder("me")
    folder.root.mkdir(parents=True)
    return folder


@pytest.fixture
def begin(workspace: Workspace, persona: PersonaFolder) -> Begin:
    """Starts a job that runs a piece of Python where style-clone would be."""

    def start(code: str, argv: Sequence[str] = ("train", "me")) -> jobs.Job:
        return jobs.start(workspace, persona, argv, program=[sys.executable, "-c", code])

    return start


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it never came"
        time.sleep(0.02)


def test_events_come_and_the_result_is_what_it_printed(begin: Begin) -> None:
    job = begin(QUICK)
    assert job.result(timeout_seconds=20) == "done train me\n"
    assert [event.figures["loss"] for event in job.events()] == [3.5, 2.5]
    assert job.state() == "done"
    assert job.record().exit_code == 0


def test_a_failure_gives_the_childs_own_words(begin: Begin) -> None:
    job = begin(FAIL)
    with pytest.raises(JobError) as told:
        job.result(timeout_seconds=20)
    assert (told.value.problem, told.value.mend) == ("too few pairs: 7", "Add more writing.")
    assert job.state() == "failed"
    assert job.record().command == "style-clone train me"


def test_a_failure_without_words_says_where_to_look(begin: Begin) -> None:
    job = begin("raise SystemExit(3)")
    with pytest.raises(JobError, match="exit code 3") as told:
        job.result(timeout_seconds=20)
    assert "stderr.txt" in told.value.mend


def test_a_killed_child_is_told_as_killed(begin: Begin) -> None:
    job = begin(SLEEP)
    os.kill(job.record().pid, signal.SIGKILL)
    with pytest.raises(JobError, match="killed by SIGKILL"):
        job.result(timeout_seconds=20)


def test_cancel_ends_it_at_once_and_says_so(begin: Begin, persona: PersonaFolder) -> None:
    job = begin(SLEEP)
    job.cancel(grace_seconds=5)
    assert job.state() == "cancelled"
    assert not psutil.pid_exists(job.record().pid)
    with pytest.raises(JobError, match="was cancelled"):
        job.result()
    assert jobs.running(persona) is None
    job.cancel()


def test_cancel_leaves_no_child_even_of_a_stubborn_family(begin: Begin) -> None:
    job = begin(STUBBORN)
    wait_until(lambda: (job.folder / "stdout.txt").read_text() == "ready\n")
    children = psutil.Process(job.record().pid).children()
    job.cancel(grace_seconds=0.2)
    assert job.state() == "cancelled"
    assert children
    for child in children:
        wait_until(lambda child=child: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_running_job_is_found_again_and_is_the_only_one(begin: Begin, persona: PersonaFolder) -> None:
    job = begin(SLEEP)
    try:
        found = jobs.running(persona)
        assert found == job
        assert found.state() == "running"
        with pytest.raises(JobError, match="already running"):
            begin(QUICK)
        with pytest.raises(JobError, match="still running"):
            job.result(timeout_seconds=0.1)
    finally:
        job.cancel(grace_seconds=2)


def test_another_process_with_the_same_pid_is_not_the_job(persona: PersonaFolder) -> None:
    folder = persona.runs / "20250101-000000-000000-train"
    gone = jobs.Record("style-clone train me", "2025-01-01T00:00:00", pid=os.getpid(), started=1.0)
    write_json(folder / "job.json", gone.__dict__)
    job = jobs.latest(persona)
    assert job is not None
    assert job.state() == "failed"
    with pytest.raises(JobError, match="ended without a word"):
        job.result()


def test_the_newest_job_is_the_latest(begin: Begin, persona: PersonaFolder) -> None:
    assert jobs.latest(persona) is None
    first = begin(QUICK)
    first.result(timeout_seconds=20)
    second = begin(QUICK)
    second.result(timeout_seconds=20)
    assert jobs.latest(persona) == second
    assert first.id < second.id


def test_jobs_are_found_by_what_they_run(begin: Begin, persona: PersonaFolder) -> None:
    trained = begin(QUICK)
    trained.result(timeout_seconds=20)
    planned = begin(QUICK, ["plan", "me", "--json"])
    planned.result(timeout_seconds=20)
    assert (trained.command, planned.command) == ("train", "plan")
    assert jobs.latest(persona) == planned
    assert jobs.latest(persona, "train") == trained
    assert jobs.past(persona, "train", "plan") == [planned, trained]
    assert jobs.latest(persona, "evaluate") is None
    assert list(planned.record().argv) == ["plan", "me", "--json"]


def test_a_cancelled_job_has_its_own_last_words(begin: Begin) -> None:
    code = SLEEP.replace(
        "time.sleep(60)", "\nprint('ready', flush=True)\ntry: time.sleep(60)\nexcept KeyboardInterrupt:"
    )
    job = begin(f"{code} raise SystemExit('error: cancelled after step 3\\nGo on with --resume')")
    wait_until(lambda: (job.folder / "stdout.txt").read_text() == "ready\n")
    job.cancel(grace_seconds=5)
    with pytest.raises(JobError) as told:
        job.result()
    assert (told.value.problem, told.value.mend) == ("cancelled after step 3", "Go on with --resume")


def test_a_page_that_ends_takes_its_own_jobs_with_it(
    begin: Begin, workspace: Workspace, persona: PersonaFolder
) -> None:
    write_json(persona.persona, {})
    job = begin(SLEEP)
    jobs.cancel_own(workspace)
    assert job.state() == "cancelled"


def test_a_page_that_ends_leaves_other_pages_jobs_alone(workspace: Workspace, persona: PersonaFolder) -> None:
    write_json(persona.persona, {})
    us = psutil.Process()
    job = jobs.Job(persona.runs / "20250101-000000-000000-train")
    record = jobs.Record("style-clone train me", "2025-01-01T00:00:00", pid=us.pid, started=us.create_time())
    write_json(job.folder / "job.json", record.__dict__)
    jobs.cancel_own(workspace)
    assert job.state() == "running"


def test_a_persona_deleted_under_its_job_stays_deleted(
    begin: Begin, workspace: Workspace, persona: PersonaFolder
) -> None:
    write_json(persona.persona, {})
    job = begin(SLEEP)
    pid = job.record().pid
    workspace.delete("me")
    os.killpg(pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(pid))
    time.sleep(0.2)
    assert not persona.root.exists()


def test_job_json_is_whole_json(begin: Begin) -> None:
    job = begin(QUICK)
    job.result(timeout_seconds=20)
    record = read_json(job.folder / "job.json")
    assert record["command"] == "style-clone train me"
    assert sorted(path.name for path in job.folder.iterdir()) == [
        "events.jsonl",
        "job.json",
        "stderr.txt",
        "stdout.txt",
    ]


def test_events_go_to_the_file_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "events.jsonl"
    monkeypatch.setenv(EVENTS_VARIABLE, str(file))
    for number in (1, 2):
        with progress(quiet=True) as report:
            report(Event("pairs", done=number, total=2))
    assert [json.loads(line)["done"] for line in file.read_text().splitlines()] == [1, 2]
