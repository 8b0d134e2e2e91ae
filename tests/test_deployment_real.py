"""The topology of serve/ with real vLLM: engine, gateway and page as processes of their own, from the environment files."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from style_clone.models import BaseModel
from style_clone.serving.engine import free_port
from style_clone.store import Store
from style_clone.workspace import Workspace
from tests.serving_live import ASKED, prepare, settings_for
from tests.waiting import wait_for

pytestmark = pytest.mark.slow
SERVE = Path(__file__).resolve().parent.parent / "serve"
START_SECONDS = 600


@dataclass(frozen=True)
class Topology:
    """A home, its environment files and the three ports."""

    home: Path
    folder: Path
    engine: int
    gateway: int
    page: int

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway}"

    def environment(self) -> dict[str, str]:
        """What engine.env and common.env say, as a program started by hand would be given it."""
        rows = [
            line for name in ("common", "engine") for line in (self.folder / f"{name}.env").read_text().splitlines()
        ]
        named = [line.partition("=")[::2] for line in rows if line and not line.startswith("#")]
        return {**os.environ, **dict(named)}


@pytest.fixture
def topology(tmp_path: Path, base_model: BaseModel) -> Topology:
    """A home with the persona ann, and serve/prepare.sh's files, changed where one would change them: home and ports."""
    home, folder = tmp_path / "live", tmp_path / "env"
    prepare(home, base_model)
    subprocess.run([SERVE / "prepare.sh", folder], check=True, capture_output=True)
    engine = free_port()
    with (folder / "common.env").open("a") as file:
        file.write(f"STYLE_CLONE_HOME={home}\n")
    path = folder / "engine.env"
    path.write_text(path.read_text().replace("127.0.0.1:8001", f"127.0.0.1:{engine}"))
    return Topology(home, folder, engine, free_port(), free_port())


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def key_for(home: Path) -> Iterator[str]:
    with Store(settings_for(home).database_url) as store:
        yield store.create_key("test")[1]


def smoke(topology: Topology, key: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STYLE_CLONE_URL": topology.gateway_url, "STYLE_CLONE_API_KEY": key}
    command = [sys.executable, str(SERVE / "smoke.py"), "ann"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=180)


def test_bare_processes_pass_the_smoke_test_and_end_together(topology: Topology) -> None:
    ports = {"GATEWAY_PORT": str(topology.gateway), "UI_PORT": str(topology.page)}
    log = topology.folder / "bare.log"
    with log.open("w") as output:
        bare = subprocess.Popen(
            [str(SERVE / "bare.sh"), str(topology.folder)],
            env={**os.environ, **ports},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(lambda: bare.poll() is not None or answers(f"http://127.0.0.1:{topology.page}/"), START_SECONDS)
        assert bare.poll() is None, log.read_text()
        with key_for(topology.home) as key:
            done = smoke(topology, key)
        assert done.returncode == 0, done.stdout
        assert done.stdout.count("ok ") == 6
        # Without its key the engine tells nothing, on any of vLLM's paths, and it is on loopback only.
        engine = f"http://127.0.0.1:{topology.engine}"
        for path in ("/invocations", "/v1/models", "/v1/load_lora_adapter", "/tokenize", "/metrics"):
            assert httpx.post(f"{engine}{path}", json={}, trust_env=False).status_code == 401
        family = psutil.Process(bare.pid).children(recursive=True)
        listening = {
            (connection.laddr.ip, connection.laddr.port)
            for process in family
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert {ip for ip, _ in listening} == {"127.0.0.1"}
        assert {topology.engine, topology.gateway, topology.page} <= {port for _, port in listening}
        secret = topology.environment()["STYLE_CLONE_ENGINE_KEY"]
        assert not any(secret in " ".join(process.cmdline()) for process in family)
    finally:
        bare.send_signal(signal.SIGINT)
        code = bare.wait(60)
    assert code == 130
    assert "Traceback" not in log.read_text()
    wait_for(lambda: all(map(gone, family)), 20)
    assert not (topology.home / "endpoint.json").exists()
    assert ASKED not in log.read_text()


@contextmanager
def command(topology: Topology, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command of style-clone with the environment files, told to end after the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "style_clone", *arguments],
        env=topology.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.long
def test_the_gateway_outlives_its_engine_and_a_unit_is_told_when_it_is_ready(topology: Topology) -> None:
    with ExitStack() as stack, key_for(topology.home) as key:
        ready = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        ready.bind(str(topology.folder / "notify"))
        ready.settimeout(START_SECONDS)
        stack.callback(os.environ.pop, "NOTIFY_SOCKET", None)
        os.environ["NOTIFY_SOCKET"] = str(topology.folder / "notify")
        client = stack.enter_context(
            httpx.Client(
                base_url=topology.gateway_url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=60
            )
        )

        def ask(**options: Any) -> httpx.Response:
            body = {"model": "ann", "messages": [{"role": "user", "content": ASKED}], "max_tokens": 8, "temperature": 0}
            return client.post("/v1/chat/completions", json={**body, **options})

        serve = stack.enter_context(command(topology, "serve", "--port", str(topology.gateway), "--json"))
        with command(topology, "engine", "--port", str(topology.engine)):
            for _ in ("engine", "gateway"):
                assert ready.recv(100) == b"READY=1"
            wait_for(lambda: answers(f"{topology.gateway_url}/health"), 20)
            before = ask().json()["choices"][0]["message"]["content"]
            # vLLM on a CPU can end at a seed; the gateway knows what its engine runs on.
            assert ask(seed=1).status_code == 200
        answer = ask()
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        assert serve.poll() is None
        with command(topology, "engine", "--port", str(topology.engine), "--json"):
            assert ready.recv(100) == b"READY=1"
            wait_for(lambda: ask().status_code == 200, 20)
            assert ask().json()["choices"][0]["message"]["content"] == before


def test_a_base_that_is_here_is_fetched_at_once(topology: Topology) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "style_clone", "engine", "--fetch-only", "--json"],
        env=topology.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert Path(json.loads(done.stdout)["path"]).parent == Workspace(topology.home).models
