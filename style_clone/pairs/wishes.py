"""What the user wants of the pairs, gathered from the persona's folder: edits, masks, prompts a model wrote."""

from __future__ import annotations

from dataclasses import dataclass

from style_clone.pairs.documents.written import Written, load
from style_clone.pairs.edits import Edits
from style_clone.pairs.redact import Policy
from style_clone.workspace import PersonaFolder


@dataclass(frozen=True)
class Wishes:
    """What is kept beside the messages and asked for at every build."""

    edits: Edits
    policy: Policy
    written: Written

    @classmethod
    def of(cls, folder: PersonaFolder) -> Wishes:
        """The persona's. Raises StorageError where a file is damaged."""
        return cls(Edits.load(folder), Policy.load(folder), load(folder))
