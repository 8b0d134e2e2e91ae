"""Keeping one language of a corpus of several, where the user asks for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from style_clone.errors import UsageError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

MIN_LETTERS = 20
MAX_CHARACTERS = 1000
MAX_SHARE_FOR_OTHER = 0.05
_SHOWN = ("de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru", "zh")
_ADDRESSES = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+|<\w+>", re.IGNORECASE)


class LanguageFilter:
    """Tells texts of one language from the others, by py3langid's model of bytes (Lui and Baldwin, "langid.py", 2012).

    Loading takes a moment, so it is made only where the user asks for a language.
    """

    def __init__(self, wanted: str) -> None:
        """`wanted` is a two-letter code of ISO 639-1. Raises UsageError for one the model does not know."""
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        self._identifier: LanguageIdentifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        known = self._identifier.labels
        self.wanted = wanted.strip().lower()
        if self.wanted not in known:
            shown = ", ".join(code for code in _SHOWN if code in known)
            raise UsageError(
                f"{wanted!r} is no language this program can tell from the others",
                mend=f"Give a two-letter code of ISO 639-1, such as {shown}. {len(known)} are known.",
            )

    def keeps(self, text: str) -> bool | None:
        """Whether `text` may be in the language wanted; None where it has under 20 letters, too few to tell.

        False only where the model gives the wanted language less than 5 %: close relatives, and a sentence with foreign
        names, stay. Of a long text the first 1,000 characters are read.
        """
        if len(text) < MIN_LETTERS:
            return None
        read = _ADDRESSES.sub(" ", text[:MAX_CHARACTERS])
        if sum(map(str.isalpha, read)) < MIN_LETTERS:
            return None
        return self.share(read) >= MAX_SHARE_FOR_OTHER

    def share(self, text: str) -> float:
        """The probability, 0 to 1, the model gives the wanted language."""
        return float(dict(self._identifier.rank(text))[self.wanted])
