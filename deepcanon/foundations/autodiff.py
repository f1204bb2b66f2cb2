"""Automatic differentiation of NumPy code: forward mode by dual numbers, reverse mode over a computational graph.

Papers: Baydin, Pearlmutter, Radul and Siskind 2015, "Automatic differentiation in machine learning: a survey"
(arXiv:1502.05767); Griewank 1989, "On automatic differentiation" (the cost of the two modes).

v_i: value of node i, computed from the values of its arguments j; d_ij = dv_i / dv_j, a linear map where the values are
arrays; t_i: tangent, a derivative along one direction of the inputs; a_i: adjoint, dy / dv_i for the output y.

    v_i = f_i(v_j, ...)                                                             (1)
    t_i = sum_j d_ij t_j               forward, along with (1)                      (2)
    a_j = sum over all i that use j of d_ij^T a_i        reverse, after (1)         (3)

Forward mode carries (2) along with the value as a pair `Dual(value, tangent)`: one pass gives one directional
derivative, so that the gradient of R^n -> R takes n passes. Reverse mode records a graph of `Variable`s and runs (3)
from the output once: all n derivatives for the cost of a few evaluations. A node is visited after all nodes that use it
(topological order by counting uses, no recursion: a chain of 50,000 operations is no deeper than one of 5), and a node
that is used k times gets k contributions.

A function to differentiate is ordinary NumPy: operators, the ufuncs named in `PRIMITIVES`, the functions of
`FUNCTIONS`, slicing with any index, and `.relu()`. It runs on arrays, Duals and Variables alike; comparisons give plain
arrays of booleans. Everything is float64. The derivative at a kink (|x| at 0, ties of a maximum) is defined in
`primitives`; both modes have the same.

Departures: the survey's forward mode augments program text, here operators are overloaded; the modes do not nest (no
second derivatives). x ** p has derivative 0 in p where x = 0.

    >>> import numpy as np
    >>> from deepcanon.foundations.autodiff import gradient, jvp
    >>> f = lambda x, y: np.sum(np.sin(x * y) + np.maximum(x, 2) ** 2)
    >>> [g.round(4).tolist() for g in gradient(f, ([1.0, 3.0], 0.5))]
    [[0.4388, 6.0354], 1.0898]
    >>> value, tangent = jvp(f, ([1.0, 3.0], 0.5), ([0.0, 0.0], 1.0))
    >>> round(float(tangent), 4)
    1.0898
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from .primitives import PRIMITIVES, Primitive

__all__ = ["Dual", "Sweep", "Variable", "backward", "gradient", "jvp", "vjp"]

COMPARISONS = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")


def _array(value: Any) -> Any:
    """A float64 array; subclasses pass through."""
    if isinstance(value, Dual | Variable):
        raise TypeError("forward and reverse mode do not nest: no Dual inside a Variable or the other way round")
    array = np.asanyarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"numbers are real here, not {array.dtype}")
    return array if array.dtype == np.float64 else array.astype(np.float64)


class _Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """What a Dual and a Variable have in common: they look like arrays and hand each operation to `_apply`."""

    __slots__ = ("value",)
    value: Any
    _apply: Callable[..., Any]

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if ufunc.__name__ in COMPARISONS and method == "__call__":
            return ufunc(*(x.value if isinstance(x, _Traced) else x for x in inputs))
        if method != "__call__" or options or ufunc.__name__ not in PRIMITIVES:
            how = "" if method == "__call__" else f".{method}"
            raise TypeError(
                f"np.{ufunc.__name__}{how} with {sorted(options)} has no derivative here"
                if options
                else f"np.{ufunc.__name__}{how} has no derivative here; there are {', '.join(PRIMITIVES)}"
            )
        return self._apply(PRIMITIVES[ufunc.__name__], inputs, {})

    def __array_function__(self, function, types, arguments, options):
        if function not in FUNCTIONS:
            raise TypeError(f"np.{function.__name__} has no derivative here: write it with {', '.join(PRIMITIVES)}")
        return FUNCTIONS[function](*arguments, **options)

    def _rebind(self, other):  # x += y makes a new x: nothing is changed in place
        return NotImplemented

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = __imatmul__ = _rebind
    __hash__ = object.__hash__  # == compares values, so that dictionaries go by identity

    def __bool__(self) -> bool:
        return bool(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    T = property(lambda self: self.transpose())

    def __getitem__(self, key):
        return self._apply(PRIMITIVES["index"], (self,), {"key": key})

    def relu(self):
        return self._apply(PRIMITIVES["relu"], (self,), {})

    def sum(self, axis=None, keepdims=False):
        return self._apply(PRIMITIVES["sum"], (self,), {"axis": axis, "keepdims": keepdims})

    def mean(self, axis=None, keepdims=False):
        total = self.sum(axis, keepdims)
        return total / (self.size / max(total.size, 1))

    def max(self, axis=None, keepdims=False):
        return self._apply(PRIMITIVES["max"], (self,), {"axis": axis, "keepdims": keepdims})

    def min(self, axis=None, keepdims=False):
        return -(-self).max(axis, keepdims)

    def reshape(self, *shape):
        to = shape[0] if len(shape) == 1 else shape
        return self._apply(PRIMITIVES["reshape"], (self,), {"to": to})

    def transpose(self, *axes):
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return self._apply(PRIMITIVES["transpose"], (self,), {"axes": axes or tuple(range(self.ndim))[::-1]})


def _concatenate(parts, axis=0):
    first = next(part for part in parts if isinstance(part, _Traced))
    return first._apply(PRIMITIVES["concatenate"], tuple(parts), {"axis": axis})


def _where(mask, x, y):
    first = x if isinstance(x, _Traced) else y
    if not isinstance(first, _Traced):  # only the condition is traced, and that has no derivative
        return np.where(mask.value, x, y)
    mask = np.asarray(mask.value if isinstance(mask, _Traced) else mask) != 0
    return first._apply(PRIMITIVES["where"], (x, y), {"mask": mask})


FUNCTIONS: dict[Callable, Callable] = {
    np.sum: lambda x, axis=None, keepdims=False: x.sum(axis, keepdims),
    np.mean: lambda x, axis=None, keepdims=False: x.mean(axis, keepdims),
    np.max: lambda x, axis=None, keepdims=False: x.max(axis, keepdims),
    np.amax: lambda x, axis=None, keepdims=False: x.max(axis, keepdims),
    np.min: lambda x, axis=None, keepdims=False: x.min(axis, keepdims),
    np.amin: lambda x, axis=None, keepdims=False: x.min(axis, keepdims),
    np.reshape: lambda x, shape: x.reshape(shape),
    np.transpose: lambda x, axes=None: x.transpose(*(axes or ())),
    np.dot: lambda x, y: x @ y,
    np.concatenate: _concatenate,
    np.where: _where,
}


class Dual(_Traced):
    """A value and its tangent: forward mode. Arithmetic on it is equations (1) and (2).

    Args:
        value: of the number or array.
        tangent: its derivative in the direction that is followed, of the same shape.
    """

    __slots__ = ("tangent",)

    def __init__(self, value: Any, tangent: Any) -> None:
        self.value, self.tangent = _array(value), _array(tangent)
        if self.value.shape != self.tangent.shape:
            raise ValueError(f"a tangent {self.tangent.shape} of a value {self.value.shape}")

    def __repr__(self) -> str:
        return f"Dual({self.value}, {self.tangent})"

    @staticmethod
    def _apply(primitive: Primitive, arguments: tuple, options: dict[str, Any]) -> "Dual":
        xs = tuple(a.value if isinstance(a, Dual) else _array(a) for a in arguments)
        value = np.asanyarray(primitive.value(*xs, **options))  # (1)
        parts = [
            primitive.push(i, a.tangent, value, xs, **options) for i, a in enumerate(arguments) if isinstance(a, Dual)
        ]
        tangent = reduce(np.add, parts)  # (2)
        if np.shape(tangent) != value.shape:
            tangent = np.broadcast_to(tangent, value.shape, subok=True)
        return Dual(value, tangent)


class Variable(_Traced):
    """A node of the computational graph: its value, and where it came from. Without `primitive` it is a leaf.

    Args:
        value: a number or array.
        name: for pictures of the graph.
    """

    __slots__ = ("arguments", "name", "options", "primitive")

    def __init__(self, value: Any, name: str = "") -> None:
        self.value, self.name = _array(value), name
        self.primitive: Primitive | None = None
        self.arguments: tuple = ()  # Variables, and arrays that are constants
        self.options: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Variable({self.value}, {self.name or (self.primitive.name if self.primitive else 'leaf')!r})"

    @staticmethod
    def _apply(primitive: Primitive, arguments: tuple, options: dict[str, Any]) -> "Variable":
        arguments = tuple(a if isinstance(a, Variable) else _array(a) for a in arguments)
        xs = tuple(a.value if isinstance(a, Variable) else a for a in arguments)
        node = Variable.__new__(Variable)
        node.value = np.asanyarray(primitive.value(*xs, **options))  # (1)
        node.name, node.primitive, node.arguments, node.options = "", primitive, arguments, options
        return node


class Sweep(NamedTuple):
    """What equation (3) gives. Without `keep` the adjoints are those of the leaves, and edges are not kept."""

    nodes: list[Variable]  # a node after all that use it: the output first
    adjoints: dict[Variable, Any]
    edges: list[tuple[Variable, Variable, Any]]  # argument, user, what the user adds to the argument's adjoint


def _order(output: Variable) -> list[Variable]:
    """All nodes that the output depends on, each after every node that uses it."""
    uses, found = {output: 0}, [output]
    for node in found:  # grows while it is read
        for argument in node.arguments:
            if isinstance(argument, Variable):
                if argument not in uses:
                    uses[argument] = 0
                    found.append(argument)
                uses[argument] += 1
    ready, order = [output], []
    while ready:
        node = ready.pop()
        order.append(node)
        for argument in node.arguments:
            if isinstance(argument, Variable):
                uses[argument] -= 1
                if not uses[argument]:
                    ready.append(argument)
    return order


def backward(output: Variable, cotangent: Any = None, *, keep: bool = False) -> Sweep:
    """Equation (3) from the output, whose adjoint is `cotangent` (1 if it is a scalar), to the leaves."""
    if cotangent is None and output.size != 1:
        raise ValueError(f"an output {output.shape} needs a cotangent of its shape; only a scalar has a gradient")
    seed = np.ones_like(output.value) if cotangent is None else _array(cotangent)
    if seed.shape != output.shape:
        raise ValueError(f"a cotangent {seed.shape} of an output {output.shape}")
    sweep = Sweep(_order(output), {output: seed}, [])
    for node in sweep.nodes:
        if node.primitive is None:
            continue
        adjoint = sweep.adjoints[node] if keep else sweep.adjoints.pop(node)
        xs = tuple(a.value if isinstance(a, Variable) else a for a in node.arguments)
        for i, argument in enumerate(node.arguments):
            if isinstance(argument, Variable):
                part = node.primitive.pull(i, adjoint, node.value, xs, **node.options)
                sofar = sweep.adjoints.get(argument)
                sweep.adjoints[argument] = part if sofar is None else sofar + part  # (3): fan-out accumulates
                if keep:
                    sweep.edges.append((argument, node, part))
    return sweep


def jvp(function: Callable, inputs: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """(value, derivative along the tangents) of function(*inputs), in one forward pass."""
    if len(inputs) != len(tangents):
        raise ValueError(f"{len(tangents)} tangents for {len(inputs)} inputs")
    out = function(*(Dual(x, t) for x, t in zip(inputs, tangents, strict=True)))
    if isinstance(out, Dual):
        return out.value, out.tangent
    return _array(out), np.zeros_like(_array(out))  # it does not depend on the inputs


def vjp(function: Callable, inputs: Sequence[Any], cotangent: Any = None) -> tuple[Any, tuple]:
    """(value, one array per input: cotangent times the Jacobian) of function(*inputs), in one reverse pass."""
    leaves = [Variable(x) for x in inputs]
    out = function(*leaves)
    if not isinstance(out, Variable):
        return _array(out), tuple(np.zeros_like(leaf.value) for leaf in leaves)
    adjoints = backward(out, cotangent).adjoints
    return out.value, tuple(adjoints.get(leaf, np.zeros_like(leaf.value)) for leaf in leaves)


def gradient(function: Callable, inputs: Sequence[Any], mode: str = "reverse") -> tuple:
    """The gradient of a scalar function, one array per input: one reverse pass, or a forward pass per number."""
    if mode == "reverse":
        return vjp(function, inputs)[1]
    if mode != "forward":
        raise ValueError(f"mode is forward or reverse, not {mode!r}")
    arrays = [_array(x) for x in inputs]
    found = [np.zeros_like(x) for x in arrays]
    for which, x in enumerate(arrays):
        for index in np.ndindex(x.shape):
            tangents = [np.zeros_like(a) for a in arrays]
            tangents[which][index] = 1.0
            value, tangent = jvp(function, arrays, tangents)
            if np.size(value) != 1:
                raise ValueError(f"an output {np.shape(value)} has no gradient: give a scalar")
            found[which][index] = tangent.item()
    return tuple(found)
