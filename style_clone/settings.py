"""Environment and options become one frozen object; and the environment every child process gets: private and quiet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from style_clone.errors import UsageError
from style_clone.workspace import Workspace

LOOPBACK = "127.0.0.1"

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

    @property
    def workspace(self) -> Workspace:
        """The workspace under `home`."""
        return Workspace(self.home)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read STYLE_CLONE_HOME, _DATABASE_URL, _URL and _API_KEY. Raises UsageError for a home that is a file."""
        home = Path(environment.get("STYLE_CLONE_HOME") or user_data_path("style-clone")).expanduser().absolute()
        if home.exists() and not home.is_dir():
            raise UsageError(f"STYLE_CLONE_HOME is {home}, which is not a folder", mend="Set it to a folder.")
        return cls(
            home=home,
            database_url=environment.get("STYLE_CLONE_DATABASE_URL") or Workspace(home).database_url,
            endpoint_url=environment.get("STYLE_CLONE_URL") or None,
            api_key=environment.get("STYLE_CLONE_API_KEY") or None,
        )
