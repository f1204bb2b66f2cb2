"""Reconstruction ICA: sparse codes W x with a soft penalty on |W^T W x - x| instead of W W^T = I.

Paper: Le, Karpenko, Ngiam and Ng 2011, "ICA with reconstruction cost for efficient overcomplete feature learning"
(NIPS 2011). Row scaling inside the objective is that of the UFLDL exercise.

N examples of D features, K units, K above or below D; x is a row (white or not), s = W x the code, lambda the penalty.

    J(W) = (1/N) sum_x ( lambda |W^T W x - x|^2 + sum_i h(s_i) )                                     (1)
    h(s) = sqrt(s^2 + eps),   h'(s) = s / sqrt(s^2 + eps);     or  log cosh s,  h' = tanh s           (2)
    dJ/dW = (1/N) sum_x ( s e^T + (W e + h'(s)) x^T ),    e = 2 lambda (W^T s - x)                    (3)
    with scaled rows, W = row V_i / |V_i|:   dJ/dV_i = (dJ/dW_i - (dJ/dW_i . W_i) W_i) / |V_i|        (4)

W occurs twice in (1), as encoder and as decoder, so that (3) has a term for each: s e^T through W^T, (W e) x^T through
W. On white data with K = D, lambda -> infinity forces W W^T = I and leaves the objective of ICA.

Departures
- Both sums are means over the examples, so that lambda does not depend on their number; the paper adds them up.
- Scaled rows are an option here and the default of the recipe. Without them and with K > D, D filters are enough for
  (1) and the others shrink to 0. With them |W|^2 = K, so that the reconstruction of white data is K / D times the data
  at best: the penalty is then, up to a constant, that of the nearest tight frame.

    >>> import torch
    >>> from deepcanon.representation import RICA, rica_objective
    >>> from deepcanon.representation.rica import rica_gradient
    >>> x = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
    >>> model = RICA(5, 12)
    >>> gradient = rica_gradient(model.weight.detach(), x, penalty=2.0)
    >>> better = rica_objective(model.weight.detach() - 0.01 * gradient, x, penalty=2.0)
    >>> bool(better < rica_objective(model.weight.detach(), x, penalty=2.0))
    True
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["RICA", "distinct_share", "rica_gradient", "rica_objective"]

SPARSITY = ("smooth-l1", "log-cosh")


def _h(codes: Tensor, sparsity: str, eps: float) -> tuple[Tensor, Tensor]:
    """h and h' of equation (2)."""
    if sparsity == "smooth-l1":
        size = (codes.square() + eps).sqrt()
        return size, codes / size
    if sparsity == "log-cosh":
        size = codes.abs()
        return size + torch.log1p(torch.exp(-2 * size)) - 0.6931471805599453, codes.tanh()
    raise ValueError(f"sparsity is one of {', '.join(SPARSITY)}, not {sparsity!r}")


def _check(weight: Tensor, inputs: Tensor, penalty: float, eps: float) -> None:
    if weight.ndim != 2 or inputs.ndim != 2 or weight.shape[1] != inputs.shape[1]:
        raise ValueError(f"weight {tuple(weight.shape)} does not fit inputs {tuple(inputs.shape)}")
    if not len(inputs):
        raise ValueError("there are no inputs to take a mean over")
    if not (penalty >= 0 and eps >= 0):
        raise ValueError(f"penalty and eps are not negative, got {penalty} and {eps}")


def _scaled(weight: Tensor, scale_rows: bool) -> tuple[Tensor, Tensor | float]:
    if not scale_rows:
        return weight, 1.0
    length = weight.norm(dim=1, keepdim=True)
    return weight / length, length


def rica_objective(
    weight: Float[Tensor, "units features"],
    inputs: Float[Tensor, "batch features"],
    *,
    penalty: float,
    sparsity: str = "smooth-l1",
    eps: float = 1e-2,
    scale_rows: bool = False,
) -> Float[Tensor, ""]:
    """J of equation (1)."""
    _check(weight, inputs, penalty, eps)
    w, _ = _scaled(weight, scale_rows)
    codes = inputs @ w.mT
    missed = (codes @ w - inputs).square().sum()
    return (penalty * missed + _h(codes, sparsity, eps)[0].sum()) / len(inputs)  # (1)


def rica_gradient(
    weight: Float[Tensor, "units features"],
    inputs: Float[Tensor, "batch features"],
    *,
    penalty: float,
    sparsity: str = "smooth-l1",
    eps: float = 1e-2,
    scale_rows: bool = False,
) -> Float[Tensor, "units features"]:
    """Its gradient in closed form, equations (3) and (4)."""
    return rica_both(
        weight, inputs, penalty=penalty, sparsity=sparsity, eps=eps, scale_rows=scale_rows
    )[1]  # fmt: skip


def rica_both(
    weight: Tensor, inputs: Tensor, *, penalty: float, sparsity: str, eps: float, scale_rows: bool
) -> tuple[Tensor, Tensor]:
    """Objective and gradient together: they share the codes and the reconstruction's error."""
    _check(weight, inputs, penalty, eps)
    w, length = _scaled(weight, scale_rows)
    codes = inputs @ w.mT
    missed = codes @ w - inputs
    size, slope = _h(codes, sparsity, eps)
    objective = (penalty * missed.square().sum() + size.sum()) / len(inputs)
    e = 2 * penalty * missed
    gradient = (codes.mT @ e + (e @ w.mT + slope).mT @ inputs) / len(inputs)  # (3)
    if scale_rows:
        gradient = (gradient - (gradient * w).sum(1, keepdim=True) * w) / length  # (4)
    return objective, gradient


def distinct_share(weight: Float[Tensor, "units features"], cosine: float = 0.98) -> Float[Tensor, ""]:
    """The share of rows to which no other row has a cosine of this size or more, of either sign."""
    if weight.ndim != 2 or not len(weight):
        raise ValueError(f"expected rows [units, features], got {tuple(weight.shape)}")
    rows = weight / weight.norm(dim=1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    table = (rows @ rows.mT).abs()
    table = table - 2 * torch.eye(len(rows), dtype=table.dtype, device=table.device)
    return (table.amax(1) < cosine).to(weight.dtype).mean()


class RICA(nn.Module):
    """The codes W x.

    Args:
        features: D.
        units: K, which may exceed D.
        scale_rows: every row of the weight is scaled to length one before use, equation (4).
    """

    def __init__(self, features: int, units: int, *, scale_rows: bool = False, device=None, dtype=None) -> None:
        super().__init__()
        if features < 1 or units < 1:
            raise ValueError(f"features and units must be at least 1, got {features} and {units}")
        self.scale_rows = scale_rows
        self.weight = nn.Parameter(torch.empty(units, features, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Random directions with W^T W near to I: rows of variance 1 / K."""
        nn.init.normal_(self.weight, std=self.weight.shape[0] ** -0.5)

    def rows(self) -> Float[Tensor, "units features"]:
        """W: the weight, with its rows scaled if `scale_rows` is set."""
        return _scaled(self.weight, self.scale_rows)[0]

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch units"]:
        """The codes W x of each row."""
        return inputs.to(self.weight.dtype) @ self.rows().mT

    def decode(self, codes: Float[Tensor, "batch units"]) -> Float[Tensor, "batch features"]:
        """W^T s."""
        return codes @ self.rows()

    def extra_repr(self) -> str:
        units, features = self.weight.shape
        return f"features={features}, units={units}, scale_rows={self.scale_rows}"
