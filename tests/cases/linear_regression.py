import numpy as np
from contract.cases import Case
from oracles import linear_regression as oracle

from deepcanon.foundations import LinearRegression
from deepcanon.foundations.linear_regression import (
    linear_both,
    linear_gradient,
    linear_objective,
    merge_triangles,
    solve_triangle,
    triangle,
)


def fitted(outputs):
    rng = np.random.default_rng(7)
    x, noise = rng.normal(size=(40, 5)) + 3, rng.normal(size=(40, 2))
    y = x @ rng.normal(size=(5, 2)) + noise
    return LinearRegression().fit(x, y if outputs else y[:, 0])


CASES = (
    Case(
        name="linear_regression",
        build=lambda: fitted(outputs=True),
        inputs=lambda rng: (rng.normal(size=(6, 5)),),
        oracle=lambda params, x: oracle.predict(x, params["coef_"], params["intercept_"]),
        covers=("LinearRegression",),
    ),
    Case(
        name="linear_regression_one_output",
        build=lambda: fitted(outputs=False),
        inputs=lambda rng: (rng.normal(size=(6, 5)),),
        oracle=lambda params, x: oracle.predict(x, params["coef_"][None], params["intercept_"][None])[:, 0],
    ),
    Case(
        name="linear_regression_likelihood",
        build=lambda: fitted(outputs=True),
        call=lambda module, x, y: module.log_likelihood(x, y),
        inputs=lambda rng: (rng.normal(size=(6, 5)), rng.normal(size=(6, 2))),
        oracle=lambda params, x, y: oracle.log_likelihood(
            x, y, params["coef_"], params["intercept_"], params["variance_"]
        ),
        export=False,
    ),
)


def problem(rng):
    return rng.normal(size=(2, 4)), rng.normal(size=2), rng.normal(size=(9, 4)), rng.normal(size=(9, 2))


def in_parts(x, y):
    return merge_triangles(triangle(x[:3], y[:3]), triangle(x[3:], y[3:]))


FUNCTIONS = (
    Case(
        name="linear_objective",
        build=None,
        call=lambda weight, bias, x, y: linear_objective(weight, bias, x, y, ridge=0.3),
        inputs=problem,
        oracle=lambda params, weight, bias, x, y: oracle.objective(x, y, weight, bias, 0.3),
    ),
    Case(
        name="linear_both",
        build=None,
        call=lambda weight, bias, x, y: linear_both(weight, bias, x, y, ridge=0.3),
        inputs=problem,
        oracle=lambda params, weight, bias, x, y: (
            oracle.objective(x, y, weight, bias, 0.3),
            *oracle.gradient(x, y, weight, bias, 0.3),
        ),
    ),
    Case(
        name="linear_gradient",
        build=None,
        call=lambda weight, bias, x, y: linear_gradient(weight, bias, x, y, ridge=0.3),
        inputs=problem,
        oracle=lambda params, weight, bias, x, y: oracle.gradient(x, y, weight, bias, 0.3),
    ),
    *(
        Case(
            name=f"linear_fit_ridge_{ridge:g}",
            build=None,
            call=lambda x, y, ridge=ridge: solve_triangle(in_parts(x, y), 4, ridge=ridge),
            inputs=lambda rng: (rng.normal(size=(12, 4)) + 5, rng.normal(size=(12, 2))),
            oracle=lambda params, x, y, ridge=ridge: oracle.fit(x, y, ridge),
            gradcheck=False,  # torch does not differentiate the factor of a batch with fewer rows than columns
            covers=("triangle", "merge_triangles", "solve_triangle", "in_parts"),
        )
        for ridge in (0.0, 0.4)
    ),
)
