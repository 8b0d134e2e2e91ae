"""What counts as a habit, and how often each occurs in a text: function words, punctuation, casing, emoji, lengths."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from style_clone.evaluate.function_words import FUNCTION_WORDS
from style_clone.evaluate.statistics import Array
from style_clone.evaluate.texts import NAME
from style_clone.styleguide.notes import ELONGATED, EMOJI
from style_clone.styleguide.spelling import NO_APOSTROPHE
from style_clone.words import words

Unit = Literal["share", "per 100 words"]

SHORT, LONG, VERY_LONG = 3, 25, 60
"""Words of a short reply at most, of a long and of a very long one at least."""


@dataclass(frozen=True)
class Habit:
    """One habit: its name, `words` that follow "They ...", and whether it is a share of replies or so often in 100 words."""

    id: str
    words: str
    unit: Unit


Rules = dict[str, tuple[str, str]]

_PER_WORDS: Rules = {  # id: (what they do, pattern)
    "comma": ("use a comma", r","),
    "full_stop": ("use a full stop", r"(?<!\.)\.(?!\.)(?=\s|\Z|[\"')])"),
    "exclamation": ("use a single exclamation mark", r"(?<![!?])!(?![!?])"),
    "question": ("use a single question mark", r"(?<![!?])\?(?![!?])"),
    "exclamations": ("use two or more exclamation marks at once", r"!{2,}"),
    "questions": ("use two or more question marks at once", r"\?{2,}"),
    "interrobang": ("use “?!”", r"\?!|!\?"),
    "ellipsis": ("trail off with “...”", r"\.{3,}|…"),
    "two_dots": ("trail off with “..”", r"(?<!\.)\.\.(?!\.)"),
    "semicolon": ("use a semicolon", r"(?<!\S);(?!\S)|\w;"),
    "colon": ("use a colon", r"\w:(?=\s|\Z)"),
    "dash": ("set something off with a dash", r"(?<=\s)(?:--?|[–—])(?=\s)|\w(?:--|—)\w"),
    "hyphen": ("join words with a hyphen", r"[^\W\d_]-[^\W\d_]"),
    "brackets": ("add something in brackets", r"\([^\W_]"),
    "double_quotes": ("put words in double quotation marks", r"(?<!\w)[\"“]\w"),
    "single_quotes": ("put words in single quotation marks", r"(?<!\w)['‘]\w[^'’\n]{0,60}['’](?!\w)"),
    "curly_apostrophe": ("write a curly apostrophe", r"\w’\w"),
    "slash": ("put a slash between words", r"[^\W\d_]/[^\W\d_]"),
    "stress": ("stress words with *asterisks*", r"\*\w[^*\n]{0,60}\*"),
    "ampersand": ("write “&” for “and”", r"(?<!\S)&(?!\S)"),
    "tilde": ("write “~”", r"~"),
    "capitals": ("write a word in capitals", r"\b[A-ZÀ-ÖØ-Þ]{3,}\b"),
    "small_i": ("write “i” small", r"(?<![\w'’.])i(?![\w.])"),
    "small_sentence": ("begin a new sentence in lower case", r"[.!?…]\s+[a-zà-öø-ÿ]"),
    "capital_inside": ("capitalise a word inside a sentence", r"[a-z,] [A-Z][a-z]"),
    "elongation": ("stretch words (“sooo”)", ELONGATED.pattern),
    "haha": ("use “haha”", r"(?i)\b(?:a?(?:ha){2,}h?|hah)\b"),
    "hehe": ("use “hehe”", r"(?i)\b(?:he){2,}h?\b"),
    "lol": ("use “lol”", r"(?i)\b(?:lo+l+|lmf?ao+|rofl)\b"),
    "contraction": ("contract words with an apostrophe (“it's”)", r"(?i)[^\W\d_]['’](?:s|m|re|ve|ll|d|t)\b"),
    "bare_contraction": (
        "leave out the apostrophe (“dont”)",
        rf"(?i)\b(?:{NO_APOSTROPHE.pattern.replace('|lets', '')})\b",
    ),
    "in_full": (
        "write “do not” or “it is” in full",
        r"(?i)\b(?:(?:do|does|did|is|are|was|were|have|has|had|can|could|would|should|will) ?not"
        r"|i am|i have|i will|it is|that is|we are|you are)\b",
    ),
    "gonna": (
        "run words together (“gonna”, “kinda”)",
        r"(?i)\b(?:gonna|wanna|gotta|kinda|sorta|dunno|lemme|gimme|outta)\b",
    ),
    "clipped": ("clip words (“u”, “pls”)", r"(?i)(?<![\w'’])(?:u|ur|thx|pls|plz|cya|tmrw|ppl|msg|cuz|coz|bc|tho)\b"),
    "initials": (
        "write phrases by their initials (“btw”)",
        r"(?i)\b(?:btw|imo|imho|fyi|afaik|iirc|asap|tbh|omg|wtf|brb|idk|np|irl|tl;dr)\b",
    ),
    "interjection": (
        "use interjections (“oh”, “hmm”)",
        r"(?i)\b(?:oh+|ooh+|ah+|aha|hm+|uh|um+|wow|hey|yay|ugh|meh|aw+|oops|phew)\b",
    ),
    "yeah": ("use “yeah” or “yep”", r"(?i)\b(?:yeah|yep|yup|ya)\b"),
    "ok": ("use “ok”", r"(?i)\bok(?:ay)?\b"),
    "thanks": ("say thanks", r"(?i)\b(?:thanks|thank you|cheers)\b"),
    "please": ("use “please”", r"(?i)\bplease\b"),
    "sorry": ("say sorry", r"(?i)\bsorry\b"),
    "swearing": ("swear", r"(?i)\b(?:shit\w*|fuck\w*|damn\w*|crap|bloody|bugger)\b"),
    "hedge": ("hedge (“I think”, “I guess”)", r"(?i)\bi (?:think|guess|suppose|believe)\b|\b(?:sort|kind) of\b"),
    "line_break": ("begin a new line", r"\n"),
    "sentence_end": ("end a sentence", r"[.!?…]+(?=\s|\Z)"),
}

_OF_REPLIES: Rules = {
    "opens_small": ("open a reply in lower case", r"\A[\W\d_]*[a-zà-öø-ÿ]"),
    "all_small": ("write a whole reply in lower case", r"\A[^A-ZÀ-ÖØ-Þ]*[a-zà-öø-ÿ][^A-ZÀ-ÖØ-Þ]*\Z"),
    "ends_bare": ("end a reply without punctuation", r"\w\s*\Z"),
    "ends_stop": ("end a reply with a full stop", r"[^.]\.\s*\Z"),
    "ends_exclaiming": ("end a reply with an exclamation mark", r"!\s*\Z"),
    "ends_asking": ("end a reply with a question", r"\?\s*\Z"),
    "ends_smiling": ("end a reply with an emoji or emoticon", rf"(?:{EMOJI.pattern})\s*\Z"),
    "asks": ("ask something", r"\?"),
    "lines": ("write several lines", r"\S\s*\n\s*\S"),
    "paragraphs": ("leave a blank line between paragraphs", r"\S[^\S\n]*\n[^\S\n]*\n\s*\S"),
    "opens_yes": ("open a reply with “yes” or “yeah”", r"(?i)\A\W*(?:yes|yeah|yep|yup)\b"),
    "opens_no": ("open a reply with “no”", r"(?i)\A\W*(?:no|nope|nah)\b"),
    "opens_ok": ("open a reply with “ok”", r"(?i)\A\W*ok(?:ay)?\b"),
    "opens_greeting": (
        "open a reply with a greeting",
        r"(?i)\A\W*(?:hi|hello|hey|dear|(?:good )?(?:morning|evening|afternoon))\b",
    ),
    "opens_joining": ("open a reply with “and”, “but” or “so”", r"(?i)\A\W*(?:and|but|so)\b"),
    "opens_well": ("open a reply with “well”", r"(?i)\A\W*well\b"),
    "opens_i": ("open a reply with “I”", r"(?i)\A\W*i(?:['’]?(?:m|ve|ll|d))?\b"),
    "opens_name": ("open a reply with the other person's name", rf"\A\W{{0,2}}{NAME}"),
    "several_sentences": ("write several sentences", r"[.!?…]\s+\w"),
}

_BY_LENGTH: dict[str, tuple[str, Callable[[int], bool]]] = {
    "short": (f"answer in {SHORT} words or fewer", lambda count: count <= SHORT),
    "long": (f"write {LONG} words or more", lambda count: count >= LONG),
    "very_long": (f"write {VERY_LONG} words or more", lambda count: count >= VERY_LONG),
}

_PICTURES = {"emoji": "use emoji", "emoticon": "use emoticons (“:)”)"}

HABITS: tuple[Habit, ...] = (
    *(Habit(f"word:{word}", f"use “{'I' if word == 'i' else word}”", "per 100 words") for word in FUNCTION_WORDS),
    *(Habit(name, said, "per 100 words") for name, (said, _) in _PER_WORDS.items()),
    *(Habit(name, said, "per 100 words") for name, said in _PICTURES.items()),
    *(Habit(name, said, "share") for name, (said, _) in _OF_REPLIES.items()),
    *(Habit(name, said, "share") for name, (said, _) in _BY_LENGTH.items()),
)
"""Every habit, F of them, in the order of the columns that `counts` gives."""

_WORD_PATTERNS = tuple(re.compile(pattern) for _, pattern in _PER_WORDS.values())
_REPLY_PATTERNS = tuple(re.compile(pattern) for _, pattern in _OF_REPLIES.values())


def counts(texts: Sequence[str]) -> Array:
    """How often each habit occurs in each masked text, with the text's words and a one for itself behind: (N, F + 2)."""
    return np.array([_row(text) for text in texts], dtype=np.float64).reshape(len(texts), len(HABITS) + 2)


def rates(totals: Array) -> Array:
    """Sums of `counts`, (..., F + 2), as rates (..., F): by word for "per 100 words", by reply for "share"; 0 of nothing."""
    by_reply = np.array([habit.unit == "share" for habit in HABITS])
    sizes = np.where(by_reply, totals[..., -1:], totals[..., -2:-1])
    found: Array = np.divide(totals[..., :-2], sizes, out=np.zeros_like(totals[..., :-2]), where=sizes > 0)
    return found


def shown(rate: float, unit: Unit) -> float:
    """A rate as its unit has it."""
    return float(rate if unit == "share" else 100 * rate)


def _row(text: str) -> list[int]:
    said = words(text)
    counted = Counter(said)
    pictures = [match[0].isascii() for match in EMOJI.finditer(text)]
    return [
        *(counted[word] for word in FUNCTION_WORDS),
        *(sum(1 for _ in pattern.finditer(text)) for pattern in _WORD_PATTERNS),
        pictures.count(False),
        pictures.count(True),
        *(pattern.search(text) is not None for pattern in _REPLY_PATTERNS),
        *(bool(said) and rule(len(said)) for _, rule in _BY_LENGTH.values()),
        len(said),
        1,
    ]
