"""Elementary operations on arrays, each with its derivative as a linear map and the transpose of that map.

Papers: Baydin, Pearlmutter, Radul and Siskind 2015, "Automatic differentiation in machine learning: a survey"
(arXiv:1502.05767), table 2 and 3; Griewank 1989, "On automatic differentiation".

y = f(x_1, ..., x_k) on arrays; D_i: the derivative in argument i at this point, a linear map from arrays of the shape
of x_i to arrays of the shape of y; t: a tangent of x_i; a: an adjoint of y.

    push_i(t) = D_i t              what a change of x_i does to y                     (1)
    pull_i(a) = D_i^T a            what y's adjoint says of x_i                       (2)
    <a, D_i t> = <D_i^T a, t>      for all t and a: each is the other's transpose     (3)

Entry by entry D_i is diagonal: push and pull multiply by the same slope. Broadcasting repeats x_i, so its transpose
sums the copies. Reading x[key] has the scatter that ADDS as its transpose: what was read twice gets both adjoints.

Kinks. Where f has no derivative, D_i is still one linear map for both directions: |x| has slope 0 at 0 and relu has 0
at 0; `maximum`, `minimum` and the reduction `max` share the derivative evenly among ties. torch does the same.

Departures: x ** p has derivative 0 in p where x is 0, and 0 in x where p is 0 (the formulas give 0 times infinity).

Shown by: autodiff

    >>> import numpy as np
    >>> from deepcanon.foundations.primitives import PRIMITIVES
    >>> x, y = np.array([1.0, 5.0]), np.array(5.0)
    >>> largest = PRIMITIVES["maximum"]
    >>> float(largest.pull(1, np.ones(2), largest.value(x, y), (x, y)))
    1.5
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["PRIMITIVES", "Primitive"]


class Primitive(NamedTuple):
    """An elementary operation: (1), the parts of (2) and of (3) that belong to argument i."""

    name: str
    value: Callable[..., Any]  # (*values, **options)
    push: Callable[..., Any]  # (i, tangent of argument i, output, values, **options)
    pull: Callable[..., Any]  # (i, adjoint of the output, output, values, **options)


def _elementwise(name: str, value: Callable, *slopes: Any) -> Primitive:
    """Entry by entry, with broadcasting: d_ij is diagonal. A slope is a constant or a function (output, *values)."""

    def times(t, i, out, xs):
        slope = slopes[i]
        if callable(slope):
            return t * slope(out, *xs)
        return t if slope == 1 else -t

    return Primitive(
        name,
        value,
        lambda i, t, out, xs: times(t, i, out, xs),
        lambda i, a, out, xs: _unbroadcast(times(a, i, out, xs), np.shape(xs[i])),
    )


def _linear(name: str, value: Callable, transpose: Callable) -> Primitive:
    """A linear map of one argument: its tangent goes the same way, its adjoint back by the transpose."""
    return Primitive(
        name,
        value,
        lambda i, t, out, xs, **options: value(t, **options),
        lambda i, a, out, xs, **options: transpose(a, np.shape(xs[0]), **options),
    )


def _unbroadcast(a, shape):
    """The transpose of broadcasting: sums what was repeated."""
    if np.shape(a) == shape:
        return a
    a = a.sum(axis=tuple(range(a.ndim - len(shape))))
    return a.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1 and a.shape[i] != 1), keepdims=True)


def _spread(a, shape, axis, keepdims):
    """The transpose of a sum: the same value everywhere."""
    if axis is not None and not keepdims:
        a = np.expand_dims(a, axis)
    return np.broadcast_to(a, shape, subok=True)


def _scatter(a, shape, key):
    """The transpose of reading: entries that were read twice get both adjoints."""
    out = np.zeros_like(a, shape=shape)
    np.add.at(out, key, a)
    return out


def _matmul_pull(i, a, out, xs):
    x, y = xs
    x, y = x[None, :] if x.ndim == 1 else x, y[:, None] if y.ndim == 1 else y
    a = np.expand_dims(a, -1) if xs[1].ndim == 1 else a
    a = np.expand_dims(a, -2) if xs[0].ndim == 1 else a
    found = a @ np.swapaxes(y, -1, -2) if i == 0 else np.swapaxes(x, -1, -2) @ a
    return _unbroadcast(found, (x, y)[i].shape).reshape(xs[i].shape)


def _ties(x, axis):
    """Share of each entry in the maximum along the axis: 1 / k for each of k that are equal."""
    largest = x == x.max(axis=axis, keepdims=True)
    return largest / largest.sum(axis=axis, keepdims=True)


def _max_push(i, t, out, xs, axis, keepdims):
    return (_ties(xs[0], axis) * t).sum(axis=axis, keepdims=keepdims)


def _max_pull(i, a, out, xs, axis, keepdims):
    return _ties(xs[0], axis) * _spread(a, xs[0].shape, axis, keepdims)


def _where_push(i, t, out, xs, mask):
    return np.where(mask, t, 0.0) if i == 0 else np.where(mask, 0.0, t)


def _where_pull(i, a, out, xs, mask):
    return _unbroadcast(_where_push(i, a, out, xs, mask), xs[i].shape)


def _concatenate_push(i, t, out, xs, axis):
    return np.concatenate([t if j == i else np.zeros_like(x) for j, x in enumerate(xs)], axis)


def _concatenate_pull(i, a, out, xs, axis):
    return np.split(a, np.cumsum([x.shape[axis] for x in xs])[:-1], axis)[i]


def _base_slope(out, x, p):
    return np.where(p == 0, 0.0, p * np.power(x, np.where(p == 0, 1.0, p - 1)))


def _share(first: bool, slope: Callable) -> Callable:
    """Slope 1 where this argument wins, 1/2 at a tie."""
    return lambda out, x, y: np.where(x == y, 0.5, slope(x, y) == first)


PRIMITIVES = {
    primitive.name: primitive
    for primitive in (
        _elementwise("add", np.add, 1, 1),
        _elementwise("subtract", np.subtract, 1, -1),
        _elementwise("multiply", np.multiply, lambda out, x, y: y, lambda out, x, y: x),
        _elementwise("divide", np.divide, lambda out, x, y: 1 / y, lambda out, x, y: -out / y),
        _elementwise("power", np.power, _base_slope, lambda out, x, p: out * np.log(np.where(x == 0, 1.0, x))),
        _elementwise("negative", np.negative, -1),
        _elementwise("exp", np.exp, lambda out, x: out),
        _elementwise("log", np.log, lambda out, x: 1 / x),
        _elementwise("sqrt", np.sqrt, lambda out, x: 0.5 / out),
        _elementwise("square", np.square, lambda out, x: 2 * x),
        _elementwise("sin", np.sin, lambda out, x: np.cos(x)),
        _elementwise("cos", np.cos, lambda out, x: -np.sin(x)),
        _elementwise("tanh", np.tanh, lambda out, x: 1 - out * out),
        _elementwise("absolute", np.absolute, lambda out, x: np.sign(x)),
        _elementwise("relu", lambda x: np.maximum(x, 0.0), lambda out, x: np.where(x > 0, 1.0, 0.0)),
        _elementwise("maximum", np.maximum, _share(True, np.greater), _share(False, np.greater)),
        _elementwise("minimum", np.minimum, _share(True, np.less), _share(False, np.less)),
        _linear("sum", lambda x, axis, keepdims: x.sum(axis=axis, keepdims=keepdims), _spread),
        _linear("reshape", lambda x, to: x.reshape(to), lambda a, shape, to: a.reshape(shape)),
        _linear("transpose", lambda x, axes: x.transpose(axes), lambda a, shape, axes: a.transpose(np.argsort(axes))),
        _linear("index", lambda x, key: x[key], _scatter),
        Primitive("max", lambda x, axis, keepdims: x.max(axis=axis, keepdims=keepdims), _max_push, _max_pull),
        Primitive("where", lambda x, y, mask: np.where(mask, x, y), _where_push, _where_pull),
        Primitive("matmul", np.matmul, lambda i, t, out, xs: t @ xs[1] if i == 0 else xs[0] @ t, _matmul_pull),
        Primitive("concatenate", lambda *xs, axis: np.concatenate(xs, axis), _concatenate_push, _concatenate_pull),
    )
}
