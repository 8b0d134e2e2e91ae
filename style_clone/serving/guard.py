"""A middleware vLLM loads: its own key guards only some paths, so this one asks for it on all but /health.

Without it anyone with an account on this machine could chat through /invocations, or have an adapter loaded from any folder.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
DEVICE_HEADER = "x-style-clone-device"
"""Of the answer of /health: what the engine runs on, "cpu" or nothing, for a gateway on another machine."""


class Guard:
    """ASGI middleware: 401 for whoever does not show VLLM_API_KEY. What /health answers tells what the engine runs on."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app
        self.wanted = f"Bearer {os.environ['VLLM_API_KEY']}".encode()
        self.device = os.environ.get("VLLM_TARGET_DEVICE", "").encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope.get("path") == "/health":
            return await self.app(scope, receive, self._telling(send))
        shown = dict(scope.get("headers") or ()).get(b"authorization", b"")
        if hmac.compare_digest(shown, self.wanted):
            return await self.app(scope, receive, send)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return None
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        return None

    def _telling(self, send: Send) -> Send:
        async def told(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (DEVICE_HEADER.encode(), self.device)]
                message = {**message, "headers": headers}
            await send(message)

        return told
