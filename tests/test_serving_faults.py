"""What can go wrong around the endpoint, made to go wrong: each time the client is told clearly, and then it works again."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from style_clone.models import BaseModel
from style_clone.serving.endpoint import Endpoint
from style_clone.store import Store
from style_clone.workspace import Workspace
from tests.serving_http import Place, served, wait_for
from tests.serving_live import Live, prepare, settings_for

CHAT = "/v1/chat/completions"
LEAST_ROOT = "network namespaces and mounts need root, which this is not or may not use"
HELD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA locking_mode=EXCLUSIVE")
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""
"""Another process that holds the store."""
HALVES = """
import resource, socket, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
halves = []
for number in range(10_000):
    halves.append(socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30))
    if number % 2:
        halves[-1].sendall(b"POST /v1/chat/completions HTTP/1.1\\r\\nHost: localhost\\r\\nContent-")
print(len(halves), "open", flush=True)
sys.stdin.read()
"""
"""Clients that say nothing, or half of what they want."""


def ask(place: Place, model: str = "ann", **options: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4, **options}
    return httpx.post(f"{place.url}{CHAT}", json=body, headers=place.headers, trust_env=False, timeout=60)


def error_of(response: httpx.Response) -> dict[str, Any]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return dict(error)


def answers(place: Place, model: str = "ann") -> bool:
    try:
        return ask(place, model).status_code == 200
    except httpx.TransportError:
        return False


def break_off(place: Place, kill: Callable[[], None]) -> None:
    """Kill the engine while a reply streams, and see that its reader is told."""
    http = openai.DefaultHttpxClient(trust_env=False)
    said: Any = [{"role": "user", "content": "hi"}]
    with openai.OpenAI(base_url=f"{place.url}/v1", api_key=place.key, http_client=http, max_retries=0) as client:
        stream = client.chat.completions.create(
            model="ann", messages=said, stream=True, max_tokens=4000, extra_body={"ignore_eos": True}
        )
        heard = [next(stream) for _ in range(3)]
        assert heard
        kill()
        with pytest.raises(openai.APIError) as caught:
            for _ in stream:
                pass
        assert caught.value.code == "engine_unavailable"
        with pytest.raises(openai.InternalServerError) as refused:
            client.chat.completions.create(model="ann", messages=said)
        assert refused.value.status_code == 503
        assert int(refused.value.response.headers["retry-after"]) > 0


def test_an_engine_that_dies_in_a_reply_is_told_and_the_next_request_works(workspace: Workspace) -> None:
    with served(workspace) as place:
        assert place.vllm is not None
        break_off(place, place.vllm.kill)
        place.vllm.start()
        # Nobody told the gateway that this is another engine, which has none of the adapters.
        wait_for(lambda: answers(place), 20)


def place_of(running: Live) -> Place:
    assert running.endpoint.key is not None
    return Place(running.endpoint.url, running.endpoint.key, running.base.name)


def damage(workspace: Workspace, place: Place, *, most_bytes: int) -> None:
    """Copies of "ann" with weights cut short and with weights that are none: refused, beside others that are served."""
    for slug, keep in (("cut", most_bytes), ("none", 0)):
        bad = workspace.folder(slug)
        shutil.copytree(workspace.folder("ann").root, bad.root)
        weights = bad.adapter / "adapter_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:keep] or b"these are no weights at all")
        refused = ask(place, slug)
        assert refused.status_code in (500, 503)
        error = error_of(refused)
        assert error["code"] == "adapter_not_loaded"
        assert slug in error["message"]
        assert str(workspace.home) not in refused.text
        assert ask(place, f"{slug}@prompted").status_code == 200
        assert ask(place).status_code == 200
        shutil.rmtree(bad.adapter)
        shutil.copytree(workspace.folder("ann").adapter, bad.adapter)
        assert ask(place, slug).status_code == 200, "trained again, it is served"


def test_a_damaged_adapter_is_told_and_hurts_nobody_else(workspace: Workspace) -> None:
    with served(workspace) as place:
        damage(workspace, place, most_bytes=9)


def refused_briefly(place: Place, workspace: Workspace) -> None:
    """One request that cannot be let in nor turned away: an answer in time, in OpenAI's form, without our paths."""
    began = time.monotonic()
    refused = ask(place)
    assert time.monotonic() - began < 15
    assert refused.status_code in (500, 503)
    error_of(refused)
    assert str(workspace.home) not in refused.text


def test_a_store_that_another_process_holds_is_waited_for_but_not_for_long(workspace: Workspace) -> None:
    with served(workspace) as place:
        assert ask(place).status_code == 200
        path = settings_for(workspace.home).database_url.removeprefix("sqlite:///")
        command = [sys.executable, "-c", HELD, path]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "locked\n"
            refused_briefly(place, workspace)
        finally:
            holder.communicate("")
        wait_for(lambda: answers(place), 10)


def test_a_store_that_is_no_database_any_more_is_told(workspace: Workspace) -> None:
    with served(workspace) as place:
        path = Path(settings_for(workspace.home).database_url.removeprefix("sqlite:///"))
        whole = path.read_bytes()
        for other in path.parent.glob(f"{path.name}-*"):
            other.unlink()
        path.write_bytes(b"x" * len(whole))
        refused_briefly(place, workspace)
        path.write_bytes(whole)
        wait_for(lambda: answers(place), 10)


def test_a_key_that_cannot_be_kept_is_not_shown(home: Path) -> None:
    """The disk is full: as far as a process can tell, that is a file that may not grow."""
    with Store(settings_for(home).database_url):
        pass

    def keys(*arguments: str, full: bool) -> subprocess.CompletedProcess[str]:
        limit = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))) if full else None
        command = [sys.executable, "-B", "-m", "style_clone", "keys", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit, timeout=60)

    refused = keys("create", full=True)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "the store at" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert json.loads(keys("list", "--json", full=False).stdout) == []
    assert keys("create", full=False).stdout.startswith("sc-")


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A disk of two megabytes, mounted for the block; skips where that is not allowed."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(LEAST_ROOT)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_told_in_time_and_forgotten_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, served(Workspace(disk / "home")) as place:
        assert ask(place).status_code == 200
        with (disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(b"x" * 4096)
        for _ in range(3):
            began = time.monotonic()
            answer = ask(place)
            assert time.monotonic() - began < 15
            if answer.status_code != 200:
                assert answer.status_code in (500, 503)
                error_of(answer)
        (disk / "filler").unlink()
        wait_for(lambda: answers(place), 10)
        wait_for(lambda: answers(place, "ann@memory"), 10)


def test_ten_thousand_half_open_connections_keep_nobody_else_out(workspace: Workspace) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 11_000:
        pytest.skip(f"a process may open {hard} files here, and ten thousand connections are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with served(workspace) as place:
            host, port = place.url.removeprefix("http://").split(":")
            command = [sys.executable, "-c", HALVES, host, port]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as halves:
                assert halves.stdout is not None
                assert halves.stdout.readline() == "10000 open\n"
                began = time.monotonic()
                assert ask(place).status_code == 200
                assert time.monotonic() - began < 5
                halves.communicate("")
            assert ask(place).status_code == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Network:
    """A second network namespace, joined to ours by a cable with an address at each end."""

    ours, theirs = "10.231.77.1", "10.231.77.2"

    def __init__(self) -> None:
        self.name = f"sc{os.getpid()}"

    def lay(self) -> None:
        near, far = f"{self.name}a", f"{self.name}b"
        for command in (
            f"netns add {self.name}",
            f"link add {near} type veth peer name {far}",
            f"link set {far} netns {self.name}",
            f"addr add {self.ours}/30 dev {near}",
            f"link set {near} up",
            f"-n {self.name} addr add {self.theirs}/30 dev {far}",
            f"-n {self.name} link set {far} up",
            f"-n {self.name} link set lo up",
        ):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)

    def take_up(self) -> None:
        for command in (f"link del {self.name}a", f"netns del {self.name}"):
            subprocess.run(["ip", *command.split()], check=False, capture_output=True)

    def get(self, url: str, key: str = "") -> int | None:
        """The status a program over there gets; None where it reaches nothing."""
        script = (
            "import sys, httpx\n"
            "headers = {'Authorization': f'Bearer {sys.argv[2]}'} if sys.argv[2] else {}\n"
            "try:\n"
            "    print(httpx.get(sys.argv[1], headers=headers, trust_env=False, timeout=3).status_code)\n"
            "except httpx.TransportError:\n"
            "    print('nothing')\n"
        )
        command = ["ip", "netns", "exec", self.name, sys.executable, "-c", script, url, key]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
        return None if said == "nothing" else int(said)


@pytest.fixture
def network() -> Iterator[Network]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip(LEAST_ROOT)
    network = Network()
    try:
        network.lay()
        yield network
    except subprocess.CalledProcessError:
        pytest.skip(LEAST_ROOT)
    finally:
        network.take_up()


def only_the_gateway_is_reached(network: Network, place: Place, vllm: str) -> None:
    """From over there: the endpoint with its key, without it nothing but its health; vLLM at no address at all."""
    assert httpx.get(f"{vllm}/health", trust_env=False).status_code == 200
    assert network.get(f"{place.url}/health") == 200
    assert network.get(f"{place.url}/v1/models", place.key) == 200
    assert network.get(f"{place.url}/v1/models") == 401
    port = vllm.rpartition(":")[2]
    for host in (network.ours, network.theirs, "127.0.0.1"):
        assert network.get(f"http://{host}:{port}/health") is None


def test_the_endpoint_is_reached_from_another_network_and_its_engine_is_not(
    network: Network, workspace: Workspace
) -> None:
    with served(workspace, host=network.ours) as place:
        assert place.vllm is not None
        only_the_gateway_is_reached(network, place, place.vllm.url)


@pytest.mark.slow
@pytest.mark.long
def test_vllm_is_not_reached_from_another_network(network: Network, home: Path, base_model: BaseModel) -> None:
    workspace = prepare(home, base_model)
    command = [sys.executable, "-m", "style_clone", "serve", "--host", network.ours, "--json"]
    serve = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        notice = home / "endpoint.json"
        wait_for(notice.exists, 180)
        url = json.loads(notice.read_text())["url"]
        with Store(settings_for(home).database_url) as store:
            _, key = store.create_key("test")
        running = Live(Endpoint(url, key), workspace, base_model, 0)
        only_the_gateway_is_reached(network, place_of(running), running.vllm()[0])
    finally:
        serve.terminate()
        serve.wait(60)
