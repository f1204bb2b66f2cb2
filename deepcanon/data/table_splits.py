"""The splits of a table: as its files or a column give them, by time, by groups, or drawn by seed and class."""

import re
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from .errors import one_line
from .splits import ORDER, SPLIT_NAMES, draw_splits, shares
from .table_columns import Reading

__all__ = ["SPLIT_NAMES", "drawn_splits", "splits_of"]

DATE = re.compile(r"(\d{4})[-/](\d{1,2})(?:[-/](\d{1,2})([T ].+)?)?")


def splits_of(
    reading: Reading, given: np.ndarray | None, rows: np.ndarray, labels: np.ndarray | None, seed: int
) -> tuple[dict[str, np.ndarray], str]:
    """Rows of the table by split, and how they were found, in words."""
    options, table = reading.options, reading.table
    wanted = [("valid", options.valid_share), ("test", options.test_share)]
    if options.time and options.group:
        raise reading.problems.fail(table.file, "", "has both --group and --time", "give one of them")
    if options.split and given is not None:
        raise reading.problems.fail(table.file, "", "has a file for each split", "leave --split out")
    if options.split:
        look = reading.column(options.split, "split")
        given = look.each(lambda cell: SPLIT_NAMES.get(cell.lower(), ""))
        unknown = rows[given[rows] == ""][:1]
        if len(unknown):
            what = f"says {one_line(np.strings.lower(look.of_rows(unknown))[0], 40)!r}, which is not a split"
            raise reading.fail(options.split, what, "write train, valid or test in each row")
    if given is not None:
        found = {split: rows[given[rows] == split] for split in ORDER}
        found = {split: some for split, some in found.items() if len(some)}
        if "train" not in found:
            raise reading.problems.fail(table.file, "", "has no row to train on", "mark some rows as train")
        missing = [(split, share) for split, share in wanted if split not in found and share > 0]
        if not missing:
            unused = next((f"; --{o} is not used" for o in ("group", "time") if getattr(options, o)), "")
            return found, f"as given{unused}"
        mine, said = _drawn(reading, found["train"], labels, missing, seed)
        return {**mine, **{s: r for s, r in found.items() if s != "train"}}, f"{', '.join(found)} as given; {said}"
    missing = [(split, share) for split, share in wanted if share > 0]
    return _drawn(reading, rows, labels, missing, seed) if missing else ({"train": rows}, "")


def _drawn(
    reading: Reading, rows: np.ndarray, labels: np.ndarray | None, missing: list[tuple[str, float]], seed: int
) -> tuple[dict[str, np.ndarray], str]:
    """Splits that the data do not bring: by seed and class, whole groups, or the latest rows."""
    options = reading.options
    which = " and ".join(split for split, _ in missing)
    if options.time:
        ordered = rows[np.argsort(_times(reading)[rows], kind="stable")]
        found, end = {}, len(ordered)
        for split, share in reversed(missing):
            start = end - max(1, round(len(rows) * share))
            found[split], end = np.sort(ordered[max(0, start) : end]), max(0, start)
        if not end:
            raise reading.problems.fail(reading.table.file, "", "leaves no row to train on", "give smaller shares")
        return {"train": np.sort(ordered[:end]), **found}, f"{which}: the latest rows by {options.time}"
    if options.group:
        look = reading.column(options.group, "group")
        used = np.zeros(len(reading.table), dtype=bool)
        used[rows] = True
        groups = look.distinct(used)
        if len(groups) <= len(missing):
            what = f"has {len(groups)} groups, too few for {len(missing) + 1} splits"
            raise reading.fail(options.group, what, "ask for fewer splits")
        drawn = draw_splits(len(groups), None, missing, seed)
        places = look.places(groups)[rows]
        found = {split: rows[np.isin(places, some.numpy())] for split, some in drawn.items()}
        return found, f"{which} drawn by seed {seed}, groups of {options.group} kept together"
    chosen = None if labels is None else torch.from_numpy(labels[rows])
    drawn = draw_splits(len(rows), chosen, missing, seed)
    how = f"{which} drawn by seed {seed}{' and class' if labels is not None else ''}"
    return {split: rows[places.numpy()] for split, places in drawn.items()}, how


def _times(reading: Reading) -> np.ndarray:
    """What the rows are ordered by: numbers, or dates with the year first; bad rows have any place."""
    name = reading.options.time
    numbers, good = reading.numbers(name), ~reading.bad
    if numbers.unsure:
        raise reading.unsure(name, numbers.unsure)
    if numbers.ok[good].all():
        return numbers.values
    look = reading.look(name)
    moments = look.each(lambda cell: np.nan if (moment := _moment(cell)) is None else moment)
    wrong = np.flatnonzero(good & np.isnan(moments))[:1]
    if len(wrong):
        what = f"holds {one_line(look.of_rows(wrong)[0], 40)!r}, which is not a time"
        raise reading.fail(name, what, "write numbers, or dates as 2026-01-31")
    return moments


def _moment(cell: str) -> float | None:
    """Seconds of a date with the year first, of UTC where it names no zone; None if it is not a date."""
    found = DATE.fullmatch(cell)
    if not found:
        return None
    year, month, day, clock = found.groups()
    try:
        moment = datetime.fromisoformat(f"{year}-{int(month):02}-{int(day or 1):02}{clock or ''}")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def drawn_splits(
    count: int, labels: np.ndarray | None, options: dict[str, Any] | None, seed: int
) -> tuple[dict[str, np.ndarray], str]:
    """Splits of rows that have no file: by seed and class; and that in words."""
    wanted = [(split, share) for split, share in zip(("valid", "test"), shares(options), strict=True) if share > 0]
    drawn = draw_splits(count, None if labels is None else torch.from_numpy(labels), wanted, seed)
    by = f"{' and '.join(s for s, _ in wanted)} drawn by seed {seed}{' and class' if labels is not None else ''}"
    return {split: rows.numpy() for split, rows in drawn.items()}, by if wanted else ""
