import numpy as np
from contract.cases import Case
from oracles import masks as oracle

from deepcanon.parts.masks import masked_softmax, real_positions, reversed_rows

# A gap within a row, a row with one place, an empty row.
REAL = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=bool)

CASES = ()
FUNCTIONS = (
    Case(
        "real_positions",
        None,
        lambda rng: (np.array([3, 0, 5, 1]), 5),
        lambda params, lengths, width: oracle.real_positions(lengths, width),
        call=real_positions,
        gradcheck=False,
    ),
    Case(
        "reversed_rows",
        None,
        lambda rng: (rng.normal(size=(3, 4, 2)), np.array([4, 2, 0])),
        lambda params, *values: oracle.reversed_rows(*values),
        call=reversed_rows,
        rows=True,
    ),
    Case(
        "masked_softmax",
        None,
        lambda rng: (rng.normal(size=(4, 4)), REAL),
        lambda params, *values: oracle.masked_softmax(*values),
        call=masked_softmax,
        rows=True,
    ),
    Case(
        "masked_softmax_of_steps",
        None,
        lambda rng: (rng.normal(size=(4, 3, 4)), REAL),
        lambda params, *values: oracle.masked_softmax(*values),
        call=masked_softmax,
        rows=True,
    ),
)
