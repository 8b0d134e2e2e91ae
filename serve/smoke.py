"""Asks a running endpoint a little of everything: a line for each check, and exit code 1 where one failed.

    STYLE_CLONE_URL=http://127.0.0.1:8000 STYLE_CLONE_API_KEY=sc-... python serve/smoke.py [MODEL]

MODEL is the id to chat with; the first that the endpoint lists if not given. Without a key in the environment the endpoint
is taken for one that asks for none. It prints no reply.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
TOKENS = 8
Check = Callable[[], str]


class Failed(Exception):
    """A check failed; says what was expected and what came."""


class Smoke:
    """The checks of one endpoint."""

    def __init__(self, client: httpx.Client, key: str | None, model: str | None) -> None:
        self._client = client
        self._key = key
        self._model = model

    def checks(self) -> dict[str, Check]:
        """Every check by its name, in the order to run them."""
        return {
            "health": self.health,
            "ready": self.ready,
            "models": self.models,
            "chat": self.chat,
            "stream": self.stream,
            "refusal": self.refusal,
        }

    def health(self) -> str:
        """It is there, and it is a style-clone endpoint."""
        row = _json(_expect(self._client.get("/health"), 200))
        if row.get("service") != "style-clone":
            raise Failed(f"something else answers there: {row.get('service')!r}")
        return "it answers"

    def ready(self) -> str:
        """Its engine answers too. An endpoint without /ready says that by /health."""
        answer = self._client.get("/ready")
        return "it has no /ready" if answer.status_code == 404 else f"{_expect(answer, 200).status_code}"

    def models(self) -> str:
        """It lists models, and among them the one to ask."""
        ids = [card["id"] for card in _json(_expect(self._get("/v1/models"), 200))["data"]]
        if self._model is None and ids:
            self._model = ids[0]
        if self._model not in ids:
            raise Failed(f"{self._model or 'any model'} was expected among: {', '.join(ids) or 'none'}")
        return ", ".join(ids)

    def chat(self) -> str:
        """A whole reply."""
        answer = _json(
            _expect(self._client.post("/v1/chat/completions", json=self._body(), headers=self._headers()), 200)
        )
        text = answer["choices"][0]["message"]["content"]
        if not isinstance(text, str) or answer["model"] != self._model:
            raise Failed("a reply of that model was expected")
        return f"{self._model} answered {len(text)} characters"

    def stream(self) -> str:
        """A reply piece by piece, to its end."""
        body = {**self._body(), "stream": True}
        with self._client.stream("POST", "/v1/chat/completions", json=body, headers=self._headers()) as answer:
            if answer.status_code != 200:
                answer.read()
            _expect(answer, 200)
            events = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
        if not events or events[-1] != "[DONE]":
            raise Failed("the stream broke off before [DONE]")
        rows = [json.loads(event) for event in events[:-1]]
        if not rows or any("error" in row for row in rows):
            raise Failed("the stream held no reply, or an error")
        return f"{len(rows)} events"

    def refusal(self) -> str:
        """Whoever has no key, or a wrong one, is refused."""
        if self._key is None:
            return "not checked: STYLE_CLONE_API_KEY is not set"
        for headers in ({}, {"Authorization": "Bearer sc-wrong"}):
            _expect(self._client.get("/v1/models", headers=headers), 401)
        return "401 without a key and with a wrong one"

    def _get(self, path: str) -> httpx.Response:
        return self._client.get(path, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def _body(self) -> dict[str, object]:
        return {"model": self._model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": TOKENS}


def run(checks: dict[str, Check]) -> int:
    """Run each check and print its line; returns how many failed."""
    failures = 0
    for name, check in checks.items():
        try:
            said, mark = check(), "ok"
        except (Failed, httpx.HTTPError, KeyError, IndexError, TypeError, ValueError) as error:
            said, mark = f"{type(error).__name__}: {error}" if not isinstance(error, Failed) else str(error), "FAILED"
            failures += 1
        print(f"{mark:6}  {name:8} {said}", flush=True)
    return failures


def _expect(answer: httpx.Response, status: int) -> httpx.Response:
    if answer.status_code != status:
        raise Failed(f"{answer.request.url.path} answered {answer.status_code}, {status} was expected")
    return answer


def _json(answer: httpx.Response) -> dict[str, object]:
    row = answer.json()
    if not isinstance(row, dict):
        raise Failed(f"{answer.request.url.path} answered no JSON object")
    return row


def main() -> int:
    """Check the endpoint the environment names."""
    url, key = os.environ.get("STYLE_CLONE_URL", ""), os.environ.get("STYLE_CLONE_API_KEY") or None
    if not url:
        print("STYLE_CLONE_URL is not set: give the endpoint's root, such as http://127.0.0.1:8000", file=sys.stderr)
        return 2
    root = url.rstrip("/").removesuffix("/v1")
    # A proxy set for the internet must not stand between two processes of one machine.
    far = urlsplit(root).hostname not in LOOPBACK
    with httpx.Client(base_url=root, timeout=httpx.Timeout(120, connect=5), trust_env=far) as client:
        failures = run(Smoke(client, key, next(iter(sys.argv[1:]), None)).checks())
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
