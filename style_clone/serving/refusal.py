"""What the endpoint says when it will not or cannot answer, in the form OpenAI's clients understand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

RETRY_SECONDS = 5


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


def unavailable() -> Refusal:
    """vLLM does not answer: it died and is being started again, or is about to end."""
    return Refusal(
        503,
        "the engine is not answering; it may be restarting",
        code="engine_unavailable",
        kind="server_error",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def failed(message: str = "the endpoint failed; its terminal says more") -> Refusal:
    """Something of ours went wrong."""
    return Refusal(500, message, code="internal_error", kind="server_error")
