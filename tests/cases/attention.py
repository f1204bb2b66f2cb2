import numpy as np
from contract.cases import Case
from oracles import attention as oracle

from deepcanon.parts.attention import (
    Attention,
    additive_scores,
    attend,
    coverage_before,
    coverage_loss,
    dot_scores,
    doubly_stochastic_loss,
)

REAL = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0]], dtype=bool)
STEPS = np.array([[1, 1], [1, 0], [1, 1]], dtype=bool)
SCORES = ("additive", "dot", "general", "location")


def build(score):
    width = 5 if score == "dot" else 4
    return Attention(width, 5, score, size=3, longest=6)


def inputs(score, time=()):
    width = 5 if score == "dot" else 4
    return lambda rng: (rng.normal(size=(3, *time, width)), rng.normal(size=(3, 4, 5)), REAL)


def weights(rng):
    values = rng.random(size=(3, 2, 4))
    return values / values.sum(2, keepdims=True)


CASES = tuple(
    Case(
        f"attention_{score}{'_of_steps' if time else ''}",
        lambda score=score: build(score),
        inputs(score, time),
        lambda params, *values, score=score: oracle.attention(score, params, *values),
        call=lambda module, *values: tuple(module(*values)),
        covers=("Attention",),
    )
    for score in SCORES
    for time in ((), (2,))
)
FUNCTIONS = (
    Case(
        "additive_scores",
        None,
        lambda rng: (rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 4, 5)), rng.normal(size=5)),
        lambda params, query, keys, v: oracle.scores(
            "additive",
            {"query.weight": np.eye(5), "query.bias": np.zeros(5), "memory.weight": np.eye(5), "vector": v},
            query,
            keys,
        ),
        call=additive_scores,
    ),
    Case(
        "dot_scores",
        None,
        lambda rng: (rng.normal(size=(2, 5)), rng.normal(size=(2, 4, 5))),
        lambda params, *values: oracle.scores("dot", params, *values),
        call=dot_scores,
    ),
    Case(
        "attend",
        None,
        lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(3, 4, 5)), REAL),
        lambda params, scores, memory, real: oracle.attention(
            "location", {"query.weight": np.eye(4)}, scores, memory, real
        ),
        call=lambda *values: tuple(attend(*values)),
        rows=True,
    ),
    Case(
        "coverage_loss",
        None,
        lambda rng: (weights(rng), STEPS),
        lambda params, *values: oracle.coverage(*values),
        call=lambda values, steps: (coverage_loss(values, steps), coverage_before(values)),
        rows=True,
    ),
    Case(
        "doubly_stochastic_loss",
        None,
        lambda rng: (weights(rng), STEPS, REAL),
        lambda params, *values: oracle.doubly_stochastic(*values),
        call=doubly_stochastic_loss,
        rows=True,
    ),
)
