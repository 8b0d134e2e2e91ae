"""Somebody's own spelling: usual misspellings, swapped letters, left-out apostrophes."""

from __future__ import annotations

import re
from collections import Counter

MIN_COUNT = 2
SHOWN = 6

NO_APOSTROPHE = re.compile(
    "im|ive|dont|cant|wont|didnt|doesnt|isnt|wasnt|couldnt|wouldnt|shouldnt|thats|whats|youre|theyre|theres|lets"
)
_MISSPELT = re.compile(
    "accross|acheive|adress|alot|arguement|becuase|begining|beleif|beleive|calender|commited|concious|definately|"
    "dissapoint|embarass|enviroment|existance|foriegn|freind|goverment|happend|immediatly|independant|knowlege|"
    "neccessary|noticable|occassion|occured|occurence|probly|realy|recieve|rember|seperate|succesful|suprise|thier|"
    "tommorow|tomorow|truely|untill|wierd|wich|writting"
)
_REAL_WORDS = frozenset(("form", "quite", "quiet", "trail", "trial", "own", "won", "who", "how", "two", "tow"))


def typos(own: Counter[str], other: Counter[str]) -> list[str]:
    """Misspellings among the words of `own` that occur twice and more, most frequent first."""
    frequent = [word for word, count in own.most_common() if count >= MIN_COUNT]
    return [word for word in frequent if _MISSPELT.fullmatch(word) or _is_slip(word, own, other)][:SHOWN]


def bare_contractions(own: Counter[str]) -> list[str]:
    """Contractions written without their apostrophe twice and more, most frequent first."""
    return [word for word, count in own.most_common() if count >= MIN_COUNT and NO_APOSTROPHE.fullmatch(word)][:SHOWN]


def _is_slip(word: str, own: Counter[str], other: Counter[str]) -> bool:
    """Whether nobody else writes it and two letters swapped make a common word of everybody's: "teh"."""
    if len(word) < 3 or word in other or word in _REAL_WORDS or not word.isalpha():
        return False
    swapped = (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1))
    return any(right != word and own[right] + other[right] > own[word] and other[right] > 2 for right in swapped)
