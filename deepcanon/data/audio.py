"""The reader of sound: WAV files, each a recording, mixed down to one channel, all of one rate.

`x` is a `Sounds` of N recordings, `y` their classes [N] if folders or a metadata.csv say them.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import published, wav
from .archives import tar_members
from .errors import DataError, Problem, Problems, one_line
from .inputs import Inputs
from .progress import counted
from .sound_folders import Listed, holds_sounds, listed
from .sounds import BLOCK, Sounds, length_at, resampled, stored
from .splits import Dataset, Split, draw_splits, shares

__all__ = ["ACCEPTS", "fits", "inputs", "read", "read_named"]

ACCEPTS = (
    "audio: a folder of .wav files (16-bit, or 8, 24, 32 bits or floating point; not compressed): CLASS/*.wav, or "
    "train/... with valid/ and/or test/, or a flat folder, or with a metadata.csv of file, label, split; or one .wav"
)
ORDER = ("train", "valid", "test")
Source = Path | bytes
Sources = dict[str, tuple[Source, str | None, str | None]]
"""By its name, where a recording is, its class, and its split."""


def fits(path: Path) -> bool:
    """Whether the path is a WAV file or a folder of them."""
    return holds_sounds(path) if path.is_dir() else wav.is_wav(path)


def wanted_rate(options: dict[str, Any] | None) -> int:
    """The option `sample_rate`, checked.

    Raises:
        DataError: no sound has such a rate.
    """
    rate = int((options or {}).get("sample_rate", 0))
    if rate and not wav.SLOWEST <= rate <= wav.FASTEST:
        what, remedy = f"sample_rate {rate} is not from {wav.SLOWEST} to {wav.FASTEST:,}", "0 keeps the files' own"
        raise DataError(Problem("", "", what, remedy, skippable=False))
    return rate


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
    heads = _heads(sources, problems)
    rate = wanted_rate(options) or _common_rate(heads, problems)
    _labelled(sources, heads, problems)
    problems.settle()
    if not heads:
        raise DataError(problems.found)
    bad = _unreadable(sources, heads) if problems.skip_bad or problems.keep_going else {}
    for name, error in bad.items():
        problems.add(name, "", str(error), error.remedy)
        del heads[name]
    if not heads:
        raise DataError(problems.found)
    sounds, told = _loaded(sources, heads, rate, root)
    names = list(heads)
    labels = [sources[name][1] for name in names]
    classes = sorted({label for label in labels if label is not None})
    y = torch.tensor([classes.index(label) for label in labels if label is not None]) if classes else None
    whole = Split(sounds, y)
    splits, how = _splits(whole, [sources[name][2] for name in names], seed, options)
    if "train" not in splits:
        raise problems.fail(root, "", "has no recording to train on", "give some the split train")
    lengths = {split: part.x.seconds for split, part in splits.items()}
    parts = ", ".join(f"{split} {len(part):,} ({lengths[split]:,.1f} s)" for split, part in splits.items())
    bits = "16 bits" if sounds.dtype == torch.int16 else "floating point"
    notes = [
        f"audio: {len(names):,} recordings, {sounds.seconds:,.1f} s, {rate:,} samples a second, one channel, {bits}",
        *told, f"examples: {parts}{how}", f"classes: {len(classes)}" if classes else "no labels", *notes,
        *problems.left_out(),
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


def _heads(sources: Sources, problems: Problems) -> dict[str, wav.Head]:
    """The heads of the files that have a good one."""
    found: dict[str, wav.Head] = {}
    for name, (source, *_) in sources.items():
        try:
            found[name] = wav.head(source)
        except wav.BadSound as error:
            problems.add(name, "", str(error), error.remedy)
    return found


def _common_rate(heads: dict[str, wav.Head], problems: Problems) -> int:
    """The rate of most files; the others are taken out of `heads` as problems."""
    rates = Counter(about.rate for about in heads.values())
    most = rates.most_common(1)[0][0] if rates else 0
    for name in [name for name, about in heads.items() if about.rate != most]:
        what = f"has {heads.pop(name).rate:,} samples a second, and {rates[most]:,} of the files have {most:,}"
        problems.add(name, "", what, f"resample all with --sample-rate {most}, or remove it")
    return most


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


def _unreadable(sources: Sources, heads: dict[str, wav.Head]) -> dict[str, wav.BadSound]:
    """Files whose samples cannot be used though their heads are good; all samples are read once."""
    bad = {}
    for name, about in heads.items():
        if about.floating:  # the only samples that can be bad
            try:
                for first in range(0, about.frames, BLOCK):
                    wav.samples(sources[name][0], about, first, min(BLOCK, about.frames - first))
            except wav.BadSound as error:
                bad[name] = error
    return bad


def _loaded(sources: Sources, heads: dict[str, wav.Head], rate: int, root: Path) -> tuple[Sounds, list[str]]:
    """The samples of all files, and notes on what was done to them."""
    names, notes = list(heads), list[str]()
    fine = sum(about.fine for about in heads.values())
    dtype = "float32" if fine else "int16"
    lengths = [length_at(heads[name].frames, heads[name].rate, rate) for name in names]
    key = [rate, dtype, *([name, lengths[place], _changed(sources[name][0])] for place, name in enumerate(names))]
    with counted("seconds of sound read", int(sum(lengths) / rate)) as tell:
        done = 0

        def blocks(number: int) -> Iterable[np.ndarray]:
            nonlocal done
            name = names[number]
            try:
                for block in _blocks(sources[name][0], heads[name], rate, dtype):
                    done += len(block)
                    tell(done // rate)
                    yield block
            except wav.BadSound as error:
                raise DataError(Problem(name, "", str(error), error.remedy)) from None

        store = stored(lengths, dtype, blocks, key, notes, str(root))
    ends = torch.tensor(lengths).cumsum(0)
    mixed = Counter(about.channels for about in heads.values() if about.channels > 1)
    notes += [f"mixed down: {count:,} files of {channels} channels, by their mean" for channels, count in mixed.items()]
    others = Counter(about.rate for about in heads.values() if about.rate != rate)
    notes += [f"resampled from {old:,} to {rate:,} samples a second: {n:,} files" for old, n in sorted(others.items())]
    if fine and fine < len(heads):
        notes.append(f"kept as floating point, since {fine:,} files have more than 16 bits")
    shown = [Path(name).relative_to(root).as_posix() if Path(name).is_relative_to(root) else name for name in names]
    return Sounds(store, ends - torch.tensor(lengths), torch.tensor(lengths), rate, shown), notes


def _changed(source: Source) -> Any:
    return len(source) if isinstance(source, bytes) else (source.stat().st_mtime_ns, source.stat().st_size)


def _blocks(source: Source, about: wav.Head, rate: int, dtype: str) -> Iterable[np.ndarray]:
    """The samples of a file in blocks, at the rate and of the type that are wanted."""

    def read(first: int, stop: int) -> np.ndarray:
        found = wav.samples(source, about, first, stop - first)
        return found / 32768 if found.dtype == np.int16 else found.astype(np.float64)

    if about.rate == rate and dtype == ("float32" if about.fine else "int16"):
        for first in range(0, about.frames, BLOCK):
            yield wav.samples(source, about, first, min(BLOCK, about.frames - first))
        return
    if about.rate == rate:
        wide: Iterable[np.ndarray] = (
            read(first, min(about.frames, first + BLOCK)) for first in range(0, about.frames, BLOCK)
        )
    else:
        wide = resampled(read, about.frames, about.rate, rate)
    for block in wide:
        if dtype == "float32":
            yield block.astype(np.float32)
        else:
            yield np.clip(np.rint(block * 32768), -32768, 32767).astype(np.int16)


def _splits(
    whole: Split, said: list[str | None], seed: int, options: dict[str, Any] | None
) -> tuple[dict[str, Split], str]:
    """The splits as folders or a table say, the missing ones drawn; those of a single recording are parts of it."""
    valid, test = shares(options)
    if len(whole) == 1 and said[0] is None:
        count = int(whole.x.lengths[0])
        cut = [0, round(count * (1 - valid - test)), round(count * (1 - test)), count]
        pieces = {
            split: Split(whole.x.part(first, stop), whole.y)
            for split, first, stop in zip(ORDER, cut, cut[1:], strict=False)
            if stop > first
        }
        return pieces, " (one recording, cut in time)" if pieces.keys() != {"train"} else ""
    rows = {
        split: torch.tensor([place for place, name in enumerate(said) if (name or "train") == split], dtype=torch.int64)
        for split in ORDER
    }
    missing = [(s, share) for s, share in (("valid", valid), ("test", test)) if not len(rows[s]) and share > 0]
    if missing and len(rows["train"]):
        mine = rows["train"]
        labels: Tensor | None = None if whole.y is None else whole.y[mine]
        drawn = draw_splits(len(mine), labels, missing, seed)
        rows |= {split: mine[places] for split, places in drawn.items()}
    splits = {split: whole.take(places) for split, places in rows.items() if len(places)}
    by = f"by seed {seed}{' and class' if whole.y is not None else ''}"
    return splits, f" ({' and '.join(s for s, _ in missing)} drawn {by})" if missing else ""


def inputs(describe: dict[str, Any], paths: list[str]) -> Inputs:
    """WAV files, folders of them or one on standard input ("-"): float32 recordings [T] in [-1, 1], one channel.

    A file of another rate is resampled if the training data were; else it is refused.
    """
    found, problems, rate = Inputs([], []), Problems(), int(describe["rate"])
    for given in paths:
        path = Path(given)
        sources: list[tuple[str, Source]] = [(given, path)]
        if given == "-":
            sources = [("stdin", sys.stdin.buffer.read())]
        elif path.is_dir():
            sources = [(str(one.path), one.path) for one in listed(path, problems)[0]]
            if not sources and not problems.found:
                problems.add(given, "", "holds no WAV file", "give WAV files or a folder of them")
        for name, source in sources:
            try:
                about = wav.head(source)
                if about.rate != rate and not describe.get("resampled"):
                    remedy = "resample it, or train with --sample-rate"
                    raise wav.BadSound(f"has {about.rate:,} samples a second, training had {rate:,}", remedy)
                values = np.concatenate([*_blocks(source, about, rate, "float32")])
            except wav.BadSound as error:
                problems.add(name, "", str(error), error.remedy)
                continue
            found.names.append(name)
            found.values.append(torch.from_numpy(values))
            told = [f"the mean of {about.channels} channels"] if about.channels > 1 else []
            told += [f"resampled from {about.rate:,} samples a second"] if about.rate != rate else []
            found.tell(len(found) - 1, told)
    if not found.names:
        raise DataError(problems.found)
    found.refused = problems.found
    return found
