import numpy as np
from contract.cases import Case
from oracles import poem as oracle

from deepcanon.sequence import PoemLM, poem_nll


def padded(rng):
    inside = np.arange(4) < np.array([[4], [2], [3]])
    return rng.normal(size=(3, 4, 6)), rng.integers(0, 6, size=(3, 4)), inside


CASES = (
    Case(
        "poem",
        lambda: PoemLM(9, 4, closing=2, layers=2, embedding_size=3),
        lambda rng: (rng.integers(0, 9, size=(3, 5)),),
        lambda params, poems: oracle.forward(params, poems, 2),
        covers=("PoemLM",),
    ),
    Case(
        "poem_tied",
        lambda: PoemLM(9, 4, closing=0, tied=True),
        lambda rng: (rng.integers(0, 9, size=(2, 4)),),
        lambda params, poems: oracle.forward(params, poems, 0),
    ),
)
FUNCTIONS = (
    Case(
        "poem_nll",
        None,
        padded,
        lambda params, logits, targets, inside: oracle.nll(logits, targets, inside),
        call=poem_nll,
    ),
)
