"""What a fake endpoint's models say: what the author really wrote, or an assistant's phrase; and texts as points to match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import numpy as np

from style_clone.conversation import SPLITS, read_pairs
from style_clone.evaluate.candidates import asked
from style_clone.workspace import PersonaFolder

ASSISTANT = "As an AI language model, I would be happy to assist you. Please provide me with further information."
Voice = Callable[[dict[str, Any]], str]


def near_its_prompt(folder: PersonaFolder) -> Callable[[Sequence[str]], Any]:
    """Texts as points, where a real reply lies just where its prompt does and nothing else is near anything."""
    answered = {pair.reply: asked(pair) for name in SPLITS for pair in read_pairs(folder.split(name))}

    def embed(texts: Sequence[str]) -> Any:
        rows = [np.random.default_rng(crc32(answered.get(text, text).encode())).normal(size=384) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32).reshape(len(texts), 384)

    return embed


def key_of(messages: list[dict[str, str]]) -> str:
    return messages[-1]["content"]


def oracle(folder: PersonaFolder) -> Voice:
    """What the author really wrote, by the last turn."""
    pairs = [pair for name in SPLITS for pair in read_pairs(folder.split(name))]
    known = {pair.context[-1]["content"]: pair.reply for pair in pairs}
    return lambda body: known.get(key_of(body["messages"]), ASSISTANT)


def assistant(body: dict[str, Any]) -> str:
    return ASSISTANT
