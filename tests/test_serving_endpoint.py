"""Finding, reserving and starting an endpoint; and what `style-clone serve` refuses before anything heavy starts."""

from __future__ import annotations

import fcntl
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from style_clone.errors import PortTaken, ServingError, UsageError
from style_clone.serving import auth, endpoint, run
from style_clone.settings import Settings
from style_clone.store import Store
from style_clone.workspace import Workspace, write_json
from tests.fake_endpoint import listening
from tests.serving_fakes import make_persona


class Quiet(http.server.BaseHTTPRequestHandler):
    """Says nothing of its requests."""

    def say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def serving(handler: type[Quiet]) -> AbstractContextManager[str]:
    """A server of this handler; gives its root."""
    return listening(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))


def answering(body: bytes = b'{"service": "style-clone", "status": "ok"}') -> AbstractContextManager[str]:
    """Something that answers /health."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            self.say(200, body)

    return serving(Handler)


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings.from_environment(os.environ)


def notice(url: str, base: str = "tiny") -> endpoint.Notice:
    return endpoint.Notice(url, os.getpid(), base, base, True)


def test_nothing_is_found_where_nothing_runs(workspace: Workspace) -> None:
    assert endpoint.find(workspace) is None
    (workspace.home).mkdir()
    (workspace.home / "endpoint.json").write_text("{")
    assert endpoint.find(workspace) is None
    write_json(workspace.home / "endpoint.json", {"url": "x"})
    assert endpoint.find(workspace) is None
    write_json(workspace.home / "endpoint.json", asdict(notice("http://127.0.0.1:9")))
    assert endpoint.find(workspace) is None


def test_another_program_on_the_old_port_is_not_ours(workspace: Workspace) -> None:
    for body in (b"hello", b"[]", b'{"service": "other"}'):
        with answering(body) as url, endpoint.announced(workspace, notice(url)):
            assert endpoint.find(workspace) is None


def test_what_is_announced_is_found_and_withdrawn(workspace: Workspace) -> None:
    with answering() as url:
        with endpoint.announced(workspace, notice(url)):
            found = endpoint.find(workspace)
            assert found == endpoint.Endpoint(url, None, "tiny", True)
            assert (workspace.home / "endpoint.json").stat().st_mode & 0o077 == 0
        assert not (workspace.home / "endpoint.json").exists()


def test_a_running_endpoint_is_reused_with_a_key_for_the_while(settings: Settings) -> None:
    with answering() as url, endpoint.announced(settings.workspace, notice(url)), Store(settings.database_url) as store:
        with endpoint.start(settings) as found:
            assert found.url == url
            assert found.key is not None
            assert store.accepts(found.key)
            (key,) = store.keys()
            assert key.name == "session"
            assert key.expires is not None
        assert not store.accepts(found.key)


def test_a_running_endpoint_on_another_base_is_told(settings: Settings) -> None:
    with answering() as url, endpoint.announced(settings.workspace, notice(url, "tiny")):
        with endpoint.start(settings, base="tiny") as found:
            assert found.base == "tiny"
        with pytest.raises(ServingError, match="serves tiny, not huge"), endpoint.start(settings, base="huge"):
            pass


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({}, None),
        ({"STYLE_CLONE_URL": "http://127.0.0.1:8000"}, None),
        ({"STYLE_CLONE_URL": "https://clone.example.com"}, "clone.example.com"),
        ({"STYLE_CLONE_ENGINE_URL": "http://gpu.example.com:8001"}, "gpu.example.com"),
        (
            {"STYLE_CLONE_URL": "http://127.0.0.1:8000", "STYLE_CLONE_ENGINE_URL": "http://gpu.example.com"},
            "gpu.example.com",
        ),
    ],
)
def test_where_prompts_go_by_the_environment(environment: dict[str, str], host: str | None, home: Path) -> None:
    found = Settings.from_environment({**environment, "STYLE_CLONE_HOME": str(home)})
    assert endpoint.elsewhere(found) == host


def test_an_endpoint_that_runs_says_where_its_engine_is(settings: Settings) -> None:
    with answering() as url:
        for engine in (None, "gpu.example.com"):
            with endpoint.announced(settings.workspace, replace(notice(url), elsewhere=engine)):
                assert endpoint.elsewhere(settings) == engine
                with endpoint.start(settings) as found:
                    assert found.elsewhere == engine


def test_an_endpoint_elsewhere_is_taken_from_the_environment(home: Path) -> None:
    environment = {
        "STYLE_CLONE_HOME": str(home),
        "STYLE_CLONE_URL": "https://far.example",
        "STYLE_CLONE_API_KEY": "sc-x",
    }
    with endpoint.start(Settings.from_environment(environment)) as found:
        assert (found.url, found.key) == ("https://far.example", "sc-x")
    assert not home.exists()


def test_an_endpoint_is_there_from_when_it_is_asked_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    make_persona(settings.workspace, "ann")
    told: list[str] = []

    @contextmanager
    def start(*args: Any, **options: Any) -> Iterator[endpoint.Endpoint]:
        told.append("started")
        yield endpoint.Endpoint("http://127.0.0.1:1")
        told.append("ended")

    monkeypatch.setattr(endpoint, "start", start)
    monkeypatch.setattr(endpoint, "wait_for_personas", lambda *given: told.append("ready"))
    with endpoint.when_asked(settings, base="tiny", all_ready=True):
        pass
    assert told == [], "nobody asked"
    with endpoint.when_asked(settings, base="tiny", all_ready=True) as answering:
        assert answering() is answering()
        assert told == ["started", "ready"]
    assert told == ["started", "ready", "ended"]


def refusing(codes: list[str], asked: list[str]) -> AbstractContextManager[str]:
    """Something that refuses with these codes, one a request, and then answers; `asked` are the models in turn."""
    left = iter(codes)

    class Handler(Quiet):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"])
            code = next(left, None)
            error = {"error": {"message": "not yet", "code": code}} if code else {}
            self.say(503 if code else 200, json.dumps(error).encode())

    return serving(Handler)


def test_personas_are_waited_for_until_their_engines_answer(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_LOOK_SECONDS", 0)
    for slug in ("ann", "bob"):
        make_persona(workspace, slug)
    asked: list[str] = []
    with refusing(["engine_starting", "engine_starting"], asked) as url:
        endpoint.wait_for_personas(endpoint.Endpoint(url), workspace)
    assert asked == ["ann", "ann", "ann", "bob"]
    with (
        refusing(["engine_starting", "not_loaded"], asked) as url,
        pytest.raises(ServingError, match="ann is not served"),
    ):
        endpoint.wait_for_personas(endpoint.Endpoint(url), workspace)


def test_waiting_for_personas_of_an_endpoint_that_ended_is_told(workspace: Workspace) -> None:
    make_persona(workspace, "ann")
    with refusing([], []) as url:
        pass
    with pytest.raises(ServingError, match="does not answer"):
        endpoint.wait_for_personas(endpoint.Endpoint(url), workspace)


def test_one_endpoint_a_home(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_LOCK_TRIES", 2)
    with endpoint.sole(workspace):
        assert endpoint._is_locked(workspace)
        with pytest.raises(ServingError, match="another endpoint"), endpoint.sole(workspace):
            pass
    assert not endpoint._is_locked(workspace)
    with endpoint.sole(workspace):
        pass


def test_looking_at_the_lock_does_not_stop_a_start(workspace: Workspace) -> None:
    with endpoint._lock_file(workspace) as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (handle, fcntl.LOCK_UN)).start()
        with endpoint.sole(workspace):
            pass


def test_a_start_that_fails_tells_why_and_keeps_nothing(settings: Settings) -> None:
    with (
        pytest.raises(ServingError, match=r"no base model '\./nowhere'") as caught,
        endpoint.start(settings, base="./nowhere"),
    ):
        pass
    assert "config.json" in caught.value.mend
    assert not endpoint._is_locked(settings.workspace)
    assert endpoint.find(settings.workspace) is None


def test_a_free_port_is_taken_and_one_in_use_refused() -> None:
    with run.listen("127.0.0.1", None) as first:
        first.listen()
        port = first.getsockname()[1]
        assert run.address(first) == f"http://127.0.0.1:{port}"
        with pytest.raises(PortTaken, match=f"port {port} is in use"), run.listen("127.0.0.1", port):
            pass


def test_addresses_are_written_as_a_client_here_needs_them() -> None:
    with run.listen("0.0.0.0", None) as every:
        assert run.address(every).startswith("http://127.0.0.1:")
    if socket.has_ipv6:
        with run.listen("::1", None) as six:
            assert run.address(six).startswith("http://[::1]:")
    for host in ("no.such.host.invalid", "192.0.2.1"):
        with pytest.raises(UsageError), run.listen(host, None):
            pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", ""])
def test_without_keys_only_loopback(host: str) -> None:
    with pytest.raises(UsageError, match="--no-key"):
        auth.check_exposure(host, keys=False)
    auth.check_exposure(host, keys=True)
    for loopback in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        auth.check_exposure(loopback, keys=False)


def test_the_base_is_the_one_most_personas_need(workspace: Workspace) -> None:
    assert run.default_base(workspace) == "smollm2-135m"
    make_persona(workspace, "untrained", weights=None, base_model="other")
    assert run.default_base(workspace) == "smollm2-135m"
    for slug, base in {"a": "one", "b": "two", "c": "two"}.items():
        make_persona(workspace, slug, base_model=base)
    make_persona(workspace, "broken", base_model="one").persona.write_text("{")
    assert run.default_base(workspace) == "two"
    for slug in ("d", "e", "f"):
        make_persona(workspace, slug, base_model="mine", base_source="/models/mine")
    assert run.default_base(workspace) == "/models/mine"


def serve(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "style_clone", "serve", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_misuse_ends_before_anything_heavy_starts(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        cases = {("--port", port): f"port {port} is in use", ("--host", "0.0.0.0", "--no-key"): "--no-key"}
        for options, words in cases.items():
            done = serve(*options)
            assert done.returncode == 2
            assert words in done.stderr
            assert "Traceback" not in done.stderr
    assert not (home / "models").exists()
    assert not (home / "logs").exists()


def test_a_base_that_is_not_there_is_told(home: Path) -> None:
    done = serve("--base", "./nowhere", "--json")
    assert done.returncode == 1
    assert "no base model './nowhere'" in done.stderr
    assert done.stdout == ""
    assert not (home / "endpoint.json").exists()


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from style_clone.cli import cli\n"
        "for name in ('serve', 'keys'):\n"
        "    cli.main([name, '--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'transformers', 'sqlalchemy', 'uvicorn', 'starlette', 'vllm', 'gradio'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "curl" in done.stdout
