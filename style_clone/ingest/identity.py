"""Names: how they are cleaned, when two of them are the same person's, and which of them is "me"."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from style_clone.errors import AuthorNotFound
from style_clone.persona import fold_name

SHOWN_NAMES = 20
MARKS = "\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
_MARKS = re.compile(f"[{MARKS}]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean_name(name: str) -> str:
    """A name as it is kept and shown: composed (NFC), without invisible marks or control characters, one space."""
    plain = _CONTROLS.sub("", _MARKS.sub("", name))
    return unicodedata.normalize("NFC", " ".join(plain.split()))


def spellings(me: Sequence[str], counts: Mapping[str, int]) -> tuple[str, ...]:
    """The names of `counts` that `me` means, most used spelling first, in the order of `me`.

    Raises AuthorNotFound for the first of `me` that is nobody's name, with the names there are.
    """
    found: dict[str, None] = {}
    for name in me:
        same = [known for known in counts if fold_name(known) == fold_name(name)]
        if not same:
            raise _nobody_called(name, counts)
        found.update(dict.fromkeys(sorted(same, key=lambda known: -counts[known])))
    return tuple(found)


def listed(counts: Mapping[str, int]) -> str:
    """The names with how many messages each wrote, most first, at most 20 of them."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"  {number:>7,}  {name}" for name, number in ranked[:SHOWN_NAMES]]
    more = len(ranked) - SHOWN_NAMES
    return "\n".join([*lines, *([f"  and {more:,} more"] if more > 0 else [])])


def closest(name: str, names: Iterable[str]) -> str | None:
    """The name most like `name`, if any is like it at all."""
    by_fold = {fold_name(known): known for known in names}
    alike = difflib.get_close_matches(fold_name(name), by_fold, n=1, cutoff=0.6)
    within = [known for known in by_fold if fold_name(name) and fold_name(name) in known]
    best = [*alike, *within][:1]
    return by_fold[best[0]] if best else None


def _nobody_called(name: str, counts: Mapping[str, int]) -> AuthorNotFound:
    guess = closest(name, counts)
    hint = f' Did you mean --me "{guess}"?' if guess else ""
    return AuthorNotFound(
        f'nobody here is called "{clean_name(name)}"',
        mend=f"Give the name exactly as the export has it.{hint} The names found, with their messages:\n"
        f"{listed(counts)}",
    )
