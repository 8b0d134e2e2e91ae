"""Numbers that stand for a person: cards, bank accounts, identity and telephone numbers.

Where a kind of number has check digits, only what passes is taken. Every pattern is bounded or possessive, so that the time
grows with the length of a text and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int, str]
"""Start and end in characters, and the type."""

_MANY_DIGITS = re.compile(r"\d(?:[ ().+/\-\u00a0]{0,3}\w?\d){4}|[\da-fA-F]{8}-[\da-fA-F]{4}-")

_IBAN = re.compile(r"(?<!\w)[A-Za-z]{2}\d\d(?:[ -]?\w){11,30}")
_IBAN_LENGTHS = {  # in characters without spaces, by country: the IBAN registry of ISO 13616
    code: length
    for length, codes in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC", 32: "LC",
    }.items()
    for code in codes.split()
}  # fmt: skip

_CARD = re.compile(  # ISO/IEC 7812: 13 to 19 digits, alone or in the groups they are printed in
    r"(?<![\w.-])(?:[2-6]\d{12,18}"
    r"|[2-6]\d{3}(?:(?P<four>[ -])\d{4}(?P=four)\d{4}(?P=four)\d{1,7}|(?P<six>[ -])\d{6}(?P=six)\d{4,5}))(?![\w-])"
)

_ID = re.compile(
    r"(?<![\w-])[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}(?![\w-])"  # UUID
    r"|(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])"  # social security, United States
    r"|(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D](?!\w)"  # national insurance, United Kingdom
    r"|(?<!\w)[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z](?!\w)"  # codice fiscale, Italy
    r"|(?<![\w-])(?:(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d\d|\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))"
    r"-\d{4}(?![\w-])"  # Denmark and Sweden: a birthday and four digits
)
_DNI = re.compile(r"(?<![\w-])(?P<number>[XYZ]?\d{7,8})-?(?P<letter>[A-Z])(?!\w)")
_INSEE = re.compile(r"(?<!\w)[12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d(?!\w)")
_AHV = re.compile(r"(?<!\w)756\.\d{4}\.\d{4}\.\d\d(?!\w)")
_NUMBERED = re.compile(
    r"\b(?:passport|account|customer|membership|policy|insurance|licen[cs]e|tax|social security|ssn"
    r"|(?:reise)?pass|kunden|konto|steuer|ausweis|passeport|pasaporte|cuenta)"
    r"[ -]?(?:no|number|nr|nummer|numéro|número|id|#)\b[.:#]{0,2} ?(?:is |ist |est |es )?"
    r"(?P<value>(?=(?:[A-Z]{0,3}-?\d){5})[A-Z\d-]{5,20})(?!\w)",
    re.IGNORECASE,
)
_LONG = re.compile(
    r"(?<![\w.,$€£])(?<![A-Za-z]-)\d{8,}+(?!\w|[.,]\d| ?(?:[%€£$]|[kKMG]?i?B\b|bytes\b|ms\b|EUR\b|USD\b|GBP\b"
    r"| {0,3}(?:\d{4}-\d\d-|[A-Z][a-z]{2} +\d)))"
)
_STAMP = re.compile(  # 20100702, 201007020843, 20100702084312
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)?"
)

_RUN = re.compile(r"(?<![\w+.,/=@#$€£-])(?<!\d[ :])(?:[+(]{1,2} ?)?\d{1,15}+(?:[ ./()\u00a0-]{1,3}+\d{1,12}+){0,8}+")
_GROUP = re.compile(r"\d+")
_NO_CALL = re.compile(
    r"(?:\d{4}[-./]\d\d?[-./]\d\d?|(?:19|20)\d\d \d\d? \d\d?|\d\d?[-./]\d\d?[-./]\d\d(?:\d\d)?)(?!\d)"  # begins with a date
    r"|(?:(?:19|20)\d\d\D{1,3})+(?:19|20)?\d\d\Z"  # years
    r"|\d{1,3}(?:\.\d{1,3}){2,3}\Z"  # a version or an internet address
    r"|\d+\.\d+[ \u00a0]"  # decimals
    r"|[\d.]+[ \u00a0]{3}"  # columns
)
_SHAPE = re.compile(  # national numbers whose form alone tells them from prices, tables and dates
    r"0\d{8,11}|\(?0\d{1,5}\)?[ /-]\d[\d /-]{4,}|\(\d{2,4}\) ?\d[\d .-]{5,}"  # a trunk 0, an area in brackets
    r"|(?:1[-. ])?[2-9]\d\d[-. ]\d{3}[-. ]\d{4}|8 ?\(?\d{3}\)?[ -]\d{3}[ -]\d\d[ -]\d\d"  # North America, Russia
    r"|[6-9]\d{4} \d{5}|[6-9]\d\d \d\d \d\d \d\d|[5-9]\d\d[ -]\d{3}[ -](?!000)\d{3}"  # India, Spain, Poland
    r"|1[3-9]\d[ -]\d{4}[ -]\d{4}"  # China
)
_ASKED = re.compile(
    r"(?:\b(?:tel|phone|telephone|mobile|mob|cell|fax|handy|telefon|whatsapp|téléphone|tél|portable|teléfono|móvil|sms)"
    r"|\b(?:call|ring|text|phone|reach) (?:me|us|him|her|them)|\b(?:my|his|her|our|their) number|meine nummer|mi número)\b"
    r"[^\d+(]{0,14}\Z",
    re.IGNORECASE,
)
_ASKED_WITHIN = 60
_FEWEST_DIGITS = 6
_MOST_DIGITS = 15  # of an international number: ITU-T E.164


def numbers(text: str) -> Iterator[Span]:
    """The numbers in `text`, the surest kinds first; later ones may overlap earlier ones."""
    if _MANY_DIGITS.search(text) is None:
        return
    yield from _ibans(text)
    yield from _identities(text)
    for match in _CARD.finditer(text):
        if luhn(match[0]):
            yield *match.span(), "card"
    yield from _telephones(text)
    for match in _LONG.finditer(text):
        if not _STAMP.fullmatch(match[0]) and not match[0].endswith("00000"):
            yield *match.span(), "id"


def luhn(number: str) -> bool:
    """Whether the digits in `number` pass the check of ISO/IEC 7812, annex B."""
    digits = [int(letter) for letter in reversed(number) if letter.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def is_iban(number: str) -> bool:
    """Whether a country's whole account number, spaces left out, passes the check of ISO 7064 (mod 97 is 1)."""
    moved = number[4:] + number[:4]
    return number.isascii() and number.isalnum() and int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def _ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[0][:2].upper())
        places = [place for place, letter in enumerate(match[0]) if letter not in " -"]
        if length is not None and len(places) >= length:
            end = places[length - 1] + 1
            followed = text[match.start() + end : match.start() + end + 1]
            if not followed.isalnum() and is_iban("".join(match[0][place] for place in places[:length]).upper()):
                yield match.start(), match.start() + end, "iban"


def _identities(text: str) -> Iterator[Span]:
    """Numbers of identity papers, tax and social security, by form and, where they have one, by check digit."""
    for match in _ID.finditer(text):
        yield *match.span(), "id"
    for match in _DNI.finditer(text):  # Spain: the letter is the number's remainder by 23; X, Y, Z stand for 0, 1, 2
        number = match["number"].translate(str.maketrans("XYZ", "012"))
        if len(number) == 8 and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == match["letter"]:
            yield *match.span(), "id"
    for match in _INSEE.finditer(text):  # France: the last two digits make it divisible by 97; Corsica is 19 and 18
        number = match[0].replace(" ", "").replace("A", "0").replace("B", "0")
        corsica = 1_000_000 * ("A" in match[0]) + 2_000_000 * ("B" in match[0])
        if (int(number[:13]) - corsica + int(number[13:])) % 97 == 0:
            yield *match.span(), "id"
    for match in _AHV.finditer(text):  # Switzerland: EAN-13
        digits = [int(letter) for letter in match[0] if letter != "."]
        if (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0:
            yield *match.span(), "id"
    for match in _NUMBERED.finditer(text):
        yield *match.span("value"), "id"


def _telephones(text: str) -> Iterator[Span]:
    """Runs of groups of digits that are a telephone number, whole or but for the last groups: "07700 900123 2pm"."""
    for match in _RUN.finditer(text):
        ends = [group.end() for group in _GROUP.finditer(match[0])]
        attached = re.match(r"[\w%€$£]|[.,:-]\d", text[match.end() : match.end() + 2]) is not None
        for count in range(len(ends) - attached, max(0, len(ends) - 3), -1):
            number = match[0][: ends[count - 1]]
            if count == len(ends) or match[0][len(number)] == " ":
                start = match.start() + ("(" in number and ")" not in number)
                before = text[max(0, start - _ASKED_WITHIN) : start]
                if _is_telephone(number.removeprefix("(") if start > match.start() else number, before):
                    yield start, match.start() + len(number), "phone"
                    break


def _is_telephone(number: str, before: str) -> bool:
    """Whether a run of digits is a telephone number: by its form, or because `before` announces one.

    Numbering plans are of no help here: nine or ten digits in any order are a valid number somewhere.
    """
    digits = re.sub(r"\D", "", number)
    if not _FEWEST_DIGITS <= len(digits) <= _MOST_DIGITS or _NO_CALL.match(number):
        return False
    if "+" in number or (digits.startswith("00") and digits[2:3] != "0"):
        return len(digits) >= 9
    return _ASKED.search(before) is not None or (len(digits) >= 8 and _SHAPE.fullmatch(number) is not None)
