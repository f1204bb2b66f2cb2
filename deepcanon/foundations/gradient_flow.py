"""How gradients vanish and explode: norms of the product of Jacobians over time or depth, of any module.

Papers: Bengio, Simard and Frasconi 1994, "Learning long-term dependencies with gradient descent is difficult"; Pascanu,
Mikolov and Bengio 2013 (arXiv:1211.5063). For the forget gate: Gers, Schmidhuber and Cummins 2000.

s_0 the start; s_t = F_t(s_{t-1}) a time step of a recurrent network or a layer; n numbers in s_0.

    J_t = ds_t / ds_0 = DF_t(s_{t-1}) ... DF_1(s_0)                                                       (1)
    ||J_t|| = largest singular value,   ||J_t||_F^2 = E ||J_t v||^2  for v ~ N(0, I)                      (2)
    linear, F(s) = W s with W normal (W W^T = W^T W):   ||J_t|| = rho^t,  rho the spectral radius         (3)
    h_t = tanh(W h_{t-1} + u_t):   J_t = prod diag(1 - h_t^2) W,   ||J_t|| <= ||W||^t                     (4)
    an LSTM's memory, all gates held:   dc_t / dc_0 = prod_s f_s,   sigmoid(b)^t at the start             (5)

What is measured is (1), not a loss. (3) bounds the rate of (4) from above; for W that is not normal the norm may first
rise although rho < 1. By (5) a forget bias of 1 keeps 0.731^t of the gradient: 2.5e-14 after 100 steps. That "a forget
bias of 1 carries long lags" is a common wrong claim; a bias of 5 keeps 0.9933^t, half of it after 100 steps.

Your own module: write one step as a function of the input and the state (a tensor or a tuple of tensors), unroll it
over inputs, or hand in a list of layers; `gradient_flow` does the rest. Exact for small states; for large ones
`probes=16` random directions estimate the Frobenius norm without any matrix.

Departures: Jacobians of the states alone; batch axes count as part of the state, so hand in a batch of one. Where a
norm falls below what the state's type can hold (1e-45 in float32) it is 0: measure in float64.

    >>> import torch
    >>> from deepcanon.foundations import gradient_flow
    >>> from deepcanon.foundations.gradient_flow import unroll
    >>> cell = torch.nn.LSTMCell(3, 8).double()
    >>> def step(inputs, state):  # your own: (input, state) -> state
    ...     return cell(inputs, state)
    >>> chain = unroll(step, torch.randn(20, 1, 3, dtype=torch.float64))
    >>> zero = torch.zeros(1, 8, dtype=torch.float64)
    >>> flow = gradient_flow(chain, (zero, zero))
    >>> flow.norms.shape, flow.singular_values.shape
    (torch.Size([20]), torch.Size([20, 16]))
    >>> layers = torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.Tanh(), torch.nn.Linear(9, 5))
    >>> gradient_flow(layers, torch.randn(4)).norms.shape
    torch.Size([3])
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from .initialization import ACTIVATIONS, initialize

__all__ = [
    "GradientFlow",
    "cell_flow",
    "driven_flow",
    "gradient_flow",
    "memory_flow",
    "memory_path",
    "normal_matrix",
    "perceptron_flow",
    "spectral_norm",
    "unroll",
]

State = Any  # a tensor, or a tuple of tensors


class GradientFlow(NamedTuple):
    """Of J_1 ... J_T: largest singular values, Frobenius norms, and all singular values in falling order.

    With probes norms and singular_values are None.
    """

    norms: Tensor | None
    frobenius: Tensor
    singular_values: Tensor | None


def unroll(step: Callable[[Tensor, State], State], inputs: Iterable[Tensor]) -> list[Callable[[State], State]]:
    """F_1 ... F_T of a recurrent step, one for each input (time is the first axis of a tensor of inputs)."""
    return [partial(step, one) for one in inputs]


def _flat(state: State) -> tuple[Tensor, Callable[[Tensor], State]]:
    """A state as one vector, and the way back."""
    leaves, form = tree_flatten(state)
    if not leaves or not all(isinstance(leaf, Tensor) and leaf.is_floating_point() for leaf in leaves):
        raise ValueError(f"a state is a tensor of real numbers, or a nest of some, not {type(state).__name__}")
    shapes = [leaf.shape for leaf in leaves]

    def back(vector: Tensor) -> State:
        parts = vector.split([shape.numel() for shape in shapes])
        return tree_unflatten([part.view(shape) for part, shape in zip(parts, shapes, strict=True)], form)

    return torch.cat([leaf.flatten() for leaf in leaves]), back


def _vector_map(function: Callable[[State], State], back: Callable[[Tensor], State]) -> Callable[[Tensor], Tensor]:
    return lambda vector: _flat(function(back(vector)))[0]


def gradient_flow(
    chain: Iterable[Callable[[State], State]], start: State, probes: int = 0, generator: torch.Generator | None = None
) -> GradientFlow:
    """Equations (1) and (2) along a chain of maps: an unrolled step, a list of layers, an `nn.Sequential`.

    Args:
        start: s_0; its batch axis, if it has one, is part of it.
        probes: 0 multiplies the Jacobians; otherwise that many random directions are carried forward.

    Raises:
        ValueError: the chain is empty, or a Jacobian is not finite.
    """
    state, back = _flat(start)
    state = state.detach()
    carried = torch.eye(len(state), dtype=state.dtype, device=state.device)
    if probes:
        source = state.device if generator is None else generator.device
        carried = torch.randn(len(state), probes, generator=generator, dtype=state.dtype, device=source).to(state)
    singular, frobenius = [], []
    for place, function in enumerate(chain):
        flat = _vector_map(function, back)
        carried = _along(flat, state, carried) if probes else _jacobian(flat, state) @ carried  # (1)
        if not torch.isfinite(carried).all():
            raise ValueError(f"the Jacobian of map {place + 1} is not finite")
        frobenius.append(torch.linalg.vector_norm(carried) / math.sqrt(probes or 1))  # (2)
        if not probes:
            singular.append(torch.linalg.svdvals(carried))
        with torch.no_grad():
            state, back = _flat(function(back(state)))
    if not frobenius:
        raise ValueError("there is no map in the chain")
    if probes:
        return GradientFlow(None, torch.stack(frobenius), None)
    width = min(len(values) for values in singular)
    norms = torch.stack([values[0] for values in singular])
    return GradientFlow(norms, torch.stack(frobenius), torch.stack([values[:width] for values in singular]))


def _jacobian(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """DF, row by row by reverse mode, which every module has; all rows at once where torch can."""
    with torch.enable_grad():
        variable = at.detach().requires_grad_()
        value = function(variable)
    if not value.requires_grad:
        return value.new_zeros(len(value), len(at))
    eye, options = torch.eye(len(value), dtype=value.dtype, device=value.device), {"allow_unused": True}
    try:
        (rows,) = torch.autograd.grad(value, variable, eye, is_grads_batched=True, retain_graph=True, **options)
    except RuntimeError:  # a module with a backward of its own
        found = [torch.autograd.grad(value, variable, row, retain_graph=True, **options)[0] for row in eye]
        rows = None if found[0] is None else torch.stack(found)
    return value.new_zeros(len(value), len(at)) if rows is None else rows.detach()


def _along(function: Callable[[Tensor], Tensor], at: Tensor, directions: Tensor) -> Tensor:
    """DF times each column of directions, by forward mode."""

    def one(direction: Tensor) -> Tensor:
        return torch.func.jvp(function, (at,), (direction,))[1]

    return torch.func.vmap(one, in_dims=1, out_dims=1)(directions).detach()


def spectral_norm(
    function: Callable[[State], State], at: State, iterations: int = 100, generator: torch.Generator | None = None
) -> Float[Tensor, ""]:
    """The largest singular value of a map's Jacobian, also of a whole unrolled chain, by power iteration on J^T J.

    No matrix is formed: J v by forward mode, J^T u by reverse mode. The estimate converges from below.
    """
    point, back = _flat(at)
    flat = _vector_map(function, back)
    source = point.device if generator is None else generator.device
    v = torch.randn(len(point), generator=generator, dtype=point.dtype, device=source).to(point)
    norm = point.new_zeros(())
    pull = torch.func.vjp(flat, point)[1]
    for _ in range(iterations):
        v = v / torch.linalg.vector_norm(v).clamp_min(torch.finfo(v.dtype).tiny)
        u = torch.func.jvp(flat, (point,), (v,))[1]
        norm = torch.linalg.vector_norm(u)
        (v,) = pull(u)
    return norm.detach()


@torch.no_grad()
def memory_path(
    cell: nn.LSTMCell, inputs: Float[Tensor, "time batch features"], state: tuple[Tensor, Tensor] | None = None
) -> Float[Tensor, "time batch hidden"]:
    """Equation (5): dc_t / dc_0 along the memory alone, the product of the forget gates that an LSTM cell computes."""
    if inputs.ndim != 3 or inputs.shape[2] != cell.input_size:
        raise ValueError(f"inputs {tuple(inputs.shape)} are not [time, batch, {cell.input_size}]")
    zero = inputs.new_zeros(inputs.shape[1], cell.hidden_size)
    hidden, memory = state if state is not None else (zero, zero)
    product, found = torch.ones_like(memory), []
    for one in inputs:
        gates = nn.functional.linear(one, cell.weight_ih, cell.bias_ih)
        gates = gates + nn.functional.linear(hidden, cell.weight_hh, cell.bias_hh)
        product = product * gates.chunk(4, 1)[1].sigmoid()  # (5)
        found.append(product)
        hidden, memory = cell(one, (hidden, memory))
    return torch.stack(found)


def driven_flow(
    length: int,
    hidden: int,
    radius: float,
    units: Callable[[Tensor], Tensor] = torch.tanh,
    *,
    input_scale: float = 1.0,
    generator: torch.Generator | None = None,
) -> GradientFlow:
    """The flow of s_t = units(W s_{t-1} + u_t) from a random start, in float64.

    W is a `normal_matrix` of spectral radius `radius`; the inputs are normal with deviation `input_scale`.
    """
    make: dict[str, Any] = {"generator": generator, "dtype": torch.float64}
    weight = normal_matrix(hidden, radius, generator, torch.float64)
    drive = input_scale * torch.randn(length, hidden, **make)
    chain = unroll(lambda u, s: units(weight @ s + u), drive)
    return gradient_flow(chain, torch.randn(hidden, **make))


def cell_flow(cell: nn.RNNCellBase, inputs: Float[Tensor, "time batch features"]) -> GradientFlow:
    """The flow of a recurrent cell of torch from a state of zeros."""
    zero = inputs.new_zeros(inputs.shape[1], cell.hidden_size)
    return gradient_flow(unroll(cell, inputs), (zero, zero) if isinstance(cell, nn.LSTMCell) else zero)


def memory_flow(cell: nn.LSTMCell, inputs: Float[Tensor, "time batch features"]) -> GradientFlow:
    """Equation (5) as geometric means over batch and units, from a state of zeros; without singular values."""
    path = memory_path(cell, inputs)
    norms = path.clamp_min(torch.finfo(path.dtype).tiny).log().mean((1, 2)).exp()
    return GradientFlow(norms, norms, None)


def perceptron_flow(
    depth: int, width: int, activation: str, scheme: str, generator: torch.Generator | None = None
) -> GradientFlow:
    """The flow through `depth` equal layers from a random input, in float64.

    Args:
        activation, scheme: names of `initialization.ACTIVATIONS` and of `initialization.SCHEMES`.
    """
    layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth)).double()
    initialize(layers, scheme, generator)
    units = ACTIVATIONS[activation]
    chain = [lambda s, layer=layer: units(layer(s)) for layer in layers]
    return gradient_flow(chain, torch.randn(width, generator=generator, dtype=torch.float64))


def normal_matrix(
    size: int, radius: float, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
) -> Float[Tensor, "size size"]:
    """A random normal matrix of a given spectral radius: rotations by random angles in random planes, each shrunk.

    The first plane is not shrunk, so that its norm is its radius, as in (3).
    """
    if size < 2 or radius < 0:
        raise ValueError(f"a normal matrix of size {size} and spectral radius {radius} cannot be made")

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    blocks = torch.zeros(size, size, dtype=torch.float64)
    for place in range(0, size - 1, 2):
        angle, shrink = 2 * math.pi * draw(), draw() if place else 1.0
        c, s = shrink * angle.cos(), shrink * angle.sin()
        blocks[place : place + 2, place : place + 2] = torch.stack([c, -s, s, c]).view(2, 2)
    if size % 2:
        blocks[-1, -1] = draw()
    q, r = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
    q = q * torch.where(r.diagonal() < 0, -1.0, 1.0)
    return (radius * q @ blocks @ q.T).to(dtype or torch.get_default_dtype())
