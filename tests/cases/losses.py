import numpy as np
from contract.cases import Case
from oracles import losses as oracle

from deepcanon.foundations import losses


def entries(rng):
    return 3 * rng.normal(size=(4, 3)), rng.random(size=(4, 3))


def rows(rng):
    return 2 * rng.normal(size=(5, 4)), rng.integers(4, size=5)


def pair(name, inputs, constants):
    """The loss of each example and the closed-form gradient of the mean, against the definition and complex steps."""
    value, gradient = getattr(losses, name), getattr(losses, f"{name}_gradient")
    defined = getattr(oracle, name)
    return (
        Case(
            name=name,
            build=None,
            call=lambda z, t: (value(z, t, reduction="none"), value(z, t)),
            inputs=inputs,
            oracle=lambda params, z, t: (oracle.values(defined, z, t), oracle.values(defined, z, t).mean()),
            constants=constants,
            covers=(name,),
        ),
        Case(
            name=f"{name}_gradient",
            build=None,
            call=lambda z, t: (gradient(z, t, reduction="sum"), gradient(z, t)),
            inputs=inputs,
            oracle=lambda params, z, t: (
                oracle.gradients(defined, z, t),
                oracle.gradients(defined, z, t) / t.size,
            ),
            constants=constants,
            covers=(f"{name}_gradient",),
        ),
    )


FUNCTIONS = (
    *pair("sigmoid_cross_entropy", entries, (1,)),
    *pair("sigmoid_squared_error", entries, (1,)),
    *pair("softmax_cross_entropy", rows, ()),
    *pair("softmax_squared_error", rows, ()),
    *pair("least_squares", rows, ()),
    Case(
        name="gradient_ratio",
        build=None,
        call=losses.gradient_ratio,
        inputs=lambda rng: (8 * rng.normal(size=7),),
        oracle=lambda params, z: 1 / (2 + 2 * np.cosh(z)),
    ),
)
