"""What linear regression must know of a table before it is fitted: which columns, their scale, and the best rate."""

from typing import Any

import torch
from torch import nn

from deepcanon.data.splits import Dataset
from deepcanon.engine.regressor import independent_columns
from deepcanon.errors import UsageError
from deepcanon.parts.raw_features import RawFeatures
from deepcanon.parts.standardize import Standardize

__all__ = ["least_squares_facts"]


def least_squares_facts(data: Dataset, *, standardize: bool, ridge: float) -> dict[str, Any]:
    """Number of features, the columns that are kept, shift and scale, and the best constant rate of gradient descent.

    The rate is 2 / (smallest + largest curvature) of half the mean squared error with the penalty.

    Args:
        standardize: whether columns are scaled to deviation 1.
        ridge: lambda; without it, one indicator of each column of text is left out, since least squares would have no
            unique solution.

    Raises:
        UsageError: there are no targets, or a value is not finite.
    """
    train = data["train"]
    if train.y is None:
        raise UsageError("linear regression needs targets: give data=(x, y)")
    if not bool(torch.isfinite(train.x).all()):
        raise UsageError("the table holds values that are not finite")
    scaled = RawFeatures.learn("tables", train.x, standardize=standardize)
    x = Standardize(scaled["shift"], scaled["scale"]).double()(train.x)
    kept = [] if ridge else independent_columns(data.facts["sources"])
    x = nn.functional.pad(x[:, kept] if kept else x, (1, 0), value=1.0)
    curvature = torch.linalg.eigvalsh(x.T @ x / len(x)) + ridge
    rate = 2 / (curvature[0].clamp_min(0) + curvature[-1]).item()
    return {"features": x.shape[1] - 1, "rate": rate, "kept": kept, **scaled}
