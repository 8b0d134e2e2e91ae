"""What a model has written for a persona's pairs: prompts for chunks of documents, and neutral paraphrases.

Both lie in backtranslations.jsonl, one a line, known by the SHA-256 of the author's text they were written for. So they
outlive a new build of the pairs, and hold none of the author's text themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from style_clone.pairs.documents.sentences import sentences
from style_clone.words import count_words
from style_clone.workspace import PersonaFolder

REWRITE_PROMPT = "Say this in your own words: {paraphrase}"
REWRITE_WORDS = range(8, 41)
"""How many words a text has that is asked for in other words: less says too little, more is no longer one thought."""


MOST_REWRITES = 0.25
"""Rewrites as a share of the other train pairs: a fifth of all of them."""


@dataclass(frozen=True)
class Written:
    """Prompts and paraphrases by `chunk_hash` of the text they ask for; those that were rejected are not among them."""

    prompts: Mapping[str, str] = field(default_factory=dict)
    rewrites: Mapping[str, str] = field(default_factory=dict)

    def has_paraphrase(self, reply: str) -> bool:
        """Whether there is a paraphrase of this reply or of a sentence of it."""
        return bool(self.rewrites) and next(self.paraphrases(reply), None) is not None

    def paraphrases(self, reply: str) -> Iterator[tuple[str, str]]:
        """The parts of a reply that have a paraphrase, each with it."""
        for part in rewritable(reply):
            if (paraphrase := self.rewrites.get(chunk_hash(part))) is not None:
                yield part, paraphrase


def load(folder: PersonaFolder) -> Written:
    """What backtranslations.jsonl holds, the last row for a text counting; nothing where there is no such file."""
    prompts: dict[str, str | None] = {}
    rewrites: dict[str, str | None] = {}
    for row in rows(folder):
        kind = rewrites if row.get("kind") == "rewrite" else prompts
        kind[row["sha256"]] = row.get("prompt")
    return Written(_kept(prompts), _kept(rewrites))


def rows(folder: PersonaFolder) -> Iterator[dict[str, Any]]:
    """The rows of backtranslations.jsonl. A line that is no whole row, as a crash may leave one, is passed over."""
    if not folder.backtranslations.exists():
        return
    with folder.backtranslations.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(row, dict) and isinstance(row.get("sha256"), str):
                yield row


def chunk_hash(text: str) -> str:
    """The SHA-256 by which a text of the author's is known, hexadecimal."""
    return sha256(text.encode()).hexdigest()


def rewrite_prompt(paraphrase: str) -> str:
    """The prompt of a pair whose answer says the same in the author's words."""
    return REWRITE_PROMPT.format(paraphrase=paraphrase)


def rewritable(reply: str) -> list[str]:
    """The parts of a reply that can be asked for in other words: all of it where it is short, else its sentences."""
    if count_words(reply) in REWRITE_WORDS:
        return [reply]
    return [sentence for sentence in sentences(reply) if count_words(sentence) in REWRITE_WORDS]


def _kept(found: Mapping[str, str | None]) -> dict[str, str]:
    return {key: text for key, text in found.items() if isinstance(text, str) and text.strip()}
