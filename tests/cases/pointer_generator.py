import numpy as np
from contract.cases import Case
from oracles import pointer_generator as oracle

from deepcanon.sequence import PointerGenerator
from deepcanon.sequence.pointer_generator import copied_mass, copying_nll, extended_distribution

WORDS = 6
ARTICLES = np.array([[2, 7, 6, 7, 1], [4, 6, 1, 7, 3]])
"""The first has word 7 twice; the second is of 3 words, and word 7 stands on a pad."""


def articles(rng):
    """What stands on pads, and copied words among the inputs."""
    return ARTICLES, np.array([5, 3]), np.concatenate([np.ones((2, 1), int), rng.integers(0, 8, size=(2, 3))], 1)


def build(copies):
    import torch

    module = PointerGenerator(WORDS, 4, embedding_size=3, copies=copies)
    torch.nn.init.normal_(module.covered)
    return module


def written(module, article, lengths, inputs):
    found = module(article, lengths, inputs)
    return module.distribution(found, article, 2), found.weights, found.generated


def weights(rng):
    values = rng.random(size=(2, 3, 5)) * (np.arange(5) < np.array([5, 3])[:, None, None])
    return values / values.sum(2, keepdims=True)


def mixture(rng):
    words = rng.random(size=(2, 3, WORDS))
    return words / words.sum(2, keepdims=True), weights(rng), rng.random(size=(2, 3)), ARTICLES


def told(rng):
    return rng.random(5) * 4, np.array([1.0, 1, 0, 0, 1]), rng.random(5) * np.array([1, 0, 1, 1, 1]), rng.random(5)


CASES = tuple(
    Case(
        f"pointer_generator{'' if copies else '_without_copying'}",
        lambda copies=copies: build(copies),
        articles,
        oracle.module,
        call=written,
        covers=("PointerGenerator",),
    )
    for copies in (True, False)
)
FUNCTIONS = (
    Case(
        "extended_distribution",
        None,
        mixture,
        lambda params, *values: oracle.extended_distribution(*values, 2),
        call=lambda *values: extended_distribution(*values, 2),
        rows=True,
    ),
    Case(
        "copied_mass",
        None,
        lambda rng: (weights(rng), ARTICLES, np.array([[7, 2, 5], [6, 7, 1]])),
        lambda params, *values: oracle.copied_mass(*values),
        call=copied_mass,
        rows=True,
    ),
    Case(
        "copying_nll", None, told, lambda params, *values: oracle.copying_nll(*values), call=copying_nll,
        constants=(1,), rows=True,
    ),
)  # fmt: skip
