"""The reader of sound: WAV files, each a recording, mixed down to one channel, all of one rate.

`x` is a `Sounds` of N recordings, `y` their classes [N] if folders or a metadata.csv say them.
"""

from pathlib import Path
from typing import Any

import torch

from . import published, wav
from .archives import tar_members
from .class_names import alike, as_learned
from .errors import DataError, Problems, one_line
from .recordings import (
    Sources,
    by_split,
    common_rate,
    heads_of,
    inputs,
    lengths_of,
    readable,
    recordings,
    said_of,
    twins,
    wanted_rate,
)  # fmt: skip
from .sound_folders import Listed, holds_sounds, listed
from .splits import Dataset, Split, shares

__all__ = ["ACCEPTS", "fits", "inputs", "read", "read_named"]

ACCEPTS = (
    "audio: a folder of .wav files (16-bit, or 8, 24, 32 bits or floating point; not compressed): CLASS/*.wav, or "
    "train/... with valid/ and/or test/, or a flat folder, or with a metadata.csv of file, label, split; or one .wav"
)


def fits(path: Path) -> bool:
    """Whether the path is a WAV file or a folder of them."""
    return holds_sounds(path) if path.is_dir() else wav.is_wav(path)


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Recordings of a folder or a file; every file that cannot be used becomes a problem.

    Raises:
        DataError: no recording can be used, or some cannot and bad files are not to be skipped.
    """
    problems = problems or Problems()
    shares(options)
    wanted_rate(options)
    if path.is_dir():
        found, notes = listed(path, problems)
    elif wav.is_wav(path):
        found, notes = [Listed(path)], []
    else:
        raise problems.fail(path, "", "is not a WAV file or a folder of them", f"accepted is {ACCEPTS}")
    if not found:
        if problems.found:
            raise DataError(problems.found)
        raise problems.fail(path, "", "holds no WAV file", f"accepted is {ACCEPTS}")
    sources: Sources = {str(one.path): (one.path, one.label, one.split) for one in found}
    root = path if path.is_dir() else path.parent
    return _dataset(sources, root, seed, options, problems, notes)


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """`fsdd`: spoken digits. Its test set is that of its authors, the recordings 0 to 4 of each speaker and digit."""
    if name != "fsdd":
        raise ValueError(f"no sounds are called {name}")
    (path,) = published.get(name).values()
    sources: Sources = {}
    for member, content in tar_members(path, r"recordings/\d_\w+_\d+\.wav").items():
        digit, *_, number = Path(member).stem.split("_")
        sources[Path(member).name] = (content, digit, "test" if int(number) < 5 else "train")
    return _dataset(
        sources, Path(name), seed, options, Problems(), ["test: recordings 0 to 4 of each speaker and digit"]
    )


def _dataset(
    sources: Sources, root: Path, seed: int, options: dict[str, Any] | None,
    problems: Problems, notes: list[str],
) -> Dataset:  # fmt: skip
    heads = heads_of(sources, problems)
    rate = wanted_rate(options) or common_rate(heads, problems)
    _labelled(sources, heads, problems)
    readable(sources, heads, problems)
    sounds, told = recordings(sources, heads, rate, root)
    names = list(heads)
    labels = [sources[name][1] for name in names]
    classes = as_learned(sorted({label for label in labels if label is not None}), options)
    y = torch.tensor([classes.index(label) for label in labels if label is not None]) if classes else None
    whole = Split(sounds, y)
    splits, how = by_split(whole, [sources[name][2] for name in names], seed, options)
    if "train" not in splits:
        raise problems.fail(root, "", "has no recording to train on", "give some the split train")
    notes = [
        f"audio: {said_of(sounds)}", *told, f"examples: {lengths_of(splits)}{how}",
        f"classes: {len(classes)}" if classes else "no labels", *alike(classes), *notes,
        *twins(splits), *problems.left_out(),
    ]  # fmt: skip
    facts: dict[str, Any] = {
        "rate": rate, "resampled": bool(wanted_rate(options)), "longest": sounds.shape[1], "classes": classes,
    }  # fmt: skip
    counts = {split: len(part) for split, part in splits.items()}
    record = {"path": root.name, "counts": counts, "seed": seed, "skipped": problems.skipped()}
    examples = [
        f"{one_line(Path(name).name, 60)}: {label or 'no label'}, {heads[name].frames / heads[name].rate:.3g} s"
        for name, label in list(zip(names, labels, strict=True))[:3]
    ]
    return Dataset("audio", splits, facts, notes, record, examples)


def _labelled(sources: Sources, heads: dict[str, wav.Head], problems: Problems) -> None:
    """Takes out of `heads`, as problems, what has a class that train lacks, or none where others have one."""
    known = {label for name, (_, label, split) in sources.items() if name in heads and split in (None, "train")}
    for name in list(heads):
        label, split = sources[name][1:]
        if label is None and known != {None}:
            problems.add(name, "", "has no class, and others have one", "sort it into a class folder")
            del heads[name]
        elif label not in known:
            problems.add(name, "", f"class {one_line(label, 60)} of {split} is not in train", "add it or remove it")
            del heads[name]
