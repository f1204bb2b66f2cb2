"""From raw examples to what a model is given: learned from the training split, and part of every export."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from deepcanon.data.splits import Dataset
from deepcanon.engine.contract import Facts
from deepcanon.parts.standardize import Standardize, channel_statistics, unit_pixels

__all__ = ["input_facts", "input_transform"]


def input_facts(data: Dataset, standardize: bool | None = None) -> Facts:
    """The shape of an example, and the shift and scale of its channels or columns.

    Args:
        standardize: mean 0 and variance 1 for all; False brings pixels into [0, 1] and leaves columns as they are;
            None standardises columns, not pixels.
    """
    train, images = data["train"], data.kind == "images"
    if standardize or (standardize is None and not images):
        shift, scale = channel_statistics(part.x for part in train.chunks())
    else:
        shift, scale = unit_pixels(train.x.shape[1])
        scale = scale if images else torch.ones_like(scale)
    return {"shape": list(train.x.shape[1:]), "shift": shift, "scale": scale}


def input_transform(facts: Mapping[str, Any]) -> nn.Sequential:
    """From raw values to the rows [N, D] that `input_facts` describes."""
    return nn.Sequential(Standardize(facts["shift"], facts["scale"]), nn.Flatten())
