"""Self-normalising networks: SELU units, what they do to mean and variance, and alpha-dropout.

Paper: Klambauer, Unterthiner, Mayr and Hochreiter 2017, "Self-Normalizing Neural Networks" (arXiv:1706.02515),
equations 2 to 4 and the section on dropout. Numbers in brackets are ours.

z the input of a unit. lambda = 1.0507009873554805, alpha = 1.6732632423543772; alpha' = -lambda alpha =
-1.7580993408473766 is the value of a unit far below 0; q = 1 - p the probability to KEEP a unit. Phi and phi are the
standard normal distribution and its density; m and v are mean and variance of z, s = sqrt(v).

    selu(z) = lambda z if z > 0, else lambda alpha (e^z - 1)                                           (1)
    z ~ N(m, v):   E selu   = lambda (m P + s phi(m/s) + alpha (E_1 - 1 + P))                          (2)
                   E selu^2 = lambda^2 ((m^2 + v) P + m s phi(m/s) + alpha^2 (E_2 - 2 E_1 + 1 - P))    (3)
                   P = Phi(m/s),   E_k = e^(k m + k^2 v / 2) Phi(-(m + k v) / s)
    weights with mean 0 and variance 1 / fan_in:  (m, v) = (0, 1) is mapped to (0, 1), and attracts    (4)
    alpha-dropout in training:  y = a (x where kept, alpha' elsewhere) + b                             (5)
                   a = (q (1 + (1 - q) alpha'^2))^(-1/2),   b = -a (1 - q) alpha'                      (6)

lambda and alpha solve (2) = 0 and (3) = 1 at m = 0, v = 1. By (6) values of mean 0 and variance 1 keep both; ordinary
dropout, which sets units to 0, would move them. A network normalises itself only if all of it holds: inputs that are
standardised, weights of variance 1 / fan_in (He's 2 / fan_in makes v grow), biases of 0, alpha-dropout.

Departures: none. Probabilities to drop are called p, as in torch; the paper's q is 1 - p. Lectures often give the
weights' distribution without its variance.

    >>> import torch
    >>> from deepcanon.vision import AlphaDropout, SELU
    >>> generator = torch.Generator().manual_seed(0)
    >>> y = AlphaDropout(0.1)(SELU()(torch.randn(1000, 500, generator=generator)), generator)
    >>> abs(y.mean().item()) < 0.01, abs(y.var().item() - 1) < 0.01
    (True, True)
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.noise import Noisy

__all__ = [
    "ALPHA",
    "LAMBDA",
    "SATURATED",
    "SELU",
    "AlphaDropout",
    "alpha_dropout",
    "alpha_dropout_affine",
    "propagated_moments",
    "selu",
    "selu_moments",
]

LAMBDA = 1.0507009873554805
ALPHA = 1.6732632423543772
SATURATED = -1.7580993408473766
"""alpha' = -lambda alpha: what a unit tends to far below 0, and what dropout sets it to."""


def selu(z: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Equation (1)."""
    return LAMBDA * torch.where(z > 0, z, ALPHA * torch.expm1(z.clamp_max(0)))


def _normal_distribution(x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(-x / math.sqrt(2))


def selu_moments(
    mean: Float[Tensor, "..."], variance: Float[Tensor, "..."]
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    """Equations (2) and (3): mean and variance of selu(z) for z ~ N(mean, variance).

    With weights of variance 1 / fan_in and mean 0 a wide layer maps (mean, variance) of its inputs to what this gives
    for (0, variance + mean^2).

    Raises:
        ValueError: shapes differ, or a variance is not positive.
    """
    if mean.shape != variance.shape or not bool((variance > 0).all()):
        raise ValueError(f"means {tuple(mean.shape)} need as many positive variances, not {tuple(variance.shape)}")
    s = variance.sqrt()
    above = _normal_distribution(mean / s)
    density = torch.exp(-0.5 * (mean / s).square()) / math.sqrt(2 * math.pi)

    def exponential(k: int) -> Tensor:
        return torch.exp(k * mean + k**2 * variance / 2) * _normal_distribution(-(mean + k * variance) / s)

    first = LAMBDA * (mean * above + s * density + ALPHA * (exponential(1) - 1 + above))  # (2)
    positive = (mean.square() + variance) * above + mean * s * density
    negative = ALPHA**2 * (exponential(2) - 2 * exponential(1) + 1 - above)
    return first, LAMBDA**2 * (positive + negative) - first.square()  # (3)


def alpha_dropout_affine(p: float) -> tuple[float, float]:
    """Equation (6): a and b.

    Args:
        p: probability of a drop, 0 <= p < 1; ValueError otherwise.
    """
    if not 0 <= p < 1:
        raise ValueError(f"a dropout probability lies in [0, 1), {p} does not")
    q = 1 - p
    a = (q * (1 + (1 - q) * SATURATED**2)) ** -0.5
    return a, -a * (1 - q) * SATURATED


def alpha_dropout(inputs: Float[Tensor, "*shape"], kept: Tensor, p: float) -> Float[Tensor, "*shape"]:
    """Equation (5) for a mask that is given: True where a value is kept, each entry drawn with probability 1 - p.

    Raises:
        ValueError: the mask has another shape, or p is no probability below 1.
    """
    a, b = alpha_dropout_affine(p)
    if kept.shape != inputs.shape:
        raise ValueError(f"a mask {tuple(kept.shape)} for inputs {tuple(inputs.shape)}: every value has its own")
    return torch.where(kept.bool(), a * inputs + b, a * SATURATED + b)  # (5)


@torch.no_grad()
def propagated_moments(
    depth: int,
    width: int,
    *,
    p: float = 0.0,
    units: Callable[[Tensor], Tensor] = F.selu,
    batch: int = 512,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "depth"], Float[Tensor, "depth"]]:
    """Mean and variance of all units in each layer of a network of weights N(0, 1 / width), for standard normal inputs.

    Args:
        p: of alpha-dropout after every layer.
        units: other units than SELU, to compare.
        batch: inputs that go through it.

    Raises:
        ValueError: there is no layer, or p is no probability below 1.
    """
    if depth < 1 or width < 1:
        raise ValueError(f"{depth} layers of {width} units are no network")
    alpha_dropout_affine(p)
    values, means, variances = torch.randn(batch, width, generator=generator), [], []
    for _ in range(depth):
        weight = torch.randn(width, width, generator=generator) / math.sqrt(width)
        values = units(values @ weight.T)
        if p:
            values = alpha_dropout(values, torch.rand(values.shape, generator=generator) >= p, p)
        means.append(values.mean())
        variances.append(values.var())
    return torch.stack(means), torch.stack(variances)


class SELU(nn.Module):
    """Equation (1), by torch's kernel."""

    def forward(self, z: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The values of the units."""
        return F.selu(z)


class AlphaDropout(Noisy):
    """Equation (5) in training mode, the identity in eval mode.

    Args:
        p: probability of a drop, 0 <= p < 1.
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        alpha_dropout_affine(p)
        self.p = p

    def forward(self, inputs: Float[Tensor, "..."], generator: torch.Generator | None = None) -> Float[Tensor, "..."]:
        """The inputs with dropped values; the generator draws the mask, torch's own if none is given."""
        if not self.training or self.p == 0:
            return inputs
        return alpha_dropout(inputs, self.uniform(inputs, generator) >= self.p, self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"
