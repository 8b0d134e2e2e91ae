"""`style-clone engine`: vLLM without a gateway, for a gateway in another process or on another machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from style_clone import models
from style_clone.errors import EngineError, UsageError
from style_clone.progress import Report, silent
from style_clone.readiness import tell_ready
from style_clone.serving.engine import Engine, running, telling_line
from style_clone.serving.run import default_base, listen
from style_clone.settings import Settings

LEAST_KEY_CHARACTERS = 32
_POLL_SECONDS = 0.5


@contextmanager
def starting(
    settings: Settings, *, host: str, port: int, base: str | None = None, report: Report = silent
) -> Iterator[Engine]:
    """vLLM as the endpoint would start it, ready, with the key of the settings; stopped at the end of the block.

    Raises UsageError, PortTaken, ModelError, EngineError; nothing is left running then.
    """
    key = check_key(settings.engine_key)
    workspace = settings.workspace
    with listen(host, port):
        pass  # only tried, before what takes long: vLLM binds it itself
    model = models.resolve(base or default_base(workspace), workspace, report)
    engine = Engine(model.path, model.name, workspace, workspace.personas(), host=host, port=port, key=key)
    with running(engine, report):
        tell_ready()
        yield engine


def check_key(key: str | None) -> str:
    """The key, if it is one. Raises UsageError for none, or one that could be guessed or not be sent.

    Asked for on loopback too: whoever has the key can have files of the engine's user loaded as adapters.
    """
    if key and len(key) >= LEAST_KEY_CHARACTERS and key.isascii() and key.isprintable() and " " not in key:
        return key
    raise UsageError(
        f"STYLE_CLONE_ENGINE_KEY must hold a key of at least {LEAST_KEY_CHARACTERS} letters and digits"
        + ("" if key else ", and is not set"),
        mend="Make one with `openssl rand -hex 32`, and give it to the gateway as well.",
    )


def watch(engine: Engine) -> None:
    """Wait as long as it runs. Raises EngineError when it has ended: whoever started this process may start it again."""
    while engine.alive:
        time.sleep(_POLL_SECONDS)
    raise EngineError(f"vLLM ended: {telling_line(engine.log)}", mend=f"Its log: {engine.log}")
