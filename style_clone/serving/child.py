"""`style-clone serve` as a child process: spawned, listened to, ended."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

from style_clone.errors import ServingError
from style_clone.progress import EVENTS_VARIABLE, Report, read_events
from style_clone.serving.engine import open_log
from style_clone.serving.keeper import GRACE_SECONDS
from style_clone.settings import Settings
from style_clone.workspace import storage_errors


class ServeChild:
    """`style-clone serve` as a process of ours, which ends with us in whatever way we end."""

    def __init__(self, settings: Settings, base: str | None) -> None:
        """Decide how to start it; `base` None leaves the base model to it."""
        self.log = settings.workspace.logs / "serve.log"
        self._events = settings.workspace.logs / "serve-events.jsonl"
        self._settings = settings
        self._base = base
        self._process: subprocess.Popen[bytes] | None = None
        self._told = 0

    @property
    def started(self) -> bool:
        """Whether it was spawned, however it fared since."""
        return self._process is not None

    @property
    def ended(self) -> bool:
        """Whether it was spawned and is over."""
        return self._process is not None and self._process.poll() is not None

    def spawn(self) -> None:
        """Start it. Raises StorageError where its log cannot be written."""
        command = [sys.executable, "-m", "style_clone.serving.keeper", sys.executable, "-m", "style_clone", "serve"]
        environment = {
            **os.environ,
            "STYLE_CLONE_HOME": str(self._settings.home),
            "STYLE_CLONE_DATABASE_URL": self._settings.database_url,
            # An engine that takes a minute to make, on all cores, is of no use to somebody who chats for ten.
            "STYLE_CLONE_SERVE_AS": self._settings.serve_as or "adapters",
            EVENTS_VARIABLE: str(self._events),
        }
        with storage_errors(self._events), open_log(self.log) as log:
            self._events.write_text("")
            self._process = subprocess.Popen(
                [*command, *(["--base", self._base] if self._base else [])],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def pass_on(self, report: Report) -> None:
        """Tell `report` what the child has told since."""
        if self.started:
            events = list(read_events(self._events))
            for event in events[self._told :]:
                report(event)
            self._told = len(events)

    def error(self) -> ServingError:
        """Why it ended, in its own words."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        places = [number for number, line in enumerate(lines) if line.startswith("error: ")]
        told = lines[places[-1] :] if places else lines[-1:]
        problem = told[0].removeprefix("error: ") if told else "it said nothing"
        return ServingError(
            f"the endpoint did not start: {problem}", mend="\n".join(told[1:]) or f"Its log: {self.log}"
        )

    def stop(self) -> None:
        """End it, and wait until it is gone."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(GRACE_SECONDS + 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
