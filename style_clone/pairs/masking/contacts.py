"""Contacts as address books, mail headers and chats write them, taken apart into the forms their names have in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal


def vocabulary(text: str) -> frozenset[str]:
    """A list of words written as a text."""
    return frozenset(text.split())


Kind = Literal["full", "listed", "handle", "surname", "first", "word", "own"]
KINDS: tuple[Kind, ...] = ("full", "listed", "handle", "surname", "first")
"""The forms a contact's name has, the surest first."""

_IDEOGRAPH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
TOKEN = re.compile(rf"[{_IDEOGRAPH}]|[^\W_{_IDEOGRAPH}]+")
"""A word as names are compared: letters and digits; where a script puts no spaces, each character is one."""
_FOLDED = str.maketrans({chr(code): chr(code).lower() if chr(code).isalnum() else " " for code in range(128)})

_ASIDE = re.compile(r"[(\[][^)\]]*[)\]]|[<].*\Z")
_SEVERAL = re.compile(r"\s*(?:&|\+|/|;|\b(?:and|und|et)\b)\s*", re.IGNORECASE)
_TITLES = vocabulary(
    "mr mrs ms miss mx dr prof professor sir dame lord lady rev reverend messrs herr frau m mme mlle sr sra don "
    "doña dott uncle aunt auntie aunty cousin onkel tante tonton tía tío"
)
_SUFFIXES = vocabulary("jr sr ii iii iv phd md msc ba ma esq")
_PARTICLES = vocabulary("van von der den de del della di da dos du la le ten ter zu zum el al bin ibn")
_LABELS = vocabulary(
    "mum mom mummy mommy dad daddy mama papa mutti vati maman oma opa mamá papá gran granny grandma grandpa nan "
    "nana boss chef me you ich yo moi myself work home office mobile cell phone new old landlord landlady doctor "
    "dentist plumber taxi uni school admin support info system unknown bot service sales help news mail email "
    "root user guest anonymous nobody"
)
_GROUP_WORDS = vocabulary(
    "address recipients undisclosed device group team family club list chat class the crew committee council "
    "project gang lads girls boys friends familie gruppe verein famille groupe equipo grupo familia inc ltd llc "
    "gmbh company corp university department office"
)
_MOST_WORDS = 5
_LEAST_HANDLE = 3


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a name: its words in lower case, and after how many of them a comma stands ("Last, First"), if any."""

    kind: Kind
    words: tuple[str, ...]
    comma: int = 0


def words_of(text: str) -> list[str]:
    """The words of `text` in lower case, letters and digits only."""
    return text.translate(_FOLDED).split() if text.isascii() else TOKEN.findall(text.lower())


def forms(contact: str) -> Iterator[Form]:
    """The forms of a contact's name, or names ("Ann and Bob Hale"); none for a number, an address or a group."""
    plain = _ASIDE.sub(" ", contact.strip().strip("()'\""))
    if "@" in plain:
        return
    for part in _SEVERAL.split(plain):
        for name in _named(part):
            yield from _forms(name)


def _named(text: str) -> Iterator[list[str]]:
    """The names in "Ann Hale", "Hale, Ann" or "Ann Hale, Bob Lee", as words, without titles, labels and pictures."""
    pieces = [kept for piece in text.split(",") if (kept := _kept(piece))]
    if len(pieces) == 2 and min(map(len, pieces)) == 1:
        last, first = pieces
        pieces = [[*first, *last]]
    yield from pieces


def _kept(text: str) -> list[str]:
    """The words of one name, without what only says who somebody is."""
    parts = [part.strip(".'\"~-_*!?") for part in text.split()]
    parts = [part for part in parts if any(map(str.isalpha, part)) and part.lower() not in _LABELS]
    while parts and parts[0].lower() in _TITLES:
        parts = parts[1:]
    while parts and parts[-1].lower() in _SUFFIXES:
        parts = parts[:-1]
    return parts


def _forms(name: Sequence[str]) -> Iterator[Form]:
    if not name or any(part.lower() in _GROUP_WORDS for part in name):
        return
    if len(name) == 1:
        yield from _single(name[0])
        return
    if max(map(len, name)) >= 3:
        yield Form("full", _words(*name))
    capitals = {not part[:1].islower() for part in name if part.lower() not in _PARTICLES}
    if len(name) > _MOST_WORDS or len(capitals) > 1:  # "Friday football": more likely no person
        return
    surname_at = next((at for at in range(1, len(name) - 1) if name[at].lower() in _PARTICLES), len(name) - 1)
    first, surname = _words(name[0]), _words(*name[surname_at:])
    last = _words(name[-1])
    yield Form("full", (*first, *surname))
    yield Form("listed", (*surname, *first), comma=len(surname))
    if len(first[0]) > 1:
        yield Form("surname", (first[0][0], *surname))
        yield Form("first", first)
    for words in {surname, last}:
        if len("".join(words)) >= 3:
            yield Form("surname", words)


def _single(name: str) -> Iterator[Form]:
    """A first name such as "Ann", or a handle such as "ann_lee84"."""
    words = _words(name)
    plain = name.replace("-", "").replace("'", "")
    if plain.isalpha() and (name[1:].islower() or not name.isascii()) and len(name) > 1:
        yield Form("first" if name.isascii() or len(words) == 1 else "handle", words)
    elif len(name) >= _LEAST_HANDLE:
        yield Form("handle", words)


def _words(*parts: str) -> tuple[str, ...]:
    return tuple(word for part in parts for word in words_of(part))
