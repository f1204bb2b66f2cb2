"""What is wrong with the data: problems, each with file, place and remedy, and the error that names the first."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BadImage", "DataError", "Problem", "Problems", "one_line"]


def one_line(text: object, limit: int = 300) -> str:
    """`text` on one printable line: control characters escaped, the middle of long text left out."""
    # unprintable characters cover line breaks of every alphabet and terminal escape sequences
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)[: 4 * limit])
    return safe if len(safe) <= limit else f"{safe[: limit // 2 - 2]} ... {safe[-limit // 2 + 3 :]}"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it is (file, place in the file), what it is, and what to do about it."""

    file: str
    place: str
    what: str
    remedy: str
    skippable: bool = True
    """Whether the file or row can be left out, so that the rest is still usable."""

    def __str__(self) -> str:
        where = ": ".join(one_line(part) for part in (self.file, self.place) if part)
        text = f"{where}: {one_line(self.what)}" if where else one_line(self.what)
        return f"{text}; {one_line(self.remedy, 900)}" if self.remedy else text


class DataError(ValueError):
    """The data cannot be used; the text is one line, `problems` lists everything found."""

    def __init__(self, problems: Problem | str | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem("", "", problems, "", skippable=False)
        self.problems: list[Problem] = [problems] if isinstance(problems, Problem) else list(problems)
        more = len(self.problems) - 1
        text = str(self.problems[0]) if self.problems else "the data cannot be used"
        super().__init__(f"{text} (and {more} more)" if more > 0 else text)


class Problems:
    """Collects the problems that a reader meets, and decides whether reading may continue.

    `skip_bad` leaves out what can be left out; `keep_going` (of `data check`) lists everything and never
    stops at a problem that can be left out.
    """

    def __init__(self, *, skip_bad: bool = False, keep_going: bool = False) -> None:
        self.skip_bad = skip_bad
        self.keep_going = keep_going
        self.found: list[Problem] = []

    def add(self, file: str | Path, place: str, what: str, remedy: str) -> None:
        """Notes a problem of one file or row that can be left out."""
        self.found.append(Problem(str(file), place, what, remedy))

    def fail(self, file: str | Path, place: str, what: str, remedy: str) -> DataError:
        """The error, for `raise`, of a problem that ends reading, after all those found before it."""
        self.found.append(Problem(str(file), place, what, remedy, skippable=False))
        return DataError(self.found)

    def settle(self) -> None:
        """Raises DataError for the problems found so far, unless they are to be left out."""
        if self.found and not (self.skip_bad or self.keep_going):
            raise DataError(self.found)

    def skipped(self) -> list[str]:
        """Names of what was left out, for the record of the run."""
        return [f"{p.file}: {p.place}" if p.place else p.file for p in self.found if p.skippable]

    def left_out(self) -> list[str]:
        """What was left out, as a line for the notes of a data set; [] if nothing was."""
        names = self.skipped()
        return [f"left out: {len(names)} ({one_line(names[0])}{', ...' if names[1:] else ''})"] if names else []


class BadImage(ValueError):
    """The file is not an image that can be decoded; the text says why."""
