import numpy as np
from cases.recursive_network import SHAPE, SKIPS, call, leaves, named
from contract.cases import Case
from oracles import mv_rnn as oracle

from deepcanon.sequence import MVRNN
from deepcanon.sequence.mv_rnn import matrix_composition


def pair(row):
    left, right = row.reshape(2, 12)
    return tuple((half[:3], half[3:].reshape(3, 3)) for half in (left, right))


def function(params, pairs, *weights):
    found = [oracle.compose(*pair(row), *weights) for row in pairs]
    return np.stack([np.concatenate([p, matrix.ravel()]) for p, matrix in found])


CASES = tuple(
    Case(
        f"mv_rnn_{name}",
        lambda rank=rank, how=how: MVRNN(6, 3, rank=rank, nonlinearity=how, spread=0.5),
        leaves,
        lambda params, words, rank=rank, how=how: oracle.network(params, named(SHAPE, words), 3, rank, how),
        call=call,
        skips=SKIPS,
        covers=("MVRNN", "MatrixComposition"),
    )
    for name, rank, how in (("low_rank", 2, "tanh"), ("full", None, "tanh"), ("clipped", 1, "clip"))
)
FUNCTIONS = (
    Case(
        "matrix_composition",
        None,
        lambda rng: tuple(rng.normal(size=size) for size in ((4, 24), (3, 6), 3, (3, 6))),
        function,
        call=matrix_composition,
        covers=("matrix_composition",),
    ),
)
