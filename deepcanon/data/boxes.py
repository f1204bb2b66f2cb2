"""The reader of pictures with boxes: a folder of pictures with a CSV of boxes, or with a JSON of boxes as COCO has it.

Pictures are uint8 [N, C, H, W], scaled to one size with the middle kept; `y` is float32 [N, M, 5]: of each box its
class (-1: there is no box), left, top, right, bottom in pixels of the scaled picture. What is predicted is given in
pixels of the original picture again.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import box_files, images, pixels
from .box_files import COCO, TABLE, Box, Pictured, Source
from .class_names import class_order
from .decoding import Pictures, decoded, heads_of, states_of
from .errors import Problems, one_line
from .folders import twins
from .image_sets import draft_facts, first_of, image_options, levels_note, walk
from .inputs import Inputs
from .label_files import no_picture, pictures_named
from .splits import ORDER, Dataset, Split, draw_splits, shares
from .streamed import part
from .turned_pictures import note_of_turned

__all__ = ["ABSENT", "ACCEPTS", "fits", "inputs", "padded", "read", "read_named", "recognises", "scaled", "unscaled"]

ACCEPTS = (
    "boxes: a folder of pictures with boxes.csv (columns file, x, y, width, height, label, and split if wanted; x and "
    "y are the upper left corner in pixels) or with boxes.json as COCO has it (images, annotations, categories); or "
    "with a file for each split, boxes-train.csv, boxes-valid.csv; or with folders train/, valid/, test/ of that kind"
)
ABSENT = -1.0
SMALLEST = 0.5  # pixels: what is narrower is a share of the picture, or a slip
LARGEST_CHOSEN = 256  # pixels of the longer side, of a size that the user did not choose
IN_MEMORY = 1 << 28  # bytes of pictures
NARROW = 0.05  # of a side: a border that is cut off without a word
VISIBLE = 0.25  # of a box: what shows less of it after the scaling is left out


def fits(path: Path) -> bool:
    """Whether the path is a folder with a file of boxes."""
    return bool(box_files.sources(path))


recognises = fits  # nothing else looks so


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """No published set has boxes; generated ones are read as tasks."""
    raise ValueError(f"{name} is not a set of pictures with boxes")


def inputs(describe: dict[str, Any], paths: list[str]) -> Inputs:
    """Pictures as the reader of images gives them; answers are in pixels of the pictures that were given.

    A picture of which a visible part was cut off to scale it has a note: no box is found there.
    """
    found = images.inputs(describe, paths)
    size = tuple(describe["size"])
    for place, (_, width, height) in enumerate(found.pictures):
        scale = max(size[1] / width, size[0] / height)
        across, down = round(size[1] / scale), round(size[0] / scale)
        if width - across > NARROW * width or height - down > NARROW * height:
            found.tell(place, [f"only the middle {across}x{down} of {width}x{height} pixels is looked at"])

    def restore(place: int, answer: dict[str, Any]) -> dict[str, Any]:
        _, width, height = found.pictures[place]
        return {**answer, "boxes": [unscaled(box, width, height, size) for box in answer["boxes"]]}

    found.restore = restore
    return found


def unscaled(box: dict[str, Any], width: int, height: int, size: tuple[int, int]) -> dict[str, Any]:
    """A found box (`x`, `y`, `width`, `height`) in a picture of width x height: `scaled` the other way round."""
    rows, columns = size
    scale = max(columns / width, rows / height)
    left, top = (scale * width - columns) / 2, (scale * height - rows) / 2
    place = {"x": (box["x"] + left) / scale, "y": (box["y"] + top) / scale}
    return {**box, **place, "width": box["width"] / scale, "height": box["height"] / scale}


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


class Picture(NamedTuple):
    """A picture with boxes that are in it, and where it is named: a file of boxes, and a place in that."""

    name: str
    file: Path
    listed: Pictured
    split: str
    table: Path


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Pictures and their boxes; every row and file that cannot be used becomes a problem.

    Pictures that need more than `IN_MEMORY` bytes are read when they are asked for (see `data.decoding`).

    Raises:
        DataError: a file of boxes is missing, or it cannot be read, or bad rows are not to be skipped.
    """
    problems = problems or Problems()
    valid, test = shares(options)
    image_options(options)
    sources = _sources(path, problems)
    pictures, notes, names = _pictures(path, sources, problems)
    states = states_of([one.file for one in pictures])
    heads = heads_of(states, problems, options)
    pictures = [one for one in pictures if one.file in heads and _fitting(one, heads[one.file], problems)]
    notes += _units(sources[0].file, [(box, heads[one.file]) for one in pictures for box in one.listed.boxes], problems)
    notes += note_of_turned([one.file for one in pictures if one.listed.boxes])
    for one in pictures:
        one.listed.boxes[:] = _sound(
            one.listed.boxes, one.table, repr(one_line(one.name, 60)), heads[one.file], problems
        )
    problems.settle()
    if not any(one.listed.boxes for one in pictures):
        why = f" ({'; '.join(notes)})" if notes else ""
        raise problems.fail(sources[0].file, "", f"names no box in a picture{why}", f"accepted are {ACCEPTS}")
    heads = {one.file: heads[one.file] for one in pictures}
    size, channels = _chosen(list(heads.values()), options)
    found = decoded(
        states, heads, size, channels, pixels.WHOLE, options, problems.skip_bad or problems.keep_going, IN_MEMORY
    )
    for file, reason in found.bad.items():
        problems.add(file, "", reason, "give images in JPEG, PNG, WebP or BMP")
    problems.settle()
    pictures = [one for one in pictures if one.file not in found.bad]
    classes, order = class_order((box.label for one in pictures for box in one.listed.boxes), options)
    numbers, lost, rows = {label: number for number, label in enumerate(classes)}, 0, []
    for one in pictures:
        head = heads[one.file]
        placed = [(box, scaled(box, head.width, head.height, size)) for box in one.listed.boxes]
        rows.append([(float(numbers[box.label]), *corners) for box, corners in placed if corners])
        lost += sum(corners is None for _, corners in placed)
    splits, missing = _splits(pictures, found, padded(rows), (valid, test), seed)
    if "train" not in splits:
        raise problems.fail(path, "", "has no picture to train on", "give pictures of the split train")
    counts = {name: len(split) for name, split in splits.items()}
    empty = sum(not row for row in rows)
    sizes = {(head.width, head.height) for head in heads.values()}
    drawn = " and ".join(name for name, _ in missing if name in splits)  # of one picture none is
    how = f" ({drawn} drawn from train by seed {seed})" if drawn else ""
    said = [
        f"boxes: {sum(map(len, rows))} of {len(classes)} classes in {len(rows)} pictures, {size[1]}x{size[0]}"
        + (f"; {empty} pictures without one" if empty else ""),
        "examples: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()) + how,
    ]
    if any(one.split for one in pictures):
        by = [f"{name} from {one_line(file.relative_to(path), 60)}" for file, name, _ in sources if name]
        said.append("splits: " + (", ".join(by) or f"as column split of {sources[0].file.name} says"))
    if sizes != {size[::-1]}:
        there = f"{len(sizes)} sizes" if len(sizes) > 1 else "{}x{}".format(*sizes.pop())
        said.append(f"pictures: {there}, resized and centre-cropped to {size[1]}x{size[0]} (--size chooses another)")
    if lost:
        said.append(f"{lost} boxes left out: less than a quarter of each is in the middle part that is kept")
    if rest := [str(p.relative_to(path)) for p in walk(path, []) if p.resolve() not in names]:
        here = sources[0].file.name if not sources[1:] else "no file of boxes"
        said.append(
            f"not read: pictures that {here}{' does not name' if not sources[1:] else ' names'}: {first_of(rest)}"
        )
    notes = [*said, *order, *notes, *found.notes, *twins(splits), *levels_note(options), *problems.left_out()]
    facts = {"size": list(size), "channels": channels, "classes": classes, **draft_facts(options)}
    record = {"path": path.name, "counts": counts, "split": dict(missing), "seed": seed, "skipped": problems.skipped()}
    examples = [
        f"{one.name}: {len(one.listed.boxes)} boxes, {heads[one.file].width}x{heads[one.file].height}"
        for one in pictures[:3]
    ]
    return Dataset("boxes", splits, facts, notes, record, examples)


def _sources(path: Path, problems: Problems) -> list[Source]:
    """The files of boxes, at most one for each split.

    Raises:
        DataError: there is none, or two for the same pictures, or none to train on.
    """
    sources = box_files.sources(path)
    if not sources:
        raise problems.fail(path, "", f"has no {TABLE} or {COCO}", f"accepted are {ACCEPTS}")
    seen: dict[str, Path] = {}
    for file, split, _ in sources:
        if split in seen:
            first, second = seen[split].relative_to(path), file.relative_to(path)
            of = f" of {split}" if split else ""
            raise problems.fail(path, "", f"has {first} and {second}{of}, and only one can be read", "keep one of them")
        seen[split] = file
    if not {"", "train"} & seen.keys():
        there = " and ".join(seen)
        raise problems.fail(path, "", f"has boxes of {there} and none of train", "give boxes-train.csv or train/")
    return sources


def _pictures(
    path: Path, sources: list[Source], problems: Problems
) -> tuple[list[Picture], list[str], dict[Path, str]]:
    """The pictures that are named and there, notes on the files of boxes, and what leads to each picture's name."""
    pictures: list[Picture] = []
    names: dict[Path, str] = {}  # two names may lead to one file
    notes: list[str] = []
    for table, split, folder in sources:
        listed, said = (box_files.coco if table.suffix == ".json" else box_files.table)(table, problems)
        notes += [f"{table.relative_to(path)}: {line}" if sources[1:] else line for line in said]
        for name, one in listed.items():
            found = pictures_named(folder, name)
            if len(found) != 1:
                remove = "remove it with its annotations" if table.suffix == ".json" else "remove the row"
                problems.add(table, one.place, *no_picture(folder, name, found, remove))
                continue
            shown = str(found[0].relative_to(path)) if sources[1:] and found[0].is_relative_to(path) else name
            other = names.get(found[0].resolve())
            if other is not None:
                what = f"{one_line(name, 60)!r} is {one_line(other, 60)!r} as well"
                problems.add(table, one.place, what, "give a picture one name, and one split")
                continue
            names[found[0].resolve()] = shown
            pictures.append(Picture(shown, found[0], one, split or one.split, table))
    return pictures, notes, names


def _fitting(one: Picture, head: pixels.Head, problems: Problems) -> bool:
    """Whether the picture is what the file of boxes says; if it is not, that becomes a problem."""
    quoted, stated = repr(one_line(one.name, 60)), one.listed.size
    if head.deep:
        problems.add(one.table, one.listed.place, f"{quoted} is grey of 16 bits", "save it with 8 bits")
        return False
    if stated and stated != (head.width, head.height):
        what = f"says {'x'.join(map(repr, stated))} for {quoted}, which has {head.width}x{head.height}"
        problems.add(one.table, one.listed.place, what, "give boxes in pixels of the picture that is there")
        return False
    return True


def _splits(
    pictures: list[Picture], found: Pictures, y: Tensor, wanted: tuple[float, float], seed: int
) -> tuple[dict[str, Split], list[tuple[str, float]]]:
    """The splits as they are given, and the shares of those that were drawn from train."""
    given, splits = [one.split or "train" for one in pictures], dict[str, Split]()
    for name in ORDER:
        if own := [place for place, split in enumerate(given) if split == name]:
            splits[name] = found.split([pictures[place].file for place in own], y[own])
    shared = zip(("valid", "test"), wanted, strict=True)
    missing = [(name, share) for name, share in shared if "train" in splits and name not in splits and share > 0]
    if missing:
        drawn = draw_splits(len(splits["train"]), None, missing, seed)
        splits = {**splits, **{name: part(splits["train"], own) for name, own in drawn.items()}}
    return {name: found.settled(splits[name]) for name in ORDER if name in splits}, missing


def _units(table: Path, boxes: list[tuple[Box, pixels.Head]], problems: Problems) -> list[str]:
    """A note if the numbers may be percentages.

    Raises:
        DataError: they are shares of the pictures' sides.
    """
    ends = [end for box, _ in boxes for end in (box.x + box.width, box.y + box.height)]
    if not boxes or not max(ends) <= 100:
        return []
    remedy = "multiply x and width by the width of the picture, y and height by its height"
    if max(side for box, _ in boxes for side in (box.x, box.y, box.width, box.height)) <= 1:
        what = "has numbers from 0 to 1 alone, which are shares of the pictures' sides and not pixels"
        centres = "; some boxes would end beyond 1, so that x and y seem to be centres, as YOLO has them: "
        more = f"{centres}take half the width from x and half the height from y first" if max(ends) > 1 else ""
        raise problems.fail(table, "", what, f"{remedy}; x and y are the upper left corner{more}")
    if len(boxes) < 8 or min(min(head.width, head.height) for _, head in boxes) < 200:
        return []
    return [f"boxes are understood as pixels, and all end at 100 or before: if they are percentages, {remedy} / 100"]


def _chosen(heads: list[pixels.Head], options: dict[str, Any] | None) -> tuple[tuple[int, int], int]:
    """Height and width, and channels: as asked, as the run learned them, or of the smallest pictures, to a limit."""
    if learned := (options or {}).get("learned"):
        height, width = learned["size"]
        return (height, width), learned["channels"]
    side, channels = image_options(options)[:2]
    channels = channels or (1 if all(head.grey for head in heads) else 3)
    if side:
        return (side, side), channels
    height, width = min(head.height for head in heads), min(head.width for head in heads)
    scale = min(1.0, LARGEST_CHOSEN / max(height, width))
    return (max(1, round(scale * height)), max(1, round(scale * width))), channels


def _sound(boxes: list[Box], table: Path, quoted: str, head: pixels.Head, problems: Problems) -> list[Box]:
    """The boxes that are in the picture, each once; the others become problems."""
    seen: dict[tuple[Any, ...], Box] = {}
    for box in boxes:
        if wrong := _wrong(box, head):
            remedy = f"correct it: {quoted} has {head.width}x{head.height} pixels"
            if 0 <= box.x < box.width <= head.width and 0 <= box.y < box.height <= head.height:
                remedy += "; if the last two numbers are the lower right corner, subtract the upper left one from them"
            elif min(box.width, box.height) < 0:
                remedy += "; x and y are the upper left corner"
            elif not _wrong(box, head._replace(width=head.height, height=head.width)):
                remedy += " (if its EXIF turns it, boxes are those of the turned picture)"
            problems.add(table, box.place, wrong, remedy)
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
