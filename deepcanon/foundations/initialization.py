"""Initial weights: Glorot, He, truncated normal, orthogonal, identity, plain normal; and their effect with depth.

Papers: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks"; He et al.
2015 (arXiv:1502.01852); Saxe, McClelland and Ganguli 2013 (arXiv:1312.6120); Le, Jaitly and Hinton 2015
(arXiv:1504.00941); for (7) Poole et al. 2016 (arXiv:1606.05340).

A weight W [out, in, *kernel] has K places in its kernel (K = 1 for a linear layer); z ~ N(0, 1); phi the activation.

    fan_in = in K,   fan_out = out K                  per group of a grouped convolution                  (1)
    Glorot:    Var(w) = 2 g^2 / (fan_in + fan_out);  uniform on [-a, a] has variance a^2 / 3              (2)
    He:        Var(w) = g^2 / fan_in,  g^2 = 2 / (1 + slope^2) for (leaky) rectifiers                     (3)
    truncated: w = s z / c given |z| <= b,  c^2 = 1 - 2 b phi_N(b) / (2 Phi_N(b) - 1),  so that Var = s^2 (4)
    orthogonal: Z = Q R,  W = g Q sign(diag R)                                                            (5)
    identity:  a square W (of a recurrence, or the middle place of a kernel) = I, every other N(0, 0.001)  (6)
    q_1 = s q_0,   q_{l+1} = s E[phi(sqrt(q_l) z)^2],   s = fan_in Var(w)                                 (7)

(7) is the variance of the inputs of layer l's units in a wide network: constant for ReLU with He and for linear units
with Glorot, about 1/(2 l) for tanh with Glorot, s^l for linear units in general. (5) without the signs is not uniform
over rotations, since a QR routine chooses the signs of R. (4) without c makes every layer too small by c^2 = 0.774.

Departures: fan_out counts the units of one group, where torch.nn.init counts those of all groups. `initialize` sets
biases to zero, leaves embeddings and normalisation as they are, and treats each gate of a recurrent layer as a matrix
of its own. Of a transposed convolution the fans are those of its kernel; with stride s only 1 / s^d of the values of
(1) meet in an output, so that its variance is smaller by that factor. Gain 1 for SELU (its fixed point,
arXiv:1706.02515), where torch has 3/4. Le et al. combine (6) with ReLU units: a recurrent layer with other units is
refused.

    >>> import torch
    >>> from deepcanon.foundations import initialize
    >>> from deepcanon.foundations.initialization import fans
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(4, 16, 3, groups=4), torch.nn.ReLU(), torch.nn.Linear(300, 400))
    >>> fans(net[0].weight, groups=4), fans(net[2].weight)
    ((9, 36), (300, 400))
    >>> weight = initialize(net, "he", generator=torch.Generator().manual_seed(0))[2].weight
    >>> print(f"{weight.var() * 300:.1f}")
    2.0
"""

import math
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = [
    "fans",
    "gain",
    "glorot_normal_",
    "glorot_uniform_",
    "he_normal_",
    "he_uniform_",
    "identity_",
    "initialize",
    "normal_",
    "orthogonal_",
    "orthogonal_factor",
    "propagate",
    "propagated_variance",
    "truncated_normal_",
    "truncated_std",
]

M = TypeVar("M", bound=nn.Module)

SCHEMES = ("he", "glorot", "orthogonal", "identity", "small", "zero")
ACTIVATIONS = {
    "linear": lambda x: x,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "selu": F.selu,
}


def fans(weight: Tensor, groups: int = 1) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight [out, in / groups, *kernel]: how many values meet in a unit, and leave one."""
    if weight.ndim < 2 or weight.numel() == 0:
        raise ValueError(f"a weight has the axes out and in and is not empty; {tuple(weight.shape)} has no fans")
    if groups < 1 or weight.shape[0] % groups:
        raise ValueError(f"{weight.shape[0]} outputs cannot be shared by {groups} groups")
    kernel = math.prod(weight.shape[2:])
    return weight.shape[1] * kernel, weight.shape[0] // groups * kernel  # (1)


def gain(nonlinearity: str, slope: float = 0.01) -> float:
    """The factor g by which weights are larger for units that shrink their inputs; `slope` of a leaky rectifier."""
    if nonlinearity not in ACTIVATIONS:
        raise ValueError(f"no gain is known for {nonlinearity!r}: {', '.join(ACTIVATIONS)}")
    rectifier = {"relu": 0.0, "leaky_relu": slope}
    if nonlinearity in rectifier:
        return math.sqrt(2 / (1 + rectifier[nonlinearity] ** 2))  # (3)
    return 5 / 3 if nonlinearity == "tanh" else 1.0


@torch.no_grad()
def normal_(weight: Tensor, std: float, generator: torch.Generator | None = None) -> Tensor:
    """Every entry from N(0, std^2)."""
    if not (math.isfinite(std) and std >= 0):
        raise ValueError(f"a standard deviation is finite and not negative, {std} is neither")
    if generator is None or generator.device == weight.device:
        return weight.normal_(0, std, generator=generator)
    there = torch.empty(weight.shape, dtype=weight.dtype, device=generator.device)
    return weight.copy_(there.normal_(0, std, generator=generator))


@torch.no_grad()
def _uniform_(weight: Tensor, bound: float, generator: torch.Generator | None) -> Tensor:
    if generator is None or generator.device == weight.device:
        return weight.uniform_(-bound, bound, generator=generator)
    there = torch.empty(weight.shape, dtype=weight.dtype, device=generator.device)
    return weight.copy_(there.uniform_(-bound, bound, generator=generator))


def _glorot_std(weight: Tensor, g: float, groups: int) -> float:
    return g * math.sqrt(2 / sum(fans(weight, groups)))  # (2)


def glorot_normal_(
    weight: Tensor, gain: float = 1.0, groups: int = 1, generator: torch.Generator | None = None
) -> Tensor:
    """Equation (2), normal."""
    return normal_(weight, _glorot_std(weight, gain, groups), generator)


def glorot_uniform_(
    weight: Tensor, gain: float = 1.0, groups: int = 1, generator: torch.Generator | None = None
) -> Tensor:
    """Equation (2), uniform: as in the paper."""
    return _uniform_(weight, math.sqrt(3) * _glorot_std(weight, gain, groups), generator)


def he_normal_(
    weight: Tensor, nonlinearity: str = "relu", slope: float = 0.01, generator: torch.Generator | None = None
) -> Tensor:
    """Equation (3), normal: as in the paper."""
    return normal_(weight, gain(nonlinearity, slope) / math.sqrt(fans(weight)[0]), generator)


def he_uniform_(
    weight: Tensor, nonlinearity: str = "relu", slope: float = 0.01, generator: torch.Generator | None = None
) -> Tensor:
    """Equation (3), uniform."""
    return _uniform_(weight, math.sqrt(3 / fans(weight)[0]) * gain(nonlinearity, slope), generator)


def truncated_std(bound: float) -> float:
    """c of equation (4): the standard deviation of a standard normal number that is known to lie in [-bound, bound]."""
    if not bound > 0:
        raise ValueError(f"the cut-off must be a positive bound, not {bound}")
    inside = math.erf(bound / math.sqrt(2))
    density = math.exp(-0.5 * bound**2) / math.sqrt(2 * math.pi)
    return math.sqrt(1 - 2 * bound * density / inside)


@torch.no_grad()
def truncated_normal_(
    weight: Tensor, std: float, bound: float = 2.0, generator: torch.Generator | None = None
) -> Tensor:
    """A normal number is drawn again while it is more than `bound` deviations out; the result has deviation `std`."""
    inside = math.erf(bound / math.sqrt(2))
    _uniform_(weight, inside, generator)
    scale = std / truncated_std(bound)
    return weight.erfinv_().mul_(math.sqrt(2) * scale).clamp_(-bound * scale, bound * scale)  # (4), by inversion


def orthogonal_factor(normal: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    """Q of a matrix of standard normal numbers, uniform over rotations; rows (or columns, the fewer) orthonormal."""
    if normal.ndim != 2:
        raise ValueError(f"a matrix is factored, not {tuple(normal.shape)}")
    tall = normal if normal.shape[0] >= normal.shape[1] else normal.T
    q, r = torch.linalg.qr(tall)
    q = q * torch.where(r.diagonal() < 0, -1.0, 1.0).to(q)  # (5)
    return q if tall is normal else q.T


@torch.no_grad()
def orthogonal_(weight: Tensor, gain: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Equation (5), with the axes after the first taken as one."""
    fans(weight)
    # LAPACK has no half precision.
    wide = torch.promote_types(weight.dtype, torch.float32)
    normal = normal_(torch.empty(len(weight), weight[0].numel(), device=weight.device, dtype=wide), 1.0, generator)
    return weight.copy_(gain * orthogonal_factor(normal).view(weight.shape))


@torch.no_grad()
def identity_(weight: Tensor, scale: float = 1.0, std: float = 0.001, generator: torch.Generator | None = None):
    """Equation (6): `scale` times the identity if there are as many outputs as inputs, N(0, std^2) otherwise."""
    fans(weight)
    if weight.shape[0] != weight.shape[1]:
        return normal_(weight, std, generator)
    middle = tuple(size // 2 for size in weight.shape[2:])
    weight.zero_()
    weight[(..., *middle)].fill_diagonal_(scale)
    return weight


def initialize(
    module: M, scheme: str, generator: torch.Generator | None = None, *, nonlinearity: str | None = None
) -> M:
    """Set the weights of every linear, convolutional, recurrent and attention layer in `module`, and biases to zero.

    Args:
        scheme: "he" (normal), "glorot" (uniform), "orthogonal", "identity", "small" (N(0, 0.01^2)) or "zero".
        nonlinearity: whose gain scales he (relu if not given), glorot and orthogonal (linear if not given).

    Returns:
        the module itself.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"no scheme {scheme!r}: {', '.join(SCHEMES)}")
    g = gain(nonlinearity or ("relu" if scheme == "he" else "linear"))
    found = 0
    for layer in module.modules():
        for weight, recurrent in _weights(layer):
            found += 1
            if scheme == "he":
                normal_(weight, g / math.sqrt(fans(weight)[0]), generator)
            elif scheme == "glorot":
                glorot_uniform_(weight, g, generator=generator)
            elif scheme == "orthogonal":
                orthogonal_(weight, g, generator)
            elif scheme == "small":
                normal_(weight, 0.01, generator)
            elif scheme == "zero":
                nn.init.zeros_(weight)
            elif recurrent is None or recurrent == "relu":
                identity_(weight, generator=generator)
            elif recurrent == "input":
                normal_(weight, 0.001, generator)
            else:
                raise ValueError(f"identity recurrences need ReLU units (arXiv:1504.00941), not {recurrent}")
    if not found:
        raise ValueError(f"a {type(module).__name__} has no layer that a scheme is known for")
    return module


@torch.no_grad()
def _weights(layer: nn.Module) -> list[tuple[Tensor, str | None]]:
    """The matrices of a layer, gates and groups apart, each [out, in, *kernel]; its biases are set to zero.

    With each matrix comes None or, in a recurrent layer, "input" or the kind of its recurrence.
    """
    own = dict(layer.named_parameters(recurse=False))
    if isinstance(layer, nn.Linear):
        parts: list = [(layer.weight, None)]
    elif isinstance(layer, nn.modules.conv._ConvNd):
        blocks = layer.weight.chunk(layer.groups)
        parts = [(b.transpose(0, 1) if layer.transposed else b, None) for b in blocks]
    elif isinstance(layer, nn.RNNBase | nn.RNNCellBase):
        kind = getattr(layer, "nonlinearity", None) or type(layer).__name__.removesuffix("Cell")
        gates = {"LSTM": 4, "GRU": 3}.get(kind, 1)
        parts = []
        for name, weight in own.items():
            if name.startswith("weight"):
                role = kind if name.startswith("weight_hh") else "input"
                parts += [(block, role) for block in weight.chunk(1 if "_hr" in name else gates)]
    elif isinstance(layer, nn.MultiheadAttention):
        joint = () if layer.in_proj_weight is None else layer.in_proj_weight.chunk(3)
        single = (p for n, p in own.items() if n in ("q_proj_weight", "k_proj_weight", "v_proj_weight"))
        parts = [(block, None) for block in (*joint, *single)]
    else:
        return []
    for name, parameter in own.items():
        if "bias" in name:
            parameter.zero_()
    return parts


def propagated_variance(
    depth: int, nonlinearity: str, scale: float = 1.0, start: float = 1.0
) -> Float[Tensor, "depth"]:
    """q_1 ... q_depth of equation (7) in float64, for weights of variance scale / fan_in and inputs of mean square
    `start`: what a wide network does at initialisation."""
    if nonlinearity not in ACTIVATIONS:
        raise ValueError(f"no activation {nonlinearity!r}: {', '.join(ACTIVATIONS)}")
    z = torch.linspace(-12, 12, 4801, dtype=torch.float64)  # symmetric, with 0: exact enough where rectifiers bend
    weights = torch.exp(-0.5 * z**2)
    weights /= weights.sum()
    found = [scale * start]
    while len(found) < depth:
        values = ACTIVATIONS[nonlinearity](math.sqrt(found[-1]) * z)
        found.append(scale * float(weights @ values**2))  # (7)
    return torch.tensor(found[:depth], dtype=torch.float64)


class Propagated(NamedTuple):
    """What `propagate` saw in each layer: inputs z and activations of the units, and the gradient in z."""

    inputs: list[Tensor]
    activations: list[Tensor]
    gradients: list[Tensor]


def propagate(
    values: Float[Tensor, "batch width"],
    depth: int,
    nonlinearity: str,
    scheme: str,
    generator: torch.Generator | None = None,
    *,
    nonlinearity_of_gain: str | None = None,
) -> Propagated:
    """Draws `depth` equal layers, sends inputs through them and a standard normal gradient back.

    In float64 even small variances of deep networks stay numbers: 1e-80 is 0 in float32.

    Args:
        scheme: of `initialize`.
        nonlinearity_of_gain: whose gain scales the weights; the scheme's own if not given.
    """
    if nonlinearity not in ACTIVATIONS or depth < 1 or values.ndim != 2:
        raise ValueError(f"{depth} layers of {nonlinearity!r} do not take inputs {tuple(values.shape)}")
    width, inputs, activations = values.shape[1], [], []
    for layer in range(depth):
        linear = nn.utils.skip_init(nn.Linear, width, width, device=values.device, dtype=values.dtype)
        with torch.enable_grad():
            z = initialize(linear, scheme, generator, nonlinearity=nonlinearity_of_gain)(values)
            z = z if layer else z.detach().requires_grad_()
            values = ACTIVATIONS[nonlinearity](z)
        inputs.append(z)
        activations.append(values.detach())
    top = torch.randn(z.shape, generator=generator, dtype=z.dtype).to(z.device)
    gradients = [*torch.autograd.grad(z, inputs[:-1], top), top] if depth > 1 else [top]
    return Propagated([z.detach() for z in inputs], activations, gradients)
