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
    wanted, noise, order = (options.get(name, default) for name, default in DEFAULTS.items())
    if "train" not in data or (wanted, noise, order) == tuple(DEFAULTS.values()):
        return data
    train, classes, notes = data["train"], data.facts.get("classes"), list(data.notes)
    labels, count = train.y, len(train)
    if (noise or order in ("class", "balanced")) and (labels is None or not classes):
        raise DataError("--label-noise, --order class and --order balanced need classes, and this data set has none")
    generator = torch.Generator().manual_seed(stream_seed(seed, 0, "learn"))
    rows = torch.randperm(count, generator=generator)[: wanted or count].sort().values
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


DEFAULTS = {"train_examples": 0, "label_noise": 0.0, "order": "shuffled"}
