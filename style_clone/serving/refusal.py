"""What the endpoint says when it will not or cannot answer, in the form OpenAI's clients understand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

RETRY_SECONDS = 5
AGAIN_SECONDS = 30
"""In which vLLM is not asked again to load an adapter it has refused: clients come again at once, and each try costs."""
CONTEXT_LENGTH = "context_length_exceeded"
ENGINE_UNAVAILABLE = "engine_unavailable"


class Refusal(Exception):
    """A request that gets an error for an answer. `kind` is OpenAI's `type`, `code` a word for machines."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """`{"error": {"message", "type", "param", "code"}}`."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """The answer to send."""
        return JSONResponse(self.body, status_code=self.status, headers=self.headers)


def wrong(param: str, expected: str, code: str = "invalid_value") -> Refusal:
    """A field of a request that is not as it should be."""
    return Refusal(400, f"{param}: {expected}", param=param, code=code)


def later(status: int, message: str, code: str, seconds: float = RETRY_SECONDS, kind: str = "server_error") -> Refusal:
    """Not now, but it may be asked again in so many seconds, rounded up to whole ones and at least one."""
    wait = {"Retry-After": str(max(1, math.ceil(seconds)))}
    return Refusal(status, message, code=code, kind=kind, headers=wait)


def unavailable() -> Refusal:
    """vLLM does not answer: it died and is being started again, or is about to end."""
    return later(503, "the engine is not answering; it may be restarting", ENGINE_UNAVAILABLE)


def not_loaded(slug: str, why: str) -> Refusal:
    """A persona's adapter is of no use as it is; other personas are not concerned."""
    words = f"the adapter of {slug} cannot be loaded: {why}; to train it again: style-clone train {slug}"
    return later(503, words, "adapter_not_loaded", AGAIN_SECONDS)


def too_fast(limit: str, seconds: float = RETRY_SECONDS) -> Refusal:
    """More than `limit` says, for so many seconds yet."""
    wait = max(1, math.ceil(seconds))
    return later(429, f"{limit}; ask again in {wait} s", "rate_limit_exceeded", wait, kind="rate_limit_error")


def failed(message: str = "the endpoint failed; its terminal says more") -> Refusal:
    """Something of ours went wrong."""
    return Refusal(500, message, code="internal_error", kind="server_error")
