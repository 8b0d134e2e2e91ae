"""Names found by a named-entity model: an extra for people who are in no contact list."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from style_clone.errors import ModelError

Finder = Callable[[str], Iterator[tuple[int, int, str]]]
"""Start and end in characters, and the type, of each name in a text."""

WINDOW_CHARACTERS = 800
"""How much of a text is read at once: some 200 to 400 tokens, below the 512 that models of this kind take."""

_PERSON = re.compile(r"(?:[BILESU]-)?(?:PER|PERSON|NAME)", re.IGNORECASE)
_WINDOW = re.compile(rf"\S.{{0,{WINDOW_CHARACTERS}}}(?!\S)|\S{{1,{WINDOW_CHARACTERS}}}", re.DOTALL)


def load(model: str) -> Finder:
    """A finder of people's names by a token-classification model: a hub id, or a folder with safetensors.

    Its labels for people must be PER, PERSON or NAME, with or without B- and I-. Raises ModelError where there is no such
    model.
    """
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        network = AutoModelForTokenClassification.from_pretrained(model, use_safetensors=True).eval()
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{model} cannot be loaded as a named-entity model: {type(error).__name__}",
            mend="Give the hub id or the folder of a token-classification model in safetensors, with its tokenizer.",
        ) from error
    people = {place for place, label in network.config.id2label.items() if _PERSON.fullmatch(label)}
    if not people or not tokenizer.is_fast:
        raise ModelError(
            f"{model} finds no people: its labels are {', '.join(network.config.id2label.values())}",
            mend="Give a model with a fast tokenizer whose labels have PER, PERSON or NAME.",
        )

    def find(text: str) -> Iterator[tuple[int, int, str]]:
        for window in _WINDOW.finditer(text):
            read = tokenizer(
                window[0], return_offsets_mapping=True, return_tensors="pt", truncation=True, max_length=512
            )
            offsets = read.pop("offset_mapping")[0].tolist()
            with torch.inference_mode():
                labels = network(**read).logits[0].argmax(-1).tolist()
            spans = [tuple(span) for span, label in zip(offsets, labels, strict=True) if label in people]
            yield from (
                (window.start() + start, window.start() + end, "person") for start, end in _joined(window[0], spans)
            )

    return find


def _joined(text: str, spans: list[Any]) -> Iterator[tuple[int, int]]:
    """Pieces of words and words with one character between them as one name, widened to whole words."""
    start = end = -1
    for left, right in spans:
        if left >= right:
            continue
        if end >= 0 and left - end <= 1:
            end = right
            continue
        if end >= 0:
            yield _whole(text, start, end)
        start, end = left, right
    if end >= 0:
        yield _whole(text, start, end)


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return start, end
