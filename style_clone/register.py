"""Registers: one clone, and how its author writes to one contact or another.

Who somebody talks to changes how they write. Each contact with enough train pairs gets a register: a line in the prompt
that names the contact. Training puts the line above half of the contact's conversations, so that the clone can be asked
with it and without. run.json keeps what was trained, as `{recipient: label}`, and nothing else is offered.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from style_clone.conversation import Pair
from style_clone.errors import StorageError
from style_clone.persona import fold_name
from style_clone.workspace import PersonaFolder, read_json

LEAST_PAIRS = 20
"""A contact needs as many train pairs as training needs at all: fewer do not show a register."""
MOST_CHARACTERS = 60
"""Of a name that may stand in a prompt."""
NO_NAMES_HOLD = frozenset("@[]<>{}|")
"""An address, a mask left by redaction or a model's control token does."""

Registers = Mapping[str, str]
"""What each contact with a register is called in the prompt, by the name the pairs give as recipient."""


def registers_of(pairs: Iterable[Pair]) -> dict[str, str]:
    """The registers that train pairs are enough for; none where everything was written to one contact.

    Spellings of a name that differ in case or spaces are one contact. A group's pairs have no recipient, so no register;
    neither has a contact known by a number or an address alone.
    """
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in pairs:
        spellings[fold_name(pair.recipient or "")][" ".join((pair.recipient or "").split())] += 1
    if len(spellings) < 2:
        return {}
    names = {folded: max(sorted(found), key=found.__getitem__) for folded, found in spellings.items() if folded}
    called = short_names(names.values())
    enough = [name for folded, name in names.items() if spellings[folded].total() >= LEAST_PAIRS and _can_be_said(name)]
    return {name: called[name] for name in sorted(enough)}


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each name shortened to its first word, where that can stand for the person and no other name begins with it."""
    names = list(names)
    firsts = Counter(fold_name(name).split(" ")[0] for name in names)
    return {
        name: first if firsts[fold_name(first := name.split(" ")[0])] == 1 and _is_a_name(first) else name
        for name in names
    }


def lines_of(pairs: Iterable[Pair], registers: Registers) -> dict[str, str]:
    """The conversations whose prompt names the contact, and by which label: half of each contact's, drawn by a hash.

    The half is rounded up, so that every register stands somewhere. A conversation with pairs to different people gets
    no line: its pairs share one prompt.
    """
    labels = {fold_name(recipient): label for recipient, label in registers.items()}
    spoken_to: dict[str, set[str | None]] = defaultdict(set)
    for pair in pairs:
        spoken_to[pair.conversation].add(labels.get(fold_name(pair.recipient or "")))
    held: dict[str, list[str]] = defaultdict(list)
    for conversation, found in spoken_to.items():
        label, *others = found
        if label is not None and not others:
            held[label].append(conversation)
    return {conversation: label for label, all_of_it in held.items() for conversation in _half(all_of_it)}


def label_of(registers: Registers, name: str | None) -> str | None:
    """The label of the register that `name` chooses, by the contact's whole name or label, whatever the case."""
    wanted = fold_name(name or "")
    found = (label for recipient, label in registers.items() if wanted in (fold_name(recipient), fold_name(label)))
    return next(found, None) if wanted else None


def load(folder: PersonaFolder) -> Registers:
    """The registers the persona's adapter was trained with; none without an adapter. Raises StorageError."""
    path = folder.adapter / "run.json"
    if not path.exists():
        return {}
    row = read_json(path)
    registers = from_json(row.get("registers", {})) if isinstance(row, dict) else None
    if registers is None:
        raise StorageError(
            f"{path} is not as this version writes it: registers", mend=f"Train again: style-clone train {folder.slug}"
        )
    return registers


def from_json(value: Any) -> Registers | None:
    """Registers as run.json and the endpoint's list of models give them; None where it is something else."""
    if isinstance(value, dict) and all(isinstance(part, str) for item in value.items() for part in item):
        return value
    return None


def _half(conversations: Sequence[str]) -> list[str]:
    scattered = sorted(conversations, key=lambda name: sha256(name.encode()).digest())
    return scattered[: (len(scattered) + 1) // 2]


def _can_be_said(name: str) -> bool:
    return len(name) <= MOST_CHARACTERS and any(map(str.isalpha, name)) and NO_NAMES_HOLD.isdisjoint(name)


def _is_a_name(first: str) -> bool:
    """Whether a first word can stand for the person: not "Dr.", "+44", "~" or "Lee,"."""
    return len(first) > 2 and first[0].isalpha() and first[-1].isalnum()
