"""Depth against width: composed tent maps, exact counts of linear pieces, and networks of equal parameters.

Papers: Telgarsky 2016, "Benefits of depth in neural networks" (arXiv:1602.04485); Montufar, Pascanu, Cho and Bengio
2014, "On the number of linear regions of deep neural networks" (arXiv:1402.1869).

A network of ReLU units with one input is a piecewise linear function of it. k_l units in hidden layer l; D layers.

    tent(x) = 2 min(x, 1 - x) = 2 relu(x) - 4 relu(x - 1/2) on [0, 1]                          (1)
    f_D     = tent o ... o tent (D times): 2^D pieces, alternately 0 and 1 at i / 2^D          (2)
    pieces  <= k_1 + 1 with one hidden layer,   <= prod_l (k_l + 1) with several                 (3)
    max |f_D - g| >= 1/2           for every continuous g of fewer than 2^D pieces              (4)
    int (f_D - g)^2 >= (2^D - p) / (48 2^D)      for every continuous g of p pieces              (5)

D layers of two units give 2^D pieces by 2 D units; one layer needs 2^D - 1. (4): a g that is closer than 1/2 at the
2^D + 1 places i / 2^D rises and falls alternately, so it turns 2^D - 1 times. (5): p pieces have p - 1 borders, so of
the 2^D - 1 windows of width 2^-D about the inner turning points at least 2^D - p have no border inside; there f_D is a
tent of height 1/2 and g a line, and no line is closer to a tent of height h than h^2 / 12 in the mean of squares.

    parameters = sum_l (n_{l-1} + 1) n_l,   multiplications for one example = sum_l n_{l-1} n_l  (6)

Departures: Telgarsky counts crossings and bounds the mean absolute error; (5) is the same argument for squares, with
another constant. Equal parameters are equal multiplications in fully connected layers, up to the biases: a comparison
by (6) is one of equal compute too (not of equal time: three narrow layers are three calls).

    >>> from deepcanon.foundations import TentNetwork
    >>> from deepcanon.foundations.depth_versus_width import equal_width, linear_pieces, parameters
    >>> net = TentNetwork(6)
    >>> linear_pieces(net.layers), sum(net.hidden)
    (64, 12)
    >>> equal_width(784, 10, depth=1, budget=100_000), equal_width(784, 10, depth=3, budget=100_000)
    (126, 100)
    >>> parameters((784, 126, 10)), parameters((784, 100, 100, 100, 10))
    (100180, 99710)
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.optimizers import LBFGS

__all__ = [
    "TentNetwork",
    "breakpoints",
    "equal_width",
    "fit_one_layer",
    "least_squared_error",
    "linear_pieces",
    "most_pieces",
    "multiplications",
    "parameters",
    "tent",
    "tent_bends",
]


def tent(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Equation (1), also outside [0, 1]: 0 to the left, falling further to the right."""
    return 2 * x.relu() - 4 * (x - 0.5).relu()  # (1)


def most_pieces(hidden: Sequence[int]) -> int:
    """Equation (3): pieces that no network of one input and these hidden layers exceeds."""
    return math.prod(units + 1 for units in hidden)  # (3)


def least_squared_error(depth: int, pieces: int) -> float:
    """Equation (5): the least mean squared error from f_D on [0, 1] of a continuous function of so many pieces."""
    if depth < 1 or pieces < 1:
        raise ValueError(f"depth {depth} and {pieces} pieces: at least 1 each")
    return max(0, 2**depth - pieces) / (48 * 2**depth)  # (5)


def tent_bends(depth: int, units: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "units"]:
    """Where the units of one layer bend at the beginning of a fit to f_D: at 0, at a run of turning points of f_D that
    begins anywhere, and at random places if units are left over."""
    if depth < 1 or units < 1:
        raise ValueError(f"depth {depth} and {units} units: at least 1 each")
    turns = 2**depth - 1
    first = int(torch.randint(max(1, turns - units + 2), (1,), generator=generator))
    bends = torch.rand(units, generator=generator, dtype=torch.float64)
    bends[0] = 0.0
    right = min(units - 1, turns - first)
    bends[1 : right + 1] = (torch.arange(right) + first + 1) / (turns + 1)
    return bends


@torch.enable_grad()
def fit_one_layer(
    inputs: Float[Tensor, "points 1"], targets: Float[Tensor, "points 1"], bends: Float[Tensor, "units"]
) -> tuple[nn.Sequential, float]:
    """One hidden ReLU layer through points, and its mean squared error there, in float64.

    Starts from units that bend at `bends` and from least-squares output weights; L-BFGS then fits all parameters.
    """
    if inputs.ndim != 2 or inputs.shape[1] != 1 or targets.shape != inputs.shape or bends.ndim != 1:
        shapes = [tuple(x.shape) for x in (inputs, targets, bends)]
        raise ValueError(f"expected inputs and targets [points, 1] and bends [units], got {shapes}")
    inputs, targets, units = inputs.detach().double(), targets.detach().double(), len(bends)
    net = nn.Sequential(nn.Linear(1, units), nn.ReLU(), nn.Linear(units, 1)).to(inputs)
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[0].bias.copy_(-bends)
        features = torch.cat([net[:2](inputs), torch.ones_like(inputs)], 1)
        solution = torch.linalg.lstsq(features, targets, driver="gelsd").solution  # features may be dependent
        net[2].weight.copy_(solution[:-1].T)
        net[2].bias.copy_(solution[-1])
    optimizer = LBFGS(net.parameters(), max_iter=300, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = (net(inputs) - targets).square().mean()
        value.backward()
        return value

    optimizer.step(loss)
    return net, float(loss().detach())


@torch.no_grad()
def breakpoints(
    layers: Sequence[nn.Module] | nn.Sequential, low: float = 0.0, high: float = 1.0, tolerance: float = 1e-9
) -> tuple[Float[Tensor, "points"], Float[Tensor, "points outputs"]]:
    """Where a network of one input bends in [low, high], both ends included, and its values there.

    Exact: the values at all bends so far are known, so that a ReLU's zeros lie on straight lines between them. Bends at
    which the slope changes by less than `tolerance` (relative to the largest) in every output do not count.
    """
    if not low < high:
        raise ValueError(f"[{low}, {high}] is not an interval")
    x = torch.tensor([low, high], dtype=torch.float64)
    values = x[:, None]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            if layer.in_features != values.shape[1]:
                raise ValueError(f"a layer of {layer.in_features} inputs after {values.shape[1]} values")
            bias = 0.0 if layer.bias is None else layer.bias.double()
            values = values @ layer.weight.double().T + bias
        elif isinstance(layer, nn.ReLU):
            left, right = values[:-1], values[1:]
            crosses = (left * right < 0).nonzero(as_tuple=True)
            a, b, interval = left[crosses], right[crosses], crosses[0]
            zeros = x[interval] + (x[interval + 1] - x[interval]) * a / (a - b)
            every = torch.cat([x, zeros]).sort().values.unique_consecutive()
            values = _interpolate(every, x, values)
            x, values = every, values.relu()
        else:
            raise ValueError(f"pieces are counted through Linear and ReLU layers, not {type(layer).__name__}")
    slopes = (values[1:] - values[:-1]) / (x[1:] - x[:-1])[:, None]
    bends = (slopes[1:] - slopes[:-1]).abs().amax(1) > tolerance * slopes.abs().max().clamp_min(1e-300)
    ends = bends.new_ones(1)
    keep = torch.cat([ends, bends, ends])
    return x[keep], values[keep]


def _interpolate(at: Tensor, x: Tensor, values: Tensor) -> Tensor:
    """Piecewise linear functions, known at sorted x, at other places between them."""
    right = torch.searchsorted(x, at).clamp(1, len(x) - 1)
    before, after = x[right - 1], x[right]
    share = ((at - before) / (after - before))[:, None]
    return values[right - 1] * (1 - share) + values[right] * share


def linear_pieces(
    layers: Sequence[nn.Module] | nn.Sequential, low: float = 0.0, high: float = 1.0, tolerance: float = 1e-9
) -> int:
    """How many linear pieces a network of one input has on [low, high]."""
    return len(breakpoints(layers, low, high, tolerance)[0]) - 1


def parameters(sizes: Sequence[int]) -> int:
    """Weights and biases of fully connected layers of these sizes, input and output among them."""
    return sum((before + 1) * after for before, after in pairwise(sizes))  # (6)


def multiplications(sizes: Sequence[int]) -> int:
    """Multiplications of one example's forward pass; a training step takes three times as many."""
    return sum(before * after for before, after in pairwise(sizes))  # (6)


def equal_width(inputs: int, outputs: int, depth: int, budget: int) -> int:
    """Width of `depth` equal hidden layers whose number of parameters is nearest to the budget."""
    if depth < 1:
        raise ValueError(f"a width is sought for one hidden layer or more, not {depth}")
    # (depth - 1) w^2 + (inputs + outputs + depth) w + outputs = budget
    square, linear, rest = depth - 1, inputs + outputs + depth, outputs - budget
    root = -rest / linear if not square else (math.sqrt(linear**2 - 4 * square * rest) - linear) / (2 * square)
    near = {max(1, math.floor(root)), max(1, math.ceil(root))}
    return min(near, key=lambda width: abs(parameters((inputs, *[width] * depth, outputs)) - budget))


class TentNetwork(nn.Module):
    """Equation (2) as a network: `depth` hidden layers of two ReLU units; it has nothing to learn.

    Args:
        depth: how many tents are composed, one or more.
    """

    def __init__(self, depth: int, *, device=None, dtype=None) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"at least one tent, not {depth}")
        make = {"device": device, "dtype": dtype}
        self.hidden = (2,) * depth
        linears = [nn.Linear(before, after, **make) for before, after in pairwise((1, *self.hidden, 1))]
        self.layers = nn.Sequential(*[part for linear in linears for part in (linear, nn.ReLU())][:-1])
        with torch.no_grad():
            for linear in linears:
                # Units relu(t) and relu(t - 1/2) of t, which is the input, or 2 and -4 times the two units before.
                from_tent = torch.tensor([[1.0]] if linear.in_features == 1 else [[2.0, -4.0]])
                linear.weight.copy_(from_tent.expand(linear.out_features, -1))
                linear.bias.copy_(torch.tensor([0.0, -0.5][: linear.out_features]))

    def forward(self, x: Float[Tensor, "batch 1"]) -> Float[Tensor, "batch 1"]:
        """The composed tents at each input, all in [0, 1]."""
        return self.layers(x)  # (2)
