"""Long work as a child process, so that a page stays awake, can be reloaded, and can stop it.

A job is a folder runs/<id>: events.jsonl grows as the work goes on, stdout.txt and stderr.txt hold what the command
prints, job.json says which process it is and how it ended, and a file `cancelled` marks one that was stopped on purpose.
Everything a page needs is read from that folder, so whoever asks next, after a reload or a restart, finds it again.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import psutil

from style_clone.errors import JobError, StorageError
from style_clone.progress import EVENTS_VARIABLE, Event, read_events
from style_clone.workspace import PersonaFolder, Workspace, read_json, storage_errors, write_json

State = Literal["running", "done", "failed", "cancelled"]
Arguments = Sequence[str]
PROGRAM = (sys.executable, "-m", "style_clone")
GRACE_SECONDS = 10.0
_SETTLING_SECONDS = 0.5
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Record:
    """job.json. `started` is the process's creation time (seconds since 1970): a pid alone may be another's by now.

    `command` is for people to read, `argv` for starting the same again; empty in records from before there was one.
    """

    command: str
    created: str
    pid: int
    started: float
    exit_code: int | None = None
    problem: str = ""
    mend: str = ""
    argv: Sequence[str] = ()


@dataclass(frozen=True)
class Job:
    """Work that runs, or ran, as a child process."""

    folder: Path

    @property
    def id(self) -> str:
        """The name of its folder; later jobs sort later."""
        return self.folder.name

    @property
    def command(self) -> str:
        """Which command it runs, such as "train"."""
        return self.id.split("-", 3)[-1]

    def record(self) -> Record:
        """What job.json says. Raises StorageError where it is damaged."""
        return Record(**read_json(self.folder / "job.json"))

    def events(self) -> list[Event]:
        """What it has told so far, oldest first."""
        return list(read_events(self.folder / "events.jsonl"))

    def events_since(self, start: int) -> tuple[list[Event], int]:
        """What it has told from byte `start` of its events on, and the byte to go on from the next time.

        A line still being written is left for then; one that a full disk cut short is passed over.
        """
        path = self.folder / "events.jsonl"
        if not path.exists():
            return [], start
        with path.open("rb") as file:
            file.seek(start)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        return list(filter(None, map(_event, whole.splitlines()))), start + len(whole)

    def state(self) -> State:
        """Where it stands. A process that is gone without an exit status on file has failed."""
        record = self._settled()
        if record.exit_code is None and _is_alive(record):
            return "running"
        if record.exit_code == 0:
            return "done"
        return "cancelled" if self.cancel_mark.exists() else "failed"

    def cancel(self, *, grace_seconds: float = GRACE_SECONDS) -> None:
        """Stop it and every process it started: SIGINT, after the grace SIGTERM, after another SIGKILL."""
        if self.state() != "running":
            return
        self.cancel_mark.touch()
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            _signal_group(self.record().pid, name)
            if _wait_for(self._is_over, grace_seconds):
                return

    def result(self, *, timeout_seconds: float | None = None) -> str:
        """What the command printed, once it is done. Raises JobError with the child's own words if it failed."""
        if not _wait_for(lambda: self.state() != "running", timeout_seconds):
            raise JobError(f"{self.record().command} is still running", mend="Wait for it, or cancel it.")
        state, record = self.state(), self.record()
        if state == "done":
            return (self.folder / "stdout.txt").read_text(encoding="utf-8")
        if state == "cancelled":
            problem = record.problem or f"{record.command} was cancelled"
            raise JobError(problem, mend=record.mend or "Start it again when you like.")
        raise JobError(
            record.problem or f"{record.command} ended without a word (was the machine restarted?)",
            mend=record.mend or "Start it again.",
        )

    @property
    def cancel_mark(self) -> Path:
        """The file that says the job was stopped on purpose."""
        return self.folder / "cancelled"

    def _settled(self) -> Record:
        """The record, after a moment's wait where the process has just ended and its exit status is still to come."""
        _wait_for(lambda: self.record().exit_code is not None or _is_alive(self.record()), _SETTLING_SECONDS)
        return self.record()

    def _is_over(self) -> bool:
        record = self.record()
        return not _group(record.pid) and self.state() != "running"


def start(
    workspace: Workspace,
    persona: PersonaFolder,
    argv: Arguments,
    *,
    program: Sequence[str] = PROGRAM,
) -> Job:
    """Run `style-clone argv` in a process group of its own.

    Raises JobError while another job of the persona runs, StorageError where its folder cannot be made.
    """
    with _one_at_a_time(persona):
        busy = running(persona)
        if busy is not None:
            raise JobError(f"{busy.record().command} is already running", mend="Wait for it, or cancel it.")
        job = Job(_new_folder(persona.runs, argv[0]))
        process = _spawn(job, workspace, [*program, *argv])
        command, now = " ".join(["style-clone", *argv]), datetime.now().astimezone().isoformat(timespec="seconds")
        record = Record(command, now, process.pid, _creation_time(process.pid), argv=tuple(argv))
        write_json(job.folder / "job.json", asdict(record))
    threading.Thread(target=_see_through, args=(job, record, process), daemon=True).start()
    return job


def past(persona: PersonaFolder, *commands: str) -> list[Job]:
    """The persona's jobs, newest first, running or not; only those of `commands` where some are named."""
    jobs = [Job(path.parent) for path in persona.runs.glob("*/job.json")]
    return sorted(
        (job for job in jobs if not commands or job.command in commands), key=lambda job: job.id, reverse=True
    )


def latest(persona: PersonaFolder, *commands: str) -> Job | None:
    """The first of `past`."""
    return next(iter(past(persona, *commands)), None)


def running(persona: PersonaFolder) -> Job | None:
    """The persona's running job, whoever started it."""
    job = latest(persona)
    return job if job is not None and job.state() == "running" else None


def cancel_own(workspace: Workspace) -> None:
    """Cancel every running job that this process started; those of another page go on."""
    for persona in workspace.personas():
        job = running(persona)
        if job is not None and _parent(job.record()) == os.getpid():
            job.cancel()


def _spawn(job: Job, workspace: Workspace, command: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "STYLE_CLONE_HOME": str(workspace.home),
        EVENTS_VARIABLE: str(job.folder / "events.jsonl"),
    }
    with (job.folder / "stdout.txt").open("ab") as out, (job.folder / "stderr.txt").open("ab") as err:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, start_new_session=True
        )


def _see_through(job: Job, record: Record, process: subprocess.Popen[bytes]) -> None:
    """Wait for the command and write how it ended. Runs in a thread beside the page."""
    code = process.wait()
    # A full disk, or a persona deleted meanwhile: nowhere to write to, and `state` sees a process that is gone.
    with suppress(StorageError, FileNotFoundError):
        problem, mend = ("", "") if code == 0 else _last_words(job, record.command, code)
        if job.folder.exists():
            write_json(job.folder / "job.json", asdict(replace(record, exit_code=code, problem=problem, mend=mend)))


def _last_words(job: Job, command: str, code: int) -> tuple[str, str]:
    """Problem and mend as the command line prints them, else where to look; nothing of one that was to stop and did."""
    stderr = job.folder / "stderr.txt"
    lines = stderr.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [number for number, line in enumerate(lines) if line.lower().startswith("error: ")]
    if errors:
        return lines[errors[-1]][len("error: ") :], "\n".join(lines[errors[-1] + 1 :])
    if job.cancel_mark.exists():
        return "", ""
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"{command} {how}", f"What it printed is in {stderr}"


def _event(line: bytes) -> Event | None:
    try:
        return Event(**json.loads(line))
    except (ValueError, TypeError):
        return None


def _new_folder(runs: Path, name: str) -> Path:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    folder = runs / f"{stamp}-{name}"
    with storage_errors(folder):
        folder.mkdir(parents=True)
    return folder


@contextmanager
def _one_at_a_time(persona: PersonaFolder) -> Iterator[None]:
    """Two pages that ask for a job in the same instant are served one after the other."""
    with storage_errors(persona.runs):
        persona.runs.mkdir(parents=True, exist_ok=True)
        with (persona.runs / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _wait_for(condition: Callable[[], bool], timeout_seconds: float | None) -> bool:
    limit = time.monotonic() + (float("inf") if timeout_seconds is None else timeout_seconds)
    while not condition():
        if time.monotonic() >= limit:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _creation_time(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def _is_alive(record: Record) -> bool:
    try:
        process = psutil.Process(record.pid)
        return bool(process.create_time() == record.started and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _parent(record: Record) -> int | None:
    try:
        return int(psutil.Process(record.pid).ppid())
    except psutil.NoSuchProcess:
        return None


def _group(leader: int) -> list[int]:
    """The living processes of a group."""
    return [process.pid for process in psutil.process_iter(["status"]) if _belongs(process, leader)]


def _belongs(process: psutil.Process, leader: int) -> bool:
    try:
        return bool(os.getpgid(process.pid) == leader and process.info["status"] != psutil.STATUS_ZOMBIE)
    except ProcessLookupError:
        return False


def _signal_group(leader: int, name: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, name)
