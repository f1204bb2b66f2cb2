import numpy as np
import torch
from contract.cases import Case
from oracles import fractional_pooling as oracle

from deepcanon.vision import FractionalMaxPool
from deepcanon.vision.fractional_pooling import borders, fractional_pool

ROWS, COLUMNS = [1, 3, 4, 6, 7], [1, 2, 4, 6]


def function(overlapping):
    return Case(
        name=f"fractional_pool_{'overlapping' if overlapping else 'disjoint'}",
        build=None,
        call=lambda x: fractional_pool(x, torch.tensor(ROWS) - 1, torch.tensor(COLUMNS) - 1, overlapping=overlapping),
        inputs=lambda rng: (rng.normal(size=(2, 3, 7, 6)),),
        oracle=lambda p, x: oracle.pooled(x, ROWS, COLUMNS, overlapping),
    )


CASES = (
    Case(
        name="fractional_max_pool",
        build=lambda: FractionalMaxPool(1.6),
        inputs=lambda rng: (rng.normal(size=(2, 3, 8, 7)),),
        oracle=lambda p, x: oracle.pooled(x, oracle.pseudorandom(8, 5, 0.5), oracle.pseudorandom(7, 4, 0.5), True),
    ),
)

FUNCTIONS = (
    function(True),
    function(False),
    Case(
        name="borders",
        build=None,
        call=lambda u: borders(28, 17, offset=u),
        inputs=lambda rng: (rng.random(()),),
        oracle=lambda p, u: np.array(oracle.pseudorandom(28, 17, float(u))) - 1,
        gradcheck=False,
    ),
)
