"""Files of boxes: boxes.csv, and boxes.json as COCO has it. What they say, before the pictures are looked at.

A folder has one such file for all of its pictures, or one for each split (boxes-train.csv, boxes-valid.csv), or folders
train/, valid/ and test/ with pictures and a file of boxes in each.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .archives import read_bytes
from .cells import load, names_in
from .columns import numbers_of, points_in_doubt, text_array, thousands_or_decimals
from .errors import DataError, Problems, one_line
from .image_sets import first_of, list_folder
from .splits import SPLIT_NAMES
from .text import decode

__all__ = ["COCO", "TABLE", "Box", "Listed", "Pictured", "Source", "coco", "sources", "table"]

TABLE, COCO, EXPORTED = "boxes.csv", "boxes.json", "_annotations.coco.json"
OF_A_SPLIT = re.compile(r"boxes[._-]([a-z]+)[.](csv|json)")
COLUMNS = ("file", "x", "y", "width", "height", "label")
KEYS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
FORM = "give images (id, file_name), annotations (image_id, category_id, bbox) and categories (id, name)"


class Box(NamedTuple):
    """A box of a picture with where it is written: upper left corner, width and height in pixels."""

    label: str
    x: float
    y: float
    width: float
    height: float
    place: str


class Pictured(NamedTuple):
    """A picture: where it is named first, its boxes, and its width and height if the file of boxes says them."""

    place: str
    boxes: list[Box]
    size: tuple[Any, Any] | None = None
    split: str = ""
    """As a column of the table says it."""


class Source(NamedTuple):
    """A file of boxes, the split that it is of if its name or its folder says so, and the folder of its pictures."""

    file: Path
    split: str
    folder: Path


def _files(folder: Path) -> list[Path]:
    return [path for name in (TABLE, COCO, EXPORTED) if (path := folder / name).is_file()]


def sources(path: Path) -> list[Source]:
    """The files of boxes of a folder: the whole, or those of the splits; [] if there is none."""
    if not path.is_dir():
        return []
    if here := _files(path):
        return [Source(file, "", path) for file in here]
    folders, files = list_folder(path)
    named = [(file, OF_A_SPLIT.fullmatch(file.name.lower())) for file in files]
    found = [Source(file, SPLIT_NAMES[match[1]], path) for file, match in named if match and match[1] in SPLIT_NAMES]
    inner = [folder for folder in folders if folder.name.lower() in SPLIT_NAMES]
    found += [Source(file, SPLIT_NAMES[folder.name.lower()], folder) for folder in inner for file in _files(folder)]
    return sorted(found, key=lambda source: list(SPLIT_NAMES.values()).index(source.split))


Listed = dict[str, Pictured]
"""By the name of the picture."""


def table(path: Path, problems: Problems) -> tuple[Listed, list[str]]:
    """The boxes of a table, and notes on how it was understood; numbers are read in the notations of all tables.

    Raises:
        DataError: a column is missing, or it is not clear what its numbers are.
    """
    cells = load(path, problems)
    if missing := [name for name in COLUMNS if name not in cells.columns]:
        remedy = f"give the columns {', '.join(COLUMNS)}"
        if {"xmax", "x2", "right"} & {name.lower() for name in cells.columns}:
            remedy += "; of two corners, the width is the right edge minus the left one"
        raise problems.fail(path, "", f"lacks the column {missing[0]}", remedy)
    texts = {name: text_array(np.asarray(names_in(cells.columns[name])).tolist()) for name in COLUMNS}
    notes, columns = list(cells.notes), {}
    for name in COLUMNS[1:5]:
        columns[name] = numbers_of(texts[name], delimiter=cells.delimiter)
        if columns[name].unsure:
            raise problems.fail(path, f"column {name}", columns[name].unsure, "write a point as the decimal sign")
        if (np.strings.find(texts[name], "%") >= 0).any():
            remedy = "multiply by the width or the height of the picture / 100"
            raise problems.fail(path, f"column {name}", "holds percentages, not pixels", remedy)
        notes += [f"column {name}: {note}" for note in columns[name].notes]
    signs = {name: numbers.decimal for name, numbers in columns.items()}
    if doubt := points_in_doubt(signs, lambda name: thousands_or_decimals(texts[name].tolist())):
        raise problems.fail(path, f"column {doubt[0]}", doubt[1], "write a point as the decimal sign")
    split = next((name for name in cells.columns if name.lower() == "split"), None)
    parts = np.asarray(names_in(cells.columns[split])).tolist() if split else [""] * len(texts["file"])
    if unused := [name for name in cells.columns if name not in (*COLUMNS, split)]:
        notes.append(f"columns not used: {one_line(', '.join(unused), 100)}")
    found: Listed = {}
    rows = zip(texts["file"].tolist(), texts["label"].tolist(), parts, strict=True)
    for row, (file, label, part) in enumerate(rows):
        place = cells.place(row)
        if split and part.lower() not in SPLIT_NAMES:
            problems.add(path, place, f"says split {one_line(part, 40)!r}", "write train, valid or test in every row")
            continue
        own = SPLIT_NAMES.get(part.lower(), "")
        picture = found.setdefault(file, Pictured(place, [], None, own))
        if own != picture.split:
            what = f"say that {one_line(file, 60)!r} is of {picture.split} and of {own}"
            problems.add(path, f"{picture.place} and {place}", what, "a picture is of one split, with all of its boxes")
            continue
        boxes = picture.boxes
        if not label and not any(texts[name][row] for name in columns):  # a picture without boxes
            continue
        if wrong := next((name for name in columns if not columns[name].ok[row]), None):
            what = f"{one_line(texts[wrong][row], 40)!r} is not a number"
            problems.add(path, f"{place}, column {wrong}", what, "write x, y, width and height in pixels")
        elif not label:
            problems.add(path, place, "has no label", "write one, or leave all cells but the file empty")
        else:
            x, y, width, height = (float(columns[name].values[row]) for name in columns)
            boxes.append(Box(label, x, y, width, height, place))
    return found, notes


def coco(path: Path, problems: Problems) -> tuple[Listed, list[str]]:
    """The boxes of a JSON file, and notes on what of it is not used. Boxes around crowds (iscrowd 1) are left out.

    Raises:
        DataError: it is not such a file, or an id or a name occurs twice.
    """
    text = decode(read_bytes(path), str(path), problems)
    if text is None:
        raise DataError(problems.found)
    try:
        content = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise problems.fail(path, "", f"is not a JSON of boxes: {one_line(error, 100)}", FORM) from None
    for key in ("images", "annotations", "categories"):
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
            raise problems.fail(path, "", f"is not a JSON of boxes: it has no list of {key}", FORM)
    images = _named(path, content["images"], "image", "file_name", problems)
    labels = _named(path, content["categories"], "category", "name", problems)
    sizes = [(one.get("width"), one.get("height")) for one in content["images"]]
    found: Listed = {
        name: Pictured(f"image {number}", [], None if None in size else size)
        for (number, name), size in zip(images.items(), sizes, strict=True)
    }
    crowds, unused = 0, set()
    ids = Counter(one["id"] for one in content["annotations"] if _is_id(one.get("id")))
    for number, one in enumerate(content["annotations"]):
        place = f"annotation {one_line(one.get('id', number), 40)}"
        strange = [(k, one.get(k)) for k, known in (("image_id", images), ("category_id", labels))
                   if not _is_id(one.get(k)) or one[k] not in known]  # fmt: skip
        bbox = one.get("bbox")
        unused |= {key for key in one if key not in KEYS and one[key]}
        if strange:
            what = f"has {strange[0][0]} {one_line(repr(strange[0][1]), 40)}, which the file does not list"
            problems.add(path, place, what, "correct it; 7 and '7' are two ids")
        elif one.get("iscrowd") not in (None, 0, 1):
            what = f"has iscrowd {one_line(repr(one['iscrowd']), 40)}"
            problems.add(path, place, what, "write 1 for a box around a crowd, else 0")
        elif one.get("iscrowd"):
            crowds += 1
        elif not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
            what = f"has bbox {one_line(repr(bbox), 60)}"
            problems.add(path, place, what, "give four numbers: x, y, width and height in pixels")
        else:
            x, y, width, height = map(float, bbox)
            found[images[one["image_id"]]].boxes.append(Box(labels[one["category_id"]], x, y, width, height, place))
    notes = [f"{crowds} boxes of crowds (iscrowd 1) left out"] if crowds else []
    if double := [number for number, count in ids.items() if count > 1]:
        notes.append(f"annotations with an id that occurs twice, all kept: {first_of([str(one) for one in double])}")
    if unused:
        notes.append(f"not used of the annotations: {one_line(', '.join(sorted(unused)), 100)}")
    seen = {box.label for picture in found.values() for box in picture.boxes}
    if rest := [label for label in labels.values() if label not in seen]:
        notes.append(f"categories without a box, left out of the classes: {one_line(', '.join(rest), 100)}")
    return found, notes


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (type(value) is int and abs(value) < 1 << 53)


def _named(path: Path, entries: list[dict[str, Any]], kind: str, key: str, problems: Problems) -> dict[int | str, str]:
    """The names of images or categories by their ids; both are given once."""
    found: dict[int | str, str] = {}
    for place, one in enumerate(entries):
        number: Any = one.get("id")
        name = str(one[key]).strip() if _is_id(one.get(key)) else ""
        if not _is_id(number) or not name:
            what = f"is not a JSON of boxes: {kind} {place} of its list lacks {key if _is_id(number) else 'id'}"
            raise problems.fail(path, "", what, FORM)
        if number in found:
            raise problems.fail(path, f"{kind} {number}", "has an id that occurs twice", "give each its own id")
        found[number] = name
    double, count = next(iter(Counter(found.values()).most_common(1)), ("", 0))
    if count > 1:
        raise problems.fail(path, "", f"lists {kind} {one_line(double, 60)!r} {count} times", "keep one of them")
    return found
