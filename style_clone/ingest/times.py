"""Dates as exports write them: ISO 8601, mail headers, epochs, and numeric dates whose order a whole file decides."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Literal

Order = Literal["day first", "month first", "year first"]
Parts = tuple[int, int, int]

FIRST_EPOCH_SECONDS = 100_000_000
WRITTEN_OUT = ("%B %d, %Y", "%d %B, %Y", "%d %B %Y", "%b %d, %Y", "%d %b %Y")
BUDDHIST_YEARS = 543
REIWA, HEISEI = 2018, 1988
_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_. ]?)(\d\d)\2(\d\d)(?!\d)")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th|d)\b")
_NUMBER = re.compile(r"\d+")


def parse_date(value: object) -> datetime | None:
    """A date out of JSON or front matter, with its zone where it has one; None where it is not understood.

    Understood are ISO 8601 (with or without seconds and zone), the form of mail headers, "March 12, 2025" and the like,
    and epochs as numbers in seconds, milliseconds or microseconds from 1973 on.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _from_epoch(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if re.fullmatch(r"\d{9,}(\.\d+)?", text):
        return _from_epoch(float(text))
    return _from_iso(text) or _from_mail(text) or _written_out(text)


class LocalClock:
    """Turns zoned dates of one file into naive wall clock, all in the zone of the file's first zoned date.

    One zone for the whole file, because dropping each date's own would disturb the order of messages and the gaps
    between them. Dates without a zone are taken as they are.
    """

    def __init__(self) -> None:
        self.zone: tzinfo | None = None

    def wall(self, moment: datetime) -> datetime:
        """The naive wall clock of `moment`."""
        if moment.tzinfo is None:
            return moment
        if self.zone is None:
            self.zone = moment.tzinfo
        try:
            return moment.astimezone(self.zone).replace(tzinfo=None)
        except OverflowError:
            return moment.replace(tzinfo=None)


def date_in_name(name: str) -> datetime | None:
    """The first date in a file's name: 2025-03-12, 2025_03_12 or 20250312."""
    for match in _IN_NAME.finditer(name):
        try:
            return datetime(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            continue
    return None


def date_parts(written: str) -> Parts:
    """The three numbers of a numeric date, in the order written, in any script's digits.

    Years of Japanese and Buddhist eras are made common ones.
    """
    first, second, third = (int(number) for number in _NUMBER.findall(written))
    if "R" in written:
        third += REIWA
    elif "H" in written:
        third += HEISEI
    return _common_year(first), second, _common_year(third)


def decide_order(dates: Sequence[Parts]) -> Order:
    """The order of day, month and year in the dates of one file, given in the file's order.

    A four-digit year speaks for itself. Else a value above 12 decides; else the order in which time runs backwards less
    often; else the day comes first.
    """
    open_dates = [parts for parts in dates if parts[0] < 1000]
    if _year_leads(open_dates):
        return "year first"
    days = sum(first > 12 for first, _, _ in open_dates)
    months = sum(second > 12 for _, second, _ in open_dates)
    if days != months:
        return "day first" if days > months else "month first"
    backwards = {order: _steps_back(open_dates, order) for order in ("day first", "month first")}
    return "month first" if backwards["month first"] < backwards["day first"] else "day first"


def to_date(parts: Parts, order: str) -> date | None:
    """The date meant; where `order` gives none, day and month are taken the other way round; None where both fail."""
    first, second, third = parts
    if first >= 1000 or order == "year first":
        year, month, day = first, second, third
    elif order == "month first":
        year, month, day = third, first, second
    else:
        year, month, day = third, second, first
    year += 2000 if year < 100 else 0
    return _date(year, month, day) or _date(year, day, month)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _common_year(number: int) -> int:
    return number - BUDDHIST_YEARS if 2400 <= number < 2700 else number


def _year_leads(dates: Sequence[Parts]) -> bool:
    """Whether two-digit years stand first: the last number changes from date to date as days do, the first hardly."""
    firsts, seconds, thirds = ({parts[place] for parts in dates} for place in range(3))
    plausible = all(9 <= first < 100 for first in firsts) and all(second <= 12 for second in seconds)
    return plausible and 3 <= len(thirds) > len(firsts) and max(thirds, default=99) <= 31


def _steps_back(dates: Sequence[Parts], order: str) -> int:
    read = [moment for parts in dates if (moment := to_date(parts, order)) is not None]
    return sum(later < earlier for earlier, later in pairwise(read))


def _from_epoch(number: float) -> datetime | None:
    if not math.isfinite(number) or number < FIRST_EPOCH_SECONDS:
        return None
    for per_second in (1, 1000, 1_000_000):
        if number / per_second < 100 * FIRST_EPOCH_SECONDS:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=number / per_second)
    return None


def _from_iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _from_mail(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _written_out(text: str) -> datetime | None:
    text = _ORDINAL.sub("", text).rstrip(".")
    for form in WRITTEN_OUT:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None
