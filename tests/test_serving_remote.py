"""An endpoint whose engine runs elsewhere, with a small server in the engine's place; and `style-clone engine`, refused.

test_deployment_real.py has both with real vLLM.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from style_clone.errors import EngineError, UsageError
from style_clone.readiness import tell_ready
from style_clone.serving import alone, run, tuning
from style_clone.serving.engine import Engine, local_address
from style_clone.serving.remote import BEYOND_OPENAI, RemoteEngine
from style_clone.settings import Settings, engine_root
from style_clone.store import Store
from style_clone.workspace import PersonaFolder, Workspace, write_json
from tests.fake_engine import ENGINE_KEY, FakeEngine, fake_engine
from tests.serving_fakes import BASE, make_persona, train
from tests.waiting import wait_for


@contextmanager
def serving(url: str, *options: str, key: str = ENGINE_KEY) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    """`style-clone serve` in front of the engine at `url`, and a client of it with a key."""
    environment = {**os.environ, "STYLE_CLONE_ENGINE_KEY": key}
    command = [sys.executable, "-m", "style_clone", "serve", "--engine-url", url, "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        lines: list[str] = []
        while (line := process.stdout.readline()) and line != "}\n":
            lines.append(line)
        if not line:
            raise AssertionError(process.communicate()[1])
        notice = json.loads("".join([*lines, "}"]))
        with Store(Settings.from_environment(os.environ).database_url) as store:
            _, secret = store.create_key("test")
        headers = {"Authorization": f"Bearer {secret}"}
        with httpx.Client(base_url=notice["url"], headers=headers, trust_env=False, timeout=20) as client:
            yield client, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def refused(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that is to fail before it starts anything."""
    command = [sys.executable, "-m", "style_clone", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment}
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done


def ask(client: httpx.Client, model: str = "ann", **options: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **options}
    return client.post("/v1/chat/completions", json=body)


def test_the_endpoint_speaks_through_an_engine_elsewhere_and_outlives_its_absence(ann: PersonaFolder) -> None:
    with fake_engine() as engine, serving(f"{engine.url}/v1") as (client, process):
        assert [card["id"] for card in client.get("/v1/models").json()["data"]] == [
            "ann",
            "ann@memory",
            "ann@prompted",
            BASE.name,
        ]
        answer = ask(client)
        assert answer.status_code == 200
        assert answer.json()["model"] == "ann"
        assert ask(client, BASE.name).status_code == 200
        asked = [body["model"] for body in engine.asked]
        assert asked[0].startswith("ann--")
        assert asked[1] == BASE.name
        engine.ready = False
        answer = ask(client)
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        engine.ready = True
        assert ask(client).status_code == 200
        assert engine.loads == 2, "it may have been started anew meanwhile"
    assert process.returncode == 0


def test_an_engine_that_was_started_anew_gets_its_adapters_again(ann: PersonaFolder) -> None:
    with fake_engine() as engine, serving(engine.url) as (client, _):
        assert ask(client).status_code == 200
        engine.adapters.clear()
        assert ask(client).status_code == 503
        wait_for(lambda: ask(client).status_code == 200)
        assert engine.loads == 2


def test_a_retrained_adapter_is_loaded_into_an_engine_elsewhere(ann: PersonaFolder) -> None:
    with fake_engine() as engine, serving(engine.url) as (client, _):
        assert ask(client).status_code == 200
        train(ann, b"two")
        assert ask(client).status_code == 200
        assert engine.loads == 2
        assert engine.asked[0]["model"] != engine.asked[1]["model"]


def test_an_engine_that_takes_no_adapters_serves_the_rest_and_says_so(ann: PersonaFolder) -> None:
    with fake_engine(takes_adapters=False) as engine, serving(engine.url) as (client, _):
        answer = ask(client)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "adapter_not_loaded"
        assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING" in answer.json()["error"]["message"]
        assert ask(client, BASE.name).status_code == 200


def test_an_engine_that_does_not_see_the_files_is_told_apart(
    ann: PersonaFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = {"error": {"message": f"No adapter found at {ann.adapter}", "type": "NotFoundError"}}
    monkeypatch.setattr(FakeEngine, "_load", lambda self, body: (404, missing))
    with fake_engine() as engine, serving(engine.url) as (client, _):
        message = ask(client).json()["error"]["message"]
        assert "STYLE_CLONE_HOME" in message
        assert str(ann.adapter) not in message


def test_an_engine_on_a_cpu_is_told_no_seed_and_one_that_is_no_vllm_no_words_of_vllms(ann: PersonaFolder) -> None:
    cases: list[tuple[dict[str, Any], set[str], set[str]]] = [
        ({"device": "cpu"}, {"top_k"}, {"seed"}),
        ({}, {"top_k", "seed"}, set()),
        ({"vllm": False}, {"seed", "temperature"}, set(BEYOND_OPENAI)),
    ]
    for changes, told, untold in cases:
        with fake_engine(**changes) as engine, serving(engine.url) as (client, _):
            assert ask(client, BASE.name, seed=1, top_k=5).status_code == 200
            assert client.get("/health").status_code == 200
            assert told <= set(engine.asked[0])
            assert not untold & set(engine.asked[0])


def test_a_base_the_engine_does_not_serve_is_told_with_those_it_does() -> None:
    with fake_engine(models=["one", "two"]) as engine:
        done = refused("serve", "--engine-url", engine.url, "--base", "org/three", STYLE_CLONE_ENGINE_KEY=ENGINE_KEY)
        assert done.returncode == 1
        assert "does not serve org/three; it serves: one, two" in done.stderr
        assert "--base" in done.stderr


def test_merged_personas_go_with_an_engine_of_its_own_only() -> None:
    done = refused("serve", "--engine-url", "http://127.0.0.1:9", "--serve-as", "merged")
    assert done.returncode == 2
    assert "--engine-url starts none" in done.stderr


def test_a_wrong_key_is_told_and_not_shown() -> None:
    with fake_engine() as engine:
        for key in ("x" * 40, ""):
            done = refused("serve", "--engine-url", engine.url, "--base", "tiny-base", STYLE_CLONE_ENGINE_KEY=key)
            assert done.returncode == 1
            assert "refuses" in done.stderr
            assert "STYLE_CLONE_ENGINE_KEY" in done.stderr
            assert "x" * 40 not in done.stderr


def test_an_engine_that_is_still_starting_is_awaited() -> None:
    with fake_engine(ready=False) as engine:
        remote = RemoteEngine(engine.url, ENGINE_KEY)
        with pytest.raises(EngineError, match="did not answer in time"):
            remote.await_ready(BASE.name, deadline_seconds=0)
        engine.ready = True
        remote.await_ready(BASE.name, deadline_seconds=5)
    with pytest.raises(EngineError, match="did not answer in time"):
        RemoteEngine(engine.url, ENGINE_KEY).await_ready(BASE.name, deadline_seconds=0)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8001", "ftp://x", "http://", "http://user:secret@x", "http://x/?key=1", "http://x:y"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="address") as caught:
        engine_root(url)
    assert "secret" not in str(caught.value)
    done = refused("serve", "--engine-url", url)
    assert done.returncode == 2


def test_the_address_is_the_root() -> None:
    assert engine_root(None) is None
    assert engine_root("") is None
    for url in ("http://x:1", "http://x:1/", "http://x:1/v1", "http://x:1/v1/"):
        assert engine_root(url) == "http://x:1"
    assert engine_root("https://x/engine/v1") == "https://x/engine"


def test_the_base_of_an_engine_elsewhere_need_not_be_here(workspace: Workspace, tmp_path: Path) -> None:
    assert run.base_elsewhere("org/name", workspace) == ("org/name", "")
    make_persona(workspace, "a", base_model="mine", base_source="/elsewhere/mine", base_sha256="12" * 32)
    assert run.base_elsewhere("/elsewhere/mine", workspace) == ("mine", "12" * 32)
    assert run.base_elsewhere("mine", workspace) == ("mine", "12" * 32)
    here = workspace.models / "org--name"
    write_json(here / "base.json", {"name": "org/name", "revision": "r", "sha256": "34" * 32})
    assert run.base_elsewhere("org/name", workspace) == ("org/name", "34" * 32)


@pytest.mark.parametrize("key", ["", "short", "k" * 31, "k" * 20 + " " + "k" * 20, "schlüssel" * 5, "k" * 40 + "\n"])
def test_an_engine_alone_needs_a_key_that_cannot_be_guessed(key: str, home: Path) -> None:
    with pytest.raises(UsageError, match="STYLE_CLONE_ENGINE_KEY"):
        alone.check_key(key)
    assert alone.check_key("k" * 32) == "k" * 32
    done = refused("engine", "--host", "0.0.0.0", STYLE_CLONE_ENGINE_KEY=key)
    assert done.returncode == 2
    assert "at least 32" in done.stderr
    assert "openssl rand" in done.stderr
    assert not home.exists(), "nothing was fetched or started"


def test_an_engine_alone_says_that_its_port_is_taken(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = refused("engine", "--port", port, STYLE_CLONE_ENGINE_KEY=ENGINE_KEY)
    assert done.returncode == 2
    assert f"port {port} is in use" in done.stderr


def test_an_engine_alone_is_started_with_the_very_arguments_of_one_behind_the_endpoint(
    workspace: Workspace, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    write_json(model / "config.json", {"num_hidden_layers": 30, "num_attention_heads": 9, "hidden_size": 576})
    behind = Engine(model, "tiny", workspace, [])
    own = Engine(model, "tiny", workspace, [], host="0.0.0.0", port=8001, key=ENGINE_KEY)
    before, after = tuning.arguments(behind.plan), tuning.arguments(own.plan)
    differing = {pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]}
    assert differing == {("127.0.0.1", "0.0.0.0"), (str(behind.plan.port), "8001")}
    assert "style_clone.serving.guard.Guard" in after
    assert own.url == "http://127.0.0.1:8001"
    assert own.headers == {"Authorization": f"Bearer {ENGINE_KEY}"}
    assert ENGINE_KEY not in " ".join(after)
    assert local_address("::", 1) == "http://[::1]:1"


def test_a_service_manager_is_told_when_a_service_is_ready(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(5)
        tell_ready({"NOTIFY_SOCKET": path})
        assert listener.recv(100) == b"READY=1"
    tell_ready({"NOTIFY_SOCKET": path})
    tell_ready({"NOTIFY_SOCKET": "vsock:2:1"})
    tell_ready({})


def test_an_engine_s_key_is_in_no_text_about_the_settings(home: Path) -> None:
    settings = Settings.from_environment({"STYLE_CLONE_HOME": str(home), "STYLE_CLONE_ENGINE_KEY": ENGINE_KEY})
    assert settings.engine_key == ENGINE_KEY
    assert ENGINE_KEY not in repr(settings)
