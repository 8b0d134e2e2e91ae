"""Start the page and stop it. It listens on loopback, is shared with nobody and leaves no upload behind."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from style_clone import jobs
from style_clone.addresses import LOOPBACK
from style_clone.errors import PortTaken, UsageError
from style_clone.models import DEFAULT_BASE
from style_clone.serving.endpoint import Endpoint
from style_clone.settings import PRIVATE_ENVIRONMENT, Settings
from style_clone.workspace import Workspace, own_prefix, storage_errors

USUAL_PORT = 7860
PORT_TRIES = 3
"""How often a port is chosen anew that somebody else took before the page listened."""


@dataclass(frozen=True)
class Page:
    """A running page."""

    url: str
    blocks: Any
    uploads: Path
    workspace: Workspace

    def close(self) -> None:
        """End the page, the jobs it started, and its copies of uploads."""
        jobs.cancel_own(self.workspace)
        self.blocks.close(verbose=False)
        shutil.rmtree(self.uploads, ignore_errors=True)

    def wait(self) -> None:
        """Block until interrupted; raises KeyboardInterrupt then."""
        while True:
            time.sleep(1)


def launch(
    settings: Settings,
    endpoint: Endpoint,
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    base: str = DEFAULT_BASE,
    names: Sequence[str] = (),
) -> Page:
    """Start the page beside the caller. `port` None takes a free one. Raises PortTaken, StorageError.

    It answers only to `names` as its host name; where none are given, to this machine's own on loopback, else to any.
    """
    choose_port(host, port)  # what can be wrong with the request, before what takes seconds
    uploads = _uploads_folder(settings.home)
    # Gradio reads these when it is imported: no telemetry, and uploads kept where `close` finds them.
    os.environ.update(PRIVATE_ENVIRONMENT, GRADIO_TEMP_DIR=str(uploads))
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from style_clone.ui.guard import Guard
    from style_clone.ui.handlers.writing import MAX_FILE_SIZE
    from style_clone.ui.theme import CSS
    from style_clone.ui.views.desk import Desk
    from style_clone.ui.views.page import build_page, theme

    # A name that resolves to loopback is not enough: other sites could point theirs here and read the page.
    allowed = list(names) or ([host, "localhost"] if host == LOOPBACK else ["*"])
    middleware = [Middleware(Guard), Middleware(TrustedHostMiddleware, allowed_hosts=allowed)]
    blocks = build_page(Desk(settings.workspace, endpoint, base, settings.database_url), endpoint.elsewhere)
    url = _listen(
        blocks.queue(default_concurrency_limit=None),
        host,
        port,
        share=False,
        prevent_thread_lock=True,
        quiet=True,
        inbrowser=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        allowed_paths=[str(uploads)],
        max_file_size=MAX_FILE_SIZE,
        app_kwargs={"middleware": middleware, "docs_url": None, "redoc_url": None, "openapi_url": None},
        theme=theme(),
        css=CSS,
    )
    return Page(url, blocks, uploads, settings.workspace)


def _listen(blocks: Any, host: str, wanted: int | None, **options: Any) -> str:
    """Launch on a port as `choose_port` has it; the page's URL. Somebody may take it before Gradio does: then on another."""
    for _ in range(PORT_TRIES):
        chosen = choose_port(host, wanted)
        try:
            return str(blocks.launch(server_name=host, server_port=chosen, **options)[1])
        except OSError:
            continue
    raise PortTaken(f"port {chosen} on {host} was taken each time", mend="Give one with --port that nobody else uses.")


def choose_port(host: str, wanted: int | None) -> int:
    """The port asked for, or the usual one, or any that is free. Raises PortTaken only for one asked for."""
    for port in [wanted] if wanted is not None else [USUAL_PORT, 0]:
        with socket.socket() as probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    if wanted is None:
        raise UsageError(
            f"the page cannot listen on {host}", mend=f"Give an address of this machine, such as {LOOPBACK}."
        )
    raise PortTaken(f"port {wanted} on {host} is in use", mend="Give another with --port, or none to take a free one.")


def _uploads_folder(home: Path) -> Path:
    with storage_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=own_prefix(home, "uploads"), dir=home))
