"""A column of dates as the axis of a series: read in one notation, rising, and continued beyond its end."""

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["MONTHS", "Axis", "axis_of", "continued", "is_dates", "refuse_form"]

NOTATIONS = {
    "2024-01-31": "", "2024/01/31": "%Y/%m/%d", "2024-01": "%Y-%m", "2024/01": "%Y/%m", "31.01.2024": "%d.%m.%Y",
    "01/31/2024": "%m/%d/%Y", "31/01/2024": "%d/%m/%Y", "31-01-2024": "%d-%m-%Y", "01/31/2024 23:59": "%m/%d/%Y %H:%M",
    "31/01/2024 23:59": "%d/%m/%Y %H:%M", "31.01.2024 23:59": "%d.%m.%Y %H:%M", "Jan 2024": "%b %Y",
    "31 Jan 2024": "%d %b %Y", "Jan 31, 2024": "%b %d, %Y", "20240131": "%Y%m%d",
    "01.2024": "%m.%Y",
}  # fmt: skip
"""How a date may be written, and the form of `strptime`; "" is ISO 8601, with a time or without."""
ISO = "2024-01-31"
MONTH, MONTHS = "01.2024", re.compile(r"(0[1-9]|1[0-2])\.(19|20)\d\d")  # an exchange rate of 1.0832 is none
REMEDY = f"write dates such as {ISO}, or give --dates such as %d/%m/%Y"
LOCAL = "cxX"  # parts of `strptime` that follow the locale
LEAST = 6  # characters of a date


@dataclass
class Axis:
    """Dates that rise.

    Attributes:
        name: of the column.
        notation: a key of `NOTATIONS`, or a form of `strptime` that was given.
        first, last: the cells at the ends, as they are written.
        months, seconds: between neighbours; both 0 if they are not evenly spaced.
    """

    name: str
    notation: str
    first: str
    last: str
    months: int
    seconds: float

    def facts(self) -> dict[str, Any]:
        return dict(vars(self))

    def said(self) -> str:
        spaced = f"every {_span(self.months, self.seconds)}" if self.months or self.seconds else "not evenly spaced"
        return f"{self.name}, {self.first} to {self.last}, {spaced} (read as {self.notation})"


def _span(months: int, seconds: float) -> str:
    if months:
        return f"{months // 12} years" if months > 12 and not months % 12 else {1: "month", 12: "year"}.get(
            months, f"{months} months")  # fmt: skip
    for name, size in (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60)):
        if not seconds % size:
            count = int(seconds // size)
            return name if count == 1 else f"{count} {name}s"
    return f"{seconds:g} seconds"


def _parsed(cell: str, notation: str) -> datetime | None:
    form = NOTATIONS.get(notation, notation)
    if notation == MONTH and not MONTHS.fullmatch(cell):
        return None
    try:
        if form:
            return datetime.strptime(cell, form)
        found = datetime.fromisoformat(cell) if not cell.isdigit() else None
    except ValueError:
        return None
    return found


def refuse_form(form: str) -> None:
    """Refuses a form that does not say a day.

    Raises:
        ValueError: (-1, what is wrong, remedy).
    """
    local = next((f"%{letter}" for letter in re.findall("%(.)", form) if letter in LOCAL), "")
    if local:
        what = f"{form[:40]!r} has {local}, which each machine's language writes in another way"
        raise ValueError(-1, what, "give its parts, such as %d/%m/%Y %H:%M")
    one, other = (datetime(year, month, 28, 13, 14, 15) for year, month in ((1999, 2), (2001, 11)))
    try:
        told = [datetime.strptime(each.strftime(form), form) for each in (one, other)]
    except (ValueError, re.error):  # the latter if a part is there twice, as in %d/%d/%Y
        told = []
    if len(told) < 2 or any((a.year, a.month) != (b.year, b.month) for a, b in zip(told, (one, other), strict=True)):
        raise ValueError(-1, f"{form[:40]!r} is no notation of dates", "give --dates such as %d/%m/%Y or %Y-%m-%d")


def is_dates(cells: np.ndarray, form: str = "") -> bool:
    """Whether nearly all cells are dates in one notation, or in the form that is given."""
    some = [cell for cell in cells[:200].tolist() if cell]
    if not some or len(some[0]) < LEAST:
        return False
    return any(
        sum(_parsed(cell, notation) is not None for cell in some) >= 0.9 * len(some)
        for notation in ([form] if form else NOTATIONS)
        if _parsed(some[0], notation) or (len(some) > 1 and _parsed(some[1], notation))
    )


def axis_of(name: str, cells: np.ndarray, form: str = "") -> Axis:
    """The axis that cells are, in the only notation that all fit and in which they rise.

    Args:
        form: of `strptime`, in which they are written; "": to be found out.

    Raises:
        ValueError: (row or -1, what is wrong, remedy).
    """
    texts = cells.tolist()
    fitting = [form] if form else [notation for notation in NOTATIONS if _parsed(texts[0], notation)] or [ISO]
    read = {notation: [_parsed(cell, notation) for cell in texts] for notation in fitting}
    whole: dict[str, list[Any]] = {notation: dates for notation, dates in read.items() if None not in dates}
    if not whole:
        best = max(read, key=lambda notation: sum(one is not None for one in read[notation]))
        row = read[best].index(None)
        what = f"is {texts[row][:40]!r}, not a date" if texts[row] else "is empty"
        raise ValueError(row, what, f"write dates such as {best}")
    for dates in whole.values():
        zoned = [one.tzinfo is not None for one in dates]
        if any(zoned) != all(zoned):
            row = zoned.index(not zoned[0])
            what = f"is {texts[row][:40]!r}, {'without' if zoned[0] else 'with'} a time zone, unlike {texts[0][:40]!r}"
            raise ValueError(row, what, "write all dates with a time zone, or none")
    rising = {notation: dates for notation, dates in whole.items() if _falls(dates) < 0}
    if not rising:
        row = _falls(next(iter(whole.values())))
        again = texts[row] == texts[row - 1]
        remedy = "sort the rows by date, one row for each; of several series give one"
        what = f"is {texts[row]!r} {'again' if again else f'after {texts[row - 1]!r}'}"
        if any(one.hour and one.tzinfo is None for one in next(iter(whole.values()))):
            remedy += "; where clocks were set back, write the time zone, as in +02:00"
        raise ValueError(row, what, remedy)
    if len({tuple(dates) for dates in rising.values()}) > 1:
        raise ValueError(-1, f"may be read as {' or '.join(rising)}", REMEDY)
    notation, dates = next(iter(rising.items()))
    months, seconds = _spacing(dates)
    return Axis(name, notation, texts[0], texts[-1], months, seconds)


def _falls(dates: Sequence[Any]) -> int:
    """The first row that is not after the one before it; -1 if there is none."""
    return next((row for row in range(1, len(dates)) if dates[row] <= dates[row - 1]), -1)


def _spacing(dates: Sequence[datetime]) -> tuple[int, float]:
    numbers = [12 * one.year + one.month for one in dates]
    months = {later - earlier for earlier, later in pairwise(numbers)}
    days, times = {one.day for one in dates}, {one.timetz() for one in dates}
    ends = all(one.day == calendar.monthrange(one.year, one.month)[1] for one in dates)
    # Before equal gaps: from July to September each month has 31 days.
    if len(months) == len(times) == 1 and min(months) > 0 and (len(days) == 1 or ends):
        return months.pop(), 0.0
    gaps = {later - earlier for earlier, later in pairwise(dates)}
    return 0, gaps.pop().total_seconds() if len(gaps) == 1 else 0.0


def continued(axis: dict[str, Any] | None, count: int) -> list[str]:
    """The dates of the next `count` rows, as the column writes them; "+1", "+2" ... without evenly spaced dates.

    Args:
        axis: the `facts` of an `Axis`.
    """
    if axis is None or not (axis["months"] or axis["seconds"]):
        return [f"+{step}" for step in range(1, count + 1)]
    last = _parsed(axis["last"], axis["notation"])
    if last is None:
        raise ValueError(f"{axis['last']!r} is no date such as {axis['notation']}")
    # the end of a month is followed by ends of months
    at_end = last.day == calendar.monthrange(last.year, last.month)[1] and last.day > 28 - (last.month == 2)
    found = []
    for step in range(1, count + 1):
        if axis["months"]:
            years, month = divmod(12 * last.year + last.month - 1 + step * axis["months"], 12)
            days = calendar.monthrange(years, month + 1)[1]
            one = last.replace(year=years, month=month + 1, day=days if at_end else min(last.day, days))
        else:
            one = last + timedelta(seconds=step * axis["seconds"])
        found.append(_written(one, axis))
    return found


def _written(one: datetime, axis: dict[str, Any]) -> str:
    form = NOTATIONS.get(axis["notation"], axis["notation"])
    if form:
        return one.strftime(form)
    if "W" in axis["last"]:  # a week of ISO 8601, with its day or without
        year, week, weekday = one.isocalendar()
        between, with_day = "-" * ("-" in axis["last"]), len(axis["last"].replace("-", "")) > len("2024W05")
        return f"{year}{between}W{week:02}" + f"{between}{weekday}" * with_day
    if len(axis["last"]) <= len(ISO):
        return date(one.year, one.month, one.day).isoformat()
    return one.isoformat(sep=" " if " " in axis["last"] else "T", timespec="auto")
