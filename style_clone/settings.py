"""Environment and options become one frozen object; and the environment every child process gets: private and quiet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

from platformdirs import user_data_path

from style_clone.addresses import check_address
from style_clone.errors import UsageError
from style_clone.workspace import Workspace

ServeAs = Literal["auto", "adapters", "merged", "apart"]
"""How an endpoint serves personas: merged where the machine gains by it and has room, never, always, or in no other way."""

PRIVATE_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
}
"""Switches off what Gradio, the hub client and vLLM would send home."""

QUIET_ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
"""Keeps libraries' chatter off the user's terminal."""


@dataclass(frozen=True)
class Settings:
    """What the environment says. Options of a command override it."""

    home: Path
    database_url: str
    endpoint_url: str | None
    api_key: str | None
    serve_as: ServeAs | None = None
    engine_url: str | None = None
    engine_key: str | None = field(default=None, repr=False)

    @property
    def workspace(self) -> Workspace:
        """The workspace under `home`."""
        return Workspace(self.home)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read STYLE_CLONE_HOME, _DATABASE_URL, _URL, _API_KEY, _SERVE_AS, _ENGINE_URL and _ENGINE_KEY.

        Raises UsageError for a home that is a file, a way to serve that there is not, and an address that is none.
        """
        home = Path(environment.get("STYLE_CLONE_HOME") or user_data_path("style-clone")).expanduser().absolute()
        if home.exists() and not home.is_dir():
            raise UsageError(f"STYLE_CLONE_HOME is {home}, which is not a folder", mend="Set it to a folder.")
        return cls(
            home=home,
            database_url=environment.get("STYLE_CLONE_DATABASE_URL") or Workspace(home).database_url,
            endpoint_url=_root(
                environment.get("STYLE_CLONE_URL"), "STYLE_CLONE_URL", "http://127.0.0.1:8000", "STYLE_CLONE_API_KEY"
            ),
            api_key=environment.get("STYLE_CLONE_API_KEY") or None,
            serve_as=_serve_as(environment.get("STYLE_CLONE_SERVE_AS") or None),
            engine_url=engine_root(environment.get("STYLE_CLONE_ENGINE_URL")),
            engine_key=environment.get("STYLE_CLONE_ENGINE_KEY") or None,
        )


def engine_root(url: str | None) -> str | None:
    """An engine's address without /v1 at its end; None for none. Raises UsageError for what is no address."""
    return _root(url, "the engine's address", "http://127.0.0.1:8001", "STYLE_CLONE_ENGINE_KEY")


def _root(url: str | None, what: str, example: str, key: str) -> str | None:
    """The address of a server without /v1, as `check_address` has it; None for none."""
    if not url:
        return None
    check_address(url, what, example=example, key=key)
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def _serve_as(text: str | None) -> ServeAs | None:
    if text is None:
        return None
    if text not in get_args(ServeAs):
        raise UsageError(f"STYLE_CLONE_SERVE_AS is {text!r}", mend=f"Set it to one of {', '.join(get_args(ServeAs))}.")
    return cast(ServeAs, text)
