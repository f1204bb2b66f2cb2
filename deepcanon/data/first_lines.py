"""The first lines of a file, by which readers tell whose form it has: no more of it is read."""

import gzip
import zlib
from pathlib import Path

__all__ = ["first_lines"]

LONGEST = 1 << 22  # bytes that are read of a line
BLANK = 100  # blank lines that are skipped at most


def first_lines(path: Path, count: int = 1) -> list[str]:
    """The first lines that are not blank, without their ends; what is not UTF-8 in them is replaced.

    A file that cannot be read has as many as come before the damage, and a pipe none: the reader reports what is wrong.
    """
    found: list[str] = []
    if not path.is_file():  # opening a named pipe blocks
        return found
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb") as file:
            for number in range(count + BLANK):
                line = file.readline(LONGEST)
                if not line or len(found) >= count:
                    break
                text = line.decode("utf-8-sig" if number == 0 else "utf-8", "replace").rstrip("\r\n")
                found += [one for one in text.split("\r") if one.strip()]
    except (OSError, EOFError, zlib.error):
        pass
    return found[:count]
