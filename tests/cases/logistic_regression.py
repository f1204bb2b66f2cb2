from contract.cases import Case
from oracles import logistic_regression as oracle

from deepcanon.foundations import LogisticRegression, logistic_loss
from deepcanon.foundations.logistic_regression import (
    decay_of_c,
    logistic_both,
    logistic_gradient,
    logistic_objective,
    separates,
)


def randomised():
    import torch

    model = LogisticRegression(5)  # zero at the start
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


CASES = (
    Case(
        name="logistic_regression",
        build=randomised,
        inputs=lambda rng: (rng.normal(size=(4, 5)),),
        oracle=lambda params, x: oracle.logits(x, params["weight"], params["bias"]),
        covers=("LogisticRegression",),
    ),
)


def problem(rng):
    return rng.normal(size=5), rng.normal(size=1), rng.normal(size=(7, 5)), rng.integers(2, size=7)


FUNCTIONS = (
    Case(
        name="logistic_loss",
        build=None,
        call=lambda a, y: logistic_loss(a, y, reduction="none"),
        inputs=lambda rng: (60 * rng.normal(size=9), rng.integers(2, size=9)),
        oracle=lambda params, a, y: oracle.losses(a, y),
    ),
    Case(
        name="logistic_objective",
        build=None,
        call=lambda weight, bias, x, y: logistic_objective(weight, bias[0], x, y, decay=decay_of_c(2.0, 7)),
        inputs=problem,
        oracle=lambda params, weight, bias, x, y: oracle.objective(x, y, weight, bias[0], 1 / 14),
    ),
    Case(
        name="logistic_both",
        build=None,
        call=lambda weight, bias, x, y: logistic_both(weight, bias[0], x, y, decay=0.1),
        inputs=problem,
        oracle=lambda params, weight, bias, x, y: (
            oracle.objective(x, y, weight, bias[0], 0.1),
            *oracle.gradient(x, y, weight, bias[0], 0.1),
        ),
    ),
    Case(
        name="logistic_gradient",
        build=None,
        call=lambda weight, bias, x, y: logistic_gradient(weight, bias[0], x, y, decay=0.1),
        inputs=problem,
        oracle=lambda params, weight, bias, x, y: oracle.gradient(x, y, weight, bias[0], 0.1),
    ),
    Case(
        name="separates",
        build=None,
        call=lambda a, y: (separates(a, y), separates(a.abs() * (2 * y - 1), y)),
        inputs=lambda rng: (rng.normal(size=9), rng.integers(2, size=9)),
        oracle=lambda params, a, y: (oracle.separates(a, y), oracle.separates(abs(a) * (2 * y - 1), y)),
    ),
)
