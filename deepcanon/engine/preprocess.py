"""From raw examples to what a model is given: learned from the training split, and part of every export."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.data.drawn import DrawnSplit
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine.contract import Facts
from deepcanon.engine.run import Batch, Run
from deepcanon.parts.patches import patch_rows
from deepcanon.parts.standardize import Standardize, input_statistics

__all__ = ["Prepared", "input_facts", "input_transform", "pictures_first", "raw_inputs", "row_facts", "row_transform"]

KEPT = 64_000_000  # bytes of prepared rows that are kept


def input_facts(data: Dataset, standardize: bool | None = None) -> Facts:
    """The shape of an example, and the shift and scale of its channels or columns.

    Args:
        standardize: of `input_statistics`.
    """
    train = data["train"]
    if standardize and data.kind == "images":
        shift, scale = train.channel_statistics()
    else:
        shift, scale = input_statistics((part.x for part in train.chunks()), data.kind == "images", standardize)
    return {"shape": list(train.x.shape[1:]), "shift": shift, "scale": scale}


def input_transform(facts: Mapping[str, Any]) -> nn.Sequential:
    """From raw values to the rows [N, D] that `input_facts` describes."""
    return nn.Sequential(Standardize(facts["shift"], facts["scale"]), nn.Flatten())


def raw_inputs(transform: nn.Module, rows: Tensor, shape: Sequence[int]) -> Tensor:
    """Raw values [N, ...] on the CPU from rows [N, D] that a transform gave; pixels are whole numbers.

    Args:
        transform: a `Standardize`, and layers that flatten or have an `inverse`.
        shape: of an example, (C, H, W) or (F,).
    """
    layers: list[Any] = [layer for layer in transform.modules() if not isinstance(layer, nn.Sequential)]
    standardize, *others = layers
    for layer in reversed(others):
        rows = rows if isinstance(layer, nn.Flatten) else layer.inverse(rows)
    raw = standardize.inverse(rows.reshape(-1, *shape)).cpu()
    return raw.round().clamp(0, 255).to(torch.uint8) if len(shape) == 3 else raw


def row_facts(data: Dataset, patch: int = 0) -> Facts:
    """As `input_facts` of rows in their own units: pixels in [0, 1], columns without their mean.

    Args:
        patch: side of the patches that images were cut into, each of which loses its own mean; 0: whole images.
    """
    x = data["train"].x
    if data.kind != "images":
        return {"shape": list(x.shape[1:]), "scale": 1.0, "patch": 0, "shift": x.mean(0)}
    return {"shape": list(x.shape[1:]), "scale": 255.0, "patch": patch}


def row_transform(facts: Mapping[str, Any]) -> nn.Sequential:
    """From raw values to the rows [N, D] that `row_facts` describes."""
    return patch_rows(facts["scale"], centred=facts["patch"] > 0, shift=facts.get("shift"))


class Prepared:
    """The rows of splits with `x` as the model is given it, prepared once where that can be kept.

    Args:
        run: of the recipe.
        transform: from raw inputs to prepared ones, each row by itself.
    """

    def __init__(self, run: Run, transform: nn.Module) -> None:
        self.run, self.transform = run, transform
        self._kept: dict[tuple[int, int, int, bool], tuple[Any, Split]] = {}

    def unit(self, split: Any) -> float:
        """What bytes are divided by, if they are in memory and the transform does nothing else; otherwise 0."""
        children = [*self.transform.children()]
        first, others = (children[0] if children else None), children[1:]
        if not isinstance(first, Standardize) or not all(isinstance(other, nn.Flatten) for other in others):
            return 0.0
        if not (isinstance(split.x, Tensor) and split.x.dtype == torch.uint8):
            return 0.0
        alike = not first.shift.any() and bool((first.scale == first.scale.flatten()[0]).all())
        return first.scale.flatten()[0].item() if alike else 0.0

    def whole(self, split: Any, raw: bool = False) -> Batch:
        """This process's rows of a split; the same tensors at every call.

        Args:
            raw: flattened only.
        """
        rows = self._rows(split, self.run.rank, self.run.world, raw)
        return Batch(rows.x, rows.y)

    def batch(self, split: Any, size: int) -> Batch:
        """`run.batch` of a split, which is prepared as a whole at the first batch if it lies in memory and is small."""
        held = isinstance(split.x, Tensor) and not isinstance(split, DrawnSplit)
        if held and self.run.device.type == "cpu" and 8 * split.x.numel() <= KEPT:
            return self.run.batch(self._rows(split, 0, 1), size)
        taken = self.run.batch(split, size)
        return Batch(self.transform(taken.x), taken.y)

    def _rows(self, split: Any, first: int, every: int, raw: bool = False) -> Split:
        key, mine = (id(split), first, every, raw), slice(first, None, every)
        if key not in self._kept:  # with the split itself, so that no other has its id
            x = self.run.to(split.x[mine])
            with torch.no_grad():
                x = x.flatten(1) if raw else self.transform(x)
            self._kept[key] = split, Split(x, self.run.to(split.y[mine]), split.ordered)
        return self._kept[key][1]


def pictures_first(preprocess: nn.Module, model: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The same two modules, divided so that the first gives pictures, also where it flattened them for the second."""
    children = list(preprocess.children())
    if isinstance(preprocess, nn.Sequential) and any(isinstance(child, nn.Flatten) for child in children):
        kept = [child for child in children if not isinstance(child, nn.Flatten)]
        return nn.Sequential(*kept), nn.Sequential(nn.Flatten(), model)
    return preprocess, model
