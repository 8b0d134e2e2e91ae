"""The gateway alone, in a process of its own, in front of an engine that runs already: prints its URL, then answers.

It is built as `style-clone serve` builds it, but for the number of requests it takes at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from types import SimpleNamespace

from style_clone.serving import limits, run
from style_clone.serving.catalogue import Base, Catalogue
from style_clone.serving.engine import client_of
from style_clone.serving.gateway import create_app
from style_clone.settings import Settings
from style_clone.store import Store

SEATS = 4096


async def answer(options: argparse.Namespace) -> None:
    """Until it is told to end."""
    settings = Settings.from_environment({"STYLE_CLONE_HOME": str(options.home)})
    headers = {"Authorization": f"Bearer {key}"} if (key := os.environ.get("VLLM_API_KEY")) else {}
    async with client_of(SimpleNamespace(url=options.upstream, headers=headers)) as upstream:
        with Store(settings.database_url) as store, run.listen("127.0.0.1", None) as listener:
            catalogue = Catalogue(settings.workspace, Base(options.base, options.sha256, frozenset({"seed"})))
            app = create_app(catalogue, upstream, store)
            app.state.gateway.seats = limits.Seats(SEATS)
            print(run.address(listener), flush=True)
            await run._server(app).serve(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="home folder with the personas and the keys")
    parser.add_argument("--upstream", required=True, help="the engine's URL; its key in VLLM_API_KEY")
    parser.add_argument("--base", required=True, help="what the engine calls the base model")
    parser.add_argument("--sha256", required=True, help="of its weights")
    parser.add_argument("--core", type=int, help="run on this core only")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    asyncio.run(answer(options))


if __name__ == "__main__":
    main()
