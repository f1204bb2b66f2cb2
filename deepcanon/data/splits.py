"""A data set in memory: splits of tensors or text, what they are, and how missing splits are drawn."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from deepcanon.parts.sparse_rows import is_csr, rows_at
from deepcanon.parts.standardize import channel_statistics

from .errors import DataError, Problem
from .known import Known
from .large_text import LargeText
from .seeds import stream_seed
from .sounds import Sounds

T = TypeVar("T")

__all__ = ["ORDER", "SPLIT_NAMES", "Dataset", "Split", "draw_splits", "examples_at", "shares"]

ORDER = ("train", "valid", "test")
"""The splits, in the order in which they are told."""
SPLIT_NAMES = {
    "train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid", "dev": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Names of a split in folders, files and cells, in lower case."""


@dataclass
class Split:
    """Inputs `x` and targets `y` (or None), batched by index; for text `x` is the text itself: a `str`, or a
    `LargeText`, which is read from disk. Rows of counts may be a sparse CSR tensor."""

    x: Any
    y: Tensor | None = None
    ordered: bool = False
    """Whether batches follow the order of the examples instead of shuffling them in each epoch."""
    parts: Tensor | None = None
    """The pictures alone [N, P, C, H, W] of which each one is made, where the source knows them."""
    _found: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.x)

    def take(self, indices: Tensor) -> "Split":
        """The examples with these indices, as one batch."""
        if isinstance(self.x, str | LargeText):
            raise TypeError("a text has no examples to take: cut the text itself")
        x, *others = (None if t is None else examples_at(t, indices) for t in (self.x, self.y, self.parts))
        return Split(x, others[0], parts=others[1])

    def once(self, name: str, find: Callable[[], T]) -> T:
        """What is found of all examples: later calls give it again, since nothing changes a split."""
        if name not in self._found:
            self._found[name] = find()
        return self._found[name]

    def fingerprint(self) -> str:
        """The SHA-256 of inputs and targets."""
        digest = hashlib.sha256()
        for part in (self.x, self.y):
            if isinstance(part, Tensor) and is_csr(part):
                digest.update(f"sparse {tuple(part.shape)}".encode())
                for values in (part.crow_indices(), part.col_indices(), part.values()):
                    digest.update(values.contiguous().view(torch.uint8).numpy())  # type: ignore[arg-type]
            elif isinstance(part, Tensor):
                digest.update(f"{part.dtype} {tuple(part.shape)}".encode())
                digest.update(part.contiguous().reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
            elif isinstance(part, LargeText | Sounds):
                part.hash_into(digest)
            elif isinstance(part, str):
                digest.update(part.encode("utf-8", "surrogatepass"))
            elif part is not None:
                digest.update("\0".join(_named(item) for item in getattr(part, "paths", part)).encode())
        return digest.hexdigest()

    def prefetch(self, indices: Tensor) -> None:
        """Prepares a coming `take(indices)`; nothing to do for data in memory."""

    def chunks(self, size: int = 1024) -> Iterator["Split"]:
        """The whole split in order, `size` examples at a time: statistics without holding all of it."""
        for start in range(0, len(self), size):
            if type(self) is Split and isinstance(self.x, Tensor) and not is_csr(self.x):  # lies in memory: no copy
                part = slice(start, start + size)
                parts = (None if t is None else t[part] for t in (self.y, self.parts))
                yield Split(self.x[part], next(parts), parts=next(parts))
                continue
            yield self.take(torch.arange(start, min(start + size, len(self))))

    def channel_statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of `x` along axis 1 (see `parts.standardize`), a chunk at a time."""
        return channel_statistics(part.x for part in self.chunks())


def examples_at(x: Any, indices: Tensor) -> Any:
    """The examples with these indices, of a tensor, dense or sparse, or of what is indexed like one (sounds, trees)."""
    return rows_at(x, indices) if isinstance(x, Tensor) else x.index_select(0, indices)


def _named(item: Any) -> str:
    """A text, or a file as its name and size."""
    return f"{item.name} {item.stat().st_size}" if isinstance(item, Path) else str(item)


@dataclass
class Dataset:
    """What a reader gives: the splits, a description (JSON), lines to print and the record for the run."""

    kind: str
    splits: dict[str, Split]
    facts: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    """Three examples in words, for `data check`."""
    known: tuple[Known, ...] = ()
    """Scores that are known before any training (of generated sets)."""
    truth: dict[str, Any] = field(default_factory=dict)
    """What only the source of generated examples knows: arrays and functions by name, for evaluations alone."""

    def __getitem__(self, name: str) -> Split:
        if name not in self.splits:
            raise DataError(f"this data has no {name} split, only {', '.join(self.splits) or 'none'}")
        return self.splits[name]

    def __contains__(self, name: str) -> bool:
        return name in self.splits

    def describe(self) -> dict[str, Any]:
        """What later inputs must look like: JSON values only."""
        return {"kind": self.kind, **self.facts}

    def fingerprint(self) -> dict[str, str]:
        """The SHA-256 of the examples of each split, by which a later reading is compared with this one.

        Of pictures that are decoded when they are needed, their names and sizes count.
        """
        return {name: split.fingerprint() for name, split in self.splits.items()}

    def counts(self) -> dict[str, int]:
        return {name: len(split) for name, split in self.splits.items()}


def shares(options: dict[str, Any] | None, valid: float = 0.1, test: float = 0.1) -> tuple[float, float]:
    """The options `valid_share` and `test_share`, checked."""
    options = options or {}
    valid, test = float(options.get("valid_share", valid)), float(options.get("test_share", test))
    if not (0 <= valid < 1 and 0 <= test < 1 and valid + test < 1):
        raise DataError(
            Problem("", "", f"valid_share {valid} and test_share {test} leave nothing to train on",
                    "give shares from 0 to below 1 with a sum below 1", skippable=False)
        )  # fmt: skip
    return valid, test


def draw_splits(count: int, labels: Tensor | None, wanted: Sequence[tuple[str, float]], seed: int) -> dict[str, Tensor]:
    """Draws splits of the wanted shares by seed and class; the rest is "train".

    Each class gives its share of each split, rounded by largest remainder so that the split has the share of the
    whole, and always keeps one example for training. Indices are in rising order. An empty split is left out.
    """
    if not any(share for _, share in wanted):
        return {"train": torch.arange(count)} if count else {}
    groups = [torch.arange(count)]
    if labels is not None:
        groups = list(labels.argsort(stable=True).split(labels.unique(return_counts=True)[1].tolist()))
    generator = torch.Generator().manual_seed(stream_seed(seed, 0, "split"))
    groups = [group[torch.randperm(len(group), generator=generator)] for group in groups]
    used = [0] * len(groups)
    drawn: dict[str, Tensor] = {}
    for name, share in wanted:
        room = [len(group) - 1 - start for group, start in zip(groups, used, strict=True)]
        exact = [len(group) * share for group in groups]
        take = [min(int(e), r) for e, r in zip(exact, room, strict=True)]
        target = max(round(count * share), 1 if share > 0 else 0)
        missing = target - sum(take)
        by_remainder = sorted(range(len(groups)), key=lambda g: (int(exact[g]) - exact[g], g))
        for g in by_remainder:
            if missing <= 0:
                break
            if take[g] < room[g]:
                take[g], missing = take[g] + 1, missing - 1
        parts = [group[start : start + n] for group, start, n in zip(groups, used, take, strict=True)]
        used = [start + n for start, n in zip(used, take, strict=True)]
        drawn[name] = torch.cat(parts).sort().values if parts else torch.arange(0)
    rest = [group[start:] for group, start in zip(groups, used, strict=True)]
    splits = {"train": torch.cat(rest).sort().values if rest else torch.arange(0), **drawn}
    return {name: rows for name, rows in splits.items() if len(rows)}
