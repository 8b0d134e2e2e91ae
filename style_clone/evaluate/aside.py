"""A home folder that lasts for one measurement, so that an endpoint of its own serves what is measured and nothing else.

What is asked the most there is the base model, plain and prompted, and an engine that has room for adapters is not
compiled on a CPU. So, where memory allows, base and persona get an engine each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from style_clone.settings import ServeAs, Settings
from style_clone.workspace import PersonaFolder, Workspace, own_prefix, storage_errors

_NOT_ASKED_FOR = {"raw", "runs"}
"""What is in a persona's folder and nothing that an endpoint reads."""


@contextmanager
def home_aside(settings: Settings, folder: PersonaFolder, purpose: str, serve_as: ServeAs) -> Iterator[Settings]:
    """Settings of a home folder with the same base models and no personas, for the block; logs go to logs/`purpose`.

    It lies in the persona's own folder, so that deleting the persona takes it along should this process be killed. Raises
    StorageError.
    """
    workspace = settings.workspace
    logs = workspace.logs / purpose  # those of an endpoint that runs beside this one stay its own
    with tempfile.TemporaryDirectory(dir=folder.root, prefix=own_prefix(folder.root, purpose)) as made:
        home = Workspace(Path(made))
        with storage_errors(home.home):
            for ours, theirs in ((home.models, workspace.models), (home.logs, logs)):
                theirs.mkdir(parents=True, exist_ok=True)
                ours.symlink_to(theirs.resolve())
        yield replace(settings, home=home.home, database_url=home.database_url, endpoint_url=None, serve_as=serve_as)


@contextmanager
def alone(settings: Settings, folder: PersonaFolder) -> Iterator[Settings]:
    """Settings of such a home for an evaluation, with this persona as it is in it. Raises StorageError."""
    with home_aside(settings, folder, "evaluate", "apart") as aside:
        mine = aside.workspace.folder(folder.slug).root
        with storage_errors(mine):
            mine.mkdir(parents=True)
            for theirs in folder.root.iterdir():
                if not theirs.name.startswith(".") and theirs.name not in _NOT_ASKED_FOR:
                    (mine / theirs.name).symlink_to(theirs.resolve())
        yield aside
