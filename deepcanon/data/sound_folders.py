"""Folders of WAV files: which file belongs to which split and class, by folders or by a metadata.csv."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .cells import load, names_in
from .class_names import LABEL_NAMES
from .errors import Problems, one_line
from .first_lines import first_lines
from .image_sets import first_of, list_folder
from .named_splits import refuse_nearly_splits
from .near_names import meant
from .splits import SPLIT_NAMES
from .wav import is_wav

__all__ = [
    "METADATA",
    "TRANSCRIPT",
    "Listed",
    "below",
    "by_class",
    "holds_sounds",
    "holds_transcripts",
    "listed",
]

METADATA = ("metadata.csv", "metadata.tsv")
OTHER_SOUNDS = (".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".wma", ".au", ".raw")
FILE = ("file", "file_name", "filename", "path", "wav", "wav_filename", "audio_filepath")
TRANSCRIPT = ("transcript", "transcription", "text", "sentence")
"""What the columns of a table may be called."""


@dataclass(frozen=True)
class Listed:
    """A recording that a folder offers: its file, its class or transcript, and its split, or None where nothing says.

    `place` is where the transcript stands, for what is wrong with it.
    """

    path: Path
    label: str | None = None
    split: str | None = None
    place: str = ""


def holds_sounds(folder: Path) -> bool:
    """Whether a WAV file is anywhere below a folder."""
    return any(is_wav(Path(name)) for _, _, names in os.walk(folder) for name in names)


def holds_transcripts(folder: Path) -> bool:
    """Whether a metadata.csv has a column of transcripts and none of classes, or a .txt is called as a WAV is."""
    tables = [path for path in list_folder(folder)[1] if path.name.lower() in METADATA]
    if tables:
        line = "".join(first_lines(tables[0]))
        columns = {cell.strip(' "').lower() for cell in re.split("[,;\t|]", line)}
        return bool(columns & {*TRANSCRIPT}) and not columns & {*LABEL_NAMES}
    for _, _, names in os.walk(folder):
        texts = {Path(name).stem for name in names if name.lower().endswith(".txt")}
        if any(is_wav(Path(name)) and Path(name).stem in texts for name in names):
            return True
    return False


def below(folder: Path, problems: Problems, strange: list[str]) -> list[Path]:
    """All WAV files below a folder, sorted; sounds of other formats are problems. Linked folders are not followed."""
    folders, files = list_folder(folder)
    found = []
    for path in files:
        if is_wav(path):
            found.append(path)
        elif path.suffix.lower() in OTHER_SOUNDS:
            problems.add(path, "", "is a sound, but not WAV", "save it as 16-bit WAV")
        elif _starts_as_wav(path):
            problems.add(path, "", "is a WAV file of another name", f"call it {one_line(path.stem, 60)}.wav")
        else:
            strange.append(str(path))
    for inner in folders:
        if inner.is_symlink():
            strange.append(str(inner))
        else:
            found += below(inner, problems, strange)
    return sorted(found, key=lambda path: path.parts)


def _starts_as_wav(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            first = file.read(12)
    except OSError:
        return False
    return first[:4] == b"RIFF" and first[8:] == b"WAVE"


Gather = Callable[[Path, str | None, Problems, list[str]], list[Listed]]


def listed(
    folder: Path,
    problems: Problems,
    gather: Gather | None = None,
    said: tuple[str, tuple[str, ...]] = ("label", LABEL_NAMES),
) -> tuple[list[Listed], list[str]]:
    """The recordings of a folder, and notes on how it was understood.

    Args:
        gather: (folder of a split or the whole one, split, problems, names of files that are not read) -> its
            recordings where no table names them; class folders if not given.
        said: what is said of each recording, and what the column of a table with it may be called.

    Raises:
        DataError: a metadata.csv cannot be read.
    """
    strange: list[str] = []
    folders, files = list_folder(folder)
    tables = [path for path in files if path.name.lower() in METADATA]
    if tables[1:]:
        raise problems.fail(tables[1], "", f"is next to {tables[0].name}, and only one can be read", "keep one of them")
    if tables:
        found, notes = _by_table(folder, tables[0], problems, strange, said)
    else:
        tree = {SPLIT_NAMES[p.name.lower()]: p for p in folders if p.name.lower() in SPLIT_NAMES}
        if tree and len(tree) == len(folders) and "train" not in tree:
            (inside, *_) = tree.values()
            raise problems.fail(inside, "", "has the name of a split, but there is no train/", "add it, or rename this")
        if "train" not in tree:
            refuse_nearly_splits(folders, problems)
        found, notes = [], []
        for split, place in (tree if "train" in tree else {"": folder}).items():
            found += (gather or by_class)(place, split or None, problems, strange)
        if "train" in tree:
            known = {path for path in tree.values()}
            loose = [path for path in files if is_wav(path)] + [path for path in folders if path not in known]
            for path in loose:
                problems.add(path, "", "is next to train/", "move it into the folder of its split")
            strange += [str(path) for path in files if not is_wav(path)]
            notes.append(f"splits: by the folders {', '.join(path.name for path in tree.values())}")
    if strange:
        notes.append(f"not read: {first_of([str(Path(name).relative_to(folder)) for name in strange])}")
    return found, notes


def by_class(folder: Path, split: str | None, problems: Problems, strange: list[str]) -> list[Listed]:
    """The recordings of one split: of CLASS/*.wav with their class, of a flat folder without."""
    folders, files = list_folder(folder)
    classes = {p.name: below(p, problems, strange) for p in folders}
    if not any(classes.values()):
        return [Listed(path, None, split) for path in below(folder, problems, strange)]
    found = []
    for name, inside in classes.items():
        if not inside:
            problems.add(folder / name, "", "is a class folder without WAV files", "remove it or put some in it")
        found += [Listed(path, name, split) for path in inside]
    for path in files:
        if is_wav(path):
            problems.add(path, "", "is next to class folders", "move it into the folder of its class")
        else:
            strange.append(str(path))
    return found


def _by_table(
    folder: Path, path: Path, problems: Problems, strange: list[str], said_there: tuple[str, tuple[str, ...]]
) -> tuple[list[Listed], list[str]]:
    """The recordings that a table names, with what is said of each and their splits if it has such columns."""
    begins = re.split("[,;\t|]", "".join(first_lines(path)))[0].strip(' "')
    if _named(folder, begins) or meant(folder, begins, (".wav",)):
        what = f"names a recording ({one_line(begins, 60)}), and is taken for the names of the columns"
        raise problems.fail(path, "first line", what, "put a line such as file|text first, with the sign between cells")
    table = load(path, problems)
    roles: dict[str, str] = {}
    what_is_said, its_names = said_there
    for role, names in (("file", FILE), (what_is_said, its_names), ("split", ("split",))):
        fitting = [column for column in table.columns if column.lower() in names]
        if fitting[1:]:
            raise problems.fail(path, "header", f"has two columns for the {role}: {', '.join(fitting)}", "keep one")
        if fitting:
            roles[role] = fitting[0]
    if "file" not in roles:
        what = f"has no column called file, but {one_line(', '.join(table.columns), 100)}"
        raise problems.fail(path, "header", what, "add a column `file` with the names of the WAV files")
    columns = {role: names_in(table.columns[column]).tolist() for role, column in roles.items()}
    found: dict[Path, Listed] = {}
    for row, name in enumerate(columns["file"]):
        said, place = repr(one_line(name, 60)), table.place(row)
        label = columns[what_is_said][row] if what_is_said in columns else None
        split = columns["split"][row].lower() if "split" in columns else None
        sound = _named(folder, name)
        if sound is None:
            remedy = meant(folder, name, (".wav",)) or "correct or remove the row"
            problems.add(path, place, f"names {said}, which is not a file of the folder", remedy)
        elif not is_wav(sound):
            problems.add(path, place, f"names {said}, which is not called .wav", "save it as 16-bit WAV")
        elif label == "":
            problems.add(path, place, f"has no {what_is_said}", "write one, or remove the row")
        elif split is not None and split not in SPLIT_NAMES:
            problems.add(path, place, f"says split {one_line(split, 40)!r}", "write train, valid or test")
        elif sound.resolve() in found:
            problems.add(path, place, f"names {said} a second time", "keep one of the rows")
        else:
            found[sound.resolve()] = Listed(sound, label, SPLIT_NAMES[split] if split else None, place)
    there = below(folder, problems, strange)
    for sound in there:
        if sound.resolve() not in found and not any(str(sound) == p.file for p in problems.found):
            problems.add(sound, "", f"has no row in {path.name}", "add one, or remove the file")
    strange[:] = [name for name in strange if name != str(path)]
    unused = [column for column in table.columns if column not in roles.values()]
    rest = f"; columns not used: {one_line(', '.join(unused), 100)}" if unused else ""
    said = ", ".join(f"{role} by column {one_line(column, 40)}" for role, column in roles.items())
    return list(found.values()), [f"{path.name}: {said}{rest}", *table.notes]


def _named(folder: Path, name: str) -> Path | None:
    """The file of the folder that a cell names."""
    try:
        place = (folder / name).resolve()
        return folder / name if name and place.is_relative_to(folder.resolve()) and place.is_file() else None
    except (OSError, ValueError, RuntimeError):  # a name that no file can have
        return None
