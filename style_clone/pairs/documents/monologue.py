"""The prompt of a chunk: a question or heading of its own, else what a model wrote, else a template.

A heading that a chunk shares with the rest of a long essay says little about it, so a prompt that a model wrote for this
chunk alone goes before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256

from style_clone.conversation import AskedBy
from style_clone.pairs.documents.chunking import Chunk
from style_clone.pairs.documents.written import chunk_hash
from style_clone.words import share_run, words

GIVEN_AWAY_RUN_WORDS = 6
MAX_TOPIC_CHARACTERS = 120

TOPIC_PROMPTS = ("Write about: {topic}", "Tell me about: {topic}", "What have you got to say about this? {topic}")
FREE_PROMPTS = ("Write something.", "Write a few lines about whatever is on your mind.", "Go on, tell me something.")

_REPLY_MARKS = re.compile(r"^(?:(?:re|fwd?|aw|wg|sv|tr)\s*:\s*|\[[^\]]*\]\s*)+", re.IGNORECASE)
_QUESTION = re.compile(r"[?？][\"'”’»)]*$")
_SAYS_NOTHING = frozenset(
    words(
        "untitled introduction conclusion contents chapter part section note notes preface foreword appendix misc "
        "miscellaneous draft document post letter page p s ps postscript no subject none"
    )
)


def prompt_for(chunk: Chunk, identity: str, written: Mapping[str, str]) -> tuple[str, AskedBy]:
    """The best prompt there is, and where it comes from; never one with six words of the target in a row.

    `identity` chooses among templates: the same prompt for it in every build. `written` holds prompts that a model
    wrote, by `chunk_hash` of the text they ask for.
    """
    choice = int(sha256(identity.encode()).hexdigest(), 16)
    return next(
        (prompt, asked_by)
        for prompt, asked_by in _candidates(chunk, choice, written)
        if not share_run(prompt, chunk.text, GIVEN_AWAY_RUN_WORDS)
    )


def _candidates(chunk: Chunk, choice: int, written: Mapping[str, str]) -> Iterator[tuple[str, AskedBy]]:
    """Prompts from the best down. The last has two words, so it never gives six away."""
    if asked := _topic(chunk.asked):
        yield _asking(asked, choice), "text"
    if prompt := written.get(chunk_hash(chunk.text)):
        yield prompt, "model"
    if topic := _topic(chunk.topic):
        yield _asking(topic, choice), "template"
    yield FREE_PROMPTS[choice % len(FREE_PROMPTS)], "template"
    yield FREE_PROMPTS[0], "template"


def _asking(topic: str, choice: int) -> str:
    """A question as it stands; any other topic in a sentence that asks for it."""
    return topic if _QUESTION.search(topic) else TOPIC_PROMPTS[choice % len(TOPIC_PROMPTS)].format(topic=topic)


def _topic(topic: str | None) -> str:
    """A heading, title or subject without reply marks; nothing where it says nothing, as "Untitled" or "Part 2" do."""
    topic = _REPLY_MARKS.sub("", " ".join((topic or "").split())).strip()[:MAX_TOPIC_CHARACTERS]
    telling = [word for word in words(topic) if not word.isdigit() and word not in _SAYS_NOTHING]
    return topic if telling else ""
