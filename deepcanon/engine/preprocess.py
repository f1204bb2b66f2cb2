"""From raw examples to what a model is given: learned from the training split, and part of every export."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.data.drawn import DrawnSplit
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine.contract import Facts
from deepcanon.engine.run import Batch, Run
from deepcanon.parts.standardize import Standardize, input_statistics

__all__ = ["input_facts", "input_transform", "prepared_batches"]

KEPT = 64_000_000  # bytes of prepared rows that are kept


def input_facts(data: Dataset, standardize: bool | None = None) -> Facts:
    """The shape of an example, and the shift and scale of its channels or columns.

    Args:
        standardize: of `input_statistics`.
    """
    train = data["train"]
    shift, scale = input_statistics((part.x for part in train.chunks()), data.kind == "images", standardize)
    return {"shape": list(train.x.shape[1:]), "shift": shift, "scale": scale}


def input_transform(facts: Mapping[str, Any]) -> nn.Sequential:
    """From raw values to the rows [N, D] that `input_facts` describes."""
    return nn.Sequential(Standardize(facts["shift"], facts["scale"]), nn.Flatten())


def prepared_batches(run: Run, transform: nn.Module, split: str = "train") -> Callable[[int], Batch]:
    """From the size of a batch to `run.batch` of a split, with `x` as the model is given it.

    A transform works on each row alone. So a split in memory is transformed once, at the first batch, if the result is
    small; any other, and one that is drawn, is transformed batch by batch.
    """
    kept: list[Any] = []

    def batch(size: int) -> Batch:
        if not kept:
            rows = run.data[split]
            held = isinstance(rows.x, Tensor) and not isinstance(rows, DrawnSplit)
            small = held and run.device.type == "cpu" and 8 * rows.x.numel() <= KEPT
            with torch.no_grad():
                kept.append(Split(transform(rows.x), rows.y, rows.ordered) if small else None)
        if kept[0] is not None:
            return run.batch(kept[0], size)
        taken = run.batch(run.data[split], size)
        return Batch(transform(taken.x), taken.y)

    return batch
