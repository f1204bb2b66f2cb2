"""What is worth a word about a column of text: it may hold numbers, or words for a missing cell of another program.

>>> remarks_on_text(["12 cm", "7 cm", "30 cm"], "categories", "")
['12 cm is one of its categories, not the number 12; write the numbers alone if they are amounts']
"""

import re
import shlex
from collections.abc import Sequence

import numpy as np

from .class_names import alike
from .columns import MISSING, SAMPLE, is_written_number, looks_like_dates
from .dates import MONTHS
from .errors import one_line

__all__ = ["look_like_months", "may_mean_missing", "meant_as_numbers", "remarks_on_text", "too_many_categories"]

ELSEWHERE = frozenset((
    "..", "...", "…", "--", "---", "–", "—", "<na>", "\\n", "(null)", "[null]", "n.a.", "n. a.", "n.d.", "n/d",
    "k.a.", "k. a.", "k.a", "s/d", "s.d.", "b.d.", "н/д", "нет данных", "缺失", "欠測", "결측", "#n/a", "#nv", "#n/v",
    "#n/d", "#div/0!", "#value!", "#wert!", "#valeur!", "#¡valor!", "#valor!", "#ref!", "#bezug!", "#name?", "#num!",
    "#zahl!", "#null!",
))  # fmt: skip
"""Words of spreadsheets, databases and languages that mean no value; they are values here, and told."""
STATISTICS = re.compile(r"\.[a-z_]?", re.I)
"""A missing number of Stata and SAS."""
NUMBER = re.compile(r"([^\w]*?)(\d(?:[\d.,'’\s]*\d)?)([^\d]*)")
SEVERAL = 3
"""Different numbers from which a column of text may be one of numbers."""


def may_mean_missing(word: str) -> bool:
    """Whether some program or language writes a missing cell so."""
    return word.lower() in MISSING or word.lower() in ELSEWHERE or bool(STATISTICS.fullmatch(word))


def look_like_months(cells: Sequence[str]) -> bool:
    """Whether all are a month and its year, as in 01.2024: as a number it is close to January of any year."""
    return len(cells) > 1 and all(MONTHS.fullmatch(cell) for cell in cells)


def meant_as_numbers(words: Sequence[str]) -> tuple[str, str] | None:
    """Why different words of a column may be meant as numbers, and what to do then; None if they are not."""
    some = words[:SAMPLE]
    others = [word for word in some if not is_written_number(word)]
    numbers = len(some) - len(others)
    if numbers >= SEVERAL and 0 < len(others) <= max(1, numbers // SEVERAL):
        shown, option = one_line(others[0], 40), shlex.quote(others[0])
        return f"{shown!r} is not a number, as others are", f"--missing {option} takes it for a missing cell"
    found = [NUMBER.fullmatch(word) for word in others]
    known = [match for match in found if match and is_written_number(match[2])]  # 1.0.2 is none
    around = {(match[1], match[3].strip()) for match in known}
    if numbers or len(known) < len(found) or len({match[2] for match in known}) < SEVERAL:
        return None
    if 2 * len(around) > len(known):
        return None
    shown, number = one_line(others[0], 40), known[0][2]
    return f"{shown} is {{}}, not the number {number}", "write the numbers alone if they are amounts"


def too_many_categories(
    name: str, words: Sequence[str], most: int, cells: np.ndarray, each_once: bool
) -> tuple[str, str]:
    """Why a column of text is refused, and what to do.

    Args:
        words: its different ones.
        most: that are taken.
        cells: some.
    """
    what, remedy = f"is text with {len(words)} different values, more than {most}", "turn it into numbers"
    without = f"leave it out with --ignore {one_line(name, 60)}"
    if looks_like_dates(cells):
        what = f"holds dates ({one_line(cells[0], 40)})"
    elif said := meant_as_numbers(words):
        return f"{what}: {said[0].format('text')}", f"{said[1]}, or {without}"
    elif each_once:
        what += ", each once: an identifier"
    return what, f"{without}, or {remedy}"


def remarks_on_text(words: Sequence[str], what: str, column: str) -> list[str]:
    """About the different words of a column that are taken for categories or classes.

    Args:
        what: "categories" or "classes".
        column: how a line about it begins.
    """
    found = []
    if said := meant_as_numbers(words):
        told, remedy = said
        told = told.format(f"one of its {what}") if "{}" in told else f"{told}, so that all are {what}"
        found.append(f"{column}{told}; {remedy}")
    if what == "categories":  # of classes it is told where their splits are known
        found += [column + line.replace("classes", what) for line in alike(words[:SAMPLE])]
    return found
