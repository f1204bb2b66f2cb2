"""Files of other programs: what each is, known by its first bytes or its name, and how to make of it what is read."""

import gzip
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

__all__ = ["Foreign", "foreign"]

TABLES = ("tables", "series", "documents", "pairs", "point_sets")
TEXTS = ("text", "documents", "stories", "dialogues", "pairs", "trees")
SOUNDS = ("audio", "speech")
PICTURES = ("images", "boxes")


class Foreign(NamedTuple):
    """What a file is, how to save it instead, and the kinds of data that reading it this way would give."""

    what: str
    remedy: str
    kinds: tuple[str, ...]


WORKBOOK = Foreign("is a workbook of a spreadsheet", "save the sheet as CSV and give that file", TABLES)
LETTER = Foreign("is a document of a word processor", "save it as plain text (.txt) and give that file", TEXTS)
PDF = Foreign("is a PDF", "save its text as a .txt file (pdftotext does)", TEXTS)
PAGE = Foreign("is a web page", "save its text as a .txt file", TEXTS)
PICKLE = Foreign(
    "is a pickle, which can run any code and is never opened",
    "save arrays by numpy.savez(file, x=x, y=y), a table as CSV or Parquet",
    (*PICTURES, *TABLES),
)
CHECKPOINT = Foreign(
    "is a file of torch, which can run any code and is never opened",
    "save arrays by numpy.savez(file, x=x.numpy(), y=y.numpy())",
    PICTURES,
)
MATRIX = Foreign(
    "is a file of matrices of another program",
    "save arrays by numpy.savez(file, x=x, y=y), a table as CSV",
    (*PICTURES, *TABLES),
)
FRAME = Foreign("is a table of another program", "save it as CSV or Parquet", TABLES)
DATABASE = Foreign("is a database", "save one of its tables as CSV", TABLES)
JSON = Foreign(
    "is one JSON value",
    "write one object on each line of a .jsonl file (jq -c '.[]' does), or a table as CSV",
    (*TABLES, "dialogues"),
)
LINES = Foreign("has one JSON object on each line", "name it .jsonl", (*TABLES, "dialogues"))
ARCHIVE = Foreign("is an archive", "unpack it and give what was in it", (*PICTURES, *SOUNDS, *TEXTS, *TABLES))
SOUND = Foreign("is compressed sound", "convert it to WAV (ffmpeg -i in.mp3 out.wav does)", SOUNDS)
FILM = Foreign("is a film", "save its frames as pictures (ffmpeg -i film.mp4 frames/%06d.png does)", PICTURES)
MARKED = Foreign("is text with another ending", "copy it to a .txt file", TEXTS)

LONGEST = 1 << 20  # bytes of a line that are looked at
BEGINNINGS = {
    b"%PDF-": PDF,
    b"\x89HDF\r\n\x1a\n": MATRIX,
    b"MATLAB 5.0 MAT-file": MATRIX,
    b"SQLite format 3\0": DATABASE,
    b"ARROW1\0\0": FRAME,
    b"Obj\x01": FRAME,  # Avro
    b"7z\xbc\xaf\x27\x1c": ARCHIVE,
    b"Rar!\x1a\x07": ARCHIVE,
    b"\x28\xb5\x2f\xfd": ARCHIVE,  # zstd
    b"\xfd7zXZ\0": ARCHIVE,
    b"ID3\x02": SOUND,
    b"ID3\x03": SOUND,
    b"ID3\x04": SOUND,
    b"fLaC\0": SOUND,
    b"OggS\0": SOUND,
}
"""No words that a text may begin with: ORC and BZh are known by their endings alone."""
MEMBERS = {
    "xl/workbook.xml": WORKBOOK, "xl/workbook.bin": WORKBOOK, "word/document.xml": LETTER,
    "META-INF/container.xml": LETTER, "data.pkl": CHECKPOINT,
}  # fmt: skip
"""Files in a zip archive that say what it is."""
NAMES = {
    (".xls", ".xlsx", ".xlsm", ".xlsb", ".ods", ".numbers"): WORKBOOK,
    (".doc", ".docx", ".odt", ".rtf", ".epub", ".pages"): LETTER,
    (".pkl", ".pickle", ".joblib"): PICKLE,
    (".pt", ".pth"): CHECKPOINT,
    (".mat", ".h5", ".hdf5", ".npy"): MATRIX,
    (".arff", ".feather", ".arrow", ".orc", ".avro", ".sav", ".dta", ".sas7bdat", ".rds", ".rdata", ".por"): FRAME,
    (".db", ".sqlite", ".sqlite3", ".mdb", ".accdb"): DATABASE,
    (".json", ".json.gz"): JSON,
    (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar", ".bz2", ".xz", ".zst"): ARCHIVE,
    (".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff", ".amr"): SOUND,
    (".mp4", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"): FILM,
    (".pdf",): PDF,
    (".html", ".htm", ".xhtml"): PAGE,
    (".md", ".rst", ".tex", ".log", ".srt", ".vtt", ".xml", ".yaml", ".yml"): MARKED,
}


def foreign(path: Path) -> Foreign | None:
    """What a file of another program is; None for a folder, and for what this package reads or does not know."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            head = file.read(32)
    except OSError:  # it cannot be read, or its name is too long for the file system
        return None
    for beginning, found in BEGINNINGS.items():
        if head.startswith(beginning):
            return found
    name = path.name.lower()
    if head.startswith(b"PK\x03\x04") and not name.endswith(".npz"):
        return _zipped(path)
    known = next((kind for endings, kind in NAMES.items() if name.endswith(endings)), None)
    return LINES if known is JSON and _in_lines(path) else known


def _zipped(path: Path) -> Foreign:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        return ARCHIVE
    for member, found in MEMBERS.items():
        if any(name == member or name.endswith(f"/{member}") for name in members):
            return found
    kinds = {".ods": WORKBOOK, ".odt": LETTER}
    return kinds.get(path.suffix.lower(), ARCHIVE)


def _in_lines(path: Path) -> bool:
    """Whether the first line is an object and another one follows."""
    try:
        with (gzip.open if path.name.lower().endswith(".gz") else open)(path, "rb") as file:
            first, second = file.readline(LONGEST), file.readline(LONGEST)
        return isinstance(json.loads(first), dict) and second.lstrip().startswith(b"{")
    except (OSError, EOFError, zlib.error, ValueError, RecursionError):
        return False
