"""Clients people have, unchanged, against the endpoint: each hears what a bare request hears.

Every test runs twice: before a fake vLLM, and (slow) before the real one.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from style_clone.workspace import Workspace
from tests.serving_http import Place, served
from tests.serving_live import ASKED, live
from tests.shelf import CLIENTS, node_environment, python_environment

TOKENS = 8
SAID: Any = [{"role": "user", "content": ASKED}]
OPTIONS: dict[str, Any] = {"messages": SAID, "temperature": 0, "max_tokens": TOKENS}


@pytest.fixture(scope="module", params=["fake", pytest.param("vllm", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("clients") / "home"
    if request.param == "fake":
        with served(Workspace(home)) as place:
            yield place
        return
    with live(home, request.getfixturevalue("base_model")) as running:
        assert running.endpoint.key is not None
        yield Place(running.endpoint.url, running.endpoint.key, running.base.name)


@pytest.fixture
def heard(place: Place) -> str:
    """What "ann" replies to a request without any client."""
    body = {"model": "ann", **OPTIONS}
    with httpx.Client(headers=place.headers, trust_env=False, timeout=120) as client:
        answer = client.post(f"{place.url}/v1/chat/completions", json=body)
    text = answer.raise_for_status().json()["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    assert text
    return text


def client_of(place: Place, key: str | None = None) -> openai.OpenAI:
    http = openai.DefaultHttpxClient(trust_env=False)
    return openai.OpenAI(base_url=f"{place.url}/v1", api_key=key or place.key, http_client=http, max_retries=0)


def test_openai_for_python(place: Place, heard: str) -> None:
    with client_of(place) as client:
        assert [model.id for model in client.models.list()] == ["ann", "ann@memory", "ann@prompted", place.base]
        whole = client.chat.completions.create(model="ann", **OPTIONS)
        assert (whole.model, whole.choices[0].message.content) == ("ann", heard)
        assert whole.usage is not None
        assert whole.usage.completion_tokens == TOKENS
        chunks = list(
            client.chat.completions.create(model="ann", stream=True, stream_options={"include_usage": True}, **OPTIONS)
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == heard
        assert {chunk.model for chunk in chunks} == {"ann"}
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == TOKENS
        two = client.chat.completions.create(model="ann", n=2, **{**OPTIONS, "temperature": 1})
        assert [choice.index for choice in two.choices] == [0, 1]
        raw = client.completions.create(model=place.base, prompt="once", max_tokens=TOKENS)
        assert raw.choices[0].text


def test_openai_for_python_without_waiting(place: Place, heard: str) -> None:
    async def ask(client: openai.AsyncOpenAI, stream: bool) -> str:
        if not stream:
            whole = await client.chat.completions.create(model="ann", **OPTIONS)
            return whole.choices[0].message.content or ""
        chunks = await client.chat.completions.create(model="ann", stream=True, **OPTIONS)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices])

    async def go() -> list[str]:
        http = openai.DefaultAsyncHttpxClient(trust_env=False)
        url = f"{place.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key=place.key, http_client=http, max_retries=0) as client:
            return [await ask(client, stream) for stream in (False, True)] + await asyncio.gather(
                *(ask(client, stream=True) for _ in range(8))
            )

    said = asyncio.run(go())
    assert said[:2] == [heard, heard]
    # Beside each other, real vLLM may round otherwise, and say something else.
    assert all(said[2:])
    assert place.vllm is None or set(said) == {heard}


def test_openai_for_python_raises_its_own_errors(place: Place) -> None:
    with client_of(place) as client:
        with pytest.raises(openai.NotFoundError, match="ann@prompted") as missing:
            client.chat.completions.create(model="nobody", **OPTIONS)
        assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.BadRequestError) as tools:
            client.chat.completions.create(
                model="ann", tools=[{"type": "function", "function": {"name": "f"}}], **OPTIONS
            )
        assert (tools.value.code, tools.value.param) == ("unsupported_parameter", "tools")
        with pytest.raises(openai.BadRequestError) as hot:
            client.chat.completions.create(model="ann", extra_body={"chat_template": "x"}, **OPTIONS)
        assert hot.value.param == "chat_template"
        with pytest.raises(openai.NotFoundError, match="not served here"):
            client.responses.create(model="ann", input="hi")
    with client_of(place, "sc-wrong") as stranger, pytest.raises(openai.AuthenticationError, match="API key"):
        stranger.chat.completions.create(model="ann", **OPTIONS)


def curl(place: Place, path: str, *options: str) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("curl")
    if tool is None:
        pytest.skip("there is no curl on this machine")
    command = [tool, "-sS", "--noproxy", "*", "--max-time", "60", "-H", f"Authorization: Bearer {place.key}", *options]
    return subprocess.run([*command, f"{place.url}{path}"], capture_output=True, text=True, check=False)


def test_curl(place: Place, heard: str) -> None:
    models = json.loads(curl(place, "/v1/models").stdout)
    assert [model["id"] for model in models["data"]] == ["ann", "ann@memory", "ann@prompted", place.base]
    body = ("-H", "Content-Type: application/json", "-d", json.dumps({"model": "ann", **OPTIONS}))
    whole = json.loads(curl(place, "/v1/chat/completions", *body).stdout)
    assert whole["choices"][0]["message"]["content"] == heard
    stream = json.dumps({"model": "ann", "stream": True, **OPTIONS})
    lines = curl(place, "/v1/chat/completions", "-N", *body[:3], stream).stdout.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    rows = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    assert "".join(row["choices"][0]["delta"].get("content") or "" for row in rows) == heard
    failed = curl(place, "/v1/models/nobody", "--fail-with-body")
    assert failed.returncode == 22
    assert json.loads(failed.stdout)["error"]["code"] == "model_not_found"


def heard_by(command: list[str], place: Place, environment: dict[str, str]) -> Any:
    """What a client in a process of its own prints, which is given the place and a question."""
    told = [*command, f"{place.url}/v1", place.key, "ann", ASKED]
    done = subprocess.run(told, capture_output=True, text=True, check=False, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_openai_for_node(place: Place, heard: str, tmp_path: Path) -> None:
    found = heard_by(["node", str(CLIENTS / "node_client.mjs")], place, node_environment(tmp_path))
    assert found["models"] == ["ann", "ann@memory", "ann@prompted", place.base]
    assert (found["whole"], found["streamed"]) == (heard, heard)
    assert found["pieces"] > 1
    assert found["tokens"] == TOKENS
    assert found["unknown"]["name"] == "NotFoundError"
    assert "ann@prompted" in found["unknown"]["message"]
    assert found["stranger"] | {"message": ""} == {
        "name": "AuthenticationError",
        "status": 401,
        "code": "invalid_api_key",
        "message": "",
    }


@pytest.mark.slow
def test_langchain(place: Place, heard: str, tmp_path: Path) -> None:
    command = [sys.executable, str(CLIENTS / "langchain_client.py")]
    found = heard_by(command, place, python_environment(tmp_path))
    assert (found["whole"], found["streamed"]) == (heard, heard)
    assert found["pieces"] > 1
    assert "NotFoundError" in found["error"]
    assert "ann@prompted" in found["error"]


@pytest.mark.slow
def test_simonw_s_llm(place: Place, heard: str, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: ann\n  model_name: ann\n  api_base: {place.url}/v1\n  api_key_name: ours\n"
        f"- model_id: nobody\n  model_name: nobody\n  api_base: {place.url}/v1\n  api_key_name: ours\n"
    )
    (tmp_path / "keys.json").write_text(json.dumps({"ours": place.key}))
    environment = {**python_environment(tmp_path), "LLM_USER_PATH": str(tmp_path)}

    def llm(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "llm", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)

    options = ("-o", "temperature", "0", "-o", "max_tokens", str(TOKENS))
    for more in ((), ("--no-stream",)):
        done = llm("-m", "ann", ASKED, *options, *more)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{heard}\n"
    again = llm("-c", "and then?", *options)
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip()
    failed = llm("-m", "nobody", ASKED)
    assert failed.returncode == 1
    assert "ann@prompted" in failed.stderr
