import numpy as np
from contract.cases import Case
from oracles import bidirectional as oracle

from deepcanon.sequence import Bidirectional
from deepcanon.sequence.bidirectional import backward_layer, forward_layer, real_steps

LENGTHS = (5, 1, 3)
SHAPES = ((2, 4, 3), (2, 5), (15, 3), (15, 5), (15,), (15,))


def sequence(rng):
    return (rng.normal(size=(3, 5, 4)),)


def padded(rng):
    return rng.normal(size=(3, 5, 4)), np.arange(5) < np.array(LENGTHS)[:, None]


def answer(cell, residual):
    def run(params, x, mask=None):
        lengths = None if mask is None else mask.sum(1)
        outputs, (hidden, memory) = oracle.module(params, x, lengths, cell, residual)
        return outputs, (hidden, memory) if cell == "lstm" else hidden

    return run


def one_layer(end):
    def run(_, x, h, *weights):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        params = {f"{name}_l0{way}": w for name, w in zip(names, weights, strict=True) for way in ("", "_reverse")}
        half = oracle.module(params, x, cell="gru")[0]
        return half[..., 5:] if end else half[..., :5]

    return run


CASES = tuple(
    Case(
        f"bidirectional_{cell}{'_residual' if residual else ''}{'_padded' if inputs is padded else ''}",
        lambda cell=cell, residual=residual: Bidirectional(4, 3, 2, cell=cell, residual=residual),
        inputs,
        answer(cell, residual),
        call=(lambda module, x, mask: module(x, None, mask)) if inputs is padded else None,
        covers=("Bidirectional",),
    )
    for cell, residual, inputs in (
        ("lstm", False, sequence),
        ("gru", False, sequence),
        ("lstm", True, padded),
        ("gru", False, padded),
    )
)
FUNCTIONS = (
    *(
        Case(
            layer.__name__,
            None,
            lambda rng: tuple(rng.normal(size=s) * (s != (2, 5)) for s in SHAPES),  # from a state of zeros
            one_layer(end),
            call=lambda x, h, *weights, layer=layer: layer(x, (h,), weights)[0],
            covers=(layer.__name__,),
        )
        for end, layer in enumerate((forward_layer, backward_layer))
    ),
    Case(
        "real_steps",
        None,
        lambda rng: (rng.integers(0, 7, 5),),
        lambda _, lengths: np.array([[t < n for t in range(6)] for n in lengths]),
        call=lambda lengths: real_steps(lengths, 6),
        covers=("real_steps",),
    ),
)
