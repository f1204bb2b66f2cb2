import numpy as np
from contract.cases import Case
from oracles import softmax_temperature as oracle

from deepcanon.foundations import calibration_error, fit_temperature, softmax_temperature
from deepcanon.foundations.softmax_temperature import entropy, log_softmax_temperature, reliability


def rows(rng):
    return (3 * rng.normal(size=(6, 4)),)


def judged(rng):
    p = rng.dirichlet(np.ones(4), size=40)
    return p, rng.integers(4, size=40)


def minimum(logits, labels):
    """Golden-section search on log T: the loss is convex in 1/T, so that it has one valley in log T too."""
    low, high, ratio = np.log(1e-2), np.log(1e2), (5**0.5 - 1) / 2
    for _ in range(120):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (
            (low, b) if oracle.nll(logits, labels, np.exp(a)) < oracle.nll(logits, labels, np.exp(b)) else (a, high)
        )
    return np.exp((low + high) / 2)


def flattest(logits, labels):
    """The loss at the temperature that was found; near its minimum it knows twice the digits of the place."""
    import torch

    return -log_softmax_temperature(logits, fit_temperature(logits, labels))[torch.arange(len(labels)), labels].mean()


FUNCTIONS = (
    *(
        Case(
            name=f"softmax_temperature_{t:g}",
            build=None,
            call=lambda a, t=t: (softmax_temperature(a, t), log_softmax_temperature(a, t)),
            inputs=rows,
            oracle=lambda params, a, t=t: (oracle.softmax(a, t), oracle.log_softmax(a, t)),
        )
        for t in (0.3, 1.0, 20.0)
    ),
    Case(
        name="softmax_temperature_entropy",
        build=None,
        call=lambda a: entropy(softmax_temperature(a, 2.0)),
        inputs=rows,
        oracle=lambda params, a: oracle.entropy(oracle.softmax(a, 2.0)),
    ),
    Case(
        name="fit_temperature",
        build=None,
        call=flattest,
        inputs=lambda rng: (5 * rng.normal(size=(50, 4)), rng.integers(4, size=50)),
        oracle=lambda params, a, y: oracle.nll(a, y, minimum(a, y)),
        gradcheck=False,
        covers=("fit_temperature",),
    ),
    Case(
        name="reliability",
        build=None,
        call=lambda p, y: (reliability(p, y, 10), calibration_error(p, y, 10)),
        inputs=judged,
        oracle=lambda params, p, y: (oracle.reliability(p, y, 10), oracle.calibration_error(p, y, 10)),
        gradcheck=False,
    ),
)
