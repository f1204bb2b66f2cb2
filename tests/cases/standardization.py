import numpy as np
from contract.cases import Case
from oracles import standardization as oracle

from deepcanon.foundations import Unstandardize, fit_standardize
from deepcanon.foundations.standardization import curvature_spread, training_statistics
from deepcanon.parts.standardize import Standardize


def images(rng):
    """Whole numbers, so that sums are exact; pixel (0, 1, 1) is constant."""
    x = rng.integers(0, 256, size=(16, 2, 3, 4)).astype(float)
    x[:, 0, 1, 1] = 93.0
    return (x,)


def table(rng):
    x = rng.normal(size=(30, 4)) * [1, 3, 0.2, 9] + [5, 0, -2, 40]
    return (x,)


def unstandardize(shape):
    """The inverse of a module with statistics of that shape, all different."""
    rng = np.random.default_rng(3)
    return Unstandardize(Standardize(rng.normal(size=shape), rng.uniform(0.5, 2, size=shape)))


CASES = (
    Case(
        name="unstandardize_channels",
        build=lambda: unstandardize((2,)),
        inputs=lambda rng: (rng.normal(size=(3, 2, 4, 4)),),
        oracle=lambda params, y: y * params["scale"][:, None, None] + params["shift"][:, None, None],
        covers=("Unstandardize",),
    ),
    Case(
        name="unstandardize_features",
        build=lambda: unstandardize((2, 3)),
        inputs=lambda rng: (rng.normal(size=(3, 2, 3)),),
        oracle=lambda params, y: y * params["scale"] + params["shift"],
    ),
)

FUNCTIONS = (
    *(
        Case(
            name=f"statistics_per_{per}",
            build=None,
            call=lambda x, per=per: [value.double() for value in training_statistics(x.split(5), per)],
            inputs=images,
            oracle=lambda params, x, per=per: list(oracle.statistics(x, per)),
            covers=("training_statistics",),
            skips={"gradcheck": "statistics are facts of the data"},
        )
        for per in ("value", "channel", "feature")
    ),
    Case(
        name="fit_standardize",
        build=None,
        call=lambda x: fit_standardize([x], "feature").double()(x),
        inputs=images,
        oracle=lambda params, x: (
            (x - np.float32(oracle.statistics(x, "feature")[0])) / np.float32(oracle.statistics(x, "feature")[1])
        ),
        skips={"gradcheck": "statistics are facts of the data"},
    ),
    Case(
        name="curvature_spread",
        build=None,
        call=lambda x: [curvature_spread(x), curvature_spread(x, bias=False)],
        inputs=table,
        oracle=lambda params, x: [oracle.curvature_spread(x, True), oracle.curvature_spread(x, False)],
    ),
)
