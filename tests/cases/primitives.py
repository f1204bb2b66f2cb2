import numpy as np
import torch
from contract.cases import Case
from oracles import primitives as oracle

from deepcanon.foundations.primitives import PRIMITIVES

TWO = ("add", "subtract", "multiply", "divide", "power", "maximum", "minimum")
ONE = ("negative", "exp", "log", "sqrt", "square", "sin", "cos", "tanh", "absolute", "relu")
POSITIVE = ("divide", "power", "log", "sqrt")  # where the arguments must not be near 0 or below
AXIS = {"axis": 1, "keepdims": False}
SHAPED = (
    ("sum", [(2, 3)], AXIS),
    ("sum", [(2, 3)], {"axis": None, "keepdims": True}),
    ("max", [(2, 3)], AXIS),
    ("reshape", [(2, 3)], {"to": (3, 2)}),
    ("transpose", [(2, 3, 4)], {"axes": (2, 0, 1)}),
    ("index", [(3, 4)], {"key": (slice(None), [0, 2, 2])}),
    ("index", [(3, 4)], {"key": (1, slice(1, None))}),
    ("where", [(2, 3), (3,)], {"mask": np.array([[True, False, True], [False, False, True]])}),
    ("matmul", [(2, 3), (3, 4)], {}),
    ("matmul", [(3,), (3,)], {}),
    ("matmul", [(2, 3), (3,)], {}),
    ("matmul", [(5, 2, 3), (3, 4)], {}),
    ("concatenate", [(2, 3), (1, 3)], {"axis": 0}),
)


def case(name, shapes, options, number=0):
    def inputs(rng):
        xs = [rng.normal(size=shape) for shape in shapes]
        if name in POSITIVE:
            xs = [np.abs(x) + 0.5 for x in xs]
        out = oracle.FUNCTIONS[name](*(x.astype(complex) for x in xs), **options)
        return xs, [rng.normal(size=shape) for shape in shapes], rng.normal(size=out.shape)

    def call(xs, tangents, adjoint):
        xs, tangents = ([x.detach().double().numpy() for x in part] for part in (xs, tangents))
        primitive, places = PRIMITIVES[name], range(len(xs))
        out = primitive.value(*xs, **options)
        adjoint = adjoint.detach().double().numpy()
        pushed = [np.broadcast_to(primitive.push(i, tangents[i], out, xs, **options), np.shape(out)) for i in places]
        pulled = [primitive.pull(i, adjoint, out, xs, **options) for i in places]
        return [torch.from_numpy(np.array(leaf)) for leaf in (out, *pushed, *pulled)]

    return Case(
        name="_".join(
            ["primitive", name, *("x".join(map(str, shape)) for shape in shapes), *([str(number)] * (number > 0))]
        ),
        build=None,
        call=call,
        inputs=inputs,
        oracle=lambda params, xs, tangents, adjoint: oracle.value_and_maps(name, xs, tangents, adjoint, **options),
        covers=("PRIMITIVES",),
    )


FUNCTIONS = (
    *(case(name, [(2, 3)], {}) for name in ONE),
    *(case(name, shapes, {}) for name in TWO for shapes in ([(2, 3), (2, 3)], [(3,), (2, 1)], [(1,), (2, 3)])),
    *(case(*shaped, number) for number, shaped in enumerate(SHAPED, 1)),
)
