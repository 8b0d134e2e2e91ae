"""Prose -> drafts of pairs: chunks of 20 to 120 words at paragraph boundaries, asked for by title or heading."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from math import ceil

from style_clone.conversation import Message, Pair
from style_clone.pairs.drafts import Draft, Ledger, key_of
from style_clone.pairs.filters import MAX_REPLY_WORDS
from style_clone.pairs.turns import Utterance
from style_clone.words import count_words, share_run

MIN_CHUNK_WORDS = 20
GOOD_CHUNK_WORDS = 60
MAX_CHUNK_WORDS = 120
MIN_WHOLE_WORDS = 5
HALF_A_SENTENCE_WORDS = 10
TOO_SHORT = f"under {MIN_WHOLE_WORDS} words with nobody to answer"
GIVEN_AWAY_RUN_WORDS = 6
MAX_TOPIC_CHARACTERS = 120

TOPIC_PROMPTS = ("Write about: {topic}", "Tell me about: {topic}", "What have you got to say about this? {topic}")
FREE_PROMPTS = ("Write something.", "Write a few lines about whatever is on your mind.", "Go on, tell me something.")

_HEADING = re.compile(r"#{1,6}\s+(.+?)\s*#*$")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])")
_REPLY_MARKS = re.compile(r"^(?:(?:re|fwd?|aw|wg|sv|tr)\s*:\s*|\[[^\]]*\]\s*)+", re.IGNORECASE)


def draft_prose(message: Message, unit: str, ledger: Ledger) -> Iterator[Draft]:
    """Drafts of one document or long message; where there are none, the reason goes into the ledger."""
    key = key_of(message)
    parts = chunks(message.text, message.title)
    if not parts:
        ledger.drop([key], TOO_SHORT)
    for number, (topic, text) in enumerate(parts, start=1):
        yield Draft(_pair(message, unit, f"{message.id}#{number}", topic, text), (key,))


def draft_post(utterance: Utterance, unit: str, ledger: Ledger) -> Iterator[Draft]:
    """The draft of what the author wrote where nobody else writes: a mail without answer, a channel, a note."""
    keys = tuple(key_of(message) for message in utterance.messages)
    first = utterance.messages[0]
    size = count_words(utterance.text)
    if not MIN_WHOLE_WORDS <= size <= MAX_REPLY_WORDS:
        ledger.drop(keys, TOO_SHORT if size < MIN_WHOLE_WORDS else f"over {MAX_REPLY_WORDS} words")
        return
    yield Draft(_pair(first, unit, first.id, first.title, utterance.text), keys)


def _pair(message: Message, unit: str, pair_id: str, topic: str | None, text: str) -> Pair:
    prompt = prompt_for(topic, text, pair_id)
    return Pair(
        turns=({"role": "user", "content": prompt}, {"role": "assistant", "content": text}),
        id=pair_id,
        conversation=unit,
        origin="document",
        source=message.source,
        channel=message.channel,
        date=message.date.isoformat() if message.date else None,
        recipient=message.recipient,
    )


def prompt_for(topic: str | None, target: str, pair_id: str) -> str:
    """One of the fixed prompts, chosen by the pair's id. A topic with six words of the target in a row is not named."""
    choice = int(sha256(pair_id.encode()).hexdigest(), 16)
    topic = _REPLY_MARKS.sub("", topic or "").strip()[:MAX_TOPIC_CHARACTERS]
    if topic:
        prompt = TOPIC_PROMPTS[choice % len(TOPIC_PROMPTS)].format(topic=topic)
        if not share_run(prompt, target, GIVEN_AWAY_RUN_WORDS):
            return prompt
    return next(free for free in _from(FREE_PROMPTS, choice) if not share_run(free, target, GIVEN_AWAY_RUN_WORDS))


def _from(prompts: tuple[str, ...], choice: int) -> tuple[str, ...]:
    start = choice % len(prompts)
    return prompts[start:] + prompts[:start]


def chunks(text: str, title: str | None) -> list[tuple[str | None, str]]:
    """Topic and text of each chunk. Leftovers under 20 words are left out, unless the whole text is that short."""
    sections = list(_sections(text, title))
    found = [
        (topic, chunk)
        for topic, body in sections
        for chunk in _packed(_pieces(body))
        if count_words(chunk) >= MIN_CHUNK_WORDS
    ]
    whole = "\n\n".join(body for _, body in sections)
    return found or [(title, chunk) for chunk in _packed(_pieces(whole)) if count_words(chunk) >= MIN_WHOLE_WORDS]


def _sections(text: str, title: str | None) -> Iterator[tuple[str | None, str]]:
    """The text under each Markdown heading, with the nearest heading above it or else the title."""
    topic, lines = title, list[str]()
    for line in text.splitlines():
        heading = _HEADING.match(line)
        if heading:
            if any(lines):
                yield topic, "\n".join(lines)
            topic, lines = heading[1], []
        else:
            lines.append(line)
    if any(lines):
        yield topic, "\n".join(lines)


def _pieces(body: str) -> Iterator[str]:
    """Paragraphs; those too long for a chunk in even runs of sentences, and sentences too long in runs of words."""
    for paragraph in re.split(r"\n\s*\n", body.strip()):
        size = count_words(paragraph)
        if size <= MAX_CHUNK_WORDS:
            yield paragraph.strip()
        else:
            parts = ceil(size / MAX_CHUNK_WORDS)
            yield from _filled(_short_sentences(paragraph), " ", enough=ceil(size / parts) - HALF_A_SENTENCE_WORDS)


def _short_sentences(paragraph: str) -> Iterator[str]:
    for sentence in _sentences(paragraph):
        if count_words(sentence) <= MAX_CHUNK_WORDS:
            yield sentence
        else:
            yield from _filled(sentence.split(), " ")


def _sentences(paragraph: str) -> Iterator[str]:
    start = 0
    for end in _SENTENCE_END.finditer(paragraph):
        yield paragraph[start : end.end()].strip()
        start = end.end()
    if paragraph[start:].strip():
        yield paragraph[start:].strip()


def _packed(pieces: Iterable[str]) -> list[str]:
    """Short paragraphs together, until there are 60 words or the next would make more than 120."""
    packed = list(_filled(pieces, "\n\n", enough=GOOD_CHUNK_WORDS))
    if len(packed) > 1:
        joined = "\n\n".join(packed[-2:])
        if count_words(packed[-1]) < MIN_CHUNK_WORDS and count_words(joined) <= MAX_CHUNK_WORDS:
            packed[-2:] = [joined]
    return packed


def _filled(parts: Iterable[str], joint: str, enough: int = MAX_CHUNK_WORDS) -> Iterator[str]:
    held: list[str] = []
    size = 0
    for part in parts:
        length = count_words(part)
        if held and (size >= enough or size + length > MAX_CHUNK_WORDS):
            yield joint.join(held)
            held, size = [], 0
        held.append(part)
        size += length
    if held:
        yield joint.join(held)
