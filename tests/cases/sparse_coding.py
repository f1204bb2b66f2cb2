import numpy as np
from contract.cases import Case
from oracles import sparse_coding as oracle

from deepcanon.representation.sparse_coding import (
    SparseCoding,
    fista,
    infer_codes,
    kkt_violation,
    shrink,
    sparse_coding_objective,
    update_dictionary,
)


def fitted(**options):
    x = np.random.default_rng(7).laplace(size=(60, 5))
    return SparseCoding(8, penalty=0.4, rounds=3, unrolled=12, **options).fit(x)


def unit(rng, atoms=8, features=5):
    d = rng.normal(size=(atoms, features))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def problem(rng):
    d = unit(rng)
    return np.where(rng.random((6, 8)) < 0.5, 0.0, rng.normal(size=(6, 8))), d, rng.normal(size=(6, 5))


def sums(rng):
    s = rng.normal(size=(30, 8))
    return unit(rng), s.T @ s, s.T @ rng.normal(size=(30, 5))


# The module's L is rounded up by a millionth, the oracle's is not.
CASES = tuple(
    Case(
        name=f"sparse_coding_{name}",
        build=lambda options=options: fitted(**options),
        inputs=lambda rng: (rng.normal(size=(6, 5)),),
        oracle=lambda params, x, options=options: oracle.fista(
            params["dictionary_"], x, 0.4, 12, options.get("eps", 0.0), float(params["largest_"])
        ),
        covers=("SparseCoding", "fista"),
    )
    for name, options in (("l1", {}), ("smooth", {"eps": 0.05, "norm": "sphere"}))
)

FUNCTIONS = (
    *(
        Case(
            name=f"sparse_coding_{function.__name__}_{name}",
            build=None,
            call=lambda s, d, x, f=function, e=eps: f(s, d, x, 0.3, e),
            inputs=problem,
            oracle=lambda params, s, d, x, o=wanted, e=eps: o(s, d, x, 0.3, e),
            gradcheck=function is sparse_coding_objective and eps > 0,
            covers=(function.__name__,),
        )
        for function, wanted in ((sparse_coding_objective, oracle.objective), (kkt_violation, oracle.violation))
        for name, eps in (("l1", 0.0), ("smooth", 0.1))
    ),
    *(
        Case(
            name=f"sparse_coding_shrink_{name}",
            build=None,
            call=lambda v, e=eps: shrink(v, 0.4, e),
            inputs=lambda rng: (rng.normal(size=(4, 9)),),
            oracle=lambda params, v, e=eps: oracle.shrink(v, 0.4, e),
            covers=("shrink",),
        )
        for name, eps in (("l1", 0.0), ("smooth", 1e-3), ("sharp", 1e-9))
    ),
    Case(
        name="sparse_coding_fista",
        build=None,
        call=lambda d, x: fista(d, x, 0.3, 10),
        inputs=lambda rng: problem(rng)[1:],
        oracle=lambda params, d, x: oracle.fista(d, x, 0.3, 10, largest=np.linalg.norm(d, 2) ** 2 * (1 + 1e-6)),
        gradcheck=False,
    ),
    *(
        Case(
            name=f"sparse_coding_infer_{name}",
            build=None,
            call=lambda d, x, e=eps: (
                infer_codes(d, x, 0.3, eps=e, tolerance=1e-12, max_iter=20_000).codes
                if d.dtype.itemsize == 8
                else infer_codes(d, x, 0.3, eps=e).codes
            ),
            inputs=lambda rng: (unit(rng, 4), rng.normal(size=(6, 5))),
            oracle=(lambda params, d, x: oracle.lasso(d, x, 0.3))
            if eps == 0
            else (lambda params, d, x: oracle.smooth_codes(d, x, 0.3, 0.05)),
            covers=("infer_codes",),
        )
        for name, eps in (("l1", 0.0), ("smooth", 0.05))
    ),
    *(
        Case(
            name=f"sparse_coding_update_{norm}",
            build=None,
            call=lambda d, a, b, n=norm: update_dictionary(d, a, b, norm=n, sweeps=2),
            inputs=sums,
            oracle=lambda params, d, a, b, n=norm: oracle.update(d, a, b, n, 2),
            covers=("update_dictionary",),
        )
        for norm in ("ball", "sphere")
    ),
)
