"""The endpoint's own description: complete, valid, and kept by every answer, whatever schemathesis thinks of asking."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import jsonschema
from starlette.routing import Route

from style_clone.serving import openapi, options
from style_clone.workspace import Workspace
from tests.serving_fakes import FakeVllm, make_gateway
from tests.serving_http import Place, served
from tests.shelf import python_environment

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
EXAMPLES = 20


def schema(name: str) -> dict[str, Any]:
    document = openapi.describe()
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


def valid(row: Any, name: str) -> bool:
    return bool(jsonschema.Draft202012Validator(schema(name)).is_valid(row))


def test_every_route_is_described(workspace: Workspace) -> None:
    _gateway, client = make_gateway(workspace, FakeVllm())
    app = client._transport.app
    routes = {
        (route.path.replace(":path}", "}"), method.lower())
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    paths = openapi.describe()["paths"]
    assert {(path, method) for path, methods in paths.items() for method in methods} == routes


def test_every_field_that_is_taken_is_described_and_no_other() -> None:
    document = openapi.describe()["components"]["schemas"]
    own = {"ChatRequest": {"messages"}, "TextRequest": {"prompt"}}
    for name, fields in {"ChatRequest": options.CHAT_FIELDS, "TextRequest": options.TEXT_FIELDS}.items():
        described = set(document[name]["properties"])
        assert described == fields | options.WITHOUT_EFFECT | own[name] | {"model", "stream"}
    jsonschema.Draft202012Validator.check_schema(schema("ChatRequest"))


def test_what_is_taken_is_valid_and_what_is_refused_is_not() -> None:
    said = {"model": "ann", "messages": [{"role": "user", "content": "hi"}]}
    assert valid(said, "ChatRequest")
    assert valid({**said, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}, "ChatRequest")
    for wrong in (
        {"model": "ann"},
        {**said, "messages": []},
        {**said, "n": options.MOST_REPLIES + 1},
        {**said, "tools": [{"type": "function"}]},
        {**said, "chat_template": "x"},
        {**said, "messages": [{"role": "tool", "content": "hi"}]},
    ):
        assert not valid(wrong, "ChatRequest")


def test_it_is_open_to_all_and_answers_keep_to_it(workspace: Workspace) -> None:
    with served(workspace) as place:
        document = httpx.get(f"{place.url}/openapi.json", trust_env=False).raise_for_status()
        assert document.json() == openapi.describe()
        assert "ann" not in document.text.replace("channel", "")
        options: dict[str, Any] = {"headers": place.headers, "trust_env": False}
        assert valid(httpx.get(f"{place.url}/v1/models", **options).json(), "ModelList")
        chat = {"model": "ann", "messages": [{"role": "user", "content": "hi"}]}
        assert valid(httpx.post(f"{place.url}/v1/chat/completions", json=chat, **options).json(), "ChatCompletion")
        text = {"model": "ann", "prompt": "hi"}
        assert valid(httpx.post(f"{place.url}/v1/completions", json=text, **options).json(), "TextCompletion")
        assert valid(httpx.get(f"{place.url}/v1/models/bob", **options).json(), "Error")


def test_schemathesis_finds_no_answer_that_is_not_described(workspace: Workspace, tmp_path: Path) -> None:
    with served(workspace, "--gap", "0", "--first", "0") as place:
        done = schemathesis(place, tmp_path)
        assert done.returncode == 0, done.stdout[-6000:]
        cases = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
        assert cases is not None, done.stdout[-6000:]
        assert cases[1] == cases[2]
        assert int(cases[1]) > 5 * EXAMPLES
        assert int(re.findall(r'requests_total\{.*status="200"\} (\d+)', metrics(place))[0]) > EXAMPLES


def metrics(place: Place) -> str:
    return httpx.get(f"{place.url}/metrics", headers=place.headers, trust_env=False).text


def schemathesis(place: Place, folder: Path) -> subprocess.CompletedProcess[str]:
    """Its command line in a process of its own: as a pytest plugin it would be part of every test.

    It is told which models there are, or hardly any request would come to an answer.
    """
    document = httpx.get(f"{place.url}/openapi.json", trust_env=False).json()
    for name in ("ChatRequest", "TextRequest"):
        known = ["ann", "ann@memory", "ann@prompted", place.base, "nobody"]
        document["components"]["schemas"][name]["properties"]["model"] = {"enum": known}
    (folder / "openapi.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", place.url]
    options = ["--checks", CHECKS, "--max-examples", str(EXAMPLES), "--seed", "1", "--no-color", "--workers", "1"]
    header = ["--header", f"Authorization: Bearer {place.key}"]
    environment = python_environment(folder)
    return subprocess.run(
        [*command, *options, *header],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=folder,
        timeout=300,
    )
