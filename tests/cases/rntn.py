import numpy as np
from cases.recursive_network import SHAPE, SKIPS, call, leaves, named
from contract.cases import Case
from oracles import rntn as oracle

from deepcanon.sequence import RNTN
from deepcanon.sequence.rntn import tensor_composition

CASES = (
    Case(
        "rntn",
        lambda: RNTN(6, 3, spread=1.0),
        leaves,
        lambda params, words: oracle.network(params, named(SHAPE, words)),
        call=call,
        skips=SKIPS,
        covers=("RNTN", "TensorComposition"),
    ),
)
FUNCTIONS = (
    Case(
        "tensor_composition",
        None,
        lambda rng: tuple(rng.normal(size=size) for size in ((4, 6), (3, 6), 3, (3, 6, 6))),
        lambda params, pairs, *weights: np.stack([oracle.compose(*row.reshape(2, 3), *weights) for row in pairs]),
        call=tensor_composition,
        covers=("tensor_composition",),
    ),
)
