"""Which of the training examples are learned from: some of them, some with other labels, in another order."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .errors import DataError
from .seeds import stream_seed
from .splits import Dataset
from .streamed import StreamedSplit, part

__all__ = ["choose_examples"]


def choose_examples(data: Dataset, options: dict[str, Any], seed: int) -> Dataset:
    """The data set with the training examples that `train_examples`, `label_noise` and `order` ask for.

    Raises:
        DataError: labels are needed, and there are none.
    """
    wanted, limit, only, noise, order = (options.get(name, default) for name, default in DEFAULTS.items())
    if "train" not in data or (wanted, limit, tuple(only), noise, order) == tuple(DEFAULTS.values()):
        return data
    if only:
        data = _of_classes(data, list(only))
    train, classes, notes = data["train"], data.facts.get("classes"), list(data.notes)
    labels, count = train.y, len(train)
    if (noise or limit or order in ("class", "balanced")) and (labels is None or not classes):
        what = "--per-class, --label-noise, --order class and --order balanced"
        raise DataError(f"{what} need classes, and this data set has none")
    generator = torch.Generator().manual_seed(stream_seed(seed, 0, "learn"))
    drawn = torch.randperm(count, generator=generator)
    if limit and labels is not None and classes:
        drawn = torch.cat([drawn[labels[drawn] == label][:limit] for label in range(len(classes))])
        notes.append(f"training examples: at most {limit} of each class, {len(drawn)} together")
    rows = drawn[: wanted or count].sort().values
    if labels is not None and classes:
        noisy = torch.rand(count, generator=generator) < noise
        other = (labels + torch.randint(1, max(2, len(classes)), (count,), generator=generator)) % len(classes)
        labels = torch.where(noisy, other, labels)
        if order == "class":
            rows = rows[labels[rows].argsort(stable=True)]
        if noise:
            notes.append(f"label noise: {int(noisy[rows].sum())} of {len(rows)} training labels replaced by another")
        if order == "balanced":
            rows, often = _balanced(labels[rows], rows, generator)
            notes.append(f"order balanced: every class {often:,} times in a pass, {len(rows):,} examples")
    if wanted:
        all_of = f", all there are: --train-examples {wanted} asks for more" if wanted > count else f" of {count}"
        notes.append(f"training examples: {min(wanted, count)}{all_of}")
    train = replace(train, y=labels) if labels is not train.y else train
    chosen = part(train, rows) if isinstance(train, StreamedSplit) else train.take(rows)  # take would decode them all
    chosen.ordered = order in ("file", "class")
    return replace(data, splits={**data.splits, "train": chosen}, notes=notes)


def _of_classes(data: Dataset, only: list[str]) -> Dataset:
    """The examples of some classes, which are numbered in the order in which they are given."""
    classes = list(data.facts.get("classes") or ())
    strange = [name for name in only if name not in classes]
    if not classes or strange or len(set(only)) < len(only):
        what = f"--classes {' '.join(only)}: " + (
            "this data set has no classes" if not classes else f"there are {', '.join(classes)}, each to be given once"
        )
        raise DataError(what)
    numbers = torch.full((len(classes),), -1)
    numbers[[classes.index(name) for name in only]] = torch.arange(len(only))
    splits = {}
    for name, split in data.splits.items():
        rows = (numbers[split.y] >= 0).nonzero()[:, 0]
        if not len(rows):
            raise DataError(f"--classes {' '.join(only)}: the {name} split has no example of them")
        kept = part(split, rows)
        splits[name] = replace(kept, y=numbers[kept.y])
    counts = ", ".join(f"{name} {len(split):,}" for name, split in splits.items())
    facts = {**data.facts, "classes": only}
    return replace(data, splits=splits, facts=facts, notes=[*data.notes, f"classes: {', '.join(only)}; {counts}"])


def _balanced(labels: Tensor, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
    """Rows in which every class that occurs is as frequent as the largest, and how often that is.

    A smaller class is repeated as a whole, and the rest drawn from it without repetition.
    """
    often = int(labels.bincount().max())
    repeated = []
    for label in labels.unique():
        mine = rows[labels == label]
        mine = mine[torch.randperm(len(mine), generator=generator)]
        repeated.append(mine.repeat(-(-often // len(mine)))[:often])
    return torch.cat(repeated), often


DEFAULTS = {"train_examples": 0, "per_class": 0, "classes": (), "label_noise": 0.0, "order": "shuffled"}
