import math

import numpy as np
from contract.cases import Case
from oracles import gabor as oracle

from deepcanon.parts.gabor import edge_like, fit_gabor, gabor


def draw(rng, count=6):
    low = [-3, -3, -3, 0.1, math.log(1.0), math.log(1.0), -1, -1]
    high = [3, 3, 3, 0.35, math.log(4.0), math.log(4.0), 1, 1]
    return (rng.uniform(low, high, size=(count, 8)),)


FUNCTIONS = (
    Case(
        name="gabor",
        build=None,
        call=lambda p: gabor(p, 9, 11),
        inputs=draw,
        oracle=lambda params, p: oracle.gabor(p, 9, 11),
        covers=("gabor",),
    ),
    Case(
        name="gabor_fit",
        build=None,
        call=lambda p: fit_gabor(gabor(p, 10, 10)).r2.round(decimals=4),
        inputs=draw,
        oracle=lambda params, p: np.ones(len(p)),
        covers=("fit_gabor",),
        gradcheck=False,
    ),
    Case(
        name="gabor_edge_like",
        build=None,
        call=lambda p: edge_like(p, 9, 11),
        inputs=lambda rng: draw(rng, 40),
        oracle=lambda params, p: oracle.edge_like(p, 9, 11),
        covers=("edge_like",),
        gradcheck=False,
    ),
)
