import numpy as np
from contract.cases import Case
from oracles import pointer_network as oracle

from deepcanon.sequence import PointerNetwork
from deepcanon.sequence.pointer_network import pointer_nll


def sets(rng):
    return rng.normal(size=(3, 5, 2)), np.array([[0, 2, 4, -1, -1], [1, 3, 2, 0, -1], [0, 4, 3, 2, 1]])


def points(rng):
    return (rng.normal(size=(3, 5, 2)),)


def scored(rng):
    return rng.normal(size=(3, 6, 6)), sets(rng)[1]


DISCRETE = {"gradients": "places are not differentiable", "bf16": "places are discrete"}
CASES = (
    Case("pointer_network", lambda: PointerNetwork(2, 4), sets, oracle.module),
    Case(
        "pointer_network_decoded",
        lambda: PointerNetwork(2, 4),
        points,
        lambda p, x: oracle.decoded(p, x, most=7),
        call=lambda module, x: module.decode(x, most=7),
        gradcheck=False,
        export=False,
        skips=DISCRETE,
    ),
    Case(
        "pointer_network_tour",
        lambda: PointerNetwork(2, 4),
        points,
        lambda p, x: oracle.decoded(p, x, distinct=True),
        call=lambda module, x: module.decode(x, distinct=True),
        gradcheck=False,
        export=False,
        skips=DISCRETE,
    ),
)
FUNCTIONS = (Case("pointer_nll", None, scored, oracle.nll, call=pointer_nll),)
