import numpy as np
from contract.cases import Case
from oracles import pca as oracle

from deepcanon.representation import PCA
from deepcanon.representation.pca import Moments, decompose, merge, moments, zca_matrix


def fitted(whiten):
    x = np.random.default_rng(7).normal(size=(40, 6)) @ np.random.default_rng(8).normal(size=(6, 6)) + 3.0
    return PCA(4, whiten=whiten, eps=1e-3).fit(x)


def expected(whiten):
    def run(params, x):
        return oracle.transform(x, params["mean_"], params["components_"], params["explained_variance_"], whiten, 1e-3)

    return run


def merged_moments(a, b):
    m = merge(moments(a), moments(b))
    return m.mean, m.scatter / m.examples


CASES = tuple(
    Case(
        name=f"pca_{whiten}",
        build=lambda whiten=whiten: fitted(whiten),
        inputs=lambda rng: (rng.normal(size=(5, 6)),),
        oracle=expected(whiten),
        covers=("PCA",),
        rows=True,
    )
    for whiten in ("none", "pca", "zca")
)

FUNCTIONS = (
    Case(
        name="pca_moments",
        build=None,
        call=merged_moments,
        inputs=lambda rng: (rng.normal(size=(7, 5)) + 10, rng.normal(size=(12, 5))),
        oracle=lambda params, a, b: (
            np.concatenate([a, b]).mean(0),
            np.cov(np.concatenate([a, b]).T, bias=True),
        ),
        covers=("merge", "moments", "Moments"),
    ),
    Case(
        name="pca_decompose",
        build=None,
        call=lambda x: decompose(Moments(*moments(x)).scatter / len(x)),
        inputs=lambda rng: (rng.normal(size=(30, 5)) * np.arange(1, 6),),
        oracle=lambda params, x: tuple(reversed(oracle.fit(x, 5)[1:])),
        covers=("decompose",),
    ),
    Case(
        name="pca_zca_matrix",
        build=None,
        call=lambda x: zca_matrix(PCA().fit(x - x.mean(1, keepdim=True)), 0.1),
        inputs=lambda rng: (rng.normal(size=(30, 5)) * np.arange(1, 6),),
        oracle=lambda params, x: oracle.zca_matrix(x - x.mean(1, keepdims=True), 0.1),
        covers=("zca_matrix",),
    ),
)
