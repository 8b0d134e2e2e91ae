"""Every import format there is, and which of them a file is in."""

from __future__ import annotations

from style_clone.errors import AmbiguousFormat, IngestError, UnknownFormat, UsageError
from style_clone.ingest.formats.jsonl import JsonLines
from style_clone.ingest.formats.markdown import Markdown
from style_clone.ingest.formats.text import PlainText
from style_clone.ingest.formats.whatsapp import WhatsApp
from style_clone.ingest.importer import Importer
from style_clone.ingest.source import Source

IMPORTERS: tuple[Importer, ...] = (WhatsApp(), JsonLines(), Markdown(), PlainText())
NAMES = tuple(importer.name for importer in IMPORTERS)


def by_name(name: str) -> Importer:
    """The importer of that name. Raises UsageError, naming those there are."""
    for importer in IMPORTERS:
        if importer.name == name:
            return importer
    raise UsageError(f"there is no format {name!r}", mend=f"Give --format one of: {', '.join(NAMES)}")


def claim(source: Source, format_name: str | None = None, importers: tuple[Importer, ...] = IMPORTERS) -> Importer:
    """The importer for a file; `format_name` forces one.

    Raises IngestError for a file that is empty or no text, UnknownFormat where nobody knows it, AmbiguousFormat where
    two do.
    """
    if not source.head:
        raise IngestError(f"{source.origin} is empty", mend="Export it again; there is nothing in this file to read.")
    if source.encoding is None:
        source.text()
    if not source.first_lines and len(source.head) < 1000:
        raise IngestError(f"{source.origin} holds no words", mend="Leave it out, or give a file with writing in it.")
    if format_name is not None:
        return by_name(format_name)
    claims = [importer for importer in importers if importer.identify(source)]
    if not claims:
        raise UnknownFormat(
            f"{source.origin} is in no format known here",
            mend=f"Say which one it is with --format: {', '.join(NAMES)}. Plain prose is read from .txt and .md files.",
        )
    if len(claims) > 1:
        names = " and ".join(importer.name for importer in claims)
        raise AmbiguousFormat(f"{source.origin} looks like {names}", mend="Say which one it is with --format.")
    return claims[0]
