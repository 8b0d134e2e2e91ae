"""The prompted baseline: what a careful prompt alone can do, made from train pairs only.

A style guide computed from the author's replies and six real exemplars; the clone has to beat this, so it is made fair.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from math import sqrt
from typing import Any

from style_clone.conversation import Pair, read_pairs
from style_clone.errors import MissingStage
from style_clone.persona import Persona
from style_clone.prompt import Prompt, clone_system
from style_clone.words import count_words
from style_clone.workspace import PersonaFolder, file_hash, read_json, write_json

MAX_CHARACTERS = 5000
MAX_WORDS = 900
EXEMPLARS = 6
MAX_EXEMPLAR_CHARACTERS = 400
MAX_LOOKED_AT = 40

Exemplar = tuple[str, str]


def build(folder: PersonaFolder) -> Prompt:
    """Write baseline.json from the train pairs. Raises MissingStage without them, StorageError if not saved."""
    from style_clone.styleguide.notes import describe

    train = folder.split("train")
    if not train.exists():
        raise MissingStage(f"{folder.slug} has no pairs yet", mend=f"Make them with: style-clone pairs {folder.slug}")
    pairs = read_pairs(train)
    author = Persona.load(folder).author
    notes = describe([pair.reply for pair in pairs], _other_peoples(pairs)) if pairs else []
    prompt = within_budget(Prompt(system_prompt(author, notes), exemplars(pairs)))
    save(folder, prompt)
    return prompt


def save(folder: PersonaFolder, prompt: Prompt) -> None:
    """Let `prompt`, made from the train pairs there are, be the baseline. Raises StorageError if not saved."""
    write_json(folder.baseline, {"train_sha256": file_hash(folder.split("train")), **_to_json(prompt)})


def load(folder: PersonaFolder) -> Prompt:
    """The baseline as `build` left it. Raises MissingStage where it is absent or made from older pairs."""
    if not folder.baseline.exists():
        raise _missing(folder, "has no prompted baseline yet")
    row: dict[str, Any] = read_json(folder.baseline)
    train = folder.split("train")
    if train.exists() and file_hash(train) != row["train_sha256"]:
        raise _missing(folder, "has a prompted baseline made from older pairs")
    return Prompt(row["system"], tuple((asked, answered) for asked, answered in row["exemplars"]))


def system_prompt(author: str, notes: Sequence[str]) -> str:
    """The clone's own system prompt, and below it the style guide."""
    if not notes:
        return clone_system(author)
    guide = "\n".join(f"- {note}" for note in notes)
    return (
        f"{clone_system(author)} Answer the last message as {author} would, and stop.\n\nHow {author} writes:\n{guide}"
    )


def exemplars(pairs: Sequence[Pair]) -> tuple[Exemplar, ...]:
    """Six exchanges of train: typical in their letters, from short to long, of different conversations. Deterministic.

    Prose only where there are no replies. Each is the last user turn and the reply.
    """
    replies = [pair for pair in pairs if pair.origin == "reply"] or list(pairs)
    short = [pair for pair in replies if len(pair.context[-1]["content"]) + len(pair.reply) <= MAX_EXEMPLAR_CHARACTERS]
    by_length = sorted(short, key=lambda pair: (count_words(pair.reply), pair.id))
    typical = _trigrams(pair.reply for pair in pairs)
    chosen: list[Pair] = []
    for number in range(EXEMPLARS):
        part = by_length[number * len(by_length) // EXEMPLARS : (number + 1) * len(by_length) // EXEMPLARS]
        used = {pair.conversation for pair in chosen}
        looked_at = sorted(part, key=lambda pair: sha256(pair.id.encode()).digest())[:MAX_LOOKED_AT]
        fresh = [pair for pair in looked_at if pair.conversation not in used] or looked_at
        if fresh:
            chosen.append(max(fresh, key=lambda pair: _cosine(_trigrams([pair.reply]), typical)))
    return tuple((pair.context[-1]["content"], pair.reply) for pair in chosen)


def within_budget(prompt: Prompt) -> Prompt:
    """The prompt with its longest exemplars left out until it has at most 5,000 characters and 900 words."""
    kept = list(prompt.exemplars)
    while kept and not _fits(prompt.system, kept):
        kept.remove(max(kept, key=lambda pair: len(pair[0]) + len(pair[1])))
    return Prompt(_cut(prompt.system), tuple(kept))


def _fits(system: str, kept: Sequence[Exemplar]) -> bool:
    text = "\n".join([system, *(part for pair in kept for part in pair)])
    return len(text) <= MAX_CHARACTERS and count_words(text) <= MAX_WORDS


def _cut(system: str) -> str:
    """Whole lines from the top while they fit."""
    lines = system.splitlines()
    while len(lines) > 1 and not _fits("\n".join(lines), []):
        lines.pop()
    return "\n".join(lines)


def _other_peoples(pairs: Iterable[Pair]) -> list[str]:
    """What was said to the author just before each reply: every other person's message about once."""
    return [pair.context[-1]["content"] for pair in pairs if pair.origin == "reply"]


def _trigrams(texts: Iterable[str]) -> Counter[str]:
    return Counter(text[at : at + 3] for text in texts for at in range(len(text) - 2))


def _cosine(first: Counter[str], second: Counter[str]) -> float:
    shared = sum(count * second[gram] for gram, count in first.items())
    return shared / (_norm(first) * _norm(second) or 1.0)


def _norm(counts: Counter[str]) -> float:
    return sqrt(sum(count * count for count in counts.values()))


def _to_json(prompt: Prompt) -> dict[str, Any]:
    return {"system": prompt.system, "exemplars": [list(pair) for pair in prompt.exemplars]}


def _missing(folder: PersonaFolder, what: str) -> MissingStage:
    return MissingStage(f"{folder.slug} {what}", mend=f"Make it with: style-clone pairs {folder.slug}")
