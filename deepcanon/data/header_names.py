"""The names of columns in a first line, as a reader of them sees them, and what such a line says of the file.

>>> plain_name("\\ufeffGro\\u0308\\u00dfe\\u00a0(m)\\u200b")
'Gr\u00f6\u00dfe (m)'
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from .errors import Problems, one_line

__all__ = ["MOST_COLUMNS", "best_separator", "check_header", "plain_name", "remedy_for_wider_rows"]

MOST_COLUMNS = 100_000
UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\u00ad]")
"""Signs that nobody sees. Joiners stay where they are: words of Persian and Hindi are written with them."""
SEPARATORS = (",", ";", "\t", "|")


def plain_name(cell: str) -> str:
    """A name without blanks around it and signs that nobody sees, in NFC: one name is one text in every file."""
    if cell.isascii():
        return cell.strip()
    return " ".join(unicodedata.normalize("NFC", UNSEEN.sub("", cell)).split())


def best_separator(line: str) -> str:
    """The one of comma, semicolon, tab and bar that is most frequent outside quotes.

    A comma that a blank follows belongs to a name where another sign separates, as in "Temperature, K;Pressure, hPa".
    """
    bare = "".join(line.split('"')[::2])
    found = max(SEPARATORS, key=bare.count)
    other = max(SEPARATORS[1:], key=bare.count)
    return other if found == "," and other in bare and bare.count(", ") == bare.count(",") else found


def remedy_for_wider_rows(names: int, rows: Sequence[Sequence[str]]) -> str:
    """What to do where all rows have the same other number of cells than there are names."""
    if len(rows[0]) != names + 1:
        return "remove what stands above the names of the columns"
    if all(not row[-1].strip() for row in rows):
        return "remove the separator at the end of each row, or add one to the first line"
    return "give the first column a name too (R's write.table writes none above the names of the rows)"


def check_header(names: list[str], file: str, problems: Problems, header: str = "") -> None:
    if len(names) > MOST_COLUMNS:
        raise problems.fail(file, "header", f"has {len(names)} columns", f"give a table of at most {MOST_COLUMNS}")
    for place, name in enumerate(names, 1):
        if not name:
            raise problems.fail(file, f"header, column {place}", "has no name", "name every column in the first line")
    double = [name for name, count in Counter(names).items() if count > 1]
    if double:
        what = f"column name {one_line(double[0], 60)!r} occurs twice"
        otherwise = ", or use --header no" if header else ""
        raise problems.fail(file, "header", what, f"give each column its own name{otherwise}")
