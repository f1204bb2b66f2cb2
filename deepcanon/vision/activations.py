"""The family of rectifiers: leaky, learned, randomised and exponential units, and maxout; values and gradients.

Papers: Maas, Hannun and Ng 2013, "Rectifier nonlinearities improve neural network acoustic models" (leaky); He, Zhang,
Ren and Sun 2015 (arXiv:1502.01852, PReLU); Xu, Wang, Chen and Li 2015 (arXiv:1505.00853, RReLU); Clevert, Unterthiner
and Hochreiter 2016 (arXiv:1511.07289, ELU); Goodfellow et al. 2013 (arXiv:1302.4389, maxout).

z the input of a unit, y its value, g = dJ/dy, [.] 1 where the condition holds and 0 elsewhere.

    y = z if z > 0, else a z           dJ/dz = g ([z > 0] + a [z <= 0])                              (1)
        leaky    a = 0.01, fixed
        PReLU    a learned, 0.25 at first, one for a layer or for each channel:  dJ/da = sum g z [z <= 0]
        RReLU    a ~ U(lower, upper) for each value in training; outside it the mean slope (lower + upper) / 2
    y = z if z > 0, else alpha (e^z - 1)        dJ/dz = g ([z > 0] + (y + alpha) [z <= 0])           (2)   ELU
    y = max_k z_k over the k pieces of a unit   dJ/dz_k = g [z_k is the largest]                     (3)   maxout

(2) needs no second exponential: the derivative follows from the value. A slope of PReLU must not decay: decay draws it
to 0, which is ReLU; `foundations.weight_decay.decay_groups` leaves it out as it does biases. A maxout unit is a layer
of its own: k affine maps in one matrix, so that equal units have k times the weights of a ReLU's.

Departures
- RReLU: the paper divides, y = z / a with a ~ U(3, 8), and z / 5.5 in the test. We multiply, as torch does: slopes
  U(1/8, 1/3) and their mean 0.229 in the test, which is the mean over training. The paper's 1 / 5.5 = 0.182 is not.
- At z = 0 the slope is that of the negative side, as in torch. Where pieces are equal, maxout shares the gradient.
- Maxout begins with variance 1 / fan_in: the larger of two equal Gaussians has the second moment of one.

    >>> import torch
    >>> from deepcanon.vision import ELU, Maxout, PReLU
    >>> z = torch.tensor([[-1.0, 2.0]])
    >>> PReLU()(z), ELU()(z), Maxout(2, 5, pieces=3)(z).shape
    (tensor([[-0.2500,  2.0000]], grad_fn=<PreluKernelBackward0>), tensor([[-0.6321,  2.0000]]), torch.Size([1, 5]))
"""

from functools import reduce
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.noise import Noisy

__all__ = [
    "ELU",
    "LeakyReLU",
    "Maxout",
    "PReLU",
    "RReLU",
    "elu",
    "elu_backward",
    "maxout",
    "maxout_widths",
    "rectifier",
    "rectifier_backward",
]


def rectifier(z: Float[Tensor, "..."], slope: float | Tensor) -> Float[Tensor, "..."]:
    """Equation (1) for a slope, or a tensor of slopes that spreads over the shape of `z`."""
    return torch.where(z > 0, z, slope * z)


def rectifier_backward(
    z: Float[Tensor, "*shape"], slope: float | Tensor, grad_output: Float[Tensor, "*shape"]
) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """Equation (1): the gradient of `z`, and that of the slope at each value; a shared slope has the sum of them.

    Raises:
        ValueError: the gradient has another shape than `z`.
    """
    if grad_output.shape != z.shape:
        raise ValueError(f"gradient {tuple(grad_output.shape)} of values {tuple(z.shape)}")
    return torch.where(z > 0, grad_output, slope * grad_output), torch.where(z > 0, 0.0, z) * grad_output


def elu(z: Float[Tensor, "..."], alpha: float = 1.0) -> Float[Tensor, "..."]:
    """Equation (2)."""
    return torch.where(z > 0, z, alpha * torch.expm1(z.clamp_max(0)))


def elu_backward(
    outputs: Float[Tensor, "*shape"], grad_output: Float[Tensor, "*shape"], alpha: float = 1.0
) -> Float[Tensor, "*shape"]:
    """Equation (2) from the VALUES of the units.

    Raises:
        ValueError: the gradient has another shape than the values.
    """
    if grad_output.shape != outputs.shape:
        raise ValueError(f"gradient {tuple(grad_output.shape)} of values {tuple(outputs.shape)}")
    return grad_output * torch.where(outputs > 0, 1.0, outputs + alpha)


def maxout(z: Float[Tensor, "... inputs"], pieces: int) -> Float[Tensor, "... units"]:
    """Equation (3): piece k of unit j is value k * units + j of the last axis.

    Raises:
        ValueError: the last axis cannot be divided into so many pieces.
    """
    if pieces < 1 or z.shape[-1] % pieces:
        raise ValueError(f"{z.shape[-1]} values cannot be divided into units of {pieces} pieces")
    # Slices, not a maximum along an axis: on a CPU that takes ten times as long for few pieces.
    return reduce(torch.maximum, z.chunk(pieces, -1))


def maxout_widths(features: int, classes: int, hidden: tuple[int, ...], pieces: int) -> tuple[int, ...]:
    """Units of maxout layers that have, with the layer of the classes, as many parameters as plain ones.

    All layers shrink by one factor; the result is as close as whole widths allow.

    Args:
        hidden: units of the plain layers.
    """

    def parameters(widths: tuple[int, ...], times: int) -> int:
        ends = (features, *widths)
        return sum(times * (a + 1) * b for a, b in pairwise(ends)) + (ends[-1] + 1) * classes

    wanted = parameters(hidden, 1)
    tries = {tuple(max(1, round(share / 1000 * width)) for width in hidden) for share in range(1, 1001)}
    return min(tries, key=lambda widths: (abs(parameters(widths, pieces) - wanted), widths))


class LeakyReLU(nn.LeakyReLU):
    """Equation (1) with a fixed slope, by torch's kernel.

    Args:
        slope: of negative inputs.
    """

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__(slope)


class PReLU(nn.Module):
    """Equation (1) with learned slopes; by torch's kernel.

    Args:
        channels: as many slopes as the second axis has places, or 1 for the whole layer.
        slope: at first.
    """

    def __init__(self, channels: int = 1, slope: float = 0.25, *, device=None, dtype=None) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((channels,), slope, device=device, dtype=dtype))

    def forward(self, z: Float[Tensor, "batch channels ..."]) -> Float[Tensor, "batch channels ..."]:
        """The values of the units.

        Raises:
            ValueError: there are several slopes, but not one for each channel.
        """
        if len(self.slope) > 1 and (z.ndim < 2 or z.shape[1] != len(self.slope)):
            raise ValueError(f"expected [batch, {len(self.slope)}, ...], got {tuple(z.shape)}")
        return F.prelu(z, self.slope.to(z.dtype))


class RReLU(Noisy):
    """Equation (1) with a slope for each value that is drawn in training, and the mean slope outside it.

    Args:
        lower, upper: slopes are uniform between them.
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3) -> None:
        super().__init__()
        if not 0 <= lower <= upper:
            raise ValueError(f"slopes lie between 0 <= lower <= upper, not {lower} and {upper}")
        self.lower, self.upper = lower, upper

    def forward(self, z: Float[Tensor, "..."], generator: torch.Generator | None = None) -> Float[Tensor, "..."]:
        """The values of the units; the generator draws the slopes, torch's own if none is given."""
        if not self.training:
            return F.leaky_relu(z, (self.lower + self.upper) / 2)
        slopes = self.lower + (self.upper - self.lower) * self.uniform(z, generator)
        return rectifier(z, slopes.to(z.dtype))

    def extra_repr(self) -> str:
        return f"{self.lower:.4g}, {self.upper:.4g}"


class ELU(nn.ELU):
    """Equation (2), by torch's kernel."""


class Maxout(nn.Module):
    """Equation (3): a layer of units, each the largest of some affine maps of the inputs.

    Args:
        features: values of an input.
        units: values of the output.
        pieces: maps of each unit.
    """

    def __init__(self, features: int, units: int, *, pieces: int = 2, device=None, dtype=None) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(features, units * pieces, device=device, dtype=dtype)
        nn.init.normal_(self.linear.weight, std=features**-0.5)
        nn.init.zeros_(self.linear.bias)

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch units"]:
        """The largest piece of each unit."""
        return maxout(self.linear(inputs), self.pieces)  # (3)
