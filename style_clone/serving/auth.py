"""Who may ask: whoever shows a key of the store; or anyone on this machine where the endpoint was started without keys."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable

from starlette.requests import Request

from style_clone.errors import UsageError
from style_clone.serving.refusal import Refusal

Accepts = Callable[[str], bool]
"""Whether a key is good now; asked for each request."""


def check_exposure(host: str, *, keys: bool) -> None:
    """Refuse to listen without keys where other machines could reach it. Raises UsageError."""
    if not keys and not is_loopback(host):
        raise UsageError(
            f"--no-key together with --host {host} would let anyone on the network use the persona",
            mend="Leave out --no-key, or serve on 127.0.0.1.",
        )


def is_loopback(host: str) -> bool:
    """Whether an address or name can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Door:
    """Lets requests in. With `accepts` None no key is needed."""

    def __init__(self, accepts: Accepts | None) -> None:
        self._accepts = accepts

    async def check(self, request: Request) -> None:
        """Raises Refusal (401, 403) for a request that may not pass."""
        if self._accepts is None:
            self._check_host(request)
            return
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        good = scheme.lower() == "bearer" and await asyncio.to_thread(self._accepts, secret.strip())
        if not good:
            raise Refusal(
                401,
                "an API key is needed (Authorization: Bearer sc-...), one that has not expired or been revoked; "
                "make one with: style-clone keys create",
                code="invalid_api_key",
                kind="authentication_error",
                headers={"WWW-Authenticate": "Bearer"},
            )

    @staticmethod
    def _check_host(request: Request) -> None:
        """A web page that had its own name resolve to this machine could otherwise talk to the endpoint unseen."""
        if not is_loopback(request.url.hostname or ""):
            raise Refusal(
                403, "without keys only this machine's own name is answered", code="forbidden_host", param="Host"
            )
