import numpy as np
from contract.cases import Case
from oracles import rbm as oracle

from deepcanon.representation import RBM
from deepcanon.representation.rbm import free_energy, log_partition


def of(params):
    sigma = params.get("log_sigma")
    return (
        params["weight"], params["visible_bias"], params["hidden_bias"], None if sigma is None else np.exp(sigma),
    )  # fmt: skip


def everything(model, v, h):
    return model(v), model.visible_mean(h), model.free_energy(v)


def by_sums(params, v, h):
    parts = of(params)
    return oracle.hidden_probabilities(v, *parts), oracle.visible_mean(h, *parts), oracle.free_energy(v, *parts)


CASES = (
    Case(
        name="rbm",
        build=lambda: RBM(5, 3, scale=0.7),
        call=everything,
        inputs=lambda rng: (rng.integers(0, 2, (4, 5)).astype(float), rng.integers(0, 2, (4, 3)).astype(float)),
        oracle=by_sums,
        covers=("RBM",),
    ),
    Case(
        name="rbm_gaussian",
        build=lambda: RBM(5, 3, units="gaussian", sigma=0.6, learn_sigma=True, scale=0.7),
        call=everything,
        inputs=lambda rng: (rng.normal(size=(4, 5)), rng.integers(0, 2, (4, 3)).astype(float)),
        oracle=by_sums,
    ),
)


def parameters(rng, visible, hidden):
    return rng.normal(size=(visible, hidden)), rng.normal(size=visible), rng.normal(size=hidden)


def both(log_z, w, b, c, w2, b2, c2, sigma):
    """Of more visible units, of more hidden units, of Gaussian visible units."""
    return log_z(w, b, c), log_z(w.T, c, b), log_z(w2, b2, c2, sigma)


FUNCTIONS = (
    Case(
        name="rbm_free_energy",
        build=None,
        call=free_energy,
        inputs=lambda rng: (rng.normal(size=(4, 5)), *parameters(rng, 5, 3), rng.uniform(0.5, 2, 5)),
        oracle=lambda params, *inputs: oracle.free_energy(*inputs),
    ),
    Case(
        name="rbm_log_partition",
        build=None,
        call=lambda *given: both(log_partition, *given),
        inputs=lambda rng: (*parameters(rng, 6, 4), *parameters(rng, 3, 4), rng.uniform(0.5, 2, 3)),
        oracle=lambda params, *given: both(oracle.log_partition, *given),
        covers=("log_partition",),
    ),
)
