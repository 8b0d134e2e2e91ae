"""vLLM as a supervised child: started, awaited, watched, and ended with everything it started.

It listens on loopback unless it is started alone, asks for a key, and runs under a keeper process that ends it when this
process goes away, in whatever way that happens.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import httpx
from httpx_aiohttp import AiohttpTransport

from style_clone.addresses import LOOPBACK
from style_clone.errors import EngineError
from style_clone.progress import Event, Report, silent
from style_clone.serving import tuning
from style_clone.serving.keeper import GRACE_SECONDS
from style_clone.workspace import PersonaFolder, Workspace, storage_errors

START_SECONDS = 600.0
_POLL_SECONDS = 0.25
_ANY_ADDRESS = {"0.0.0.0": LOOPBACK, "::": "[::1]"}
_REPLY_TIMEOUT = httpx.Timeout(600, connect=5)
_IDLE_SECONDS = 2.0
"""How long a connection to the engine may lie idle and be used again. vLLM closes one after 5 seconds, and a question
sent at that very moment would be lost."""
_MILESTONES = (
    ("starting vLLM", ""),
    ("reading the model's configuration", "non-default args"),
    ("starting the engine", "Initializing a V1 LLM engine"),
    ("loading the model", "Starting to load model"),
    ("warming up", "Loading weights took"),
    ("opening the engine's port", "Starting vLLM server"),
)
"""What vLLM is doing, and the words in its log by which that is known."""
_PREFIX = re.compile(r"^(\([^)]*pid=\d+\)\s*)?((INFO|WARNING|ERROR|CRITICAL) [\d-]+ [\d:]+ \[\S+\]\s*)?")
_TELLING = re.compile(r"error|exception|not supported|cannot|failed|killed|no space|unrecognized", re.IGNORECASE)


class Engine:
    """One vLLM, which can be started again on the same port with the same key after it has died."""

    def __init__(
        self,
        model: Path,
        name: str,
        workspace: Workspace,
        personas: Iterable[PersonaFolder] = (),
        *,
        merged: bool = False,
        host: str = LOOPBACK,
        port: int | None = None,
        key: str | None = None,
    ) -> None:
        """Decide how to start it. `name` is what vLLM calls the model; `merged` makes no room for adapters.

        Where it listens and its key are given only for an engine that runs alone. Raises EngineError.
        """
        port = port or free_port()
        model = model.resolve()  # vLLM knows what it has compiled before by this path
        self.plan = tuning.merged_plan(model, name, port) if merged else tuning.plan(model, name, port, personas, host)
        if key is not None:
            # The gateways before an engine that runs alone do not know how it was started, so it takes whatever comes.
            self.plan = replace(self.plan, layers=frozenset())
        self.key = key or secrets.token_urlsafe(32)
        self.log = workspace.logs / (f"engine-{name.partition('--')[0]}.log" if merged else "engine.log")
        self._keeper: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopped = False

    @property
    def url(self) -> str:
        """Where it listens, as a client on this machine writes it."""
        return local_address(self.plan.host, self.plan.port)

    @property
    def headers(self) -> dict[str, str]:
        """What a request to it must carry."""
        return {"Authorization": f"Bearer {self.key}"}

    @property
    def alive(self) -> bool:
        """Whether its process runs; it may still be starting."""
        return self._keeper is not None and self._keeper.poll() is None

    def start(self, report: Report = silent, deadline_seconds: float = START_SECONDS) -> None:
        """Start it and wait until it answers. Raises EngineError, with the log's telling lines; nothing is left then."""
        self._end()
        self._spawn()
        try:
            self._await_ready(report, time.monotonic() + deadline_seconds)
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """End it for good, and wait until none of its processes is left."""
        self._stopped = True
        self._end()

    def _spawn(self) -> None:
        environment = tuning.environment(self.plan, self.key, os.environ)
        command = [sys.executable, "-m", "style_clone.serving.keeper", *tuning.arguments(self.plan)]
        with self._lock:
            if self._stopped:
                raise EngineError("the engine was stopped while it started")
            with open_log(self.log) as log:
                self._keeper = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,
                )

    def _await_ready(self, report: Report, deadline: float) -> None:
        told = -1
        with httpx.Client(base_url=self.url, trust_env=False, timeout=5) as client:
            while not _answers(client):
                if not self.alive:
                    raise EngineError(
                        f"vLLM ended before it was ready: {telling_line(self.log)}", mend=f"Its log: {self.log}"
                    )
                if time.monotonic() > deadline:
                    raise EngineError("vLLM did not become ready in time", mend=f"Its log: {self.log}")
                if (reached := _milestone(self.log)) != told:
                    report(Event("engine", _MILESTONES[reached][0], reached, len(_MILESTONES)))
                told = reached
                time.sleep(_POLL_SECONDS)
        report(Event("engine", "ready", len(_MILESTONES), len(_MILESTONES)))

    def _end(self) -> None:
        with self._lock:
            keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        assert keeper.stdin is not None
        with suppress(BrokenPipeError):
            keeper.stdin.close()
        try:
            keeper.wait(GRACE_SECONDS + 5)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()


class Reachable(Protocol):
    """An engine that can be spoken to, wherever it runs."""

    @property
    def url(self) -> str:
        """Its root, without /v1."""

    @property
    def headers(self) -> dict[str, str]:
        """What a request to it must carry."""


def client_of(engine: Reachable) -> httpx.AsyncClient:
    """Speaks to the engine, with its key, over aiohttp: httpx's own connections take twice the time for each word of a stream
    and, for a request, the more the more there are at once."""
    # aiohttp's 0 stands for as many connections as are asked for.
    limits = httpx.Limits(max_connections=0, keepalive_expiry=_IDLE_SECONDS)
    transport = AiohttpTransport(trust_env=False, limits=limits)
    return httpx.AsyncClient(
        base_url=engine.url, headers=engine.headers, trust_env=False, timeout=_REPLY_TIMEOUT, transport=transport
    )


@contextmanager
def running(engine: Engine, report: Report = silent) -> Iterator[Engine]:
    """The engine, started, and stopped at the end of the block. Raises EngineError."""
    try:
        engine.start(report)
        yield engine
    finally:
        engine.stop()


def local_address(host: str, port: int) -> str:
    """The root of a server that listens on `host`, as a client on this machine writes it."""
    plain = f"[{host}]" if ":" in host else host
    return f"http://{_ANY_ADDRESS.get(host, plain)}:{port}"


def free_port() -> int:
    """A loopback port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def open_log(path: Path) -> Iterator[int]:
    """A new, private log file as a descriptor; the one before is kept as NAME.1. Raises StorageError."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.replace(path.with_name(f"{path.name}.1"))
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def telling_line(log: Path) -> str:
    """The log's last line that names a cause, without vLLM's own prefix; or its last line."""
    lines = [line for line in (_PREFIX.sub("", line).strip() for line in _lines(log)) if line]
    # The first process to fail names the cause; those that depend on it only repeat that something failed.
    causes = [line for line in lines if re.match(r"[\w.]*(Error|Exception): .", line)]
    telling = [line for line in lines if _TELLING.search(line)]
    return next(iter([*causes[:1], *telling[-1:], *lines[-1:]]), "its log is empty")[:400]


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def _milestone(log: Path) -> int:
    text = "\n".join(_lines(log))
    return max(number for number, (_, mark) in enumerate(_MILESTONES) if mark in text)


def _lines(log: Path) -> list[str]:
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
