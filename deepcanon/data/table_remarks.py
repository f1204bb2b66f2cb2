"""What is worth a word about a table that can be read: nothing here changes what is learned.

A column that numbers the rows gives the order of the file away, and with it the class of a sorted one; a number far
from all others may stand for a missing cell; dates in eight digits are no even scale; a class without rows in a split
is not judged there.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .class_names import absent, alike
from .columns import name_of_number
from .errors import one_line
from .near_copies import signs_of
from .table_columns import Feature

__all__ = ["remarks_on_classes", "remarks_on_columns", "sums_of_the_rows", "twin_rows"]

NUMBERED = 20  # rows from which consecutive whole numbers are no accident
SPAN = 1.1  # of row numbers, some of whose rows are gone
FAR = 2.0  # times the range of all other values
FEWEST = 5  # rows whose sum a last row is by no accident
SEVERAL = 3  # different values: of two, one is always far from "all" others


def remarks_on_columns(features: Mapping[str, np.ndarray], target: Mapping[str, np.ndarray]) -> list[str]:
    """About columns of numbers, given by name with the values [N] of cells that are not missing."""
    constant, far, found = [], dict[float, list[str]](), list[str]()
    for name, values in (*features.items(), *target.items()):
        shown = one_line(name, 60)
        least, most = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
        if least == most and len(values) > 1:
            constant.append(shown)
        elif _look_like_dates(values):
            day = name_of_number(least)
            what = f"column {shown} looks like dates ({day} for {day[:4]}-{day[4:6]}-{day[6:]}) and is read as numbers"
            found.append(what + ("" if name in target else f"; --ignore {shown} leaves it out"))
        elif _numbers_the_rows(values, least, most):
            numbers = f"{name_of_number(least)} to {name_of_number(most)}"
            otherwise = f"a feature; --ignore {shown} leaves it out"
            if name in target:
                otherwise = "the target; --target chooses another"
            found.append(f"column {shown} numbers the rows ({numbers}) and is {otherwise}")
        elif (mark := _far_from_the_rest(values, least, most)) is not None:
            far.setdefault(mark, []).append(shown)
    for mark, names in far.items():
        number, where = name_of_number(mark), one_line(", ".join(names), 100)
        found.append(f"{number} is far from all other numbers (in {where}); --missing {number} takes it for a gap")
    if constant:
        found.append(f"the same in every row, which tells nothing: {one_line(', '.join(constant), 100)}")
    return found


def sums_of_the_rows(columns: Sequence[Feature], rows: np.ndarray, place: Callable[[int], str]) -> list[str]:
    """About a last row that holds the sums of all rows above it, as sheets end with them."""
    names = []
    for column in columns:
        if column.values is None or len(rows) <= FEWEST or column.missing[rows[-1]]:
            continue
        above, last = column.values[rows[:-1]][~column.missing[rows[:-1]]], column.values[rows[-1]]
        if np.count_nonzero(above) >= FEWEST and last > above.max() and np.isclose(last, above.sum(), 1e-9, 1e-9):
            names.append(one_line(column.source.name, 60))
    where = one_line(", ".join(names), 100)
    what = f"the last row ({place(int(rows[-1]))}) is the sum of those above it, in {where}"
    return [f"{what}; remove it if it is no example"] * bool(names)


def _numbers_the_rows(values: np.ndarray, least: float, most: float) -> bool:
    count = len(values)
    if count < NUMBERED or not count - 1 <= most - least <= SPAN * count:
        return False
    return bool((values == np.rint(values)).all()) and len(np.unique(values)) == count


def _look_like_dates(values: np.ndarray) -> bool:
    """Whether all are year, month and day in eight digits: as numbers the end of a month is 70 from the next one."""
    if not ((values >= 1900_01_01) & (values <= 2100_12_31) & (values == np.rint(values))).all():
        return False
    months, days = values // 100 % 100, values % 100
    calendar = (months >= 1) & (months <= 12) & (days >= 1) & (days <= 31)
    return bool(calendar.all()) and len(np.unique(values)) >= SEVERAL


def _far_from_the_rest(values: np.ndarray, least: float, most: float) -> float | None:
    """The smallest or largest value, if it occurs more than once and lies away from all others."""
    for mark in (least, most):
        rest = values[values != mark]
        if len(rest) and len(values) - len(rest) > 1:
            low, high = float(rest.min()), float(rest.max())
            if min(abs(low - mark), abs(high - mark)) > FAR * (high - low) and len(np.unique(rest)) >= SEVERAL:
                return mark
    return None


def remarks_on_classes(names: Sequence[str], labels: Mapping[str, np.ndarray]) -> list[str]:
    """About the classes of a target, whose places among the names are given by split."""
    if len(names) == 1:
        return [f"every row is {one_line(names[0], 60)}: nothing can be learned from one class"]
    return [*alike(names), *absent(names, labels, "row")]


def twin_rows(x: Mapping[str, np.ndarray], y: Mapping[str, np.ndarray]) -> list[str]:
    """About rows of valid and test that train has too, features [N, F] and target [N]: they measure nothing new."""
    signs = {split: _signs(values, y[split]) for split, values in x.items()}
    train = signs.pop("train")
    found = {split: int(np.isin(some, train).sum()) for split, some in signs.items()}
    return [
        f"rows of {split} that are in train too, with features and target: {count:,} of {len(signs[split]):,}"
        for split, count in found.items()
        if count
    ]


def _signs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # Adding 0 makes -0 the same as 0.
    return signs_of((values.astype(np.float64) + 0.0).view(np.uint64) for values in (y, *x.T))
