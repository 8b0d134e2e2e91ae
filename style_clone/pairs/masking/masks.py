"""What gives a person away by its form: secrets, ways to reach them, places they live at.

Every pattern is bounded or possessive and begins where nothing of its own kind stands before it, so that the time grows with
the length of a text and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from itertools import chain

from style_clone.pairs.masking.contacts import vocabulary
from style_clone.pairs.masking.numbers import Span, numbers

# Secrets

SECRET_WORDS = vocabulary(
    "password passwords passwd passwort passphrase passcode pw pwd kennwort contraseña clave mdp passe senha "
    "wachtwoord pin code otp pgpassword secret token tokens key keys apikey credential credentials authorization "
    "bearer"
)
"""A text without one of these, in lower case, names no secret."""

_PEM = re.compile(r"-----BEGIN [A-Z\d ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END [A-Z\d ]{0,60}-----")
_KEY = re.compile(  # as their issuers form them: OpenAI, Stripe, GitHub, GitLab, Slack, AWS, Google, JWT, Hugging Face, ...
    r"(?<![\w-])(?:"
    r"(?:sk|pk|rk|whsec)[-_](?=[\w-]{0,60}\d)[\w-]{16,}+"
    r"|gh[pousr]_\w{20,}+|github_pat_\w{20,}+|glpat-[\w-]{16,}+|xox[a-z]-[\w-]{10,}+|xapp-[\w-]{20,}+"
    r"|(?:AKIA|ASIA)[A-Z\d]{16}(?!\w)|AIza[\w-]{30,}+|ya29\.[\w-]{20,}+|eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+)?"
    r"|hf_\w{20,}+|npm_\w{30,}+|pypi-[\w-]{30,}+|shp[a-z]{2}_\w{30,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+|sq0[a-z]{3}-[\w-]{20,}+"
    r"|key-[\da-f]{32}(?!\w)|dop_v1_\w{40,}+|AGE-SECRET-KEY-1\w{40,}+|\d{8,10}:[\w-]{35}(?![\w-])"
    r")"
)
_LOGIN = re.compile(r"(?<![\w+.-])[a-z][a-z\d+.-]{1,20}://[^\s/:@]{0,200}:[^\s/@]{1,200}@\S++", re.IGNORECASE)
_BEARER = re.compile(r"\bbearer\s{1,3}(?=\S{0,80}\d)(?P<value>[\w.~+/=-]{16,}+)", re.IGNORECASE)
_NAMES_A_PASSWORD = (
    r"passwords?|passwd|passphrase|passcode|passwort|kennwort|pwd?|pgpassword|contraseña|clave|mdp|mot de passe|senha"
    r"|wachtwoord|pin(?: code)?|otp|(?:login|access|door|gate|entry|alarm|security|verification|confirmation|2fa) code"
)
_PASSWORD = re.compile(
    rf"(?<![^\W_])(?P<key>{_NAMES_A_PASSWORD})(?: (?!(?:is|was|ist|est|es)\b)[\w'’-]{{1,20}}){{0,4}}?"
    r"(?P<glue> {0,2}(?:[:=]|->)(?: {0,3}|\s{1,3}(?=\S{3,60}\s*+(?:\n|\Z)))"
    r"| {1,2}(?:is|was|ist|lautet|war|est|es|era)(?: ?:)? {1,2})"
    r"[\"'`“‘«(]?(?P<value>[^\s\"`”’»<>]{3,200}+)",
    re.IGNORECASE,
)
_NUMBERED_SECRET = re.compile(r"^pin|(?<!pass)code$|^otp", re.IGNORECASE)
_KEY_NUMBER = re.compile(r"0x[\dA-Fa-f]+|[\dA-F]{16}|[\dA-F]{40}")
_TOKEN = re.compile(
    r"(?<![^\W_])(?<!recv-)(?:secret|tokens?|keys?|apikey|credentials?|authorization)(?:\s(?!is\b)[\w'’-]{1,20}){0,3}?"
    r"\s{0,2}(?:[:=]|\bis\b|\bist\b)?[\s\"'`]{0,3}(?<!\w)(?P<value>[\w.~+/=-]{16,200}+)",
    re.IGNORECASE,
)
_NO_PASSWORD = vocabulary(
    "a an and any as at based been being better both broken by case change changed close correct der die das "
    "default different easy ein eine either empty enough expired falsch fine for from gone good hashed here "
    "hidden how if important in incorrect invalid issue it its just kept like long lost mandatory missing more my "
    "needed never new no none not now off okay old one only optional our out perhaps please plain probably really "
    "required reset right safe same secret secure see sent set short shown simple some something stored strong "
    "stupid sure that the their there this too true under unknown unsafe used useless valid very weak what when "
    "where which with working wrong you your yours nicht noch immer pas trop toujours una leer http https n/a "
    "null nil todo todos tbd"
)
_NO_PASSWORD_ENDINGS = ("ed", "ing", "ly", "able", "...")


def _secrets(text: str) -> Iterator[Span]:
    """Keys and tokens by their forms."""
    if "-----BEGIN" in text:
        yield from _pem(text)
    for match in _KEY.finditer(text):
        yield *match.span(), "secret"
    if "://" in text and "@" in text:
        for match in _LOGIN.finditer(text):
            yield *match.span(), "secret"


def _pem(text: str) -> Iterator[Span]:
    """Private keys, to their end, or to the end of the text where that is missing."""
    at = 0
    while match := _PEM.search(text, at):
        closing = _PEM_END.search(text, match.end())
        at = closing.end() if closing else len(text)
        yield match.start(), at, "secret"


def named_secrets(text: str) -> Iterator[Span]:
    """What follows the word for it: "password: ...", "pw is ...", "token ...", "Bearer ..."."""
    for match in _BEARER.finditer(text):
        yield *match.span("value"), "secret"
    for match in _PASSWORD.finditer(text):
        value = match["value"].rstrip(".,;:!?)'")
        told = not match["glue"].strip().isalpha()
        number_needed = _NUMBERED_SECRET.search(match["key"]) is not None and not any(map(str.isdigit, value))
        if len(value) >= 3 and not number_needed and _could_be_password(value, told=told):
            yield match.start("value"), match.start("value") + len(value), "secret"
    for match in _TOKEN.finditer(text):
        value = match["value"].rstrip(".")
        mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
        if mixed and _KEY_NUMBER.fullmatch(value) is None and "/" not in value[:1] and len(set(value)) >= 8:
            yield match.start("value"), match.start("value") + len(value), "secret"


def _could_be_password(value: str, *, told: bool) -> bool:
    """Whether a word after "password is" is one, not "wrong" or "not"; after a colon (`told`) all but a few words are."""
    word = value.casefold()
    if not word.isalpha():
        return word not in _NO_PASSWORD and not word.endswith("...")
    return word not in _NO_PASSWORD and (told or not word.endswith(_NO_PASSWORD_ENDINGS))


# Ways to reach somebody

_DIGIT = re.compile(r"\d")
_DOMAINS = (  # the ends a bare address with a path must have, so that file names stay
    "com|org|net|edu|gov|info|biz|io|co|me|ai|app|dev|gg|gl|ly|be|tv|uk|us|ca|au|nz|ie|de|at|ch|fr|es|it|pt|nl|pl|se|no|dk|fi"
    "|cz|ru|ua|br|mx|jp|cn|kr|eu|xyz|cloud|blog"
)
_URL = re.compile(r"(?<![\w+.-])[a-z][a-z\d+.-]{1,20}://[^\s<>\"“”]++|(?<![\w@./-])www\.[^\s<>\"“”]++", re.IGNORECASE)
_PATH = re.compile(r"\.[a-z]{2,5}(?::\d{2,5})?/", re.IGNORECASE)
_PAGE = re.compile(
    rf"(?<![\w@./-])(?:[\w-]{{1,63}}\.){{1,5}}(?:{_DOMAINS})(?::\d{{2,5}})?/[^\s<>\"“”]*+", re.IGNORECASE
)
_URL_TAIL = ".,;:!?'*_]}’»…|"
_EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]{1,128}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}")
_SPELT_AT = re.compile(r"[\[({] ?at ?[\])}]", re.IGNORECASE)
_SPELT_EMAIL = re.compile(  # ann at example dot org, ann [at] example.org
    r"(?<![\w.+%-])[\w.+%-]{1,64} ?(?:[\[({] ?at ?[\])}]|(?<= )at(?= [\w-]{1,63} dot )) ?[\w-]{1,63}"
    r"(?: ?[\[({] ?dot ?[\])}] ?[\w-]{1,63}| dot [\w-]{1,63}|\.[\w-]{1,63}){1,4}",
    re.IGNORECASE,
)


def _urls(text: str, words: Set[str]) -> Iterator[Span]:
    """Whole addresses of pages; a bare name such as example.com stays, which names a place and no page of anybody's."""
    for match in chain(
        _URL.finditer(text) if "://" in text or "www" in words else (),
        _PAGE.finditer(text) if _PATH.search(text) else (),
    ):
        url = match[0].rstrip(_URL_TAIL)
        while url.endswith(")") and url.count("(") < url.count(")"):
            url = url[:-1].rstrip(_URL_TAIL)
        if url[-1:] not in ("", ":", "/") or "." in url:
            yield match.start(), match.start() + len(url), "url"


def _emails(text: str, words: Set[str]) -> Iterator[Span]:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            quotes = len(match[0]) - len(match[0].lstrip("'"))
            yield match.start() + quotes, match.end(), "email"
    if "dot" in words or _SPELT_AT.search(text):
        for match in _SPELT_EMAIL.finditer(text):
            yield *match.span(), "email"


# Places

_CAPITAL = "[A-ZÀ-ÖØ-Þ]"
_WORD = rf"{_CAPITAL}[\w'’-]{{1,25}}"
_STATES = (
    "A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[TA]|W[AVIY]"
)
_STREET = (
    "Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Square|Sq|Terrace|Close|Crescent|Way"
    "|Gardens|Grove|Row|Mews|Parkway|Pkwy|Highway|Hwy|Walk"
)
_RUE = "rue|avenue|boulevard|bd|allée|impasse|place|chemin|quai|cours"
_STREETS = (  # with the words one of which each needs
    (
        vocabulary(_STREET.lower().replace("|", " ")),
        re.compile(
            rf"(?<![\w.,:/$€£-])\d{{1,5}}[a-zA-Z]?,? (?:(?:[NSEW]|North|South|East|West)\.? )?(?:{_WORD} ){{1,3}}"
            rf"(?:{_STREET})\b\.?(?:,? (?:Apt|Apartment|Flat|Unit|Suite|Ste|#)\.? ?\w{{1,5}}\b)?"
            r"|(?:(?<=\bat )|(?<=\bin )|(?<=\bto ))\d{1,4}[a-z]? [a-z]{3,20} (?:street|road|avenue|lane|crescent|terrace)\b"
        ),
    ),
    (
        vocabulary("str straße strasse allee weg platz damm ring"),
        re.compile(rf"(?<!\w){_WORD} (?:Str(?:aße|asse|\.)|Allee|Weg|Platz|Damm|Ring) \d{{1,4}} ?[a-z]?\b"),
    ),
    (
        vocabulary(_RUE.replace("|", " ")),
        re.compile(
            rf"(?<![\w.,])\d{{1,4}}(?: ?(?:bis|ter))?,? (?:{_RUE}) (?:(?:de la|de|du|des|le|la|les) |(?:de )?[ld]['’])?"
            rf"(?:{_WORD}|[a-zà-ÿ]{{4,20}}(?=[,.]|\Z))(?:[ -]{_WORD}){{0,3}}"
        ),
    ),
    (
        vocabulary("calle avenida avda plaza paseo carrer c"),
        re.compile(
            r"(?<!\w)(?:[Cc]alle|[Aa]venida|[Aa]vda\.?|[Pp]laza|[Pp]aseo|[Cc]arrer|C/) ?"
            rf"(?:(?:del|de la|de los|de|la|los|las) )?{_WORD}(?: (?:de |del |la )?{_WORD}){{0,3}},?"
            r" (?:n[º°.o]{1,2} ?)?\d{1,4}\b"
        ),
    ),
    (vocabulary("box postfach"), re.compile(r"\bP\.? ?O\.? Box \d{1,6}\b|\bPostfach \d[\d ]{1,8}\b")),
)
_COMPOUND_STREET = re.compile(
    rf"(?<!\w)(?:{_CAPITAL}[\wäöüß-]{{1,30}}(?:weg|platz|allee|gasse|damm|ufer|[Ss]tr(?:aße|asse|\.))"
    rf"|[a-zäöüß]{{3,30}}(?:straße|strasse)) \d{{1,4}} ?[a-z]?\b"
)
_POSTCODES = (  # with the digits each needs
    (  # United Kingdom, Canada
        re.compile(r"\b[A-Z]{1,2}\d"),
        re.compile(
            r"(?<!\w)[A-PR-UWYZ][A-HK-Y]?\d[A-HJKPS-UW\d]? \d[ABD-HJLNP-UW-Z]{2}(?!\w)"
            r"|(?<!\w)[ABCEGHJ-NPRSTVXY]\d[A-Z] \d[A-Z]\d(?!\w)"
        ),
    ),
    (  # United States
        re.compile(r"[A-Z],? \d{5}"),
        re.compile(rf"\b{_WORD}(?: {_WORD}){{0,2}},? (?:{_STATES}),? \d{{5}}(?:-\d{{4}})?(?!\w)"),
    ),
    (  # Germany, France, Spain, Italy
        re.compile(rf"\d{{5}} {_CAPITAL}"),
        re.compile(
            rf"(?:(?<=, )|^|(?<=\b[DFEAI]-))\d{{5}} {_WORD}(?: {_WORD}){{0,2}}(?=\s{{0,3}}(?:[,.;)]|$))", re.MULTILINE
        ),
    ),
    (
        re.compile(r"\d{4} ?[A-Z]{2}\b"),
        re.compile(rf"(?<!\w)[1-9]\d{{3}} ?(?!S[ADS])[A-Z]{{2}},? {_WORD}"),
    ),  # the Netherlands
)


def _addresses(text: str, words: Set[str]) -> Iterator[Span]:
    """Streets with their numbers, postcodes with their towns."""
    streets = [pattern for needed, pattern in _STREETS if not needed.isdisjoint(words)]
    postcodes = [pattern for needed, pattern in _POSTCODES if needed.search(text)]
    for pattern in (*streets, _COMPOUND_STREET, *postcodes):
        for match in pattern.finditer(text):
            yield *match.span(), "address"


def by_form(text: str, words: Set[str]) -> Iterator[Span]:
    """Everything in `text` that its form gives away, the surest kinds first; later spans may overlap earlier ones.

    `words` are the text's words in lower case: most patterns need not be tried where theirs is not among them.
    """
    yield from _secrets(text)
    yield from _urls(text, words)
    yield from _emails(text, words)
    if _DIGIT.search(text):
        yield from _addresses(text, words)
        yield from numbers(text)
