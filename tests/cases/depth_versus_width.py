import numpy as np
import torch
from contract.cases import Case
from oracles import depth_versus_width as oracle

from deepcanon.foundations import TentNetwork
from deepcanon.foundations.depth_versus_width import (
    breakpoints,
    equal_width,
    least_squared_error,
    linear_pieces,
    most_pieces,
    multiplications,
    parameters,
    tent,
)

SIZES = ((784, 126, 10), (3, 4, 5, 6, 2))
BUDGETS = ((784, 10, 1, 100_000), (784, 10, 3, 100_000), (64, 10, 2, 5000), (5, 3, 4, 1))


def numbers(values):
    return torch.tensor(values, dtype=torch.float64)


def shallow(weight, bias, out):
    """(bends and their number of pieces) of one hidden layer."""
    layers = [torch.nn.Linear(1, len(weight)), torch.nn.ReLU(), torch.nn.Linear(len(weight), 1)]
    with torch.no_grad():
        for parameter, value in zip((layers[0].weight, layers[0].bias, layers[2].weight),
                                    (weight[:, None], bias, out[None]), strict=True):  # fmt: skip
            parameter.data = value.double()
        layers[2].bias.data = numbers([0.3])
    return breakpoints(layers, -2.0, 2.0)[0], numbers(float(linear_pieces(layers, -2.0, 2.0)))


def shallow_oracle(params, weight, bias, out):
    bends = oracle.shallow_bends(weight, bias, -2, 2)
    return np.array([-2, *bends, 2]), float(len(bends) + 1)


CASES = (
    Case(
        name="tent_network",
        build=lambda: TentNetwork(4),
        inputs=lambda rng: (rng.integers(0, 1025, size=(7, 1)) / 1024 + 1 / 4096,),
        oracle=lambda params, x: oracle.tents(x, 4),
        covers=("TentNetwork",),
    ),
)

FUNCTIONS = (
    Case(
        name="tent",
        build=None,
        call=tent,
        inputs=lambda rng: (rng.normal(size=9),),
        oracle=lambda params, x: oracle.tents(x, 1),
    ),
    Case(
        name="bends_of_one_layer",
        build=None,
        call=shallow,
        inputs=lambda rng: (rng.normal(size=12), rng.normal(size=12), rng.normal(size=12)),
        oracle=shallow_oracle,
        covers=("breakpoints", "linear_pieces"),
        gradcheck=False,
    ),
    Case(
        name="most_pieces",
        build=None,
        call=lambda: numbers([most_pieces((40,)), most_pieces((2,) * 6), most_pieces(())]),
        inputs=lambda rng: (),
        oracle=lambda params: np.array([41, 3**6, 1]),
    ),
    Case(
        name="least_squared_error",
        build=None,
        call=lambda: numbers([least_squared_error(6, pieces) for pieces in (1, 41, 63, 64, 100)]),
        inputs=lambda rng: (),
        oracle=lambda params: np.array([63, 23, 1, 0, 0]) / 64 * oracle.line_against_tent(0.5),
    ),
    Case(
        name="counted_networks",
        build=None,
        call=lambda: numbers([[parameters(sizes), multiplications(sizes)] for sizes in SIZES]),
        inputs=lambda rng: (),
        oracle=lambda params: np.array([[oracle.parameters(s), oracle.multiplications(s)] for s in SIZES]),
        covers=("parameters", "multiplications"),
    ),
    Case(
        name="equal_width",
        build=None,
        call=lambda: numbers([equal_width(*given) for given in BUDGETS]),
        inputs=lambda rng: (),
        oracle=lambda params: np.array([oracle.equal_width(*given) for given in BUDGETS]),
    ),
)
