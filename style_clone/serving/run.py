"""`style-clone serve`: vLLM and the endpoint in front of it, started together and ended together."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette

from style_clone import models
from style_clone.errors import EngineError, PortTaken, StyleCloneError, UsageError
from style_clone.models import BaseModel
from style_clone.persona import Persona
from style_clone.progress import Event, Report, silent
from style_clone.serving import auth, endpoint, merged, tuning
from style_clone.serving.catalogue import Base, Catalogue
from style_clone.serving.engine import Engine, client_of, running
from style_clone.serving.gateway import Gateway, create_app
from style_clone.serving.merged import Merged
from style_clone.settings import LOOPBACK, ServeAs, Settings
from style_clone.store import Store
from style_clone.workspace import Workspace

RESTART_SECONDS = (1.0, 5.0)
"""How long to wait before vLLM is started again, each time it dies; when it dies once more, the endpoint ends."""
_TICK_SECONDS = 0.5
_CLOSING_SECONDS = 3
_ANY_ADDRESS = {"0.0.0.0": LOOPBACK, "::": "[::1]"}


class _Stopped(BaseException):
    """SIGINT or SIGTERM came."""


@dataclass(frozen=True)
class Service:
    """An endpoint whose engine is ready and whose port is its own; `answer` makes it an endpoint."""

    engine: Engine
    base: BaseModel
    workspace: Workspace
    store: Store
    listener: socket.socket
    notice: endpoint.Notice
    merged: Merged | None

    def answer(self, announce: Callable[[list[str]], None], report: Report = silent) -> None:
        """Answer until SIGINT or SIGTERM; `announce` is given the model ids once it does. Raises EngineError."""
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

    Raises UsageError, PortTaken, ServingError, ModelError, EngineError; nothing is left running then.
    """
    auth.check_exposure(host, keys=keys)
    workspace = settings.workspace
    with ExitStack() as stack:
        listener = stack.enter_context(listen(host, port))
        stack.enter_context(endpoint.sole(workspace))
        store = stack.enter_context(Store(settings.database_url))
        asked = base or default_base(workspace)
        model = models.resolve(asked, workspace, report)
        engine = Engine(model.path, model.name, workspace, workspace.personas())
        stack.enter_context(running(engine, report))
        notice = endpoint.Notice(address(listener), os.getpid(), model.name, asked, keys)
        most = {"auto": merged.room_for(model), "adapters": 0, "merged": merged.MOST}[serve_as or settings.serve_as]
        own = Merged(model, workspace, most) if most else None
        yield Service(engine, model, workspace, store, listener, notice, own)


def default_base(workspace: Workspace) -> str:
    """The base model most of the trained personas need; the bundled one where there are none."""
    needed: Counter[str] = Counter()
    for folder in workspace.personas():
        try:
            persona = Persona.load(folder)
        except (StyleCloneError, KeyError, TypeError):
            continue
        if (source := persona.base_source or persona.base_model) and folder.adapter.exists():
            needed[source] += 1
    return needed.most_common(1)[0][0] if needed else models.DEFAULT_BASE


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
    plain = f"[{host}]" if ":" in host else host
    return f"http://{_ANY_ADDRESS.get(host, plain)}:{port}"


def _unusable(host: str, port: int | None, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(f"port {port} is in use", mend="Choose another --port, or leave it out: a free one is taken.")
    if error.errno == errno.EACCES:
        return UsageError(f"port {port} needs rights this user does not have", mend="Choose a --port above 1023.")
    return UsageError(f"{host} cannot be listened on: {error.strerror}", mend="For example: --host 127.0.0.1")


async def _answer(service: Service, announce: Callable[[list[str]], None], report: Report) -> None:
    async with client_of(service.engine) as upstream:
        catalogue = Catalogue(service.workspace, _base(service))
        accepts = service.store.accepts if service.notice.needs_key else None
        app = create_app(catalogue, upstream, accepts, service.merged)
        server = _server(app)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, _end, server)
        tasks = [
            asyncio.create_task(server.serve(sockets=[service.listener])),
            asyncio.create_task(_supervise(service, app.state.gateway, report)),
        ]
        await _until_started(server, tasks)
        with endpoint.announced(service.workspace, service.notice):
            announce(catalogue.ids())
            async with _kept(service.merged, catalogue, report):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await _close(service, server, tasks)


@asynccontextmanager
async def _kept(own: Merged | None, catalogue: Catalogue, report: Report) -> AsyncIterator[None]:
    """During the block, personas are merged and served so in the background."""
    keeping = asyncio.create_task(own.keep(catalogue.newest, report)) if own is not None else None
    try:
        yield
    finally:
        if own is not None and keeping is not None:
            keeping.cancel()
            await own.close()
            await asyncio.wait([keeping])


def _base(service: Service) -> Base:
    ignored = tuning.IGNORED_ON_CPU if service.engine.plan.cpu else frozenset[str]()
    return Base(service.base.name, service.base.sha256, ignored)


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


async def _supervise(service: Service, gateway: Gateway, report: Report) -> None:
    """Start vLLM again when it dies; the gateway answers 503 meanwhile. Raises EngineError when that has no end."""
    for seconds in RESTART_SECONDS:
        await _while_alive(service, gateway)
        gateway.adapters.forget()
        report(Event("engine", "vLLM ended; starting it again"))
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(service.engine.start, report)
        except EngineError as error:
            report(Event("engine", error.problem))
    await _while_alive(service, gateway)
    raise EngineError("vLLM keeps ending", mend=f"Its log: {service.engine.log}")


async def _while_alive(service: Service, gateway: Gateway) -> None:
    """Until vLLM is gone; meanwhile adapters of deleted personas are taken out of it."""
    while service.engine.alive:
        await asyncio.sleep(_TICK_SECONDS)
        folders = await asyncio.to_thread(service.workspace.personas)
        await gateway.adapters.drop({folder.slug for folder in folders})


class _Server(uvicorn.Server):
    """uvicorn without its signal handling, which would raise the signal again after a clean end."""

    def capture_signals(self) -> Any:
        return nullcontext()


def _server(app: Starlette) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            app,
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
