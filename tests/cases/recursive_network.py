import numpy as np
from contract.cases import Case
from oracles import recursive_network as oracle

from deepcanon.parts.trees import Trees
from deepcanon.sequence import RecursiveNetwork
from deepcanon.sequence.recursive_network import linear_composition

SHAPE = [((0, 1), (2, (3, 4))), 5, ((6, 7), 8), (9, 10)]  # numbers of leaves
FOREST = Trees.of(SHAPE).forest()
SKIPS = {"rows": "nodes of all trees share one axis; the tests compare each tree alone with the batch"}


def leaves(rng):
    return (rng.integers(0, 6, size=11),)


def named(shape, words):
    """The trees with words at their leaves."""
    if isinstance(shape, tuple | list):
        return type(shape)(named(part, words) for part in shape)
    return int(words[shape])


def call(module, words):
    return module(FOREST._replace(words=words[FOREST.words]))


CASES = (
    Case(
        "recursive_network",
        lambda: RecursiveNetwork(6, 3, spread=1.0),
        leaves,
        lambda params, words: oracle.network(params, named(SHAPE, words)),
        call=call,
        skips=SKIPS,
        covers=("RecursiveNetwork", "LinearComposition"),
    ),
)
FUNCTIONS = (
    Case(
        "linear_composition",
        None,
        lambda rng: (rng.normal(size=(4, 6)), rng.normal(size=(3, 6)), rng.normal(size=3)),
        lambda params, pairs, weight, bias: np.stack(
            [oracle.linear({"weight": weight, "bias": bias})(*row.reshape(2, 3)) for row in pairs]
        ),
        call=linear_composition,
        covers=("linear_composition",),
    ),
)
