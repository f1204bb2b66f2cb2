import torch
from contract.cases import Case
from oracles import planted_bugs as oracle

from deepcanon.foundations.planted_bugs import PAIRS, explicit


def case(pair):
    def inputs(rng):
        xs = [rng.normal(size=shape) for shape in pair.inputs]
        return rng.normal(size=oracle.LAYERS[pair.name](*(x.astype(complex) for x in xs)).shape or (1,)), *xs

    def call(cotangent, *xs):
        xs = tuple(x.detach().requires_grad_() for x in xs)
        with torch.enable_grad():
            output = explicit(pair, *xs)
            gradients = torch.autograd.grad((output * cotangent.detach()).sum(), xs)
        return output.detach(), *gradients

    return Case(
        name="pair_" + "_".join("".join(c if c.isalnum() else " " for c in pair.name).lower().split()),
        build=None,
        call=call,
        inputs=inputs,
        oracle=lambda params, cotangent, *xs: oracle.value_and_gradients(pair.name, cotangent, *xs),
        covers=("explicit",),
    )


# Dropout draws its own mask: its right half is tested in tests/foundations/test_planted_bugs.py.
FUNCTIONS = tuple(case(pair) for pair in PAIRS if pair.name in oracle.LAYERS)
