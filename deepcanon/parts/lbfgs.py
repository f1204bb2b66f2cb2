"""L-BFGS: quasi-Newton steps from the last few differences, with a line search to the strong Wolfe conditions.

Liu and Nocedal, On the limited memory BFGS method for large scale optimization, Math. Programming 45, 1989; Nocedal and
Wright, Numerical Optimization, 2nd edition, 2006, chapters 3 and 7; Hager and Zhang, SIAM J. Optim. 16, 2005.
    f the objective, g its gradient [P]    s_k = x_{k+1} - x_k,  y_k = g_{k+1} - g_k,  the last m of them
    A, if there is one, a linear map: steps are taken in z with x = A z, whose gradient is A^T g

    (1)  d = -H g by two loops over the pairs, from H_0 = gamma I, gamma = s.y / y.y of the newest        algorithm 7.4
    (2)  f(x + t d) <= f + c1 t g.d,    |g(x + t d).d| <= c2 |g.d|,    c1 = 1e-4, c2 = 0.9               equation 3.7
    (3)  where rounding hides (2):  |f(x + t d) - f| <= eps |f|,  g(x + t d).d <= (2 c1 - 1) g.d     Hager, Zhang, (4.1)
    (4)  t = 1 is tried first; in the first step of all t = 1 / |d|

`AffineRows` is the A of a linear model whose inputs have means far from 0: weights and bias hardly interact in z = (W,
b + W mean), which takes half as many steps on pictures. With A nothing else changes: x, f and g stay.

>>> x = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
>>> def closure():
...     x.grad = torch.tensor([1.0, 100.0]) * x.detach()
...     return 0.5 * (x.detach() * x.grad).sum()
>>> descent = LBFGS([x], iterations=12)
>>> descent.step(closure), float(x.detach().abs().max()) < 1e-3
(tensor(204.5000), True)
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from deepcanon.parts.optimizers import Optimizer

__all__ = ["LBFGS", "AffineRows", "strong_wolfe"]

DECREASE, CURVATURE = 1e-4, 0.9  # c1, c2
NEARER, WIDEST = 1.5, 10.0  # where the end is not known the next length is between these multiples of the last one
INSIDE = 0.1  # and where it is, at least this share of the interval away from both ends


class AffineRows:
    """The map A from z = (W, b + W mean), which centred rows would be given, to weight W [K, F] and bias b [K].

    Args:
        mean: of the rows.
    """

    def __init__(self, mean: Float[Tensor, "features"]) -> None:
        self.mean = mean

    def _parts(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        features = len(self.mean)
        outputs, rest = divmod(len(flat), features + 1)
        if rest:
            raise ValueError(f"a vector of {len(flat)} is not a weight and a bias for {features} features")
        return flat[:-outputs].view(outputs, features), flat[-outputs:]

    def steps(self, flat: Tensor) -> Tensor:
        """A z."""
        weight, bias = self._parts(flat)
        return torch.cat([weight.flatten(), bias - weight @ self.mean])

    def slopes(self, flat: Tensor) -> Tensor:
        """A^T g."""
        weight, bias = self._parts(flat)
        return torch.cat([(weight - bias[:, None] * self.mean).flatten(), bias])


def strong_wolfe(
    along: Callable[[float], tuple[float, float]],
    start: tuple[float, float],
    trial: float = 1.0,
    evaluations: int = 20,
    rounding: float = 0.0,
) -> float:
    """A step length for which (2) or (3) holds; the lowest point found where none is, 0 where nothing is lower.

    The interval from the lowest point so far to one that is too far shrinks by cubic interpolation (algorithms 3.5 and
    3.6 in one loop: at first the far end is infinite).

    Args:
        along: value and slope at a step length.
        start: value and slope, which is below 0, at length 0.
        trial: the first length.
        evaluations: the most calls of `along`.
        rounding: eps of (3).
    """
    value, slope = start
    low, high = (0.0, value, slope), (math.inf, math.inf, math.inf)
    before = low
    for _ in range(evaluations):
        found, steep = along(trial)
        lower = found <= value + DECREASE * trial * slope and found <= low[1]
        hidden = abs(found - value) <= rounding * abs(value) and steep <= (2 * DECREASE - 1) * slope  # (3)
        point = (trial, found, steep)
        if not (lower or hidden):  # too far, or not a number
            high = point
        elif abs(steep) <= -CURVATURE * slope:  # (2)
            return trial
        else:
            if steep * (high[0] - low[0]) >= 0:
                high = low
            before, low = low, point
        if math.isinf(high[0]):
            trial = _within(_cubic(before, low), low[0] * NEARER, low[0] * WIDEST)
        else:
            width, nearest = abs(high[0] - low[0]), min(low[0], high[0])
            trial = _within(_cubic(low, high), nearest + INSIDE * width, nearest + (1 - INSIDE) * width)
    return low[0]


def _within(lowest: float, first: float, last: float) -> float:
    """The lowest point of a cubic kept within bounds; their middle where it has none."""
    return min(max(lowest, first), last) if math.isfinite(lowest) else (first + last) / 2


def _cubic(low: tuple[float, float, float], high: tuple[float, float, float]) -> float:
    """Where the cubic through two points with these slopes is lowest (Nocedal and Wright, equation 3.59)."""
    (a, value_a, slope_a), (b, value_b, slope_b) = low, high
    if not math.isfinite(value_b + slope_b):
        return math.nan
    d1 = slope_a + slope_b - 3 * (value_a - value_b) / (a - b)
    square = d1 * d1 - slope_a * slope_b
    if square < 0:
        return math.nan
    d2 = math.copysign(math.sqrt(square), b - a)
    below = slope_b - slope_a + 2 * d2
    return b - (b - a) * (slope_b + d2 - d1) / below if below else math.nan


class _Point(NamedTuple):
    objective: Any
    gradient: Tensor  # g
    slopes: Tensor  # A^T g


class LBFGS(Optimizer):
    """`step` takes a closure that sets the gradients and returns the objective; it returns the objective at the start.

    Gradients and parameters are those of the point it arrives at. A checkpoint needs the pairs only.

    Args:
        params: parameters of one type on one device.
        history: m, pairs that are kept.
        iterations: iterations in one call of `step`.
        tolerance: largest entry of the gradient at which `step` ends.
        evaluations: calls of the closure in one line search, at most.
        basis: A; none is the identity. It may be set later, before the first step.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        history: int = 10,
        iterations: int = 1,
        tolerance: float = 0.0,
        evaluations: int = 20,
        basis: AffineRows | None = None,
    ) -> None:
        if history < 1 or iterations < 1 or evaluations < 1:
            raise ValueError(f"history {history}, iterations {iterations}, evaluations {evaluations}: at least 1 each")
        super().__init__(params, {"history": history, "iterations": iterations, "tolerance": tolerance})
        if len(self.param_groups) > 1:
            raise ValueError("L-BFGS has one group of parameters")
        self.evaluations, self.basis = evaluations, basis

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        group = self.param_groups[0]
        first = here = self._point(closure)
        for _ in range(group["iterations"]):
            arrived = not math.isfinite(float(here.objective)) or float(here.gradient.abs().max()) <= group["tolerance"]
            there = None if arrived else self._iterate(here, closure)
            if there is None:
                break
            here = there
        return first.objective

    step.hooked = True  # type: ignore[attr-defined]  # torch wraps a step in its profiler, which takes as long as this

    def _point(self, closure: Callable[[], Any]) -> _Point:
        with torch.enable_grad():
            objective = closure()
        gradient = torch.cat([parameter.grad.flatten() for parameter in self.param_groups[0]["params"]])
        return _Point(objective, gradient, gradient if self.basis is None else self.basis.slopes(gradient))

    def _iterate(self, here: _Point, closure: Callable[[], Any]) -> _Point | None:
        """The next point; None where nothing lower is found, and the pairs are forgotten."""
        parameters: list[Tensor] = self.param_groups[0]["params"]
        pairs = self.state[parameters[0]]
        direction = _direction(here.slopes, pairs)
        slope = float(here.slopes.dot(direction))
        origin = torch.cat([parameter.flatten() for parameter in parameters])
        ahead = direction if self.basis is None else self.basis.steps(direction)
        seen, at = {0.0: here}, 0.0

        def along(length: float) -> tuple[float, float]:
            nonlocal at
            _set(parameters, torch.add(origin, ahead, alpha=length))
            seen[length], at = self._point(closure), length
            return float(seen[length].objective), float(seen[length].slopes.dot(direction))

        length = 0.0
        if slope < 0:  # the pairs may suffer from rounding
            trial = 1.0 if pairs else 1 / math.sqrt(float(direction.dot(direction)))  # (4)
            rounding = 10 * torch.finfo(origin.dtype).eps
            length = strong_wolfe(along, (float(here.objective), slope), trial, self.evaluations, rounding)
        there = seen[length]
        if at != length:
            _set(parameters, torch.add(origin, ahead, alpha=length))
            _set([parameter.grad for parameter in parameters], there.gradient)
        if not length:
            pairs.clear()
            return None
        _keep(pairs, direction.mul_(length), there.slopes - here.slopes, self.param_groups[0]["history"])
        return there


def _set(places: Sequence[Any], flat: Tensor) -> None:
    for place, part in zip(places, flat.split([place.numel() for place in places]), strict=True):
        place.copy_(part.view_as(place))


def _keep(pairs: dict[str, Any], step: Tensor, change: Tensor, history: int) -> None:
    """Replaces the oldest pair by (s, y), unless rounding hides that f is convex along s."""
    lengths = math.sqrt(float(step.dot(step)) * float(change.dot(change)))
    if not float(step.dot(change)) > torch.finfo(step.dtype).eps * lengths:
        return
    if not pairs:
        room = step.new_zeros(history, len(step))
        pairs.update(count=0, steps=room, changes=room.clone())
    place = pairs["count"] % history
    pairs["steps"][place], pairs["changes"][place] = step, change
    pairs["count"] += 1


def _direction(gradient: Tensor, pairs: dict[str, Any]) -> Tensor:
    """Equation (1)."""
    q = -gradient
    if not pairs:
        return q
    history, count = len(pairs["steps"]), pairs["count"]
    newest = [place % history for place in range(count - 1, max(-1, count - 1 - history), -1)]
    steps, changes, shares = pairs["steps"].unbind(), pairs["changes"].unbind(), {}
    products = (pairs["steps"] * pairs["changes"]).sum(1).tolist()
    for place in newest:
        shares[place] = float(steps[place].dot(q)) / products[place]
        q.sub_(changes[place], alpha=shares[place])
    last = newest[0]
    q *= products[last] / float(changes[last].dot(changes[last]))
    for place in reversed(newest):
        back = float(changes[place].dot(q)) / products[place]
        q.add_(steps[place], alpha=shares[place] - back)
    return q
