import numpy as np
import torch
from contract.cases import Case
from oracles import replicated_softmax as oracle

from deepcanon.parts.bag_of_words import draw_words
from deepcanon.representation import ReplicatedSoftmax
from deepcanon.representation.replicated_softmax import exact_log_z


def everything(model, v, h):
    return model(v), model.words(h), model.free_energy(v)


def by_sums(params, v, h):
    parts = params["weight"], params["word_bias"], params["hidden_bias"]
    return oracle.hidden_probabilities(v, *parts), oracle.word_probabilities(h, *parts), oracle.free_energy(v, *parts)


CASES = (
    Case(
        name="replicated_softmax",
        build=lambda: ReplicatedSoftmax(5, 3, scale=0.7),
        call=everything,
        inputs=lambda rng: (rng.integers(0, 4, (4, 5)).astype(float), rng.integers(0, 2, (4, 3)).astype(float)),
        oracle=by_sums,
        covers=("ReplicatedSoftmax",),
    ),
)

FUNCTIONS = (
    Case(
        name="replicated_softmax_log_z",
        build=None,
        call=lambda w, b, c: exact_log_z(torch.tensor([1, 3, 4]), w, b, c),
        inputs=lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=5), rng.normal(size=3)),
        oracle=lambda params, *parts: np.array([oracle.log_partition(d, *parts) for d in (1, 3, 4)]),
        covers=("exact_log_z",),
    ),
    Case(
        name="replicated_softmax_draw_words",
        build=None,
        call=lambda p, u: draw_words(p.detach(), torch.tensor([3.0, 1.0], dtype=p.dtype), u),
        inputs=lambda rng: (np.array([[0.2, 0.5, 0.3]] * 2), np.array([[0.1, 0.6, 0.69, 0.9], [0.95, 0.1, 0.1, 0.1]])),
        oracle=lambda params, p, u: np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]]),
        gradcheck=False,
    ),
)
