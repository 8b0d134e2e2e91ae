"""Votes come after the scorecard: when a ballot is complete, its votes and the verdict are brought up to date."""

from __future__ import annotations

from style_clone.evaluate.blind import tally
from style_clone.evaluate.page.run import write_page
from style_clone.evaluate.verdict import verdict
from style_clone.store import Store
from style_clone.workspace import PersonaFolder, read_json, write_json


def recount(store: Store, folder: PersonaFolder) -> None:
    """Put the votes there are into the persona's full scorecard, if it has one, and judge again. Raises StorageError."""
    if not folder.scorecard.exists() or (scorecard := read_json(folder.scorecard))["kind"] != "full":
        return
    scorecard["votes"] = tally(store, folder)
    scorecard["verdict"] = verdict(scorecard)
    write_json(folder.scorecard, scorecard)
    write_page(folder, scorecard)
