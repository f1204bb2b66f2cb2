import numpy as np
from contract.cases import Case
from oracles import tsne as oracle

from deepcanon.parts.neighbourhoods import neighbour_accuracy, squared_distances, trustworthiness
from deepcanon.representation.tsne import (
    TSNE,
    Descent,
    conditional_probabilities,
    joint_probabilities,
    new_places,
    sparse_probabilities,
    tsne_cost,
    tsne_gradient,
    tsne_update,
)


def fitted():
    x = np.random.default_rng(5).normal(size=(14, 3))
    return TSNE(perplexity=4.0, max_iter=20, exaggerated=5).fit(x)


def affinities(rng, count=12):
    return oracle.joint(rng.normal(size=(count, 3)), 4.0)


def newcomers(rng):
    """Distances from three new points to their 12 nearest of 30, the places of these, and a map in three dimensions."""
    distances = np.sort(rng.uniform(0.1, 3, size=(3, 12)), axis=1)
    return distances, np.stack([rng.permutation(30)[:12] for _ in range(3)]), rng.normal(size=(30, 3))


CASES = (
    Case(
        name="tsne",
        build=fitted,
        inputs=lambda rng: (np.zeros((14, 2)),),
        call=lambda model, zeros: model() + zeros,
        oracle=lambda params, zeros: params["embedding_"],
        covers=("TSNE",),
        rows=False,
    ),
)

FUNCTIONS = (
    Case(
        name="tsne_squared_distances",
        build=None,
        call=squared_distances,
        inputs=lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(7, 3))),
        oracle=lambda params, x, y: oracle.squared_distances(x, y),
    ),
    Case(
        name="tsne_conditional",
        build=None,
        call=lambda d, own: conditional_probabilities(d, own, 4.0, tolerance=1e-13),
        inputs=lambda rng: (rng.uniform(0.1, 3, size=(4, 15)), np.arange(4)),
        oracle=lambda params, d, own: oracle.conditional(d, own, 4.0),
        gradcheck=False,
    ),
    Case(
        name="tsne_joint",
        build=None,
        call=lambda x: joint_probabilities(x, 5.0),
        inputs=lambda rng: (rng.normal(size=(15, 4)) + 3,),
        oracle=lambda params, x: oracle.joint(x, 5.0),
        gradcheck=False,
    ),
    Case(
        name="tsne_sparse",
        build=None,
        call=lambda x: sparse_probabilities(x, 4.0, x.dtype).dense(),
        inputs=lambda rng: (rng.normal(size=(25, 3)) + 3,),
        oracle=lambda params, x: oracle.sparse_joint(x, 4.0),
        gradcheck=False,
    ),
    Case(
        name="tsne_new_places",
        build=None,
        call=new_places,
        inputs=newcomers,
        oracle=lambda params, d, which, y: np.stack([oracle.new_place(a, b, y) for a, b in zip(d, which, strict=True)]),
        gradcheck=False,
    ),
    Case(
        name="tsne_gradient",
        build=None,
        call=lambda y, p: tsne_gradient(y, p, 3.0)[1],
        inputs=lambda rng: (rng.normal(size=(12, 2)), affinities(rng)),
        oracle=lambda params, y, p: oracle.gradient(y, p, 3.0),
        gradcheck=False,
    ),
    Case(
        name="tsne_cost",
        build=None,
        call=tsne_cost,
        inputs=lambda rng: (rng.normal(size=(12, 2)), affinities(rng)),
        oracle=lambda params, y, p: np.float64(oracle.cost(y, p)),
        gradcheck=False,
    ),
    Case(
        name="tsne_update",
        build=None,
        call=lambda y, m, g, s: tuple(tsne_update(Descent(y, m, g), s, learning_rate=2.0, momentum=0.5)),
        inputs=lambda rng: (*rng.normal(size=(2, 6, 2)), rng.uniform(0.01, 2, (6, 2)), rng.normal(size=(6, 2))),
        oracle=lambda params, y, m, g, s: oracle.update(y, m, g, s, 2.0, 0.5),
        gradcheck=False,
    ),
    Case(
        name="tsne_neighbour_accuracy",
        build=None,
        call=neighbour_accuracy,
        inputs=lambda rng: (rng.normal(size=(30, 2)), rng.integers(0, 3, 30)),
        oracle=lambda params, y, labels: np.float64(oracle.neighbour_accuracy(y, labels)),
        gradcheck=False,
    ),
    Case(
        name="tsne_trustworthiness",
        build=None,
        call=lambda x, y: trustworthiness(x, y, 4),
        inputs=lambda rng: (rng.normal(size=(25, 4)), rng.normal(size=(25, 2))),
        oracle=lambda params, x, y: np.float64(oracle.trustworthiness(x, y, 4)),
        gradcheck=False,
    ),
)
