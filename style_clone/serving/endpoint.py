"""Finding the endpoint that runs, or starting one: how the page, the chat and the demo come to talk to it.

A running endpoint keeps a lock on serve.lock in the home folder and describes itself in endpoint.json. The lock goes with
the process however that ends, so a file left behind is recognised.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import httpx

from style_clone.addresses import other_machine
from style_clone.client import Address, connect
from style_clone.errors import ServingError, StorageError
from style_clone.progress import Event, Report, silent
from style_clone.serving.child import ServeChild
from style_clone.serving.engine import START_SECONDS
from style_clone.serving.gateway import SERVICE
from style_clone.serving.merged import ENGINE_STARTING
from style_clone.settings import Settings
from style_clone.workspace import Workspace, read_json, storage_errors, write_json

SESSION_LIFETIME = timedelta(days=7)
"""A key made for one program's use is revoked when that ends; this is for programs that were killed."""
_POLL_SECONDS = 0.2
_FETCH_SECONDS = 1800.0
_LOCK_TRIES = 20
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Endpoint:
    """Where an endpoint is. `url` is its root without /v1; `key` is None where none is needed, or none was made yet.

    `elsewhere` is the host that prompts are sent to, where it or its engine is known to be another machine.
    """

    url: str
    key: str | None = None
    base: str = ""
    needs_key: bool = True
    elsewhere: str | None = None


@dataclass(frozen=True)
class Notice:
    """endpoint.json. `asked` is the base model as it was asked for: a name, a hub id or a folder; `elsewhere` is the host of
    its engine, where that is another machine."""

    url: str
    pid: int
    base: str
    asked: str
    needs_key: bool
    elsewhere: str | None = None


def find(workspace: Workspace) -> Endpoint | None:
    """The endpoint that runs on this home folder, without a key; None where there is none, or it is still starting."""
    notice = _read_notice(workspace)
    if notice is None or not _is_up(notice):
        return None
    return Endpoint(notice.url, base=notice.base, needs_key=notice.needs_key, elsewhere=notice.elsewhere)


@contextmanager
def start(settings: Settings, *, base: str | None = None, report: Report = silent) -> Iterator[Endpoint]:
    """An endpoint to talk to during the block, with a key of its own: the one STYLE_CLONE_URL names, the one that runs on
    this home folder, or else one started for the block and stopped after it. Raises ServingError."""
    if settings.endpoint_url is not None:
        yield _named(settings.endpoint_url, settings)
        return
    with _found_or_started(settings, base, report) as endpoint, _session_key(settings, endpoint) as key:
        yield replace(endpoint, key=key)


def elsewhere(settings: Settings) -> str | None:
    """The host that prompts would be sent to by `start`, where the endpoint or its engine is another machine."""
    if settings.endpoint_url is not None:
        return _named(settings.endpoint_url, settings).elsewhere
    running = find(settings.workspace)
    return running.elsewhere if running is not None else other_machine(settings.engine_url)


def _named(url: str, settings: Settings) -> Endpoint:
    key = settings.api_key
    afar = other_machine(url) or other_machine(settings.engine_url)
    return Endpoint(url, key, needs_key=key is not None, elsewhere=afar)


@contextmanager
def when_asked(
    settings: Settings, *, base: str, all_ready: bool = False, report: Report = silent
) -> Iterator[Callable[[], Address]]:
    """The endpoint of `start`, once somebody calls for it in the block: nobody waits for engines that have nothing to answer.

    With `all_ready` it is one whose personas all answer by then. The call raises ServingError.
    """
    with ExitStack() as stack:

        @cache
        def started() -> Address:
            address = stack.enter_context(start(settings, base=base, report=report))
            if all_ready:
                wait_for_personas(address, settings.workspace, report)
            return address

        yield started


def wait_for_personas(running: Address, workspace: Workspace, report: Report = silent) -> None:
    """Wait until every persona of the home answers, and not the base model alone.

    Engines of their own are compiled in the background, and beside a base model under full load they are starved for as long
    as that lasts. Raises ServingError where one cannot be had or the endpoint ends.
    """
    for persona in workspace.personas():
        report(Event("engine", f"waiting for the engine of {persona.slug}"))
        asyncio.run(_wait_for(running, persona.slug))


async def _wait_for(running: Address, model: str) -> None:
    from openai import InternalServerError

    async with connect(running) as client:
        ask = client.with_options(max_retries=0).chat.completions.create
        while True:
            try:
                await ask(model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=1)
                return
            except InternalServerError as error:
                if error.code != ENGINE_STARTING:
                    raise ServingError(f"{model} is not served: {error.message}", mend="Run it again.") from error
            await asyncio.sleep(_LOOK_SECONDS)


@contextmanager
def sole(workspace: Workspace) -> Iterator[None]:
    """Be the one endpoint of this home folder during the block. Raises ServingError where another runs or is starting."""
    with _lock_file(workspace) as handle:
        # Tried for a moment, since whoever looks whether the lock is taken holds it for that instant.
        for _ in range(_LOCK_TRIES):
            if _try_lock(handle, fcntl.LOCK_EX):
                break
            time.sleep(0.05)
        else:
            notice = _read_notice(workspace)
            where = f"runs at {notice.url} (process {notice.pid})" if notice and _is_up(notice) else "is starting"
            raise ServingError(
                f"another endpoint of {workspace.home} {where}",
                mend="Use that one, or stop it first. New adapters are picked up without a restart.",
            )
        yield


@contextmanager
def announced(workspace: Workspace, notice: Notice) -> Iterator[None]:
    """endpoint.json says where the endpoint is during the block. Raises StorageError."""
    path = _notice_path(workspace)
    write_json(path, asdict(notice))
    try:
        yield
    finally:
        current = _read_notice(workspace)
        if current is not None and current.pid == notice.pid:
            path.unlink(missing_ok=True)


@contextmanager
def _found_or_started(settings: Settings, base: str | None, report: Report) -> Iterator[Endpoint]:
    child = ServeChild(settings, base)
    try:
        endpoint = _await(settings.workspace, child, report)
        _check_base(settings.workspace, base)
        yield endpoint
    finally:
        child.stop()


def _await(workspace: Workspace, child: ServeChild, report: Report) -> Endpoint:
    """Wait for an endpoint: one that runs, one somebody else is starting at this moment, or else our own."""
    deadline = time.monotonic() + START_SECONDS + _FETCH_SECONDS
    while time.monotonic() < deadline:
        endpoint = find(workspace)
        child.pass_on(report)
        if endpoint is not None:
            return endpoint
        taken = _is_locked(workspace)
        if child.ended and not taken:
            raise child.error()
        if not child.started and not taken:
            child.spawn()
        time.sleep(_POLL_SECONDS)
    raise ServingError("the endpoint did not start in time", mend=f"Its log: {child.log}")


@contextmanager
def _session_key(settings: Settings, endpoint: Endpoint) -> Iterator[str | None]:
    """A key for one program's use, revoked after it."""
    if not endpoint.needs_key:
        yield None
        return
    from style_clone.store import Store

    with Store(settings.database_url) as store:
        key, secret = store.create_key("session", SESSION_LIFETIME)
        try:
            yield secret
        finally:
            store.revoke_key(key.id)


def _check_base(workspace: Workspace, base: str | None) -> None:
    notice = _read_notice(workspace)
    if base is None or notice is None or base in (notice.base, notice.asked):
        return
    raise ServingError(
        f"the endpoint at {notice.url} serves {notice.base}, not {base}",
        mend="Stop it (it then starts with the model you name), or leave out --base.",
    )


def _is_up(notice: Notice) -> bool:
    """Whether it answers; also while its engine is being started again."""
    try:
        answer = httpx.get(f"{notice.url}/health", timeout=5, trust_env=False)
        return bool(answer.json().get("service") == SERVICE)
    except (httpx.HTTPError, json.JSONDecodeError, AttributeError):
        return False


def _notice_path(workspace: Workspace) -> Path:
    return workspace.home / "endpoint.json"


def _read_notice(workspace: Workspace) -> Notice | None:
    try:
        return Notice(**read_json(_notice_path(workspace)))
    except (OSError, StorageError, TypeError):
        return None


@contextmanager
def _lock_file(workspace: Workspace) -> Iterator[int]:
    path = workspace.home / "serve.lock"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def _is_locked(workspace: Workspace) -> bool:
    with _lock_file(workspace) as handle:
        return not _try_lock(handle, fcntl.LOCK_SH)


def _try_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
