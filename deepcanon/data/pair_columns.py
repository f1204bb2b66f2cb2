"""Which column or key is the source of a pair of sentences, and which the target.

What options say; else what was learned from the training file; else a name in the first line or among the keys; else,
where a first line names nothing, the first column and the second. The first line of a .csv has names; that of a .tsv
may have some, by which it is known.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .errors import Problems, one_line
from .quoted_rows import SIGNS, cells_of, is_quoted

__all__ = [
    "AS_TRAINED", "OR_PLAIN", "SOURCE", "TARGET", "USUAL", "Columns", "Sides", "both_of", "columns_of", "sign_of",
    "wanted",
]  # fmt: skip

SOURCE, TARGET = ("src", "source"), ("tgt", "trg", "target")
USUAL = (SOURCE, TARGET)
HEADINGS = {
    "source", "target", "src", "tgt", "trg", "input", "output", "question", "answer", "article", "summary",
    "highlights", "document", "abstract", "headline", "title", "arabic", "chinese", "czech", "danish", "dutch",
    "english", "finnish", "french", "german", "greek", "hebrew", "hindi", "hungarian", "italian", "japanese",
    "korean", "latin", "norwegian", "polish", "portuguese", "romanian", "russian", "spanish", "swedish", "turkish",
    "ukrainian", "vietnamese", "deutsch", "englisch", "français", "anglais", "español", "inglés", "italiano",
    "inglese", "português", "polski", "nederlands", "русский", "ar", "cs", "da", "de", "el", "en", "es", "fi", "fr",
    "he", "hi", "hu", "it", "ja", "ko", "nl", "no", "pl", "pt", "ro", "ru", "sv", "tr", "uk", "vi", "zh",
}  # fmt: skip
"""First lines of these alone are no pairs but name the columns of a .tsv."""
AS_TRAINED, OR_PLAIN = "give the columns of training", ", or a .txt with a source a line"


class Sides(NamedTuple):
    """What is read as the source and as the target: a column's name or number, a key, or a language; "" if not said.

    `form` is what they are of, if they were learned: "columns", "keys" or "files"; then a column's number is an `int`,
    and `width` is how many columns there were.
    """

    source: str | int = ""
    target: str | int = ""
    form: str = ""
    width: int = 0

    def named(self) -> list[tuple[str, str]]:
        """What was said, with the option that said it."""
        return [(str(name), f"--{side}") for side, name in zip(("source", "target"), self[:2], strict=True) if name]


class Columns(NamedTuple):
    """Places of source and target among the cells (-1: nothing names it), of the column of splits; whether the first
    line is a header."""

    places: tuple[int, int]
    split: int
    header: bool


def wanted(side: int, said: Sides, known: Sides) -> tuple[tuple[str, ...], bool]:
    """The names in lower case that a side (0 is the source) may have, and whether it must have one of them.

    Args:
        said: what options say.
        known: what was learned from the training file, if another one is read.
    """
    asked, learned = said[side], known[side]
    if asked:
        return (str(asked).lower(),), True
    if not learned or isinstance(learned, int):
        return USUAL[side], False
    if known.form == "files":
        return (learned, *(name for name in USUAL[side] if name != learned)), False
    return (USUAL[side] if learned in USUAL[side] else (learned,)), True


def _number(said: str | int, learned: str | int, width: int) -> int:
    """The number of a column that was said or learned, 0 if it is a name."""
    if not said or isinstance(said, int):
        return learned if isinstance(learned, int) else 0
    digits = said.isascii() and said.isdigit() and len(said) < 10  # a longer one is a name at best
    return int(said) if digits and 1 <= int(said) <= width else 0


def sign_of(line: str, names: Sequence[str]) -> str:
    """What lies between the cells of a .csv: by its first line the sign with which one of `names` is there, else that
    with most cells.

    Raises:
        csv.Error: the line is not that of a .csv.
    """
    rows = {sign: [cell.lower() for cell in cells_of(line, sign)] for sign in SIGNS}
    return max(SIGNS, key=lambda sign: (len(rows[sign]) > 1 and bool({*names} & {*rows[sign]}), len(rows[sign])))


def columns_of(
    cells: Sequence[str], path: Path, place: str, problems: Problems, said: Sides, known: Sides, alone: bool = False
) -> Columns:
    """What the cells of the first line say.

    Args:
        alone: whether only the source is asked for.

    Raises:
        DataError: a column that is needed is not there, or two could be meant.
    """
    lower = [cell.strip().lower() for cell in cells]
    shown = ", ".join(one_line(cell.strip(), 30) for cell in cells[:6])
    places, usual, by_name, header = [-1, -1], [False, False], False, False
    for side, word in enumerate(("source", "target")):
        names, needed = wanted(side, said, known)
        number = _number(said[side], known[side], len(cells))
        named = [at for at, cell in enumerate(lower) if cell in (USUAL[side] if number else names)]
        usual[side], asked = bool(named), word == "source" or not alone
        if number:
            places[side] = number - 1
        elif named[1:] and asked:
            what = f"has two columns for the {word} ({lower[named[0]]}, {lower[named[1]]})"
            raise problems.fail(path, place, what, "keep one" if alone else f"keep one, or say which with --{word}")
        elif named:
            places[side], by_name, header = named[0], True, header or needed
        elif needed and asked:
            what = f"has no column {one_line(names[0], 40)!r} (the first line has {shown})"
            remedy = f"name one of them, or its number, with --{word}" if said[side] else AS_TRAINED
            raise problems.fail(path, place, what, remedy + OR_PLAIN * alone)
    least = places[0] if alone else min(places)
    header = header or all(usual) or (by_name and least >= 0) or is_quoted(path)
    header = header or (places == [-1, -1] and len(cells) > 1 and HEADINGS.issuperset(lower))
    if any(usual) and not header and least < 0:
        there, lost = ("source", "target") if usual[0] else ("target", "source")
        what = f"names a column for the {there} and none for the {lost} ({shown})"
        remedy = f"call it {USUAL[lost == 'target'][0]}" + ("" if alone else f", or say which with --{lost}")
        raise problems.fail(path, place, what, remedy)
    twice = next((name for name in lower if header and name and lower.count(name) > 1), "")
    if twice:
        raise problems.fail(path, place, f"has the column {one_line(twice, 40)!r} twice", "give each its own name")
    if header and places[0] < 0 and alone and cells[1:]:
        remedy = f"call one of them {SOURCE[0]}, or give a .txt with a source a line"
        raise problems.fail(path, place, f"names no column for the source ({shown})", remedy)
    split = lower.index("split") if header and "split" in lower else -1
    return Columns((places[0], places[1]), split, header)


def both_of(
    columns: Columns, cells: Sequence[str], path: Path, place: str, problems: Problems
) -> tuple[tuple[int, int], Sides]:
    """The places of both sides, one that nothing names among the free columns, and what later files call them.

    Raises:
        DataError: there are not two columns, or several could be the side that is not named.
    """
    places = list(columns.places)
    free = [at for at in range(len(cells)) if at not in (*places, columns.split)]
    lost = [side for side in (0, 1) if places[side] < 0]
    if len(free) < len(lost) or max(places) >= len(cells) or places[0] == places[1] >= 0:
        what = f"has {len(cells)} cell{'s' * (len(cells) != 1)} in its first line"
        if max(places) >= len(cells):
            raise problems.fail(path, place, f"{what}, and training read column {max(places) + 1}", AS_TRAINED)
        sign = "a comma" if is_quoted(path) else "a tab"
        remedy = f"put {sign} between source and target; --source and --target must differ"
        raise problems.fail(path, place, what, remedy)
    shown = ", ".join(one_line(cell.strip(), 30) for cell in cells[:6])
    if len(lost) == 2 and free[2:] and columns.header:
        what = f"names no columns for source and target ({shown})"
        raise problems.fail(path, place, what, "say which with --source and --target")
    if len(lost) == 2 and columns.header and any(len(cells[at].split()) > 3 for at in free):
        what = f"looks like a pair ({shown}), not like names"
        raise problems.fail(path, place, what, "put a line with the names of the columns first, such as src,tgt")
    if len(lost) == 2 and free[2:] and not all(any(c.isalpha() for c in cells[at]) for at in free[:2]):
        what = f"has no words in one of its first two columns ({shown})"
        raise problems.fail(path, place, what, "say the numbers of the columns with --source and --target")
    if len(lost) == 1 and free[1:]:
        word = ("source", "target")[lost[0]]
        what = f"has {len(free)} columns that could be the {word} ({shown})"
        raise problems.fail(path, place, what, f"say which with --{word}")
    for side, at in zip(lost, free, strict=False):
        places[side] = at
    first = len(lost) == 2 and places == [0, 1]  # what any file has that names nothing
    called = [cells[at].strip().lower() * columns.header or ("" if first else at + 1) for at in places]
    return (places[0], places[1]), Sides(called[0], called[1], "columns", len(cells))
