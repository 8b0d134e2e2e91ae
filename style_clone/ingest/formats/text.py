"""Plain text documents: one file, one document."""

from __future__ import annotations

from collections.abc import Iterator

from style_clone.conversation import Message
from style_clone.ingest import families
from style_clone.ingest.importer import Tally
from style_clone.ingest.source import Source
from style_clone.ingest.times import date_in_name

SUFFIXES = (".txt", ".text")


class PlainText:
    """A .txt file that is neither a chat log nor JSON Lines."""

    name = "text"
    anonymous = True

    def identify(self, source: Source) -> bool:
        """Whether it is named .txt or .text and holds prose."""
        if source.suffix not in SUFFIXES or families.is_stamped_log(source):
            return False
        row = families.first_object(source)
        return row is None or not {"author", "text"} <= row.keys()

    def extract(self, source: Source, tally: Tally) -> Iterator[Message]:
        """The one document, titled and dated by the file's name. Raises IngestError where it is blank."""
        yield families.document(source, source.text().strip(), self.name, date=date_in_name(source.path.stem))
