"""An image set: the files of its folders, reading options, missing splits drawn."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

from . import pixels
from .class_names import absent
from .errors import DataError, Problem, Problems, one_line
from .patches import cut_splits, patch_options
from .splits import ORDER, Dataset, Split, draw_splits, shares
from .streamed import part

__all__ = [
    "draft_facts",
    "draft_of",
    "finish",
    "first_of",
    "image_options",
    "levels_note",
    "list_folder",
    "names_in",
    "walk",
]

_IGNORED = ("thumbs.db", "desktop.ini", "__macosx")


def names_in(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in a folder, sorted, without hidden ones."""
    try:
        with os.scandir(folder) as found:  # it knows what is a folder without another system call
            entries = sorted((entry.name, entry.is_dir()) for entry in found)
    except OSError as error:
        raise DataError(
            Problem(str(folder), "", f"cannot be listed ({error.strerror})", "give a readable folder")
        ) from None
    kept = [(name, is_dir) for name, is_dir in entries if name[0] != "." and name.lower() not in _IGNORED]
    return [name for name, is_dir in kept if is_dir], [name for name, is_dir in kept if not is_dir]


def list_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the files in a folder, sorted, without hidden ones."""
    folders, files = names_in(folder)
    return [folder / name for name in folders], [folder / name for name in files]


def walk(folder: Path, strange: list[str], seen: set[Path] | None = None, links: list[str] | None = None) -> list[Path]:
    """All image files below a folder, sorted; the names of others go to `strange`.

    Linked folders are followed, but no folder is read twice.

    Args:
        seen: folders that are read already, or will be under another name.
        links: takes the names of links that are not followed for that reason.
    """
    waiting, found = [folder], []
    start, seen = folder.resolve(), set() if seen is None else seen
    while waiting:
        place = waiting.pop()
        real = place.resolve() if place.is_symlink() or place == folder else place
        if place.is_symlink() and place != folder and (real in seen or real == start or real in start.parents):
            if links is not None:
                links.append(str(place))
            continue
        seen.add(real)
        folders, files = list_folder(place)
        waiting += folders
        strange += [str(p) for p in files if not pixels.is_image(p)]
        found += [p for p in files if pixels.is_image(p)]
    return sorted(found, key=lambda path: path.parts)


def first_of(names: list[str]) -> str:
    """The first name, and how many there are besides it."""
    return one_line(names[0], 100) + (f" and {len(names) - 1} more" if names[1:] else "")


def image_options(options: dict[str, Any] | None) -> tuple[int, int]:
    options = options or {}
    size, channels = int(options.get("size", 0)), int(options.get("channels", 0))
    if not 0 <= size <= 4096:
        raise DataError(Problem("", "", f"size {size} is not between 0 and 4096", "0 chooses it", skippable=False))
    if channels not in (0, 1, 3):
        raise DataError(Problem("", "", f"channels {channels} is not 0, 1 or 3", "0 is as found", skippable=False))
    return size, channels


def draft_of(options: dict[str, Any] | None) -> int:
    """The option `draft` (see `pixels.decode`), or that of the data which a run has learned from."""
    learned = (options or {}).get("learned")
    draft = (options or {}).get("draft", pixels.KEPT) if learned is None else learned.get("draft", pixels.KEPT)
    if draft not in (0, 1, 2):
        raise DataError(Problem("", "", f"draft {draft} is not 0, 1 or 2", "2 is as usual", skippable=False))
    return int(draft)


def draft_facts(options: dict[str, Any] | None) -> dict[str, Any]:
    """What later inputs must be decoded with, where that is not the usual."""
    draft = draft_of(options)
    return {"draft": draft} if draft != pixels.KEPT else {}


def levels_note(options: dict[str, Any] | None) -> list[str]:
    """The note where `levels` are given and no file has grey levels to scale."""
    return (
        ["--levels is not used: no training picture is a grey file of 16 bits"] if (options or {}).get("levels") else []
    )


def finish(
    splits: dict[str, Split], classes: tuple[str, ...], size: tuple[int, int], channels: int, seed: int,
    options: dict[str, Any] | None, problems: Problems, notes: list[str], record: dict[str, Any],
    examples: list[str], wanted: tuple[float, float] | None = None, levels: pixels.Levels | None = None,
) -> Dataset:  # fmt: skip
    """Draws the missing splits from train and puts the data set together."""
    valid, test = wanted or shares(options)
    missing = [(s, share) for s, share in (("valid", valid), ("test", test)) if s not in splits and share > 0]
    train = splits["train"]
    if missing:
        found = draw_splits(len(train), train.y, missing, seed)
        splits = {**splits, **{s: part(train, rows) for s, rows in found.items()}}
    splits = {s: splits[s] for s in ORDER if s in splits}
    side, patches = patch_options(options)
    if side:
        splits, classes, size = cut_splits(splits, side, patches, seed), (), (side, side)
        notes = [*notes, f"patches: {side}x{side}, cut at random places"]
    counts = {s: len(split) for s, split in splits.items()}
    listed = ", ".join(f"{s} {n:,}" for s, n in counts.items())
    drawn, few = (" and ".join(s for s, _ in missing if (s in splits) is there) for there in (True, False))
    how = f" ({drawn} drawn from train by seed {seed}{' and class' if classes else ''})" if drawn else ""
    how += f" (too few for {few})" if few else ""
    notes = [*notes, f"examples: {listed}{how}", f"classes: {len(classes)}" if classes else "no labels"]
    labels = {s: split.y for s, split in splits.items() if split.y is not None}
    notes += absent(classes, labels, "picture") if classes else []
    if levels is None:
        notes += levels_note(options)
    notes += problems.left_out()
    record = {**record, "counts": counts, "split": dict(missing), "seed": seed, "skipped": problems.skipped()}
    if classes and train.y is not None:
        per = Counter(splits["train"].y.tolist())  # type: ignore[union-attr]
        record["classes"] = {name: per[c] for c, name in enumerate(classes)}
    facts: dict[str, Any] = {"size": list(size), "channels": channels, "classes": list(classes)}
    facts |= draft_facts(options)
    if levels is not None:
        facts["levels"] = list(levels)
    return Dataset("images", splits, facts, notes, record, examples)
