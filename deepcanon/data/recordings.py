"""Recordings out of WAV files, whatever is known of each: their rate, samples, splits, and those to answer about."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import wav
from .errors import DataError, Problem, Problems, one_line
from .image_sets import first_of
from .inputs import Inputs
from .progress import counted
from .sound_folders import below
from .sounds import BLOCK, Sounds, length_at, resampled, stored
from .splits import ORDER, Split, draw_splits, shares

__all__ = [
    "Source", "Sources", "by_split", "common_rate", "heads_of", "inputs", "lengths_of", "readable",
    "recordings", "said_of", "twins", "wanted_rate",
]  # fmt: skip

Source = Path | bytes
Sources = dict[str, tuple[Source, str | None, str | None]]
"""By its name, where a recording is, what is said of it (its class or transcript), and its split."""


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


def heads_of(sources: Sources, problems: Problems) -> dict[str, wav.Head]:
    """The heads of the files that have a good one."""
    found: dict[str, wav.Head] = {}
    for name, (source, *_) in sources.items():
        try:
            found[name] = wav.head(source)
        except wav.BadSound as error:
            problems.add(name, "", str(error), error.remedy)
    return found


def common_rate(heads: dict[str, wav.Head], problems: Problems) -> int:
    """The rate of most files; the others are taken out of `heads` as problems."""
    rates = Counter(about.rate for about in heads.values())
    most = rates.most_common(1)[0][0] if rates else 0
    for name in [name for name, about in heads.items() if about.rate != most]:
        what = f"has {heads.pop(name).rate:,} samples a second, and {rates[most]:,} of the files have {most:,}"
        problems.add(name, "", what, f"resample all with --sample-rate {most}, or remove it")
    return most


def readable(sources: Sources, about: dict[str, wav.Head], problems: Problems) -> None:
    """Settles the problems and, where the rest is to be used, takes out of `about` what cannot be read."""
    problems.settle()
    if about and (problems.skip_bad or problems.keep_going):
        for name, error in _unreadable(sources, about).items():
            problems.add(name, "", str(error), error.remedy)
            del about[name]
    if not about:
        raise DataError(problems.found)


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


def recordings(sources: Sources, heads: dict[str, wav.Head], rate: int, root: Path) -> tuple[Sounds, list[str]]:
    """The samples of all files, and notes on what was done to them."""
    names, notes = list(heads), list[str]()
    fine = sum(about.fine for about in heads.values())
    dtype = "float32" if fine else "int16"
    lengths = [length_at(heads[name].frames, heads[name].rate, rate) for name in names]
    key = [rate, dtype, *([name, lengths[place], _changed(sources[name][0])] for place, name in enumerate(names))]
    loud: dict[str, float] = {}
    with counted("seconds of sound read", int(sum(lengths) / rate)) as tell:
        done = 0

        def blocks(number: int) -> Iterable[np.ndarray]:
            nonlocal done
            name = names[number]
            try:
                for block in _blocks(sources[name][0], heads[name], rate, dtype):
                    done += len(block)
                    tell(done // rate)
                    if heads[name].floating and (peak := float(np.abs(block).max(initial=0.0))) > 1:
                        loud[name] = max(peak, loud.get(name, 0.0))
                    yield block
            except wav.BadSound as error:
                raise DataError(Problem(name, "", str(error), error.remedy)) from None

        store = stored(lengths, dtype, blocks, key, notes, str(root))
    ends = torch.tensor(lengths).cumsum(0)
    mixed = Counter(about.channels for about in heads.values() if about.channels > 1)
    notes += [f"mixed down: {count:,} files of {channels} channels, by their mean" for channels, count in mixed.items()]
    others = Counter(about.rate for about in heads.values() if about.rate != rate)
    notes += [f"resampled from {old:,} to {rate:,} samples a second: {n:,} files" for old, n in sorted(others.items())]
    if loud:
        name = max(loud, key=loud.__getitem__)
        most = f"{loud[name]:.3g} in {one_line(Path(name).name, 60)}"
        notes.append(f"louder than full scale: {len(loud):,} files (up to {most}), kept so; codes of 8 bits clip it")
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


def said_of(sounds: Sounds) -> str:
    """How many, how long and of what they are."""
    bits = "16 bits" if sounds.dtype == torch.int16 else "floating point"
    length = f"{sounds.seconds:,.1f} s, {sounds.rate:,} samples a second"
    return f"{len(sounds):,} recordings, {length}, one channel, {bits}"


def lengths_of(splits: dict[str, Split]) -> str:
    """How many recordings each split has, and how long they are together."""
    return ", ".join(f"{split} {len(part):,} ({part.x.seconds:,.1f} s)" for split, part in splits.items())


def twins(splits: Mapping[str, Split]) -> list[str]:
    """Notes on recordings of valid and test that are in train too."""
    counts = {split: part.x.found_in(splits["train"].x) for split, part in splits.items() if split != "train"}
    return [
        f"recordings of {split} that are in train too, sample by sample: {count:,}"
        for split, count in counts.items()
        if count
    ]


def by_split(
    whole: Split, said: list[str | None], seed: int, options: dict[str, Any] | None
) -> tuple[dict[str, Split], str]:
    """The splits as folders or a table say, the missing ones drawn; those of a single recording are parts of it."""
    valid, test = shares(options)
    transcribed = whole.y is not None and whole.y.ndim > 1  # whose sound cannot be cut without its transcript
    if len(whole) == 1 and said[0] is None and not transcribed:
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
        labels: Tensor | None = None if whole.y is None or transcribed else whole.y[mine]
        drawn = draw_splits(len(mine), labels, missing, seed)
        rows |= {split: mine[places] for split, places in drawn.items()}
    splits = {split: whole.take(places) for split, places in rows.items() if len(places)}
    by = f"by seed {seed}{'' if whole.y is None or transcribed else ' and class'}"
    there, lost = ([s for s, _ in missing if (s in splits) == found] for found in (True, False))
    how = [f"{' and '.join(there)} drawn {by}"] * bool(there)
    how += [f"too few recordings for {' and '.join(lost)}"] * bool(lost)
    return splits, f" ({'; '.join(how)})" if how else ""


def inputs(describe: dict[str, Any], paths: list[str]) -> Inputs:
    """WAV files, folders of them or one on standard input ("-"): float32 recordings [T] in [-1, 1], one channel.

    A file of another rate is resampled if the training data were; else it is refused.
    """
    found, problems, rate = Inputs([], []), Problems(), int(describe["rate"])
    for given in paths:
        path, start = Path(given), len(found)
        strange: list[str] = []
        sources: list[tuple[str, Source]] = [(given, path)]
        if given == "-":
            sources = [("stdin", sys.stdin.buffer.read())]
        elif path.is_dir():
            # what a table says of them is not needed here
            sources = [(str(sound), sound) for sound in below(path, problems, strange)]
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
        if strange:
            found.tell(start, [f"not read: {first_of([str(Path(name).relative_to(path)) for name in strange])}"])
    if not found.names:
        raise DataError(problems.found)
    found.refused = problems.found
    return found
