"""Elementary operations on complex arrays, and their Jacobians by the complex step."""

import numpy as np

STEP = 1e-30


def absolute(x):
    return np.where(x.real < 0, -x, x)


def relu(x):
    return np.where(x.real > 0, x, 0)


def maximum(x, y):
    return np.where(x.real > y.real, x, y)


def minimum(x, y):
    return np.where(x.real < y.real, x, y)


def largest(x, axis, keepdims):
    place = np.expand_dims(x.real.argmax(axis), axis)
    found = np.take_along_axis(x, place, axis)
    return found if keepdims else found.squeeze(axis)


FUNCTIONS = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "power": lambda x, y: np.exp(y * np.log(x)),
    "negative": lambda x: -x,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "square": lambda x: x * x,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": lambda x: 1 - 2 / (np.exp(2 * x) + 1),
    "absolute": absolute,
    "relu": relu,
    "maximum": maximum,
    "minimum": minimum,
    "sum": lambda x, axis, keepdims: x.sum(axis=axis, keepdims=keepdims),
    "max": largest,
    "reshape": lambda x, to: x.reshape(to),
    "transpose": lambda x, axes: x.transpose(axes),
    "index": lambda x, key: x[key],
    "where": lambda x, y, mask: np.where(mask, x, y),
    "matmul": lambda x, y: x @ y,
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis),
}


def jacobian(name, xs, i, **options):
    """[output entries, entries of argument i]."""
    columns = []
    for index in np.ndindex(xs[i].shape):
        moved = [x.astype(complex) for x in xs]
        moved[i][index] += 1j * STEP
        columns.append(FUNCTIONS[name](*moved, **options).imag.reshape(-1) / STEP)
    return np.stack(columns, -1)


def value_and_maps(name, xs, tangents, adjoint, **options):
    """The output, D_i t_i for each argument, and D_i^T a for each argument."""
    out = FUNCTIONS[name](*(x.astype(complex) for x in xs), **options).real
    maps = [jacobian(name, xs, i, **options) for i in range(len(xs))]
    pushed = [(d @ t.reshape(-1)).reshape(out.shape) for d, t in zip(maps, tangents, strict=True)]
    pulled = [(adjoint.reshape(-1) @ d).reshape(x.shape) for d, x in zip(maps, xs, strict=True)]
    return out, *pushed, *pulled
