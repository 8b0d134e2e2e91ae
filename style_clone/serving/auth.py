"""Who may ask, and for what: whoever shows a key of the store, for the personas it is for; or anyone on this machine, for
everything, where the endpoint was started without keys.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Protocol

from starlette.requests import Request

from style_clone.addresses import is_loopback
from style_clone.errors import StorageError, UsageError
from style_clone.serving.refusal import Refusal, later

if TYPE_CHECKING:
    from style_clone.store import ApiKey

_LOGGER = logging.getLogger(__name__)


class Keys(Protocol):
    """What the endpoint needs of the store. Both are called in a thread and may raise StorageError."""

    def accepts(self, secret: str) -> ApiKey | None:
        """The key with that secret if it is good now; asked for each request."""

    def count_tokens(self, spent: Mapping[tuple[int, date], int]) -> None:
        """Add to the tokens spent by each key on each day in UTC."""


def check_exposure(host: str, *, keys: bool) -> None:
    """Refuse to listen without keys where other machines could reach it. Raises UsageError."""
    if not keys and not is_loopback(host):
        raise UsageError(
            f"--no-key together with --host {host} would let anyone on the network use the persona",
            mend="Leave out --no-key, or serve on 127.0.0.1.",
        )


def scope(request: Request) -> tuple[str, ...] | None:
    """The slugs of the personas that may be asked for; None for everything there is."""
    key: ApiKey | None = request.state.key
    return None if key is None else key.personas


def require_all(request: Request) -> None:
    """Raises Refusal (403) for a key that is for some personas only."""
    if scope(request) is not None:
        raise Refusal(403, "this needs a key that is not for some personas only", code="insufficient_permissions")


class Door:
    """Lets requests in, and leaves their key in `request.state.key`. With `keys` None none is needed, and it is None."""

    def __init__(self, keys: Keys | None) -> None:
        self._keys = keys

    async def check(self, request: Request) -> None:
        """Raises Refusal (401, 403, 503) for a request that may not pass."""
        request.state.key = None
        if self._keys is None:
            self._check_host(request)
            return
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            request.state.key = await self._look_up(self._keys, secret.strip())
        if request.state.key is None:
            raise Refusal(
                401,
                "an API key is needed (Authorization: Bearer sc-...), one that has not expired or been revoked; "
                "make one with: style-clone keys create",
                code="invalid_api_key",
                kind="authentication_error",
                headers={"WWW-Authenticate": "Bearer"},
            )

    @staticmethod
    async def _look_up(keys: Keys, secret: str) -> ApiKey | None:
        try:
            return await asyncio.to_thread(keys.accepts, secret)
        except StorageError as error:
            _LOGGER.warning("a key could not be looked up: %s", error.problem)
            raise later(503, "the key cannot be checked at the moment", "keys_unavailable") from error

    @staticmethod
    def _check_host(request: Request) -> None:
        """A web page that had its own name resolve to this machine could otherwise talk to the endpoint unseen."""
        if not is_loopback(request.url.hostname or ""):
            raise Refusal(
                403, "without keys only this machine's own name is answered", code="forbidden_host", param="Host"
            )
