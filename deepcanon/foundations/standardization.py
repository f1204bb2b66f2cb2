"""Input normalisation: statistics of the training set per feature, channel or value, the inverse, and why it is faster.

Paper: LeCun, Bottou, Orr and Mueller 1998, "Efficient BackProp" (Neural Networks: Tricks of the Trade, LNCS 1524),
sections 4.3 and 5.

N training examples x_i; j runs over what shares a statistic: one feature (column, pixel), one channel, or all values.

    mu_j = mean of x_ij,   sigma_j^2 = mean of (x_ij - mu_j)^2   over the TRAINING examples only           (1)
    y_ij = (x_ij - mu_j) / sigma_j;   a constant feature has sigma_j := 1, so that it becomes 0             (2)
    x_ij = sigma_j y_ij + mu_j                                                                              (3)
    H = (1/N) sum_i [x_i; 1][x_i; 1]^T,   spread = lambda_max / lambda_min                                  (4)

(4) is the Hessian of a linear unit's squared error in its weights and bias. Gradient descent needs a number of steps
proportional to the spread (the best rate is 2 / (lambda_max + lambda_min)). Inputs that are all positive have one large
eigenvalue, of about |mu|^2 + 1, along the mean; scales that differ spread the others. Standardised
inputs leave the spread of their correlations, and whitened ones (`deepcanon.representation.PCA`) have a spread of 1.

`fit_standardize` gives the module `deepcanon.parts.standardize.Standardize`, whose buffers travel with the model, so
that validation, test and export use the training set's statistics. `Unstandardize` is its inverse.

Departures: the paper also decorrelates the inputs; that is whitening, and not done here. It divides by N, as we do;
other libraries divide by N - 1. Sums are in float64 and in one pass over batches. A feature is constant if its largest
value is its smallest: a deviation of 1e-17, which rounding gives to equal numbers, would amplify that rounding.

    >>> import torch
    >>> from deepcanon.foundations import Unstandardize, fit_standardize
    >>> from deepcanon.foundations.standardization import curvature_spread
    >>> x = torch.tensor([[1.0, 100.0, 7.0], [3.0, 100.0, 9.0], [5.0, 100.0, 8.0]])
    >>> scaled = fit_standardize([x], per="feature")
    >>> scaled(x)[:, :2].tolist(), torch.equal(Unstandardize(scaled)(scaled(x))[:, 1], x[:, 1])
    ([[-1.2247447967529297, 0.0], [0.0, 0.0], [1.2247447967529297, 0.0]], True)
"""

from collections.abc import Iterable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.standardize import Standardize, channel_statistics, unstandardize

__all__ = ["Unstandardize", "curvature_spread", "fit_standardize", "training_statistics"]

Sharing = Literal["value", "channel", "feature"]


def training_statistics(
    batches: Iterable[Tensor], per: Sharing = "feature"
) -> tuple[Float[Tensor, "*statistics"], Float[Tensor, "*statistics"]]:
    """Equation (1) over batches [N, ...] in one pass: mean and deviation, with 1 for the deviation of a constant.

    Shapes: () for "value", (C,) for "channel" (axis 1), and that of an example for "feature".
    """
    if per not in ("value", "channel", "feature"):
        raise ValueError(f'statistics are per "value", "channel" or "feature", not {per!r}')
    shape: tuple[int, ...] | None = None
    low = high = torch.zeros(())

    def columns() -> Iterable[Tensor]:
        nonlocal shape, low, high
        for batch in batches:
            if batch.ndim < 2 or not batch.numel():
                raise ValueError(f"expected batches [N, F] or [N, C, ...] with examples, got {tuple(batch.shape)}")
            if shape is not None and batch.shape[1:] != shape:
                raise ValueError(f"a batch of {tuple(batch.shape[1:])} after one of {tuple(shape)}")
            if batch.is_floating_point() and not bool(batch.isfinite().all()):
                raise ValueError("an input is not finite: statistics of it would be none")
            flat = {"value": batch.reshape(-1, 1), "channel": batch, "feature": batch.flatten(1)}[per]
            least, most = flat.transpose(0, 1).flatten(1).aminmax(dim=1)
            low, high = (least, most) if shape is None else (torch.minimum(low, least), torch.maximum(high, most))
            shape = tuple(batch.shape[1:])
            yield flat

    mean, deviation = channel_statistics(columns())  # (1)
    deviation = torch.where(low == high, torch.ones_like(deviation), deviation)  # (2), for a constant
    kept = {"value": (), "channel": mean.shape, "feature": shape or ()}[per]
    return mean.reshape(kept), deviation.reshape(kept)


def fit_standardize(batches: Iterable[Tensor], per: Sharing = "feature") -> Standardize:
    """The module of equation (2) with the statistics of the training examples in `batches`."""
    return Standardize(*training_statistics(batches, per))


def curvature_spread(inputs: Float[Tensor, "batch features"], bias: bool = True) -> Float[Tensor, ""]:
    """Equation (4): largest over smallest eigenvalue; infinite where a combination of features is constant."""
    if inputs.ndim != 2 or not inputs.numel():
        raise ValueError(f"expected inputs [batch, features], got {tuple(inputs.shape)}")
    x = inputs.double()
    rows = torch.cat([x, torch.ones_like(x[:, :1])], 1) if bias else x
    # Singular values of the rows are the roots of the eigenvalues, with twice the digits.
    values = torch.linalg.svdvals(rows)
    smallest = values[-1] if len(rows) >= rows.shape[1] else values.new_zeros(())
    lost = smallest <= values[0] * max(rows.shape) * torch.finfo(torch.float64).eps
    return torch.where(lost, torch.inf, (values[0] / smallest).square())


class Unstandardize(nn.Module):
    """Equation (3): from standardised values back to raw ones; the inverse of the module it is given.

    Args:
        scaled: the module that is inverted.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, scaled: Standardize) -> None:
        super().__init__()
        self.register_buffer("shift", scaled.shift.clone())
        self.register_buffer("scale", scaled.scale.clone())

    def forward(self, inputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Raw values from standardised ones, of the same shape."""
        return unstandardize(inputs, self.shift, self.scale)  # (3)
