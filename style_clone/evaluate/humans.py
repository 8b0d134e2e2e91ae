"""The people a scorecard measures between: the author's own replies, and those of other people in the same register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from style_clone.evaluate.replies import Reply

People = Mapping[str, Sequence[Reply]]
"""Replies by who wrote them, in the order of their conversations."""


@dataclass(frozen=True)
class Humans:
    """What the evaluators are fitted on, and the anchors they are read against.

    `judge` is the author's JUDGE replies, `test` their TEST replies (H). Evaluators are fitted on `judge` against the
    impostors in `fitted`; `unseen` are the impostors they have not met (F). Nobody is in both.
    """

    judge: Sequence[Reply]
    test: Sequence[Reply]
    fitted: People
    unseen: People

    @property
    def impostors(self) -> dict[str, Sequence[Reply]]:
        """All of them."""
        return {**self.fitted, **self.unseen}
