from contract.cases import Case
from oracles import softmax_regression as oracle

from deepcanon.foundations import SoftmaxRegression
from deepcanon.foundations.softmax_regression import softmax_both, softmax_gradient, softmax_objective


def randomised():
    import torch

    model = SoftmaxRegression(5, 3)  # zero at the start, which would hide a transposed weight
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


CASES = (
    Case(
        name="softmax_regression",
        build=randomised,
        inputs=lambda rng: (rng.normal(size=(4, 5)),),
        oracle=lambda params, x: oracle.logits(x, params["weight"], params["bias"]),
        covers=("SoftmaxRegression",),
    ),
)


def problem(rng):
    return rng.normal(size=(3, 5)), rng.normal(size=3), rng.normal(size=(4, 5)), rng.integers(3, size=4)


FUNCTIONS = (
    Case(
        name="softmax_objective",
        build=None,
        call=lambda weight, bias, x, y: softmax_objective(weight, bias, x, y, decay=0.1),
        inputs=problem,
        oracle=lambda params, weight, bias, x, y: oracle.objective(x, y, weight, bias, 0.1),
    ),
    Case(
        name="softmax_both",
        build=None,
        call=lambda weight, bias, x, y: softmax_both(weight, bias, x, y, decay=0.1),
        inputs=problem,
        oracle=lambda params, weight, bias, x, y: (
            oracle.objective(x, y, weight, bias, 0.1),
            *oracle.gradient(x, y, weight, bias, 0.1),
        ),
    ),
    Case(
        name="softmax_gradient",
        build=None,
        call=lambda weight, bias, x, y: softmax_gradient(weight, bias, x, y, decay=0.1),
        inputs=problem,
        oracle=lambda params, weight, bias, x, y: oracle.gradient(x, y, weight, bias, 0.1),
    ),
)
