import numpy as np
from contract.cases import Case
from oracles import seq2seq as oracle

from deepcanon.sequence import Seq2Seq

WAYS = [{"peeky": peeky, "backwards": backwards} for peeky in (False, True) for backwards in (True, False)]


def sentences(rng):
    """Two sources of 4 and 2 words, the targets' inputs; what stands on pads is drawn too."""
    return rng.integers(0, 7, size=(2, 4)), np.array([4, 2]), rng.integers(0, 6, size=(2, 3))


CASES = tuple(
    Case(
        f"seq2seq{'_peeky' * way['peeky']}{'' if way['backwards'] else '_forwards'}",
        lambda way=way: Seq2Seq(7, 6, 4, embedding_size=3, **way),
        sentences,
        lambda params, *values, way=way: oracle.module(params, *values, **way),
        call=lambda module, *values: module.output(module(*values)[0]),
        covers=("Seq2Seq",),
    )
    for way in WAYS
)
FUNCTIONS = ()
