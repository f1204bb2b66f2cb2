"""AG News as pairs: the description of each article, and its title, which is to be written.

The published test file has 7,600 rows of class, title and description. In its order, the first 6,100 are for training,
the next 500 for validation and the last 1,000 for the test; the class is not read. Signs that the file writes as
HTML does, some without the ampersand (`#39;`, `&lt;`, `quot;`), are read as what they stand for, and a backslash, which
stands where a line ended, as a blank.

>>> plain(r"Oil hits  #36;50\\as Iraq #39;s exports stop")
"Oil hits $50 as Iraq's exports stop"
"""

import csv
import html
import io
import re
from pathlib import Path

from .errors import Problems
from .named_splits import Told
from .pair_rows import Pair
from .text import load

__all__ = ["SIZES", "pairs_of", "plain"]

SIZES = {"train": 6100, "valid": 500, "test": 1000}
ENTITY = re.compile(r"(?:(?<=\w) (?=#39;))?(?<!&)(#\d+;|\b(?:quot|amp|lt|gt);)")


def plain(text: str) -> str:
    """A text of the file as a person would read it."""
    restored = ENTITY.sub(r"&\1", text.replace("\\", " "))
    return " ".join(html.unescape(restored).split())


def pairs_of(path: Path, problems: Problems, told: Told) -> dict[str, list[Pair]]:
    """Description and title of each row, by split."""
    rows = list(csv.reader(io.StringIO(load(path, problems) or "", newline="")))
    found: dict[str, list[Pair]] = {}
    first = 0
    for split, count in SIZES.items():
        found[split] = [
            Pair(plain(description), plain(title), split, (path, path), f"line {number}")
            for number, (_, title, description) in enumerate(rows[first : first + count], first + 1)
        ]
        first += count
    told.notes.append("sides: the description is the source, the title the target; the class is not read")
    told.notes.append("splits: the first 6,100 rows of the published file, the next 500, the last 1,000")
    return found
