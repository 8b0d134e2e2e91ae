"""Markdown documents: one file, one document, with what its front matter says about it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import date, datetime

from style_clone.conversation import Message
from style_clone.ingest import families
from style_clone.ingest.importer import Tally
from style_clone.ingest.source import Source
from style_clone.ingest.times import date_in_name, parse_date

SUFFIXES = (".md", ".markdown", ".mdown")
DATE_FIELDS = ("date", "published", "created", "pubdate")
_FRONT = re.compile(r"\A(?P<fence>---|\+\+\+)[ \t]*\n(?P<fields>.*?)^(?:(?P=fence)|\.\.\.)[ \t]*(?:\n|\Z)", re.S | re.M)
_FIELD = re.compile(r"^(?P<key>[A-Za-z_-]+)[ \t]*:[ \t]*(?P<value>\S.*?)[ \t]*$", re.M)
_HEADING = re.compile(r"^#[ \t]+(?P<hash>.+?)[ \t]*#*$|^(?P<line>\S.*)\n=+[ \t]*$", re.M)


class Markdown:
    """A .md file; YAML (---) or TOML (+++) front matter gives title and date and is not part of the text."""

    name = "markdown"
    anonymous = True

    def identify(self, source: Source) -> bool:
        """Whether it is named as Markdown is."""
        return source.suffix in SUFFIXES

    def extract(self, source: Source, tally: Tally) -> Iterator[Message]:
        """The one document. Raises IngestError where nothing is below the front matter."""
        fields, text = split_front_matter(source.text().removeprefix("\ufeff"))
        title = fields.get("title") or _heading(text)
        yield families.document(source, text, self.name, date=_date(fields, source, tally), title=title)


def split_front_matter(text: str) -> tuple[dict[str, str], str]:
    """The top-level fields of the front matter, keys in lower case, and the text below it, stripped."""
    match = _FRONT.match(text)
    if match is None:
        return {}, text.strip()
    read = _toml if match["fence"] == "+++" else _yaml
    return read(match["fields"]), text[match.end() :].strip()


def _yaml(fields: str) -> dict[str, str]:
    """`key: value` lines; lists and nested values say nothing needed here."""
    return {match["key"].lower(): _unquoted(match["value"]) for match in _FIELD.finditer(fields)}


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _toml(fields: str) -> dict[str, str]:
    try:
        row = tomllib.loads(fields)
    except tomllib.TOMLDecodeError:
        return {}
    return {
        key.lower(): value.isoformat() if isinstance(value, date) else str(value)
        for key, value in row.items()
        if isinstance(value, str | date)
    }


def _heading(text: str) -> str | None:
    match = _HEADING.search(text)
    return (match["hash"] or match["line"]).strip() if match else None


def _date(fields: dict[str, str], source: Source, tally: Tally) -> datetime | None:
    given = next((fields[name] for name in DATE_FIELDS if fields.get(name)), None)
    moment = parse_date(given)
    if given is not None and moment is None:
        tally.undated += 1
    return moment.replace(tzinfo=None) if moment else date_in_name(source.path.stem)
