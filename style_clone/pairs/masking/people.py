"""Names of the people in a corpus, found in a text by looking its words up: the cost does not grow with how many there are.

Full names and surnames are masked, first names and handles as well, save where somebody is addressed by them ("hi Ann",
"thanks, Ann", "ann_lee: yes"), for how one addresses people is style.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise, product

from style_clone.pairs.masking.contacts import KINDS, TOKEN, Kind, forms, vocabulary, words_of
from style_clone.persona import fold_name

_LONGEST_NAME = 6
_GAP = re.compile(r"[\s.'’_-]{0,3}")
_COMMA = re.compile(r",\s{1,2}")

_ORDINARY = vocabulary(  # names that are words as well: in lower case, or beginning a sentence, they are the word
    "abbey amber angel art ash autumn basil bay bell berry best bill bird black blue bond brook brooks brown "
    "buck bud buddy bush candy carol case cash chance chase chip christian clay cliff cook cope coral crane cross "
    "curry dale daisy dawn day dean dick don drew duke earl eve faith fay field fish fox flint flora ford forest "
    "frank french gale garden gay gene german ginger glen gold good grace grant gray green grey grove guy hall "
    "hand hardy hart hazel heath heather hill holly honey hood hope house hunt hunter iris ivy jack jade jan jay "
    "jewel joy king knight lake lance lane law lee lily little long love low lucky major man mar mark marsh max "
    "may mercy miles mill min moon moore mine nick noble norm north olive page park parks pat patience pearl peg "
    "penny pierce pitt pool pope potter power price prince quick randy ray read reed rice rich river rob robin "
    "rock rod rose rosemary ruby rush rusty sage sandy sea see self set shall sharp shaw short silver singer sky "
    "small smart snow song sparks star steel stew stone storm strange street strong sue summer sun sunny sweet "
    "swift temple trip van vic violet wall ward waters wave way weeks wells west white wild will winter wise wolf "
    "wood woods woody young grand blanc noir petit flores campos paz sol luz cruz klein gross lang lange koch "
    "bauer kurz roth"
)
_NEVER_ALONE = vocabulary(  # capitalised, these are nearly always a time or a place
    "april may june july august monday tuesday wednesday thursday friday saturday sunday london paris berlin "
    "boston dallas austin houston denver york england france germany holland ireland scotland wales jordan israel "
    "chelsea lincoln"
)

# Addressing somebody.
_GREETINGS = vocabulary(
    "hi hello hey hiya heya yo dear dearest howdy greetings welcome thanks thank thx thnx ty ta cheers bye "
    "goodbye ciao cya congrats congratulations regards hallo hej moin servus lieber liebe liebes liebste danke "
    "tschüss tschüß hola querido querida gracias adiós salut bonjour coucou merci cher chère chérie olá oi "
    "obrigado obrigada caro cara grazie"
)
_OPENERS = (
    vocabulary(  # these open a line to somebody only where a pause follows: "sorry Ann," but not "no Ann did not"
        "yes yeah yep no nope ok okay right well so sorry please pls morning afternoon evening night sure oh ah aw "
        "ooh lol haha luck birthday done question point idea job call one ja nein morgen abend bitte oui non sí"
    )
)
_PARTINGS = vocabulary("you u ya later soon tomorrow tonight then bye")
_FILLERS = vocabulary(
    "my much again lot so very a there you ya u too all for that this old sweet darling morning day lots"
)
_LOVE = vocabulary("love miss luv thank")
_YOU = vocabulary("you u ya")
_LINE_START = re.compile(r"(?:^|\n)[\s@*_>\"'(~–—-]{0,8}\Z")
_MENTION = re.compile(r"(?:^|\n)\s{0,4}@\Z")
_PAUSE = re.compile(r"_{0,3}\s?(?:[,:;!?.…)]|-{1,2}(?=\s)|[–—])|\s*(?:\n|\Z)|\s?[^\w\s.,'’\"/&(@#_-]")
_STOP = re.compile(r"\s?(?:[!?.…:)]+(?:\s|\Z))|\s*(?:\n|\Z)|\s?[^\w\s.,'’\"/&(@#_-]|\s?x+\b")
_ASKING = re.compile(
    r"\s(?:are|can|could|do|did|have|will|would) you\b|\s(?:what|how|where|when|why|please|pls|you)\b", re.IGNORECASE
)
_NEW_SENTENCE = re.compile(r"[.!?…]\s{1,3}[(@]?\Z")
_CALLING = re.compile(r"_{0,3}\s?[,:?!]")
_SURNAME = re.compile(r" (?:[A-Z]\. )?([A-Z][a-z'’]{2,})(?=\W|\Z)")
_PLACE = re.compile(r" (?:Street|St|Road|Rd|Avenue|Square|Lane|Hall|House|Park|University|College|Bridge|Station)\b")
_LINK = re.compile(r"\s*(?:[,&/+]|\b(?:and|und|et|y)\b)\s*", re.IGNORECASE)
_SENTENCE_START = re.compile(r"(?:^|[\n.!?…:;(\"“>*-])\s{0,3}[\"'“‘(*_]{0,2}\Z")
_LISTED_BEFORE = re.compile(r"(\w+),\s{1,2}\Z")
_UMLAUTS = {ord(letter): spelt for letter, spelt in zip("äöüßøå", ("ae", "oe", "ue", "ss", "oe", "aa"), strict=True)}
_BEHIND = 48
_AHEAD = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """What a run of words means: how it counts as a name, and whose it is (its place in the list of contacts, from 1)."""

    kind: Kind
    number: int = 0
    comma: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A name in a text: where, in characters, and the placeholder for it."""

    start: int
    end: int
    placeholder: str


class Names:
    """An index of the names of `people` (contacts in order, the author's left out) and of further `words` to mask.

    Names in `own` (the author's) and `keep` (folded) are never masked.
    """

    def __init__(self, people: Sequence[str], own: Iterable[str], words: Iterable[str], keep: frozenset[str]) -> None:
        self._table: dict[tuple[str, ...], Entry] = {}
        self._own = {spelling for name in own for word in words_of(name) for spelling in _spellings(word)}
        self._keep = keep
        for name in own:
            self._add(words_of(name), Entry("own"))
        for word in words:
            self._add(words_of(word), Entry("word"))
        ends = {(words[0], words[-1]) for name in own if len(words := words_of(name)) > 1}
        kept = [
            (number, name)
            for number, name in enumerate(people, start=1)
            if fold_name(name) not in keep and not _is_between(words_of(name), ends)
        ]
        written = [(number, form) for number, name in kept for form in forms(name)]
        for kind in KINDS:  # where two are the same words, the surer kind, and of that the first contact
            for number, form in written:
                if form.kind == kind:
                    self._add(form.words, Entry(kind, number, form.comma))
        self._starts = frozenset(key[0] for key in self._table)
        self.triggers = frozenset(key[0] for key, entry in self._table.items() if entry.kind != "own")

    def _add(self, words: Sequence[str], entry: Entry) -> None:
        alone = len(words) == 1 and entry.kind not in ("own", "word")
        if not words or len(words) > _LONGEST_NAME or (alone and (words[0] in self._own or words[0] in self._keep)):
            return
        for key in product(*map(_spellings, words)):
            self._table.setdefault(key, entry)

    def find(self, text: str) -> Iterator[Found]:
        """The names in `text` that are to be masked, in order."""
        read = _Read(text)
        at, kept_until = 0, -1
        while at < len(read.folded):
            length, entry = self._longest(read, at)
            start, end = read.span(at, length)
            if entry is not None and entry.kind in ("first", "handle"):
                chained = kept_until >= 0 and _LINK.fullmatch(text[kept_until:start]) is not None
                if _addressed(text, start, end, read.folded[max(0, at - 6) : at], chained=chained):
                    kept_until, entry = end, None
            at += length
            if entry is not None and entry.kind != "own" and _is_meant(entry.kind, text, start, end):
                more, surname = self._surname_after(read, at) if entry.kind == "first" else (0, None)
                at += more
                end = read.tokens[at - 1].end()
                yield Found(start, end, _placeholder(surname or entry, text[end : end + _AHEAD]))

    def _longest(self, read: _Read, at: int) -> tuple[int, Entry | None]:
        """The longest name that begins at token `at`, and how many tokens it has; 1 and None where there is none."""
        if read.folded[at] in self._starts:
            for length in range(min(_LONGEST_NAME, len(read.folded) - at), 0, -1):
                entry = self._table.get(tuple(read.folded[at : at + length]))
                if entry is not None and _joined(read.text, read.tokens[at : at + length], entry.comma):
                    return length, entry
        return 1, None

    def _surname_after(self, read: _Read, at: int) -> tuple[int, Entry | None]:
        """A contact's surname right after a first name: "Jim Steffes" is James Steffes, whoever else is a Jim."""
        initial = at + 1 < len(read.folded) and len(read.folded[at]) == 1
        if at < len(read.folded) and _joined(read.text, read.tokens[at - 1 : at + 1 + initial], 0):
            length, entry = self._longest(read, at + initial)
            meant = _is_meant("surname", read.text, *read.span(at + initial, length))
            if entry is not None and entry.kind == "surname" and meant:
                return initial + length, entry
        return 0, None


class _Read:
    """A text with its words, as they stand and folded."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(TOKEN.finditer(text))
        self.folded = [token[0].lower() for token in self.tokens]

    def span(self, at: int, length: int) -> tuple[int, int]:
        """Where `length` words from `at` on stand, in characters."""
        return self.tokens[at].start(), self.tokens[at + length - 1].end()


def _is_between(words: Sequence[str], ends: Set[tuple[str, str]]) -> bool:
    """Whether a contact's name begins and ends as one of the author's: "Steven J Kean" is Steven Kean."""
    return len(words) > 1 and (words[0], words[-1]) in ends


def _placeholder(entry: Entry, ahead: str) -> str:
    """What stands for a name with `ahead` behind it; a first name with a surname nobody here has is somebody else's."""
    surname = _SURNAME.match(ahead) if entry.kind == "first" else None
    if surname is not None and surname[1].lower() not in _ORDINARY | _NEVER_ALONE:
        return "<person>"
    return "<word>" if entry.kind == "word" else f"<person-{entry.number}>"


def _joined(text: str, tokens: list[re.Match[str]], comma: int) -> bool:
    """Whether the tokens stand together as in a name, with a comma behind the first `comma` of them, if any."""
    for place, (one, other) in enumerate(pairwise(tokens), start=1):
        gap = _COMMA if place == comma else _GAP
        if gap.fullmatch(text, one.end(), other.start()) is None:
            return False
    return True


def _is_meant(kind: Kind, text: str, start: int, end: int) -> bool:
    """Whether the words there are the name, not ordinary words that look like it."""
    name = text[start:end]
    word = name.lower()
    if kind == "word":
        return True
    if kind in ("full", "listed"):
        return not name.islower() or not all(part in _ORDINARY for part in words_of(word))
    if word in _NEVER_ALONE or _PLACE.match(text, end):
        return False
    capital = not name[name.rfind(" ") + 1].islower()
    if word in _ORDINARY:
        return capital and not name.isupper() and _SENTENCE_START.search(_behind(text, start)) is None
    return capital if kind == "surname" else (capital or len(word) >= 3)


def _addressed(text: str, start: int, end: int, before: Sequence[str], *, chained: bool) -> bool:
    """Whether somebody is spoken to by the name there; `before` are the words before it, `chained` that another one was
    spoken to just before: "Ann, Bob: hi"."""
    behind, ahead = _behind(text, start), text[end : end + _AHEAD]
    pause = _PAUSE.match(ahead) is not None
    if chained and (pause or _LINK.match(ahead)):
        return True
    if _LINE_START.search(behind):
        return pause or _ASKING.match(ahead) is not None or _MENTION.search(behind) is not None
    if _NEW_SENTENCE.search(behind) and _CALLING.match(ahead):
        return True
    if not before or "\n" in behind[len(behind.rstrip()) :]:
        return False
    if (behind.rstrip(" ,")[-1:].isalnum() and _greeted(before)) or (pause and before[-1] in _OPENERS):
        return True
    return _STOP.match(ahead) is not None and (before[-1] in _PARTINGS or _set_off(behind))


def _greeted(before: Sequence[str]) -> bool:
    """Whether the words end in a greeting or in thanks: "thank you so much"."""
    skipped: list[str] = []
    for word in reversed(before):
        if word in _GREETINGS or (word in _LOVE and not _YOU.isdisjoint(skipped)):
            return True
        if word not in _FILLERS:
            return False
        skipped.append(word)
    return False


def _set_off(behind: str) -> bool:
    """Whether a comma sets the name off, and not from another one: "see you soon, Ann", but "with Bob, Ann"."""
    match = _LISTED_BEFORE.search(behind)
    if match is None:
        return False
    return match[1].islower() or _SENTENCE_START.search(behind[: match.start()]) is not None


def _behind(text: str, start: int) -> str:
    """The text before `start`, as much of it as the rules look at; cut off, it does not look like a beginning."""
    return text[:start] if start <= _BEHIND else "x" + text[start - _BEHIND : start]


def _spellings(word: str) -> list[str]:
    """A word as it is, without accents, and with its umlauts spelt out; only one for most words."""
    return [word] if word.isascii() else sorted({word, _bare(word), _bare(word.translate(_UMLAUTS))})


def _bare(word: str) -> str:
    letters = unicodedata.normalize("NFD", word.replace("ß", "ss").replace("ø", "o").replace("ł", "l"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter)) or word
