import warnings

import numpy as np
from contract.cases import Case
from oracles import ica as oracle

from deepcanon.representation.ica import (
    ICA,
    amari_index,
    bell_sum,
    decorrelate,
    fixed_point,
    fixed_point_sums,
    natural_gradient,
    nongaussianity,
)


def fitted(**options):
    random = np.random.default_rng(7)
    x = random.laplace(size=(200, 4)) @ random.normal(size=(4, 6)) + 3.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ICA(4, **options).fit(x)


def unmixed(params, x):
    return oracle.transform(x, params["mean_"], params["rotation_"] @ params["whitening_"])


def start(rng, rows=3, features=4):
    return np.linalg.qr(rng.normal(size=(features, features)))[0][:rows]


CASES = tuple(
    Case(
        name=f"ica_{name}",
        build=lambda options=options: fitted(**options),
        inputs=lambda rng: (rng.normal(size=(5, 6)),),
        oracle=unmixed,
        covers=("ICA",),
        rows=True,
    )
    for name, options in (
        ("fastica", {}),
        ("gradient", {"algorithm": "gradient"}),
        ("unwhitened", {"whiten": False, "max_iter": 3}),
    )
)

FUNCTIONS = (
    Case(
        name="ica_decorrelate",
        build=None,
        call=decorrelate,
        inputs=lambda rng: (rng.normal(size=(3, 5)),),
        oracle=lambda params, w: oracle.orthogonal(w),
    ),
    *(
        Case(
            name=f"ica_sums_{function}",
            build=None,
            call=lambda w, z, f=function: tuple(fixed_point_sums(w, z, f)),
            inputs=lambda rng: (start(rng), rng.laplace(size=(30, 4))),
            oracle=lambda params, w, z, f=function: oracle.fixed_point_sums(w, z, f),
        )
        for function in ("logcosh", "exp", "cube")
    ),
    Case(
        name="ica_fixed_point",
        build=None,
        call=lambda w, z: fixed_point(w, fixed_point_sums(w, z)),
        inputs=lambda rng: (start(rng), rng.laplace(size=(30, 4))),
        oracle=lambda params, w, z: oracle.fixed_point(w, z),
    ),
    Case(
        name="ica_natural_gradient",
        build=None,
        call=lambda w, z: natural_gradient(w, fixed_point_sums(w, z), 0.7),
        inputs=lambda rng: (start(rng, 4), rng.laplace(size=(30, 4))),
        oracle=lambda params, w, z: oracle.natural_gradient(w, z, 0.7),
        gradcheck=False,
    ),
    Case(
        name="ica_nongaussianity",
        build=None,
        call=nongaussianity,
        inputs=lambda rng: (rng.laplace(size=(60, 3)),),
        oracle=lambda params, s: oracle.nongaussianity(s),
        covers=("nongaussianity",),
    ),
    Case(
        name="ica_bell_sum",
        build=None,
        call=bell_sum,
        inputs=lambda rng: (start(rng), rng.laplace(size=(30, 4))),
        oracle=lambda params, w, z: np.exp(-((z @ w.T) ** 2) / 2).sum(0),
    ),
    Case(
        name="ica_amari_index",
        build=None,
        call=amari_index,
        inputs=lambda rng: (rng.normal(size=(4, 4)),),
        oracle=lambda params, p: oracle.amari_index(p),
    ),
)
