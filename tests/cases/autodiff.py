import numpy as np
import torch
from contract.cases import Case
from oracles import autodiff as oracle

from deepcanon.foundations.autodiff import Dual, Variable, backward, gradient, jvp, vjp


def function(x, w, b):
    h = np.tanh(x @ w + b)
    return np.sum(np.exp(-(h**2)) * b) + (x**2).sum() / (1 + np.square(b).sum()) + (h[0] * b[::-1]).sum()


def inputs(rng):
    return rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=2)


def arrays(*tensors):
    return [tensor.detach().double().numpy() for tensor in tensors]


def tensors(*values):
    return [torch.from_numpy(np.array(value)) for value in values]


def graph(x, w, b):
    leaves = [Variable(value) for value in arrays(x, w, b)]
    sweep = backward(function(*leaves))
    return tensors(sweep.nodes[0].value, *(sweep.adjoints[leaf] for leaf in leaves))


def pair(x, w, b):
    x, w, b = arrays(x, w, b)
    out = function(Dual(x, np.cos(x)), Dual(w, w), Dual(b, np.ones_like(b)))
    return tensors(out.value, out.tangent)


def both(x, w, b):
    given = arrays(x, w, b)
    value, tangent = jvp(function, given, [np.sin(a) for a in given])
    again, grads = vjp(function, given, 3.0)
    return tensors(value, tangent, again, *grads)


def expected_pair(params, x, w, b):
    return oracle.function(x, w, b), oracle.along((x, w, b), (np.cos(x), w, np.ones_like(b)))


def expected_both(params, *given):
    value = oracle.function(*given)
    tripled = [3 * g for g in oracle.gradient(*given)]
    return value, oracle.along(given, [np.sin(a) for a in given]), value, *tripled


FUNCTIONS = (
    Case(
        name="autodiff_graph",
        build=None,
        call=graph,
        inputs=inputs,
        oracle=lambda params, *given: (oracle.function(*given), *oracle.gradient(*given)),
        covers=("Variable", "backward"),
    ),
    Case(name="autodiff_dual", build=None, call=pair, inputs=inputs, oracle=expected_pair, covers=("Dual",)),
    Case(name="autodiff_modes", build=None, call=both, inputs=inputs, oracle=expected_both, covers=("jvp", "vjp")),
    *(
        Case(
            name=f"autodiff_gradient_{mode}",
            build=None,
            call=lambda x, w, b, mode=mode: tensors(*gradient(function, arrays(x, w, b), mode)),
            inputs=inputs,
            oracle=lambda params, *given: oracle.gradient(*given),
            covers=("gradient",),
        )
        for mode in ("forward", "reverse")
    ),
)
