import numpy as np
from contract.cases import Case
from oracles import activations as oracle

from deepcanon.vision import ELU, LeakyReLU, Maxout, PReLU, RReLU
from deepcanon.vision.activations import elu, elu_backward, maxout, rectifier, rectifier_backward


def drawn(rng, *shape):
    """Away from 0, where the derivatives jump."""
    z = rng.normal(size=shape)
    return np.where(np.abs(z) < 0.05, 0.1, z)


def slopes(params, z, slope, grad):
    one = oracle.derivative(lambda v: oracle.rectifier(v, slope), z)
    return grad * one, grad * np.where(z > 0, 0, z)


def module(name, build, expected, covers=()):
    return Case(name=name, build=build, inputs=lambda rng: (drawn(rng, 4, 3),), oracle=expected, covers=covers)


CASES = (
    module("leaky_relu", LeakyReLU, lambda params, z: oracle.rectifier(z, 0.01)),
    module("prelu", PReLU, lambda params, z: oracle.rectifier(z, params["slope"])),
    module("prelu_by_channel", lambda: PReLU(3, 0.1), lambda params, z: oracle.rectifier(z, params["slope"])),
    module("rrelu", RReLU, lambda params, z: oracle.rectifier(z, (1 / 8 + 1 / 3) / 2)),
    module("elu", lambda: ELU(1.5), lambda params, z: oracle.elu(z, 1.5)),
    module("maxout", lambda: Maxout(3, 4, pieces=3), lambda params, x: oracle.maxout_layer(params, x, 3)),
)

FUNCTIONS = (
    Case(
        name="rectifier",
        build=None,
        call=rectifier,
        inputs=lambda rng: (drawn(rng, 5, 4), rng.uniform(0, 1, (5, 4))),
        oracle=lambda params, z, slope: oracle.rectifier(z, slope),
    ),
    Case(
        name="rectifier_backward",
        build=None,
        call=rectifier_backward,
        inputs=lambda rng: (drawn(rng, 5, 4), rng.uniform(0, 1, (5, 4)), rng.normal(size=(5, 4))),
        oracle=slopes,
    ),
    Case(
        name="elu_by_hand",
        build=None,
        call=lambda z, grad: (elu(z, 0.7), elu_backward(elu(z, 0.7), grad, 0.7)),
        inputs=lambda rng: (drawn(rng, 5, 4), rng.normal(size=(5, 4))),
        oracle=lambda params, z, grad: (
            oracle.elu(z, 0.7),
            grad * oracle.derivative(lambda v: oracle.elu(v, 0.7), z),
        ),
        covers=("elu", "elu_backward"),
    ),
    Case(
        name="maxout_of_values",
        build=None,
        call=lambda z: maxout(z, 2),
        inputs=lambda rng: (rng.normal(size=(3, 8)),),
        oracle=lambda params, z: oracle.maxout(z, 2),
    ),
)
