"""The edit distance: how many symbols must be put in, left out or replaced to make one sequence of another.

Source: Levenshtein 1966; Wagner and Fischer, "The String-to-String Correction Problem", 1974.

>>> edit_distance("kitten", "sitting")
3
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["edit_distance", "error_rate"]


def edit_distance(found: Sequence[Any], wanted: Sequence[Any]) -> int:
    """Of two sequences of symbols; one row of Wagner and Fischer's table at a time."""
    number: dict[Any, int] = {}
    a, b = (np.array([number.setdefault(s, len(number)) for s in one], np.int64) for one in (found, wanted))
    steps = np.arange(len(b) + 1)
    row = steps.copy()
    for symbol in a:
        # Replaced or left out; then, from left to right, put in: d_j = min over k <= j of d_k + (j - k).
        best = np.minimum(row[1:] + 1, row[:-1] + (b != symbol))
        row = np.minimum.accumulate(np.concatenate([[row[0] + 1], best]) - steps) + steps
    return int(row[-1])


def error_rate(found: Sequence[Sequence[Any]], wanted: Sequence[Sequence[Any]]) -> float:
    """All edits over all symbols that were wanted: it can be more than 1.

    Raises:
        ValueError: nothing is wanted, or the numbers of sequences differ.
    """
    total = sum(map(len, wanted))
    if len(found) != len(wanted) or not total:
        raise ValueError(f"{len(found)} sequences do not fit {len(wanted)} with {total} symbols")
    return sum(edit_distance(a, b) for a, b in zip(found, wanted, strict=True)) / total
