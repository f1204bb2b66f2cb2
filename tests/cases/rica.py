import numpy as np
from contract.cases import Case
from oracles import rica as oracle

from deepcanon.representation.rica import RICA, distinct_share, rica_gradient, rica_objective

OPTIONS = {
    "smooth": {"penalty": 0.7},
    "log_cosh": {"penalty": 0.7, "sparsity": "log-cosh"},
    "scaled": {"penalty": 0.7, "scale_rows": True},
}


def pair(rng):
    return rng.normal(size=(7, 4)), rng.laplace(size=(6, 4))


CASES = tuple(
    Case(
        name=f"rica{'_scaled' if scaled else ''}",
        build=lambda scaled=scaled: RICA(4, 9, scale_rows=scaled),
        inputs=lambda rng: (rng.normal(size=(5, 4)),),
        call=lambda model, x: (model(x), model.decode(model(x))),
        oracle=lambda params, x, scaled=scaled: (
            x @ oracle.rows_of(params["weight"], scaled).T,
            x @ oracle.rows_of(params["weight"], scaled).T @ oracle.rows_of(params["weight"], scaled),
        ),
        covers=("RICA",),
    )
    for scaled in (False, True)
)

FUNCTIONS = (
    *(
        Case(
            name=f"rica_objective_{name}",
            build=None,
            call=lambda w, x, options=options: rica_objective(w, x, **options),
            inputs=pair,
            oracle=lambda params, w, x, options=options: np.float64(oracle.objective(w, x, **options)),
        )
        for name, options in OPTIONS.items()
    ),
    *(
        Case(
            name=f"rica_gradient_{name}",
            build=None,
            call=lambda w, x, options=options: rica_gradient(w, x, **options),
            inputs=pair,
            oracle=lambda params, w, x, options=options: oracle.gradient(w, x, **options),
        )
        for name, options in OPTIONS.items()
    ),
    Case(
        name="rica_distinct",
        build=None,
        call=lambda w: distinct_share(w, 0.6),
        inputs=lambda rng: (rng.normal(size=(12, 4)),),
        oracle=lambda params, w: np.float64(oracle.distinct_share(w, 0.6)),
        covers=("distinct_share",),
    ),
)
