"""Gradient checking: analytic gradients of a function or of your own module against differences in float64.

Papers: Bengio 2012, "Practical recommendations for gradient-based training of deep architectures" (arXiv:1206.5533),
section 4.2; the UFLDL notes on gradient checking.

J: a scalar function of the coordinates x_i, e_i: a unit vector, a_i: the analytic gradient, h: the step,
s_i = max(|a_i|, |n_i|, floor, rho / tolerance) with floor a small share of the largest gradient entry and
rho = 2^-52 |J| / h, which is what rounding does to a difference.

    n_i   = (J(x + h e_i) - J(x - h e_i)) / 2h                        error O(h^2)         (1)
    err_i = |a_i - n_i| / s_i                                                              (2)
    n_i'  = (8 J(+H) - 8 J(-H) - J(+2H) + J(-2H)) / 12H             error O(H^4)         (3)
    jump  = (J(x + h e_i) - 2 J(x) + J(x - h e_i)) / h                                     (4)

A coordinate whose error (2) is near the tolerance or above gets a second opinion: (3) with H = 100 h, which rounding
hurts less, then 10 h, then h. If none agrees, the point may lie within h of a kink (ReLU, |x|, a maximum), where (1) is
between two slopes. At a smooth point (4) halves with h and (1) stays; at a kink (4) stays or (1) moves. Such a
coordinate is skipped and counted, but only if the kink is large enough to explain the difference: a wrong gradient of a
smooth function is never excused.

Outputs that are not a scalar are multiplied by fixed random weights and summed, since a plain sum hides mistakes
(softmax sums to 1). Each evaluation begins from the same random state and the same buffers: dropout keeps its mask,
batch normalisation its running statistics. A backward pass that draws random numbers draws different ones, and is
caught. Your module is copied and converted to float64; it is not changed.

Departures: UFLDL compares |g - n| to a fixed number of digits; (2) is relative. The default step is 1e-5, within
Bengio's range.

    >>> import torch
    >>> from deepcanon.foundations import check_module
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3))
    >>> check_module(net, torch.randn(5, 4)).passed
    True
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from deepcanon.parts.narrowing import narrowings

__all__ = ["GradientReport", "central_differences", "check_gradients", "check_module"]

WIDER = (100, 10, 1)  # H / h: the first for little rounding, the last where the function bends much
CLEAR = 10  # an error so many times below the tolerance needs no second opinion
APART = 0x9E3779B9  # from the seeds that people draw their inputs from: weights equal to the inputs would hide mistakes
EPSILON = torch.finfo(torch.float64).eps


class GradientReport(NamedTuple):
    """What a check found; as a text it names the worst coordinate."""

    worst: float  # the largest relative error
    name: str  # of the tensor where it is, and the place in that
    place: tuple[int, ...]
    analytic: float
    numeric: float
    errors: dict[str, float]  # the largest of each tensor
    checked: int  # coordinates that were compared
    skipped: int  # coordinates near a kink
    tolerance: float
    narrowed: tuple[str, ...] = ()  # layers that compute in fewer digits than float64

    @property
    def passed(self) -> bool:
        """Within the tolerance, and most coordinates could be compared."""
        return self.worst <= self.tolerance and self.checked > self.skipped

    def __str__(self) -> str:
        where = f"{self.name}{list(self.place)}" if self.place else self.name
        word = "passed" if self.passed else "FAILED"
        digits = f"; fewer digits in {', '.join(self.narrowed)}" if self.narrowed else ""
        return (
            f"{word}: worst relative error {self.worst:.2e} at {where} (analytic {self.analytic:.9g}, numeric "
            f"{self.numeric:.9g}); {self.checked} coordinates checked, {self.skipped} skipped near a kink{digits}"
        )


def central_differences(function: Callable[[Tensor], Any], point: Tensor, step: float = 1e-5) -> Tensor:
    """The gradient of a scalar function by equation (1), two evaluations for each coordinate."""
    x = point.detach().to(torch.float64).clone().contiguous()
    found = torch.zeros_like(x)
    for i in range(x.numel()):
        found.view(-1)[i] = _difference(lambda: float(function(x)), x.view(-1), i, step)
    return found


def _values(objective: Callable[[], float], flat: Tensor, i: int, steps: Sequence[float]) -> list[float]:
    """The objective with coordinate i moved by each step; the coordinate is put back."""
    kept, found = flat[i].item(), []
    for step in steps:
        flat[i] = kept + step
        found.append(objective())
    flat[i] = kept
    return found


def _difference(objective: Callable[[], float], flat: Tensor, i: int, h: float) -> float:
    above, below = _values(objective, flat, i, (h, -h))
    return (above - below) / (2 * h)  # (1)


def _second_opinion(objective: Callable[[], float], flat: Tensor, i: int, wide: float) -> float:
    a, b, c, d = _values(objective, flat, i, (wide, -wide, 2 * wide, -2 * wide))
    return (8 * (a - b) - (c - d)) / (12 * wide)  # (3)


def _kink(objective: Callable[[], float], flat: Tensor, i: int, h: float, gap: float) -> bool:
    """Whether a kink within h explains a difference of size `gap`."""
    a, b, c, d, centre = _values(objective, flat, i, (h, -h, h / 2, -h / 2, 0.0))
    moved = abs((a - b) / (2 * h) - (c - d) / h)
    jump, half = abs(a - 2 * centre + b) / h, abs(c - 2 * centre + d) / (h / 2)  # (4)
    return moved > 0.1 * gap or (half > 0.75 * jump and half > 0.5 * gap)


def _compare(
    objective: Callable[[], float],
    tensors: dict[str, Tensor],
    analytic: dict[str, Tensor],
    step: float,
    tolerance: float,
    floor: float,
    coordinates: int | None,
    seed: int,
) -> GradientReport:
    """Equations (1) to (4) over every coordinate, or over a number of random ones of each tensor."""
    if step <= 0 or tolerance <= 0 or not 0 <= floor < 1 or (coordinates is not None and coordinates < 1):
        raise ValueError(
            f"step {step}, tolerance {tolerance}, coordinates {coordinates}: above 0; floor {floor}: [0, 1)"
        )
    centre = objective()
    if not math.isfinite(centre):
        raise ValueError(f"the function is {centre} at this point")
    if objective() != centre:
        raise ValueError(
            "the function returns two values at one point: it draws random numbers that torch does not seed"
        )
    generator = torch.Generator().manual_seed(seed + APART)
    rows: list[tuple[str, int, float, float]] = []
    for name, tensor in tensors.items():
        flat, count = tensor.data.view(-1), tensor.numel()
        chosen = torch.randperm(count, generator=generator)[:coordinates].sort().values.tolist()
        gradient = analytic[name].reshape(-1)
        rows += [(name, i, gradient[i].item(), _difference(objective, flat, i, step)) for i in chosen]
    if not rows:
        raise ValueError("there is nothing to check: no parameter and no float input with an entry")
    bad = next((row for row in rows if not math.isfinite(row[2]) or not math.isfinite(row[3])), None)
    if bad:
        raise ValueError(f"the gradient of {bad[0]} is not finite: analytic {bad[2]}, numeric {bad[3]}")
    least = floor * max(max(abs(a), abs(n)) for _, _, a, n in rows)

    def error(a: float, n: float, h: float) -> float:
        scale = max(abs(a), abs(n), least, EPSILON * abs(centre) / h / tolerance)
        return abs(a - n) / scale if scale else 0.0  # (2)

    worst: tuple[float, str, int, float, float] = (-1.0, "", 0, 0.0, 0.0)
    errors, skipped = dict.fromkeys(tensors, 0.0), 0
    for name, i, a, n in rows:
        wrong = error(a, n, step)
        if wrong > tolerance / CLEAR:
            flat = tensors[name].data.view(-1)
            gap = abs(a - n)
            for wide in (factor * step for factor in WIDER):
                again = _second_opinion(objective, flat, i, wide)
                if error(a, again, wide) < wrong:
                    wrong, n = error(a, again, wide), again
                if wrong <= tolerance / CLEAR:
                    break
            if wrong > tolerance and _kink(objective, flat, i, step, gap):
                skipped += 1
                continue
        errors[name] = max(errors[name], wrong)
        worst = max(worst, (wrong, name, i, a, n))
    wrong, name, i, a, n = worst
    place = tuple(int(v) for v in torch.unravel_index(torch.tensor(i), tensors[name].shape)) if name else ()
    return GradientReport(max(wrong, 0.0), name, place, a, n, errors, len(rows) - skipped, skipped, tolerance)


def _leaves(outputs: Any) -> list[Tensor]:
    """The float tensors of a nest."""
    if isinstance(outputs, Tensor):
        return [outputs] if outputs.is_floating_point() else []
    if isinstance(outputs, Mapping):
        outputs = list(outputs.values())
    return [leaf for item in outputs for leaf in _leaves(item)] if isinstance(outputs, list | tuple) else []


def _cotangents(outputs: Any, seed: int) -> list[Tensor]:
    """A fixed random weight for each entry; 1 for a scalar."""
    generator = torch.Generator().manual_seed(seed + APART)
    leaves = _leaves(outputs)
    if not leaves:
        raise ValueError("the function returns no float tensor")
    other = [str(leaf.dtype) for leaf in leaves if leaf.dtype != torch.float64]
    if other:
        raise ValueError(f"an output is {other[0]}: differences need float64 throughout, something inside casts")
    return [
        torch.randn(leaf.shape, generator=generator, dtype=torch.float64) if leaf.ndim else torch.ones_like(leaf)
        for leaf in (leaf.detach().cpu() for leaf in leaves)
    ]


def _project(outputs: Any, cotangents: list[Tensor]) -> Tensor:
    leaves = _leaves(outputs)
    return torch.stack([(y * w.to(y.device)).sum() for y, w in zip(leaves, cotangents, strict=True)]).sum()


def _ready(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Copies: floats as float64 that may be changed, everything else as it is."""
    found = {}
    for name, value in inputs.items():
        if isinstance(value, Tensor) and value.is_floating_point():
            if not bool(torch.isfinite(value).all()):
                raise ValueError(f"{name} holds NaN or infinity")
            value = value.detach().to(torch.float64).clone().contiguous().requires_grad_()
        found[name] = value
    return found


def check_gradients(
    function: Callable,
    inputs: Sequence[Any] | Mapping[str, Any],
    *,
    backward: Callable | None = None,
    step: float = 1e-5,
    tolerance: float = 1e-7,
    floor: float = 1e-3,
    coordinates: int | None = None,
    seed: int = 0,
) -> GradientReport:
    """Checks the gradient of a function of tensors.

    Args:
        function: of the inputs in their order; returns a tensor, or a nest of tensors.
        inputs: a sequence, or {name: value}; what is not a float tensor (labels, sizes) is passed on as it is.
        backward: an explicit gradient to check, (cotangent, *inputs) -> one gradient for each float input; autograd's
            if none is given.
        step, tolerance, floor: h and the two constants of equation (2).
        coordinates: number of random entries of each tensor; None takes all.
        seed: of the random state that every evaluation begins from, of the weights and of the choice of coordinates.
    """
    named = inputs if isinstance(inputs, Mapping) else {f"input {i}": value for i, value in enumerate(inputs)}
    ready = _ready(named)
    explicit = None if backward is None else lambda cotangent: backward(cotangent, *ready.values())
    settings = (step, tolerance, floor, coordinates, seed)
    return _check(lambda: function(*ready.values()), _variables(ready), explicit, *settings)


def check_module(
    module: nn.Module,
    *inputs: Any,
    loss: Callable | None = None,
    step: float = 1e-5,
    tolerance: float = 1e-7,
    floor: float = 1e-3,
    coordinates: int | None = None,
    seed: int = 0,
) -> GradientReport:
    """Checks the gradients that a module gives to its parameters and to its float inputs.

    Args:
        module: in training or evaluation mode, as it is to be checked; a copy in float64 is used.
        inputs: what its forward takes.
        loss: of the module's output; without one the outputs are weighted at random and summed.
        step, tolerance, floor, coordinates, seed: as in `check_gradients`.
    """
    copied = copy.deepcopy(module).double()
    for parameter in copied.parameters():
        parameter.data = parameter.data.contiguous()
    buffers = [(buffer, buffer.clone()) for buffer in copied.buffers()]
    ready = _ready({f"input {i}": value for i, value in enumerate(inputs)})

    def evaluate() -> Any:
        with torch.no_grad():
            for buffer, saved in buffers:  # an evaluation must not see what the last one left
                buffer.copy_(saved)
        outputs = copied(*ready.values())
        return outputs if loss is None else loss(outputs)

    tensors = _variables({**dict(copied.named_parameters()), **ready})
    found = _check(evaluate, tensors, None, step, tolerance, floor, coordinates, seed)
    return found._replace(narrowed=narrowings(copied, *ready.values()))


def _variables(named: Mapping[str, Any]) -> dict[str, Tensor]:
    return {n: v for n, v in named.items() if isinstance(v, Tensor) and v.requires_grad and v.numel()}


def _check(
    evaluate: Callable[[], Any], tensors: dict[str, Tensor], backward: Callable | None, *settings: Any
) -> GradientReport:
    seed = settings[-1]

    def outputs() -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 2 * APART)
            return evaluate()

    with torch.no_grad():
        cotangents = _cotangents(outputs(), seed)
    if backward is None:
        with torch.enable_grad():
            gradients = _autograd(_project(outputs(), cotangents), tensors)
    else:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed + 3 * APART)  # a backward pass has no business with the forward pass's numbers
            given = backward(cotangents[0] if len(cotangents) == 1 else cotangents)
        given = (given,) if isinstance(given, Tensor) else tuple(given)
        shapes = [tuple(gradient.shape) for gradient in given]
        if shapes != [tuple(tensor.shape) for tensor in tensors.values()]:
            wanted = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
            raise ValueError(f"backward gives gradients {', '.join(map(str, shapes))}; the inputs are {wanted}")
        gradients = dict(zip(tensors, given, strict=True))

    def objective() -> float:
        with torch.no_grad():
            return _project(outputs(), cotangents).item()

    return _compare(objective, tensors, gradients, *settings)


def _autograd(value: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    if not tensors or not value.requires_grad:
        return {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
    found = torch.autograd.grad(value, list(tensors.values()), allow_unused=True)
    return {
        name: torch.zeros_like(tensor) if gradient is None else gradient.detach()
        for (name, tensor), gradient in zip(tensors.items(), found, strict=True)
    }
