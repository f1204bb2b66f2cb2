from contract.cases import Case
from oracles import reconstruction as oracle

from deepcanon.parts.reconstruction import cross_entropy_of, squared_error_of

FUNCTIONS = (
    Case(
        name="squared_error_of",
        build=None,
        call=lambda y, x: squared_error_of(y, x),
        inputs=lambda rng: (rng.normal(size=(4, 5)), rng.normal(size=(4, 5))),
        oracle=lambda params, y, x: oracle.squared(y, x),
    ),
    Case(
        name="cross_entropy_of",
        build=None,
        call=lambda a, x: cross_entropy_of(a, x),
        inputs=lambda rng: (3 * rng.normal(size=(4, 5)), rng.random(size=(4, 5))),
        oracle=lambda params, a, x: oracle.cross_entropy(a, x),
    ),
)
