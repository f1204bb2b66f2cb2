"""Random programs of array operations with fan-out: the same program runs in NumPy and in torch.

A program is plain data: leaves (arrays) and steps (an operation's name, the places of its arguments among all values so
far). Values stay finite, small and away from poles, so that two correct ways of differentiating agree to rounding. An
operation is tried only where it is defined; arguments are recent values or, at times, any.

    >>> import numpy as np
    >>> from deepcanon.parts.random_programs import execute, random_program
    >>> leaves, program = random_program(np.random.default_rng(0), 50)
    >>> len(program), bool(np.isfinite(execute(np, program, leaves)).all())
    (50, True)
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

__all__ = ["Derivatives", "condition", "derivatives", "drawn", "execute", "largest_difference", "random_program"]

Step = tuple[str, tuple[int, ...]]

SMALL, LARGE, SIZE = 0.2, 10.0, 36  # least divisors and bases, largest values and arrays
KINK = 1e-6  # the least distance of an argument from a kink
NUDGE = 1e-10  # relative change of the leaves that measures the condition
NOTHING = 1e-2  # an array whose entries are all smaller is compared as if it had one of that size
CONDITION = 1e4  # of a drawn program at most: rounding errors of 1e-16 stay below 1e-11 by a wide margin


def _off_zero(x: np.ndarray) -> bool:
    return bool(np.abs(x).min() > KINK)


def _apart(x: Any, y: Any) -> bool:
    return bool(np.abs(x - y).min() > KINK)


def _one_largest(x: np.ndarray) -> bool:
    """Whether the maximum along axis 0 is taken by one entry only, wherever there are two or more."""
    if x.ndim == 0 or len(x) < 2:
        return x.ndim > 0
    ordered = np.sort(x, 0)
    return _apart(ordered[-1], ordered[-2])


# Each operation as a function of the module (numpy or torch) and its arguments, and where it is tried.
UNARY = {
    "exp": (lambda m, x: m.exp(x), lambda x: x.max() < 1.5),
    "log": (lambda m, x: m.log(x), lambda x: x.min() > SMALL),
    "sqrt": (lambda m, x: m.sqrt(x), lambda x: x.min() > SMALL),
    "square": (lambda m, x: m.square(x), None),
    "sin": (lambda m, x: m.sin(x), None),
    "cos": (lambda m, x: m.cos(x), None),
    "tanh": (lambda m, x: m.tanh(x), None),
    "absolute": (lambda m, x: m.absolute(x), _off_zero),
    "negative": (lambda m, x: -x, None),
    "relu": (lambda m, x: x.relu() if hasattr(x, "relu") else m.maximum(x, 0.0), _off_zero),
    "sum": (lambda m, x: m.sum(x, 0), lambda x: x.ndim > 0),
    "mean": (lambda m, x: m.mean(x), None),
    "max": (lambda m, x: m.amax(x, 0), _one_largest),
    "index": (lambda m, x: x[..., [0, -1, 0]], lambda x: x.ndim > 0),
    "slice": (lambda m, x: x[1:], lambda x: x.ndim > 0 and len(x) > 1),
    "reshape": (lambda m, x: x.reshape(-1), lambda x: x.ndim > 1),
    "gram": (lambda m, x: x @ x.T, lambda x: x.ndim == 2),
}
BINARY = {
    "add": (lambda m, x, y: x + y, None),
    "subtract": (lambda m, x, y: x - y, None),
    "multiply": (lambda m, x, y: x * y, None),
    "divide": (lambda m, x, y: x / y, lambda x, y: np.abs(y).min() > SMALL),
    "power": (lambda m, x, y: x**y, lambda x, y: x.min() > SMALL and np.abs(y).max() < 2),
    "maximum": (lambda m, x, y: m.maximum(x, y), _apart),
    "minimum": (lambda m, x, y: m.minimum(x, y), _apart),
    "where": (lambda m, x, y: m.where(x > 0, x, y), lambda x, y: _off_zero(x)),
    "concatenate": (lambda m, x, y: m.concatenate((x, y)), lambda x, y: x.shape == y.shape and x.ndim > 0),
}
OPERATIONS = {**UNARY, **BINARY}
NAMES = (*UNARY, *BINARY, *BINARY)


def random_program(random: np.random.Generator, operations: int) -> tuple[list[np.ndarray], list[Step]]:
    """Leaves (), [3], [2, 1] and [2, 3], and a number of steps."""
    leaves = [np.asarray(random.normal(size=shape)) for shape in ((), (3,), (2, 1), (2, 3))]
    values, program = list(leaves), list[Step]()
    while len(program) < operations:
        name = NAMES[random.integers(len(NAMES))]
        function, fits = OPERATIONS[name]
        span = len(values) if random.random() < 0.3 else min(20, len(values))  # far back, or nearby
        arguments = tuple(int(len(values) - 1 - random.integers(span)) for _ in range(2 if name in BINARY else 1))
        given = [values[i] for i in arguments]
        if len(given) == 2 and name != "concatenate" and not _broadcast(*given):
            continue
        if fits and not fits(*given):
            continue
        result = np.asarray(function(np, *given))
        if 0 < result.size <= SIZE and np.abs(result).max() < LARGE:
            program.append((name, arguments))
            values.append(result)
    return leaves, program


def _broadcast(x: np.ndarray, y: np.ndarray) -> bool:
    pairs = zip(x.shape[::-1], y.shape[::-1], strict=False)
    return all(a == b or 1 in (a, b) for a, b in pairs)


def execute(m: Any, program: Sequence[Step], leaves: Sequence[Any]) -> Any:
    """A vector of all results that nothing uses; `m` is numpy or torch, and the leaves are what it takes."""
    values = list(leaves)
    for name, arguments in program:
        values.append(OPERATIONS[name][0](m, *(values[i] for i in arguments)))
    used = {i for _, arguments in program for i in arguments}
    return m.concatenate([value.reshape(-1) for i, value in enumerate(values) if i not in used])


class Derivatives(NamedTuple):
    """Of a program's result: its value, its derivative along tangents, and a cotangent times its Jacobian."""

    value: np.ndarray
    tangent: np.ndarray
    adjoints: tuple[np.ndarray, ...]  # one for each leaf


def derivatives(
    program: Sequence[Step], leaves: Sequence[np.ndarray], tangents: Sequence[np.ndarray], cotangent: np.ndarray
) -> Derivatives:
    """By torch.func: which another method of differentiation is compared with."""

    def function(*given: Any) -> Any:
        return execute(torch, program, given)

    points, along = (tuple(map(torch.from_numpy, some)) for some in (leaves, tangents))
    value, tangent = torch.func.jvp(function, points, along)[:2]
    adjoints = torch.func.vjp(function, *points)[1](torch.from_numpy(cotangent))
    return Derivatives(value.numpy(), tangent.numpy(), tuple(adjoint.numpy() for adjoint in adjoints))


def largest_difference(ours: Derivatives, theirs: Derivatives) -> float:
    """Of all arrays: relative to the largest entry, or to `NOTHING`.

    Derivatives of size 1 may cancel: what is left is their rounding, at most 7e-15 in 8,000 programs, and does not
    depend on the method of differentiation.
    """
    one, other = ((some.value, some.tangent, *some.adjoints) for some in (ours, theirs))
    found = [np.abs(a - b).max() / max(np.abs(b).max(), NOTHING) for a, b in zip(one, other, strict=True)]
    return float(np.max(found))  # unlike Python's max it keeps a NaN


def condition(
    program: Sequence[Step], leaves: Sequence[np.ndarray], tangents: Sequence[np.ndarray], cotangent: np.ndarray
) -> float:
    """How much a relative change of the leaves grows in the value, the tangent and the adjoints."""
    signs = [(-1.0) ** np.arange(leaf.size).reshape(leaf.shape) for leaf in leaves]
    nudged = [np.asarray(leaf * (1 + NUDGE * sign)) for leaf, sign in zip(leaves, signs, strict=True)]
    before, after = (derivatives(program, some, tangents, cotangent) for some in (leaves, nudged))
    return largest_difference(after, before) / NUDGE


def drawn(
    random: np.random.Generator, operations: int
) -> tuple[list[np.ndarray], list[Step], list[np.ndarray], np.ndarray]:
    """Leaves, program, tangents of the leaves and a cotangent of the result, drawn until the condition is bounded."""
    while True:
        leaves, program = random_program(random, operations)
        tangents = [np.asarray(random.normal(size=leaf.shape)) for leaf in leaves]
        cotangent = random.normal(size=execute(np, program, leaves).shape)
        if condition(program, leaves, tangents, cotangent) <= CONDITION:
            return leaves, program, tangents, cotangent
