"""What the endpoint says when it will not or cannot answer, in the form OpenAI's clients understand."""

from __future__ import annotations

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


def unavailable() -> Refusal:
    """vLLM does not answer: it died and is being started again, or is about to end."""
    return Refusal(
        503,
        "the engine is not answering; it may be restarting",
        code=ENGINE_UNAVAILABLE,
        kind="server_error",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def not_loaded(slug: str, why: str) -> Refusal:
    """A persona's adapter is of no use as it is; other personas are not concerned."""
    return Refusal(
        503,
        f"the adapter of {slug} cannot be loaded: {why}; to train it again: style-clone train {slug}",
        code="adapter_not_loaded",
        kind="server_error",
        headers={"Retry-After": str(AGAIN_SECONDS)},
    )


def failed(message: str = "the endpoint failed; its terminal says more") -> Refusal:
    """Something of ours went wrong."""
    return Refusal(500, message, code="internal_error", kind="server_error")
