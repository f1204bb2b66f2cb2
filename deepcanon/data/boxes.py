"""The reader of pictures with boxes: a folder of pictures with a CSV of boxes, or with a JSON of boxes as COCO has it.

Pictures are uint8 [N, C, H, W], scaled to one size with the middle kept; `y` is float32 [N, M, 5]: of each box its
class (-1: there is no box), left, top, right, bottom in pixels of the scaled picture.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import box_files, images, pixels
from .box_files import COCO, TABLE, Box
from .errors import Problems, one_line
from .image_sets import first_of, image_options, levels_note, walk
from .inputs import Inputs
from .label_files import no_picture, pictures_named
from .splits import Dataset, Split, draw_splits, shares

__all__ = ["ABSENT", "ACCEPTS", "fits", "inputs", "padded", "read", "read_named", "scaled"]

ACCEPTS = (
    "boxes: a folder of pictures with boxes.csv (columns file, x, y, width, height, label; x and y are the upper left "
    "corner in pixels) or with boxes.json as COCO has it (images, annotations, categories)"
)
ABSENT = -1.0
SMALLEST = 0.5  # pixels: what is narrower is a share of the picture, or a slip
VISIBLE = 0.25  # of a box: what shows less of it after the scaling is left out


def fits(path: Path) -> bool:
    """Whether the path is a folder with a file of boxes."""
    return path.is_dir() and any((path / name).is_file() for name in (TABLE, COCO))


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """No published set has boxes; generated ones are read as tasks."""
    raise ValueError(f"{name} is not a set of pictures with boxes")


def inputs(describe: dict[str, Any], paths: list[str]) -> Inputs:
    """Pictures as the reader of images gives them, each with a note on its pixels."""
    found = images.inputs(describe, paths)
    height, width = describe["size"]
    for place in range(len(found)):
        found.tell(place, [f"boxes are in pixels of the picture as it was scaled: {width}x{height}, the middle kept"])
    return found


def padded(rows: Sequence[Sequence[tuple[float, ...]]]) -> Tensor:
    """Boxes of each picture, (class, left, top, right, bottom), as [N, M, 5] with absent ones at the end."""
    most = max(1, max(map(len, rows), default=1))
    y = torch.full((len(rows), most, 5), ABSENT)
    for place, row in enumerate(rows):
        if row:
            y[place, : len(row)] = torch.tensor(row)
    return y


def scaled(box: Box, width: int, height: int, size: tuple[int, int]) -> tuple[float, ...] | None:
    """(left, top, right, bottom) in a picture of width x height after `pixels.decode` made it (rows, columns) large.

    None if less than a quarter of the box is still seen.
    """
    rows, columns = size
    scale = max(columns / width, rows / height)
    left, top = (scale * width - columns) / 2, (scale * height - rows) / 2
    corners = [
        scale * box.x - left,
        scale * box.y - top,
        scale * (box.x + box.width) - left,
        scale * (box.y + box.height) - top,
    ]
    cut = [min(max(one, 0.0), float(end)) for one, end in zip(corners, (columns, rows) * 2, strict=True)]
    seen = (cut[2] - cut[0]) * (cut[3] - cut[1])
    return tuple(cut) if seen >= VISIBLE * scale**2 * box.width * box.height else None


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Pictures and their boxes; every row and file that cannot be used becomes a problem.

    Raises:
        DataError: a file of boxes is missing, or it cannot be read, or bad rows are not to be skipped.
    """
    problems = problems or Problems()
    valid, test = shares(options)
    side, channels = image_options(options)[:2]
    if not fits(path):
        raise problems.fail(path, "", f"has no {TABLE} or {COCO}", f"accepted are {ACCEPTS}")
    if (path / TABLE).is_file() and (path / COCO).is_file():
        raise problems.fail(path, "", f"has {TABLE} and {COCO}, and only one can be read", "keep one of them")
    table = path / (TABLE if (path / TABLE).is_file() else COCO)
    listed, said = (box_files.table if table.name == TABLE else box_files.coco)(table, problems)
    heads: dict[str, pixels.Head] = {}
    files: dict[str, Path] = {}
    names: dict[Path, str] = {}  # by what a name leads to, since two names may lead to one file
    for name, (place, boxes, stated) in listed.items():
        found = pictures_named(path, name)
        if len(found) != 1:
            problems.add(table, place, *no_picture(path, name, found))
            continue
        quoted, other = repr(one_line(name, 60)), names.setdefault(found[0].resolve(), name)
        try:
            head = pixels.head(found[0])
            if head.deep:
                raise pixels.BadImage("is grey of 16 bits: save it with 8 bits")
        except pixels.BadImage as error:
            problems.add(table, place, f"{quoted} {error}", "correct the name or the picture")
            continue
        if other != name:
            problems.add(table, place, f"{quoted} is {one_line(other, 60)!r} as well", "give a picture one name")
            continue
        if stated and stated != (head.width, head.height):
            what = f"says {'x'.join(map(str, stated))} for {quoted}, which has {head.width}x{head.height}"
            problems.add(table, place, what, "give boxes in pixels of the picture that is there")
            continue
        heads[name], files[name] = head, found[0]
        boxes[:] = _sound(boxes, table, quoted, head, problems)
    problems.settle()
    if not heads or not any(listed[name].boxes for name in heads):
        raise problems.fail(table, "", "names no box in a picture", f"accepted are {ACCEPTS}")
    size = (side, side) if side else (min(h.height for h in heads.values()), min(h.width for h in heads.values()))
    channels = channels or (1 if all(head.grey for head in heads.values()) else 3)
    classes = sorted({box.label for name in heads for box in listed[name].boxes})
    x, rows, lost = [], [], 0
    for name, head in heads.items():
        try:
            x.append(torch.from_numpy(pixels.decode(files[name], size, channels).copy()))
        except pixels.BadImage as error:
            problems.add(files[name], "", str(error), "give images in JPEG, PNG, WebP or BMP")
            continue
        placed = [(box, scaled(box, head.width, head.height, size)) for box in listed[name].boxes]
        rows.append([(float(classes.index(box.label)), *corners) for box, corners in placed if corners])
        lost += sum(corners is None for _, corners in placed)
    problems.settle()
    whole, wanted = Split(torch.stack(x), padded(rows)), [("valid", valid), ("test", test)]
    splits: dict[str, Split] = {}
    drawn = draw_splits(len(whole), None, [(name, share) for name, share in wanted if share > 0], seed)
    for name in ("train", "valid", "test"):
        if name in drawn:
            splits[name] = whole.take(drawn[name])
    counts = {name: len(split) for name, split in splits.items()}
    empty = sum(not row for row in rows)
    notes = [
        f"boxes: {sum(map(len, rows))} of {len(classes)} classes in {len(rows)} pictures, {size[1]}x{size[0]}"
        + (f"; {empty} pictures without one" if empty else ""),
        "examples: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()) + f" (drawn by seed {seed})",
    ]
    sizes = {(head.width, head.height) for head in heads.values()}
    if sizes != {size[::-1]}:
        there = f"{len(sizes)} sizes" if len(sizes) > 1 else "{}x{}".format(*sizes.pop())
        notes.append(f"pictures: {there}, resized and centre-cropped to {size[1]}x{size[0]} (--size chooses another)")
    if lost:
        notes.append(f"{lost} boxes left out: less than a quarter of each is in the middle part that is kept")
    if rest := [str(p.relative_to(path)) for p in walk(path, []) if p.resolve() not in names]:
        notes.append(f"not read: pictures that {table.name} does not name: {first_of(rest)}")
    notes += [*said, *levels_note(options)]
    facts = {"size": list(size), "channels": channels, "classes": classes}
    record = {"path": path.name, "counts": counts, "seed": seed, "skipped": problems.skipped()}
    examples = [f"{name}: {len(listed[name].boxes)} boxes, {h.width}x{h.height}" for name, h in list(heads.items())[:3]]
    return Dataset("boxes", splits, facts, [*notes, *problems.left_out()], record, examples)


def _sound(boxes: list[Box], table: Path, quoted: str, head: pixels.Head, problems: Problems) -> list[Box]:
    """The boxes that are in the picture, each once; the others become problems."""
    seen: dict[tuple[Any, ...], Box] = {}
    for box in boxes:
        if wrong := _wrong(box, head):
            problems.add(table, box.place, wrong, f"correct it: {quoted} has {head.width}x{head.height} pixels")
        elif first := seen.get(box[:5]):
            problems.add(table, f"{first.place} and {box.place}", f"give one box of {quoted} twice", "keep one of them")
        else:
            seen[box[:5]] = box
    return list(seen.values())


def _wrong(box: Box, head: pixels.Head) -> str:
    if not all(map(math.isfinite, box[1:5])):
        return "has a box whose numbers are not finite"
    if min(box.width, box.height) < SMALLEST:
        return f"has a box of {box.width:g} x {box.height:g} pixels"
    inside = box.x >= -0.5 and box.y >= -0.5
    inside = inside and box.x + box.width <= head.width + 0.5 and box.y + box.height <= head.height + 0.5
    return "" if inside else f"has a box {box.x:g} {box.y:g} {box.width:g} {box.height:g} that leaves the picture"
