"""The label on what a clone wrote: that no person wrote it, and whose manner it has. What the base model writes has none."""

from __future__ import annotations

from typing import Any

from style_clone.serving.catalogue import Served

HEADER = "x-style-clone-label"
FIELD = "style_clone"
"""In the body of an answer, or in the first event of a stream, beside OpenAI's fields, whose clients pass others over."""


def field_of(served: Served) -> dict[str, Any]:
    """`{"style_clone": {"persona", "kind", "synthetic"}}`, to be merged into an answer; empty for the base model."""
    if served.persona is None:
        return {}
    return {FIELD: {"persona": served.persona.slug, "kind": served.kind, "synthetic": True}}


def headers_of(served: Served) -> dict[str, str]:
    """The same as a header."""
    if served.persona is None:
        return {}
    return {HEADER: f"synthetic; persona={served.persona.slug}; kind={served.kind}"}
