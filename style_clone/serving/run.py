"""`style-clone serve`: vLLM and the endpoint in front of it, started together and ended together."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette

from style_clone import models
from style_clone.addresses import LOOPBACK, is_loopback, other_machine
from style_clone.errors import EngineError, PortTaken, StyleCloneError, UsageError
from style_clone.persona import Persona
from style_clone.progress import Event, Report, silent
from style_clone.readiness import tell_ready
from style_clone.serving import auth, endpoint, merged, tuning, wire
from style_clone.serving.catalogue import Base, Catalogue
from style_clone.serving.engine import Engine, client_of, local_address, running
from style_clone.serving.gateway import Gateway, create_app
from style_clone.serving.merged import Merged
from style_clone.serving.remote import RemoteEngine
from style_clone.settings import ServeAs, Settings
from style_clone.store import Store
from style_clone.workspace import Workspace

RESTART_SECONDS = (1.0, 5.0)
"""How long to wait before vLLM is started again, each time it dies; when it dies once more, the endpoint ends."""
_TICK_SECONDS = 0.5
_CLOSING_SECONDS = 3


Announce = Callable[[list[str], list[str]], None]
"""Is given the model ids, and the personas that are not among them for want of consent."""


class _Stopped(BaseException):
    """SIGINT or SIGTERM came."""


@dataclass(frozen=True)
class Service:
    """An endpoint whose engine is ready and whose port is its own; `answer` makes it an endpoint."""

    engine: Engine | RemoteEngine
    base: Base
    workspace: Workspace
    store: Store
    listener: socket.socket
    notice: endpoint.Notice
    merged: Merged | None

    def answer(self, announce: Announce, report: Report = silent) -> None:
        """Answer until SIGINT or SIGTERM; `announce` is told once it does. Raises EngineError."""
        asyncio.run(_answer(self, announce, report))


@contextmanager
def stoppable() -> Iterator[None]:
    """A block that SIGINT and SIGTERM end, cleaning up as it goes, without an error. Once; the rest are ignored."""

    def stop(number: int, frame: Any) -> None:
        for each in previous:
            signal.signal(each, signal.SIG_IGN)
        raise _Stopped

    previous = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except _Stopped:
        pass
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


@contextmanager
def starting(
    settings: Settings,
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    base: str | None = None,
    keys: bool = True,
    serve_as: ServeAs | None = None,
    report: Report = silent,
) -> Iterator[Service]:
    """Everything short of answering: what can be wrong with the request first, then the port, then what is heavy.

    The engine is the one the settings name, else one of its own.

    Raises UsageError, PortTaken, ServingError, ModelError, EngineError; nothing is left running then.
    """
    auth.check_exposure(host, keys=keys)
    workspace = settings.workspace
    with ExitStack() as stack:
        listener = stack.enter_context(listen(host, port))
        stack.enter_context(endpoint.sole(workspace))
        store = stack.enter_context(Store(settings.database_url))
        asked = base or default_base(workspace)
        engine, served, own = _engine(stack, settings, asked, serve_as or settings.serve_as or "auto", report)
        notice = endpoint.Notice(
            address(listener), os.getpid(), served.name, asked, keys, other_machine(settings.engine_url)
        )
        yield Service(engine, served, workspace, store, listener, notice, own)


def default_base(workspace: Workspace) -> str:
    """The base model most of the trained personas need; the bundled one where there are none."""
    needed = Counter(filter(None, (persona.base_source or persona.base_model for persona in _trained(workspace))))
    return needed.most_common(1)[0][0] if needed else models.DEFAULT_BASE


def base_elsewhere(asked: str, workspace: Workspace) -> tuple[str, str]:
    """Name and digest of the base model an engine elsewhere must serve, which this machine need not have.

    Where it has not, the engine is taken at its word: the weights of that name are those the personas were trained on.
    """
    model = models.found(asked, workspace)
    if model is not None:
        return model.name, model.sha256
    known = Counter(
        (persona.base_model or asked, persona.base_sha256 or "")
        for persona in _trained(workspace)
        if asked in (persona.base_source, persona.base_model)
    )
    return known.most_common(1)[0][0] if known else (asked, "")


@contextmanager
def listen(host: str, port: int | None) -> Iterator[socket.socket]:
    """A socket bound to `host`, on a free port where none is asked for. Raises PortTaken, UsageError."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise UsageError(
            f"--host {host} is no address of this machine", mend="For example: --host 127.0.0.1"
        ) from error
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(where)
        except OSError as error:
            raise _unusable(host, port, error) from error
        yield listener


def address(listener: socket.socket) -> str:
    """The endpoint's root as a client on this machine writes it."""
    host, port = listener.getsockname()[:2]
    return local_address(host, port)


def _engine(
    stack: ExitStack, settings: Settings, asked: str, serve_as: ServeAs, report: Report
) -> tuple[Engine | RemoteEngine, Base, Merged | None]:
    """The engine, ready, what it serves, and the engines of merged personas where there are to be any."""
    workspace = settings.workspace
    if settings.engine_url is not None:
        if serve_as in ("merged", "apart"):
            raise UsageError(
                "merged personas need engines of their own, and --engine-url starts none",
                mend=f"Leave out --serve-as {serve_as} (STYLE_CLONE_SERVE_AS), or serve without --engine-url.",
            )
        name, sha256 = base_elsewhere(asked, workspace)
        remote = RemoteEngine(settings.engine_url, settings.engine_key)
        remote.await_ready(name, report)
        return remote, Base(name, sha256, remote.ignored, remote.context_tokens), None
    model = models.resolve(asked, workspace, report)
    engine = Engine(model.path, model.name, workspace, workspace.personas(), merged=serve_as == "apart")
    stack.enter_context(running(engine, report))
    ignored = tuning.IGNORED_ON_CPU if engine.plan.cpu else frozenset[str]()
    most = merged.room_for(model) if serve_as == "auto" else 0 if serve_as == "adapters" else merged.MOST
    plan = engine.plan
    served = Base(model.name, model.sha256, ignored, plan.context_tokens, plan.kept_adapters, plan.layers)
    return engine, served, Merged(model, workspace, most) if most else None


def _trained(workspace: Workspace) -> Iterator[Persona]:
    """The personas that have an adapter, damaged ones left out."""
    for folder in workspace.personas():
        with suppress(StyleCloneError, KeyError, TypeError):
            persona = Persona.load(folder)
            if folder.adapter.exists():
                yield persona


def is_open_to_others(listener: socket.socket) -> bool:
    """Whether it can be reached from other machines."""
    return not is_loopback(listener.getsockname()[0])


def _unusable(host: str, port: int | None, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(f"port {port} is in use", mend="Choose another --port, or leave it out: a free one is taken.")
    if error.errno == errno.EACCES:
        return UsageError(f"port {port} needs rights this user does not have", mend="Choose a --port above 1023.")
    return UsageError(f"{host} cannot be listened on: {error.strerror}", mend="For example: --host 127.0.0.1")


async def _answer(service: Service, announce: Announce, report: Report) -> None:
    async with client_of(service.engine) as upstream:
        if isinstance(service.engine, RemoteEngine):
            upstream.event_hooks["request"].append(service.engine.route)
        catalogue = Catalogue(service.workspace, service.base, needs_consent=is_open_to_others(service.listener))
        keys = service.store if service.notice.needs_key else None
        app = create_app(catalogue, upstream, keys, service.merged)
        server = _server(app)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, _end, server)
        tasks = [
            asyncio.create_task(server.serve(sockets=[service.listener])),
            asyncio.create_task(_watch(service, app.state.gateway, report)),
        ]
        await _until_started(server, tasks)
        with endpoint.announced(service.workspace, service.notice):
            announce(catalogue.ids(), catalogue.withheld())
            tell_ready()
            async with service.merged.kept(catalogue.newest, report) if service.merged else nullcontext():
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            try:
                await _close(service, server, tasks)
            finally:
                await app.state.gateway.quotas.settle()


async def _close(service: Service, server: uvicorn.Server, tasks: list[asyncio.Task[None]]) -> None:
    """End what is left; raises what ended the endpoint, if that was an error."""
    serving, watching = tasks
    _end(server)
    # Before the loop ends, which would otherwise wait for a restart that is under way in a thread.
    await asyncio.to_thread(service.engine.stop)
    await serving
    if not watching.done():
        watching.cancel()
        await asyncio.wait([watching])
    elif (error := watching.exception()) is not None:
        raise error


async def _until_started(server: uvicorn.Server, tasks: list[asyncio.Task[None]]) -> None:
    while not server.started and not any(task.done() for task in tasks):
        await asyncio.sleep(0.02)


async def _watch(service: Service, gateway: Gateway, report: Report) -> None:
    """Look after the engine as long as the endpoint runs; the gateway answers 503 while it is away."""

    async def tidy() -> None:
        folders = await asyncio.to_thread(service.workspace.personas)
        await gateway.tidy({folder.slug for folder in folders})

    async def changed(names: set[str]) -> None:
        gateway.adapters.keep(names)
        await tidy()

    if isinstance(service.engine, RemoteEngine):
        await service.engine.watch(gateway.upstream, changed, report)
    else:
        await _supervise(service.engine, gateway, tidy, report)


async def _supervise(engine: Engine, gateway: Gateway, tidy: Callable[[], Awaitable[None]], report: Report) -> None:
    """Start vLLM again when it dies. Raises EngineError when that has no end."""
    for seconds in RESTART_SECONDS:
        await _while_alive(engine, tidy)
        gateway.engine_ended()
        report(Event("engine", "vLLM ended; starting it again"))
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(engine.start, report)
        except EngineError as error:
            report(Event("engine", error.problem))
    await _while_alive(engine, tidy)
    raise EngineError("vLLM keeps ending", mend=f"Its log: {engine.log}")


async def _while_alive(engine: Engine, tidy: Callable[[], Awaitable[None]]) -> None:
    """Until vLLM is gone; meanwhile adapters that nobody needs are taken out of it."""
    while engine.alive:
        await asyncio.sleep(_TICK_SECONDS)
        await tidy()


class _Server(uvicorn.Server):
    """uvicorn without its signal handling, which would raise the signal again after a clean end."""

    def capture_signals(self) -> Any:
        return nullcontext()


def _server(app: Starlette) -> uvicorn.Server:
    protocol: Any = partial(wire.Wire, quiet={}, most=wire.raise_file_limit())
    return _Server(
        uvicorn.Config(
            app,
            http=protocol,
            timeout_keep_alive=wire.KEEP_ALIVE_SECONDS,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=_CLOSING_SECONDS,
        )
    )


def _end(server: uvicorn.Server) -> None:
    server.should_exit = True
