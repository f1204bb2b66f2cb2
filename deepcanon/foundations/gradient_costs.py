"""What a gradient costs in each mode of automatic differentiation: operations counted, and CPU seconds.

Papers: Griewank 1989, "On automatic differentiation" (the function and the bound); Griewank and Walther 2008,
"Evaluating derivatives", chapter 4.

The function is the Helmholtz energy of a mixed fluid, with A = a a^T of rank one, so that it takes O(n) operations:

    f(x) = sum_i x_i log(x_i / (1 - b.x)) - (a.x)^2 / (sqrt(8) b.x) log(r),
    r = (1 + (1 + sqrt 2) b.x) / (1 + (1 - sqrt 2) b.x)                                                  (1)
    forward mode: n passes, c n evaluations of f; reverse mode: one pass, at most 5 evaluations          (2)

Departures: operations are those that NumPy carries out, one for each entry that is written, or read by a sum.

Shown by: autodiff

    >>> from deepcanon.foundations.gradient_costs import count_operations
    >>> once, forward, reverse = count_operations(10)
    >>> reverse / once < 5 < forward / once
    True
"""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .autodiff import gradient, jvp, vjp

__all__ = ["Costs", "count_operations", "cpu_seconds", "helmholtz"]


class Costs(NamedTuple):
    """Of one evaluation, of a gradient by forward mode, of one by reverse mode."""

    once: float
    forward: float
    reverse: float


def helmholtz(n: int) -> Callable[[Any], Any]:
    """Equation (1) as a function of x [..., n]."""
    if n < 1:
        raise ValueError(f"a fluid of {n} components")
    b, a = 0.5 * (1 + np.cos(np.arange(n))) / n, np.sin(1 + np.arange(n)) / math.sqrt(n)

    def function(x: Any) -> Any:
        u, v = (b * x).sum(-1), (a * x).sum(-1)
        ideal = (x * np.log(x / (1 - u.reshape(*u.shape, 1)))).sum(-1)
        ratio = (1 + (1 + math.sqrt(2)) * u) / (1 + (1 - math.sqrt(2)) * u)
        return ideal - v**2 / (math.sqrt(8) * u) * np.log(ratio)  # (1)

    return function


class Counted(np.ndarray):
    """An array that counts what NumPy computes with it: one for each entry written, or read by a sum."""

    operations = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        plain = [x.view(np.ndarray) if isinstance(x, Counted) else x for x in inputs]
        result = np.asarray(getattr(ufunc, method)(*plain, **options))
        Counted.operations += max(result.size, np.size(plain[0]))
        return result.view(Counted)


def count_operations(n: int) -> Costs:
    """Arithmetic operations on (1) with n inputs."""
    function, x = helmholtz(n), (0.5 + 0.4 * np.sin(np.arange(n))).view(Counted)
    works = (
        lambda: function(x),
        lambda: gradient(function, (x,), "forward"),
        lambda: gradient(function, (x,)),
    )
    counts = []
    for work in works:
        Counted.operations = 0
        work()
        counts.append(Counted.operations)
    return Costs(*counts)


def cpu_seconds(n: int, elements: int) -> Costs:
    """CPU seconds on (1) at elements / n points at once: medians, but for the long forward gradient."""
    function, rows = helmholtz(n), max(1, elements // n)
    x = 0.5 + 0.4 * np.sin(np.arange(rows * n)).reshape(rows, n)
    directions = (np.broadcast_to(row, x.shape) for row in np.eye(n))
    works: tuple[tuple[Callable[[], Any], int], ...] = (
        (lambda: function(x), 9),
        (lambda: [jvp(function, (x,), (direction,)) for direction in directions], 1),
        (lambda: vjp(function, (x,), np.ones(rows)), 9),
    )
    found = []
    for work, times in works:
        clock = [time.process_time()]
        for _ in range(times):
            work()
            clock.append(time.process_time())
        found.append(float(np.median(np.diff(clock))))
    return Costs(*found)
