"""What every part of the page works with, and how a listener is wired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from style_clone.client import Address
from style_clone.workspace import Workspace


@dataclass(frozen=True)
class Desk:
    """Where personas live, where the endpoint is, the base model it runs on, and the database votes are kept in."""

    workspace: Workspace
    address: Address
    base: str
    database_url: str


def listen(
    event: Callable[..., Any], handler: Callable[..., Any] | None, inputs: Any, outputs: Any, **more: Any
) -> Any:
    """Wire a handler: no overlay on what it changes, no entry in a public API, as many at once as there are pages."""
    return event(
        handler, inputs, outputs, show_progress="hidden", api_visibility="private", concurrency_limit=None, **more
    )
