"""The gateway where clients find it: behind a real uvicorn, in front of a fake vLLM that is a process of its own.

`style_clone.serving.run` starts it so beside a real vLLM; `tests/serving_live.py` does that for slow tests.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import httpx
from starlette.applications import Starlette

from style_clone.serving import run
from style_clone.serving.auth import Keys
from style_clone.serving.catalogue import Catalogue
from style_clone.serving.engine import client_of
from style_clone.serving.gateway import Gateway, create_app
from style_clone.settings import Settings
from style_clone.store import Store
from style_clone.workspace import PersonaFolder, Workspace
from tests.conftest import ROOT
from tests.serving_fakes import BASE, FACT, GUIDE, make_persona
from tests.waiting import wait_for

EMPTY_SAFETENSORS = (2).to_bytes(8, "little") + b"{}"


@dataclass
class Place:
    """An endpoint as its clients know it. `vllm` is the process behind it where that is the fake one."""

    url: str
    key: str
    base: str
    vllm: FakeProcess | None = None
    gateway: Gateway | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


class FakeProcess:
    """benchmarks/fake_vllm.py, which can be killed and started again on the same port."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self.url = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        port = ["--port", self.url.rpartition(":")[2]] if self.url else []
        command = [sys.executable, str(ROOT / "benchmarks" / "fake_vllm.py"), *self._options, *port]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        wait_for(self.answers, 20)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def answering(self) -> int:
        """How many streams it is sending at this moment."""
        return int(httpx.get(f"{self.url}/answering", trust_env=False).json()["answering"])


@contextmanager
def fake_vllm(*options: str) -> Iterator[FakeProcess]:
    fake = FakeProcess(*options)
    fake.start()
    try:
        yield fake
    finally:
        fake.kill()


@contextmanager
def served(workspace: Workspace, *options: str, host: str = "127.0.0.1") -> Iterator[Place]:
    """The gateway with persona "ann" and a key, before a fake vLLM started with `options`."""
    settings = Settings.from_environment({"STYLE_CLONE_HOME": str(workspace.home)})
    make_clone(workspace)
    with fake_vllm(*options) as vllm, Store(settings.database_url) as store:
        _, secret = store.create_key("test")
        with behind(workspace, vllm.url, store, host) as (url, gateway):
            yield Place(url, secret, BASE.name, vllm, gateway)


def make_clone(workspace: Workspace, slug: str = "ann") -> PersonaFolder:
    """A persona whose adapter the fake vLLM takes."""
    return make_persona(workspace, slug, weights=EMPTY_SAFETENSORS)


@contextmanager
def behind(
    workspace: Workspace, upstream: str, keys: Keys | None, host: str = "127.0.0.1"
) -> Iterator[tuple[str, Gateway]]:
    """The gateway's URL and the gateway, which answers in a thread of its own."""
    ready: dict[str, Any] = {}

    async def answer() -> None:
        async with client_of(SimpleNamespace(url=upstream, headers={})) as client:
            catalogue = Catalogue(workspace, BASE, lambda folder: GUIDE, lambda folder: lambda query: [FACT])
            app: Starlette = create_app(catalogue, client, keys)
            ready["gateway"] = app.state.gateway
            ready["server"] = server = run._server(app)
            with run.listen(host, None) as listener:
                ready["url"] = run.address(listener)
                await server.serve(sockets=[listener])

    thread = threading.Thread(target=asyncio.run, args=(answer(),))
    thread.start()
    try:
        wait_for(lambda: not thread.is_alive() or ("server" in ready and ready["server"].started), 20)
        yield ready["url"], ready["gateway"]
    finally:
        if "server" in ready:
            run._end(ready["server"])
        thread.join()
