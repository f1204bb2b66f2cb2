import numpy as np
from contract.cases import Case
from oracles import naive_bayes as oracle

from deepcanon.foundations import NaiveBayes
from deepcanon.foundations.naive_bayes import (
    bits_per_dimension,
    class_moments,
    gaussian_log,
    merge_classes,
    telling_features,
)

KINDS = ("gaussian", "bernoulli", "multinomial")


def rows(rng, kind, count):
    if kind == "gaussian":
        return rng.normal(size=(count, 5)) * np.arange(1, 6) + 10
    return rng.integers(2, size=(count, 5)) * 1.0 if kind == "bernoulli" else rng.integers(6, size=(count, 5)) * 1.0


def fitted(kind):
    rng = np.random.default_rng(7)
    return NaiveBayes(kind, smoothing=0.1).fit(rows(rng, kind, 40), np.arange(40) % 3)


def learned(kind):
    """Parameters from moments of two batches, of which the first lacks a class."""

    def run(x, y):
        parts = class_moments(x[:4], y[:4], 3), class_moments(x[4:], y[4:], 3)
        model = NaiveBayes(kind, smoothing=0.1).fit_moments(merge_classes(*parts))
        return model.log_prior_.exp(), model.theta_, *([model.variance_] if kind == "gaussian" else [])

    return run


def expected(kind):
    def run(params, x, y):
        prior, theta, variance = oracle.fit(x, y, 3, kind, 0.1)
        return prior, theta, *([variance] if kind == "gaussian" else [])

    return run


CASES = tuple(
    Case(
        name=f"naive_bayes_{kind}",
        build=lambda kind=kind: fitted(kind),
        inputs=lambda rng, kind=kind: (rows(rng, kind, 6),),
        oracle=lambda params, x, kind=kind: oracle.joint(
            x, np.exp(params["log_prior_"]), params["theta_"], params["variance_"], kind
        ),
        covers=("NaiveBayes",),
    )
    for kind in KINDS
)

FUNCTIONS = (
    *(
        Case(
            name=f"naive_bayes_fit_{kind}",
            build=None,
            call=learned(kind),
            inputs=lambda rng, kind=kind: (rows(rng, kind, 20), np.array([0, 1] * 4 + [2, 0, 1] * 4)),
            oracle=expected(kind),
            gradcheck=kind == "gaussian",
            covers=("class_moments", "merge_classes", "learned"),
        )
        for kind in KINDS
    ),
    Case(
        name="bits_per_dimension",
        build=None,
        call=lambda log: bits_per_dimension(log, 7),
        inputs=lambda rng: (-5 * rng.random(6),),
        oracle=lambda params, log: oracle.bits(log, 7),
        covers=("bits_per_dimension",),
    ),
    Case(
        name="gaussian_log",
        build=None,
        call=lambda x, theta, variance: gaussian_log(theta, variance)(x),
        # The last feature has a variance far below the squared distance of its means: it is taken as it stands.
        inputs=lambda rng: (
            rows(rng, "gaussian", 6),
            10 + 3 * rng.normal(size=(3, 5)) * [1, 1, 1, 1, 30],
            (0.5 + rng.random((3, 5))) * [1, 1, 1, 1, 0.05],
        ),
        oracle=lambda params, x, theta, variance: oracle.joint(x, [1.0] * 3, theta, variance, "gaussian"),
        rows=False,
    ),
    Case(
        name="telling_features",
        build=None,
        call=lambda theta: telling_features(theta),
        inputs=lambda rng: (rng.random((3, 6)),),
        oracle=lambda params, theta: oracle.telling(theta),
        rows=False,
    ),
)
