"""The notes of the style guide: what a careful reader of somebody's replies would note down for an imitator."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from style_clone.styleguide.contrast import MIN_COUNT, distinctive, terms
from style_clone.styleguide.spelling import bare_contractions, typos
from style_clone.words import count_words, words

SHOWN_WORDS = 15
SHOWN_PHRASES = 8

EMOJI = re.compile(
    "(?:[\U0001f1e6-\U0001faff\u2600-\u27bf\u2b50\u2b55]\ufe0f?(?:\u200d[\U0001f300-\U0001faff\u2600-\u27bf]\ufe0f?)*)"
    r"|(?<!\S)(?:[:;=][-']?[)(DPpOo/|\\*3\]\[]|<3|xD|XD)(?!\w)"
)
_SKIN_TONE = re.compile("[\U0001f3fb-\U0001f3ff]")
ELONGATED = re.compile(r"\b(?=[^\W\d_]+\b)\w*(\w)\1{2,}\w*\b")
_CAPITALS = re.compile(r"\b[A-Z]{3,}\b")
_ENDINGS = (
    ("a full stop", re.compile(r"[^.]\.[\"')]?$")),
    ("an ellipsis", re.compile(r"(?:\.\.+|…)$")),
    ("an exclamation mark", re.compile(r"!+$")),
    ("a question mark", re.compile(r"\?+!*$")),
)
_FREQUENCIES = (
    (0.9, "Nearly always"),
    (0.6, "Usually"),
    (0.35, "About half the time"),
    (0.1, "Sometimes"),
    (0.02, "Rarely"),
)
_URL = re.compile(r"(?:https?://|www\.)\S+")
_SPEAKER = re.compile(r"^([^\s:]{2,30}): ", re.MULTILINE)


def describe(replies: Sequence[str], others: Sequence[str]) -> list[str]:
    """Notes on how `replies` are written, against how the `others` write to their author; most telling first."""
    names = _speakers(others)
    replies, others = [_URL.sub("", reply) for reply in replies], [_URL.sub("", other) for other in others]
    lines = [line for reply in replies for line in reply.splitlines() if line.strip()]
    notes = (
        _length(replies),
        _bubbles(replies),
        _casing(lines),
        _endings(lines),
        _emoji(replies),
        _emphasis(replies),
        _questions(replies),
        _openings(replies, names),
        _closings(replies),
        _favourites(replies, others),
        _phrases(replies, others),
        _spelling(replies, others),
    )
    return [note for note in notes if note]


def _length(replies: Sequence[str]) -> str:
    sizes = sorted(count_words(reply) for reply in replies)
    low, high = sizes[len(sizes) // 10], sizes[len(sizes) * 9 // 10]
    return f"Length: usually about {median(sizes):.0f} words; most replies have between {low} and {high}."


def _bubbles(replies: Sequence[str]) -> str:
    counts = [len([line for line in reply.splitlines() if line.strip()]) for reply in replies]
    several = [count for count in counts if count > 1]
    share = len(several) / len(counts)
    if share < 0.05:
        return "One message at a time, on one line."
    usual = f"then usually {median(several):.0f}"
    return f"{_how_often(share)} more than one line or message in a row ({usual}), each on a new line."


def _casing(lines: Sequence[str]) -> str:
    starts = [match[1] for line in lines if (match := re.match(r"\W*([^\W\d_])", line))]
    if not any(start.lower() != start.upper() for start in starts):
        return ""
    lower = _share(start.islower() for start in starts)
    own_i = Counter(match for line in lines for match in re.findall(r"\b[iI]\b(?!\.)", line))
    small_i = own_i["i"] / own_i.total() if own_i.total() >= MIN_COUNT else 0.0
    note = f"Casing: {_how_often(lower).lower()} a small letter at the start of a line"
    return note + (', and writes "i" small.' if small_i > 0.5 else ".")


def _endings(lines: Sequence[str]) -> str:
    shares = {name: _share(bool(pattern.search(line.strip())) for line in lines) for name, pattern in _ENDINGS}
    shares["no punctuation"] = 1 - sum(shares.values())
    common = sorted((item for item in shares.items() if item[1] >= 0.04), key=lambda item: -item[1])
    return "Lines end with " + ", ".join(f"{name} ({share:.0%})" for name, share in common) + "."


def _emoji(replies: Sequence[str]) -> str:
    found = Counter(_SKIN_TONE.sub("", match) for reply in replies for match in EMOJI.findall(reply))
    share = _share(bool(EMOJI.search(reply)) for reply in replies)
    if share < 0.01:
        return "No emoji."
    favourites = " ".join(symbol for symbol, _ in found.most_common(6))
    return f"Emoji in {share:.0%} of replies; favourites: {favourites}"


def _emphasis(replies: Sequence[str]) -> str:
    long = Counter(match[0].lower() for reply in replies for match in ELONGATED.finditer(reply))
    long = Counter({word: count for word, count in long.items() if len(set(word)) > 1})
    notes = []
    if long.total() >= max(MIN_COUNT, 0.01 * len(replies)):
        notes.append("stretches words (" + ", ".join(word for word, _ in long.most_common(5)) + ")")
    for name, pattern in (('"!!"', r"!!"), ('"??"', r"\?\?"), ('"..."', r"\.\.\.|…")):
        share = _share(bool(re.search(pattern, reply)) for reply in replies)
        if share >= 0.04:
            notes.append(f"{name} in {share:.0%} of replies")
    shouted = _share(bool(_CAPITALS.search(reply)) for reply in replies)
    if shouted >= 0.15:
        notes.append(f"words in capitals in {shouted:.0%}")
    return f"Emphasis: {'; '.join(notes)}." if notes else ""


def _questions(replies: Sequence[str]) -> str:
    asking = _share("?" in reply for reply in replies)
    ending = _share(reply.rstrip().endswith("?") for reply in replies)
    return f"Asks something in {asking:.0%} of replies and ends {ending:.0%} with a question."


def _openings(replies: Sequence[str], names: frozenset[str]) -> str:
    firsts = Counter(first[0] for reply in replies if (first := words(reply)[:1]))
    named = sum(count for word, count in firsts.items() if word in names) / len(replies)
    common = [
        f'"{word}" ({count / len(replies):.0%})'
        for word, count in firsts.most_common(30)
        if count >= max(MIN_COUNT, 0.01 * len(replies)) and word.isalpha() and word not in names
    ]
    if named >= 0.04:
        common.insert(0, f"the name of the person addressed ({named:.0%})")
    return _listed("Often begins with", common[:8])


def _closings(replies: Sequence[str]) -> str:
    lasts = Counter(reply.splitlines()[-1].strip() for reply in replies if "\n" in reply)
    common = [line for line, count in lasts.most_common(2) if count >= max(MIN_COUNT, 0.05 * len(replies))]
    return _listed("Signs off with", [f'"{line}"' for line in common if len(line) <= 40])


def _favourites(replies: Sequence[str], others: Sequence[str]) -> str:
    return _listed("Favourite words", distinctive(terms(replies, 1), terms(others, 1))[:SHOWN_WORDS])


def _phrases(replies: Sequence[str], others: Sequence[str]) -> str:
    own, other = Counter[str](), Counter[str]()
    for length in (2, 3):
        own += terms(replies, length)
        other += terms(others, length)
    chosen: list[str] = []
    for phrase in distinctive(own, other):
        if not any(phrase in known or known in phrase for known in chosen):
            chosen.append(phrase)
        if len(chosen) == SHOWN_PHRASES:
            break
    return _listed("Favourite phrases", [f'"{phrase}"' for phrase in chosen])


def _spelling(replies: Sequence[str], others: Sequence[str]) -> str:
    own, other = terms(replies, 1), terms(others, 1)
    notes = (_listed("Typos", typos(own, other)), _listed("Without apostrophe", bare_contractions(own)))
    return " ".join(filter(None, notes))


def _how_often(share: float) -> str:
    name = next((name for least, name in _FREQUENCIES if share >= least), "Almost never")
    return f"{name} ({share:.0%})"


def _listed(what: str, items: Sequence[str]) -> str:
    return f"{what}: {', '.join(items)}." if items else ""


def _share(hits: Iterable[bool]) -> float:
    values = list(hits)
    return sum(values) / len(values) if values else 0.0


def _speakers(texts: Iterable[str]) -> frozenset[str]:
    """The names that stand before what people said in groups, as words."""
    found = Counter(name for text in texts for name in _SPEAKER.findall(text))
    return frozenset(word for name, count in found.items() if count >= MIN_COUNT for word in words(name))
