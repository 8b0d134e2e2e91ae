"""A message as it stands in the file -> what its writer wrote himself, tidied and masked; or why it is left out."""

from __future__ import annotations

from dataclasses import replace

from style_clone.conversation import Message
from style_clone.pairs.cleaning.boilerplate import Boilerplate, without_signature
from style_clone.pairs.cleaning.filters import MOSTLY_CODE, ONLY_LINKS, reason_to_drop, tidy
from style_clone.pairs.cleaning.language import LanguageFilter
from style_clone.pairs.cleaning.quoting import own_part, quoted_words
from style_clone.pairs.ledger import Ledger
from style_clone.pairs.reading.corpus import Corpus, Row
from style_clone.pairs.redact import Redactor, is_all_masked

FORWARDED = "forwarded, not their own words"
ANSWERABLE = frozenset({ONLY_LINKS, MOSTLY_CODE})
"""No words of the author's, but the author may answer somebody else's."""


class Learner:
    """Looks at every row once, before any is cleaned: what ends many of the author's messages is boilerplate."""

    def __init__(self) -> None:
        self.boilerplate = Boilerplate()

    def __call__(self, row: Row, by_author: bool) -> None:
        """Look at one row of messages.jsonl."""
        if by_author and "\n" in row["text"] and row.get("kind", "message") == "message":
            self.boilerplate.see(own_part(row["text"]).text)


class Cleaner:
    """Reads one message of the corpus at a time and cleans it; what is left out goes into the ledger."""

    def __init__(
        self,
        corpus: Corpus,
        boilerplate: Boilerplate,
        redact: Redactor,
        language: LanguageFilter | None,
        ledger: Ledger,
    ) -> None:
        self.corpus = corpus
        self.boilerplate = boilerplate
        self.redact = redact
        self.language = language
        self.ledger = ledger

    def __call__(self, row: int) -> Message | None:
        """The message, or None where it is left out."""
        found = self.corpus.read(row)
        by_author = bool(self.corpus.by_author[row])
        forwarded = self._own(found, by_author)
        message = Message.from_json(found)
        reason = FORWARDED if forwarded and not message.text else reason_to_drop(message)
        if reason in ANSWERABLE and not by_author:
            reason = None
        if reason is None and by_author and self.language is not None and self.language.keeps(message.text) is False:
            reason = "in another language"
        message = self._masked(message)
        if reason is None and by_author and is_all_masked(message.text):
            reason = "nothing left but what is masked"
        if reason is not None:
            self.ledger.drop([row], reason)
            return None
        return message

    def _own(self, found: Row, by_author: bool) -> bool:
        """Leave the writer's own text in `found`, and what it quotes; says whether anything was forwarded."""
        text, quoted, forwarded = found["text"], quoted_words(found.get("quoted") or ""), False
        if "\n" in text and found.get("kind", "message") == "message":  # a document's block quotes are its own
            own = own_part(text)
            quoted, forwarded = own.quoted or quoted, own.forwarded
            text = self.boilerplate.strip(own.text) if by_author else without_signature(own.text)
        found["text"] = tidy(text)
        found["quoted"] = tidy(quoted) or None if quoted else None
        return forwarded

    def _masked(self, message: Message) -> Message:
        text = self.redact(message.text)
        quoted = message.quoted and self.redact(message.quoted)
        unchanged = text == message.text and quoted == message.quoted
        return message if unchanged else replace(message, text=text, quoted=quoted)
