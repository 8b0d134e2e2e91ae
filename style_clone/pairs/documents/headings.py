"""Which lines of a plain text are headings, and which only look like it: datelines, salutations, numbering."""

from __future__ import annotations

import re

from style_clone.words import count_words, words

MAX_HEADING_WORDS = 12
MAX_NUMBERED_WORDS = 8
MAX_PLACE_WORDS = 6

_NUMERAL = r"(?:[IVX]|[IVXLCDM]{2,}|\d{1,3}(?:\.\d{1,3})*)"
_PART = r"(?i:chapter|part|book|section|letter|essay|canto|act|scene|no|number)\.?\s+"
_NUMBERING = re.compile(rf"[\[(]?(?:{_PART})?(?:{_NUMERAL}|[CLDM]|\d+)[\])]?[.:)]?$")
_NUMBERED = re.compile(
    rf"(?:(?:{_PART})?{_NUMERAL}\s*(?:[.):—–-]|--)+\s*|\d{{1,3}}(?:\.\d{{1,3}})+\s+)(?=[^\W\d_])(?![a-z])"
)
_LETTER_LINE = re.compile(
    r"[\[(]|(?:(?:my|mine|our)\b.*\b)?(?:own|dear|dearest|darling|beloved|blessed|sir|madam|hi|hello|hey|friends?)\b"
    r"|(?:yours?|thine|thy|ever|sincerely|affectionately|respectfully|regards|love|best)\b",
    re.IGNORECASE,
)
"""How a line begins that an editor put in brackets, and salutations and closings."""
_SENTENCE_LIKE = re.compile(r"(?:[.,;:!?…\"'”’»]|--|[—–-])$")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)(?:[a-z]*)"
_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_DATE = re.compile(
    rf"\b{_MONTH}\b\.?\s*\d|\d\s*(?:st|nd|rd|th|d)?\.?\s+(?:of\s+)?{_MONTH}\b|\b{_MONTH}\b[.,\s]+\d{{4}}\b"
    rf"|\b{_WEEKDAY}\b|\d[./-]\d{{1,2}}[./-]\d|,\s*\d{{4}}\b|^\W*\d{{4}}\W*$|\d\s*[ap]\.\s?m\b",
    re.IGNORECASE,
)
_DATE_WORD = re.compile(
    rf"{_MONTH}|{_WEEKDAY}|\d+\w*|st|nd|rd|th|[ap]m?|m|o'?clock|past|half|noon|night|morning|evening|eve|afternoon"
    "|forenoon|midnight|of|the|or|and|in|at|for|from|date|dated|undated|postmark|postmarked",
    re.IGNORECASE,
)
_BEFORE_A_NOUN = frozenset(words("the a an on of in at to from with my our your how why what when where about"))
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def looks_like_heading(line: str) -> bool:
    """Whether a line that stands alone may be a heading: numbered, or in capitals or Title Case, without an end mark.

    Capitals may end in a full stop, as old books set them, when there are three words or more: two are a signature.
    """
    line = line.strip()
    size = count_words(line)
    if not 1 <= size <= MAX_HEADING_WORDS or is_dateline(line) or _LETTER_LINE.match(line):
        return False
    title = bare(line)
    if line.isupper():
        return not _SENTENCE_LIKE.search(line) or (line.endswith(".") and count_words(title) > 2)
    if _SENTENCE_LIKE.search(line):
        return False
    return (title != line and size <= MAX_NUMBERED_WORDS) or _is_title_case(line)


def bare(heading: str) -> str:
    """A heading without its number and its closing full stop or colon: "III. THE ROAD." is "THE ROAD"."""
    heading = heading.strip()
    return _NUMBERED.sub("", heading, count=1).rstrip(".: ") or heading


def is_numbering(line: str) -> bool:
    """Whether a line holds nothing but the number of a chapter or scene: "IV.", "[12]", "Chapter 3"."""
    return bool(_NUMBERING.match(line.strip()))


def is_dateline(line: str) -> bool:
    """Whether a line says only when, and perhaps where, a text was written: "[London, October 31, 1816.]"."""
    if not _DATE.search(line):
        return False
    rest = [word for word in _WORD.findall(line) if not _DATE_WORD.fullmatch(word)]
    return len(rest) <= MAX_PLACE_WORDS and all(word[0].isupper() for word in rest)


def _is_title_case(line: str) -> bool:
    """Every word of four letters or more begins with a capital, and so does the first. Two such words may be a name."""
    found = _WORD.findall(line)
    long = [word for word in found if len(word) > 3]
    if not long or not found[0][0].isupper() or not all(word[0].isupper() for word in long):
        return False
    return len(found) > 2 or (len(found) == 2 and found[0].casefold() in _BEFORE_A_NOUN)
