"""The stamps chat logs begin their lines with: a date and a time, as any phone writes them."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime, time

from style_clone.errors import IngestError
from style_clone.ingest import times
from style_clone.ingest.identity import MARKS
from style_clone.ingest.source import Source

BEFORE_NOON = (
    "上午",
    "凌晨",
    "早上",
    "清晨",
    "오전",
    "午前",
    "पूर्वाह्न",
    "π.μ.",
    "πμ",
    "ق.ظ.",
    "ق.ظ",
    "ص",
    "ÖÖ",
    "SA",
    "de.",
)
AFTER_NOON = ("下午", "晚上", "傍晚", "오후", "午後", "अपराह्न", "μ.μ.", "μμ", "ب.ظ.", "ب.ظ", "م", "ÖS", "CH", "du.")
AROUND_NOON = ("中午",)
EARLIEST_YEAR = 1900

_M = f"[{MARKS}]*"
_HALF = "|".join([r"[ap]\.?\s?m\.?", *map(re.escape, (*BEFORE_NOON, *AFTER_NOON, *AROUND_NOON))])
_DATE = rf"(?P<date>\d{{1,4}}{_M}(?P<sep>[./-])\s?{_M}\d{{1,2}}{_M}(?P=sep)\s?{_M}[RH]?\d{{1,4}}\.?(?:\s?(?:BE|г\.))?)"
_TIME = rf"(?P<time>(?:(?:{_HALF})\s?)?\d{{1,2}}[:.]\d{{2}}(?:[:.]\d{{2}})?(?:[\s_]?(?:{_HALF}))?)"
_JOIN = rf"[,،]?\s{_M}(?:(?:klo|kl\.?|um|à|at|om|u|o|в|a las)\s)?{_M}"
_START, _END = rf"{_M}(?P<bracket>\[)?{_M}", rf"{_M}(?(bracket)\]\s?|\s[-–—](?:\s|$))"
_DATE_FIRST = re.compile(_START + _DATE + _JOIN + _TIME + _END, re.IGNORECASE)
_TIME_FIRST = re.compile(_START + _TIME + _JOIN + _DATE + _END, re.IGNORECASE)
_LIKE_STAMP = re.compile(
    rf"{_M}\[?{_M}\d{{1,4}}{_M}[./-]\s?{_M}\d{{1,2}}{_M}[./-]\s?{_M}\d{{1,4}}\S*\s+\d{{1,2}}[:.]\d\d"
)
_LETTERS = re.compile(r"[\s_\d:]")
_STARTS = frozenset("[0123456789٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९上下中早晚凌午오ص\u200e\u200f\u202a\u202b\u2068\ufeff")

Shape = tuple[bool, bool]
"""How a stamp looks: whether it is in brackets, and whether the time comes before the date."""


class StampReader:
    """Reads the stamps of one file, whose look and whose order of day and month it has learnt from the whole file."""

    def __init__(self, shapes: frozenset[Shape], order: times.Order) -> None:
        self.shapes = shapes
        self.order = order
        self._dates: dict[str, date | None] = {}
        self._times: dict[str, time | None] = {}

    @classmethod
    def learn(cls, source: Source) -> StampReader:
        """Read all stamps of a file. Raises IngestError where there are none or they are of no calendar known here.

        The first stamp tells how the file's stamps look; others, of messages pasted into a message, are text. Only a
        file whose first stamp is the exception is read as a mixture.
        """
        dates: dict[Shape, dict[str, None]] = {}
        counts: Counter[Shape] = Counter()
        for line in source.lines():
            match = match_stamp(line)
            if match is not None:
                shape = _shape(match)
                counts[shape] += 1
                dates.setdefault(shape, {})[match["date"]] = None
        if not counts:
            raise IngestError(f"{source.origin} has no line that begins with a date and a time as a chat export's do")
        first = next(iter(counts))
        shapes = {first} if 2 * counts[first] >= counts.total() else set(counts)
        parts = [times.date_parts(written) for shape in dates if shape in shapes for written in dates[shape]]
        _check_calendar(source, parts)
        return cls(frozenset(shapes), times.decide_order(parts))

    def read(self, line: str) -> tuple[datetime, str, str] | None:
        """The line's date, its stamp as written and the text after it; None for a line without a stamp."""
        match = match_stamp(line)
        if match is None or _shape(match) not in self.shapes:
            return None
        day, clock = self._date(match["date"]), self._time(match["time"])
        if day is None or clock is None:
            return None
        return datetime.combine(day, clock), f"{match['date']} {match['time']}", line[match.end() :]

    def _date(self, written: str) -> date | None:
        if written not in self._dates:
            self._dates[written] = times.to_date(times.date_parts(written), self.order)
        return self._dates[written]

    def _time(self, written: str) -> time | None:
        if written not in self._times:
            self._times[written] = _clock(written)
        return self._times[written]


def match_stamp(line: str) -> re.Match[str] | None:
    """The stamp at the beginning of a line: a date and a time, in either order, in brackets or before a dash."""
    if line[:1] not in _STARTS or not line:
        return None
    return _DATE_FIRST.match(line) or _TIME_FIRST.match(line)


def looks_stamped(line: str) -> bool:
    """Whether a line without a stamp begins with a date and a time all the same, in a form not known here."""
    return line[:1] in _STARTS and _LIKE_STAMP.match(line) is not None


def _shape(match: re.Match[str]) -> Shape:
    return match["bracket"] is not None, match.re is _TIME_FIRST


def _check_calendar(source: Source, parts: list[times.Parts]) -> None:
    strange = [year for first, _, third in parts if EARLIEST_YEAR > (year := max(first, third)) >= 100]
    if 2 * len(strange) > len(parts):
        raise IngestError(
            f"{source.origin} gives years such as {strange[0]}, of a calendar that is not read here",
            mend="Set the phone's calendar to Gregorian and export the chat again.",
        )


def _clock(written: str) -> time | None:
    hour, minute, second = [*(int(number) for number in re.findall(r"\d+", written)), 0][:3]
    try:
        return time(_hour(hour, _LETTERS.sub("", written).casefold()), minute, second)
    except ValueError:
        return None


def _hour(hour: int, half: str) -> int:
    if hour > 12 or not half:
        return hour
    if half in AROUND_NOON:
        return hour if hour >= 11 else hour + 12
    late = half.startswith("p") or half in (word.casefold() for word in AFTER_NOON)
    return hour % 12 + (12 if late else 0)
