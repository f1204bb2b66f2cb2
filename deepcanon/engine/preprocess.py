"""From raw examples to what a model is given: learned from the training split, and part of every export."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from deepcanon.data.splits import Dataset
from deepcanon.engine.contract import Facts
from deepcanon.parts.standardize import Standardize, input_statistics

__all__ = ["input_facts", "input_transform"]


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
