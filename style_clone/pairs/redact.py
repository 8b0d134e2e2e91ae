"""Redaction: what gives people away becomes a typed placeholder, the same for the same person all through a persona.

Secrets, addresses and numbers are known by their form (`masks`, `numbers`), people by the corpus's own list (`people`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from style_clone.conversation import Message
from style_clone.errors import StorageError, UsageError
from style_clone.pairs.masking.contacts import vocabulary, words_of
from style_clone.pairs.masking.masks import SECRET_WORDS, by_form, named_secrets
from style_clone.pairs.masking.people import Names
from style_clone.persona import fold_name
from style_clone.workspace import PersonaFolder, read_json, write_json

TYPES = ("secret", "email", "phone", "card", "iban", "address", "url", "id", "person", "word")
"""What is masked. A placeholder is a type in angle brackets; a person's has the contact's number: <person-3>."""

PLACEHOLDER = re.compile(rf"<(?P<type>{'|'.join(TYPES)})(?:-\d+)?>")
"""A placeholder, in a text that may have been redacted before."""

Entities = Callable[[str], Iterable[tuple[int, int, str]]]
"""Finds further spans of a text, with one of TYPES each: a named-entity model, for example."""

_HINT = re.compile(r"[0-9@/(\[]")
_HINTS = vocabulary("www dot begin hf sk pk rk ghp gho ghu ghs ghr glpat npm xoxb xoxp")


@dataclass(frozen=True)
class Policy:
    """What the user wants masked or kept.

    `words` are masked as <word>, whole and in any case; `keep` is never masked: an address, a number, a name, or a host whose
    pages stay; `off` are types that are not masked at all. Secrets are masked whatever `keep` and `off` say.
    """

    words: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    off: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.off:
            if name not in TYPES:
                raise UsageError(f"{name!r} is no type of redaction", mend=f"The types are: {', '.join(TYPES)}.")
        if "secret" in self.off:
            raise UsageError(
                "secrets are always masked", mend="Keys, tokens and passwords in training pairs come out of the clone."
            )

    @classmethod
    def load(cls, folder: PersonaFolder) -> Policy:
        """Read redaction.json; the defaults where there is none. Raises StorageError where it is damaged."""
        if not folder.redaction.exists():
            return cls()
        try:
            row = read_json(folder.redaction)
            lists = {name: row.get(name, []) for name in asdict(cls())}
            if not all(
                isinstance(each, list) and all(isinstance(word, str) for word in each) for each in lists.values()
            ):
                raise TypeError("its fields must be lists of words")
            return cls(**{name: tuple(each) for name, each in lists.items()})
        except (AttributeError, TypeError, UsageError, StorageError) as error:
            raise StorageError(
                f"{folder.redaction} is damaged: {getattr(error, 'problem', error)}",
                mend=f"Mend or delete it, then say what to mask with: style-clone redact {folder.slug} --add WORD",
            ) from error

    def save(self, folder: PersonaFolder) -> None:
        """Write redaction.json, all or nothing. Raises StorageError."""
        write_json(folder.redaction, asdict(self))


def people_in(messages: Iterable[Message]) -> list[str]:
    """Every author's and recipient's name, most messages first, equals by name."""
    counts: Counter[str] = Counter()
    for message in messages:
        counts[message.author] += 1
        if message.recipient:
            counts[message.recipient] += 1
    return [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if name]


def contacts_of(people: Sequence[str], aliases: Sequence[str]) -> list[str]:
    """The names of `people` in order without the author's and without repetitions: <person-1> is the first of them."""
    contacts: dict[str, str] = {}
    for name in people:
        contacts.setdefault(fold_name(name), name)
    for name in aliases:
        contacts.pop(fold_name(name), None)
    return list(contacts.values())


class Redactor:
    """Masks one text after the other, and counts what it masked.

    `people` is every author's and recipient's name in the corpus, most messages first; `aliases` are the author's own names,
    which stay. `entities` may find further spans; types it does not share with TYPES are passed over.
    """

    def __init__(
        self, policy: Policy, people: Sequence[str], aliases: Sequence[str], *, entities: Entities | None = None
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._keep = frozenset(map(fold_name, policy.keep))
        self._off = frozenset(policy.off)
        contacts = contacts_of(people, aliases) if "person" not in self._off else []
        words = policy.words if "word" not in self._off else ()
        self._labels = {fold_name(name): f"<person-{number}>" for number, name in enumerate(contacts, start=1)}
        self._names = Names(contacts, aliases, words, self._keep)
        self._entities = entities
        self._triggers = self._names.triggers | SECRET_WORDS | _HINTS

    def __call__(self, text: str) -> str:
        """`text` with placeholders for what gives people away; a text that is redacted already comes back as it is."""
        if self._triggers.isdisjoint(words_of(text)) and not _has_a_mark(text) and self._entities is None:
            return text
        while (masked := self._pass(text)) != text:  # each pass leaves less to mask, so that this ends
            text = masked
        return text

    def label(self, name: str) -> str:
        """What stands for a whole name that only says who speaks: the contact's placeholder, or the name where it stays."""
        folded = fold_name(name)
        return name if folded in self._keep else self._labels.get(folded, name)

    def _pass(self, text: str) -> str:
        """One round of masking: of spans that overlap, the surest."""
        taken = bytearray(len(text))
        for match in PLACEHOLDER.finditer(text):
            taken[match.start() : match.end()] = b"\1" * len(match[0])
        found: list[tuple[int, int, str]] = []
        for start, end, placeholder in self._spans(text):
            if start < end and taken.find(1, start, end) < 0:
                taken[start:end] = b"\1" * (end - start)
                found.append((start, end, placeholder))
        pieces, at = [], 0
        for start, end, placeholder in sorted(found):
            pieces += [text[at:start], placeholder]
            at = end
            self.counts[type_of(placeholder)] += 1
        return "".join(pieces) + text[at:]

    def _spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        """What is to be masked, with its placeholder, the surest first."""
        words = set(words_of(text))
        if not SECRET_WORDS.isdisjoint(words):
            yield from self._wanted(text, named_secrets(text))
        if _has_a_mark(text) or not _HINTS.isdisjoint(words):
            yield from self._wanted(text, by_form(text, words))
        if not self._names.triggers.isdisjoint(words):
            for name in self._names.find(text):
                if fold_name(text[name.start : name.end]) not in self._keep:
                    yield name.start, name.end, name.placeholder
        if self._entities is not None:
            yield from self._wanted(text, self._entities(text))

    def _wanted(self, text: str, spans: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
        """The spans whose type is on and whose text is not to be kept."""
        for start, end, kind in spans:
            if kind == "secret" or (
                kind in TYPES and kind not in self._off and not self._is_kept(text[start:end], kind)
            ):
                yield start, end, f"<{kind}>"

    def _is_kept(self, found: str, kind: str) -> bool:
        if not self._keep:
            return False
        return fold_name(found) in self._keep or (kind == "url" and _host(found) in self._keep)


def _has_a_mark(text: str) -> bool:
    """Whether `text` has a character without which nothing is known by its form, or a key that may do without them."""
    return _HINT.search(text) is not None or "AKIA" in text or "AIza" in text


def type_of(placeholder: str) -> str:
    """The type of a placeholder: "person" of "<person-3>"."""
    return placeholder.strip("<>").partition("-")[0]


def _host(url: str) -> str:
    """The host a URL names, without www; empty where it names none."""
    try:
        host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")


def is_all_masked(text: str) -> bool:
    """Whether no word is left beside the placeholders in `text`, and there is one."""
    return "<" in text and PLACEHOLDER.search(text) is not None and not words_of(PLACEHOLDER.sub(" ", text))
