import numpy as np
import torch
from contract.cases import Case
from oracles import embedding_queries as oracle

from deepcanon.parts.embedding_queries import (
    EmbeddingQueries,
    analogies,
    cosine_neighbours,
    rank_correlation,
    score_analogies,
    unit_rows,
)


def ask(vectors):
    """Everything the class answers, as numbers."""
    names = [f"w{place}" for place in range(len(vectors))]
    queries = EmbeddingQueries(names, vectors)
    rows = [queries.neighbours("w2", 4), queries.analogy("w0", "w1", "w2", 4)]
    score = queries.score([("w0", "w1", "w2", "w3"), ("w0", "w1", "w2", "no such word")])
    places = torch.tensor([[float(word[1:]) for word, _ in row] for row in rows])
    scores = torch.tensor([[s for _, s in row] for row in rows], dtype=torch.float64)
    return places, scores, torch.tensor(score, dtype=torch.float64)


def asked(params, vectors):
    near = [w for w in oracle.neighbours(vectors, vectors[2:3], 5)[0][0] if w != 2]
    cosines = oracle.unit(vectors) @ oracle.unit(vectors)[2]
    words, scores = oracle.analogies(vectors, [(0, 1, 2)], 4, "3cosadd")
    score = oracle.score(vectors, [(0, 1, 2, 3), (0, 1, 2, -1)], "3cosadd")
    return np.array([near, words[0]], float), np.array([cosines[near], scores[0]]), np.array(score, float)


def likeness(vectors, scores):
    """Of four known pairs, and of one with an unknown word."""
    queries = EmbeddingQueries([f"w{place}" for place in range(len(vectors))], vectors)
    pairs = [(f"w{n}", f"w{n + 1}", score) for n, score in enumerate(scores.tolist())]
    return torch.tensor(queries.similarity([*pairs, ("w0", "no such word", 1.0)]), dtype=torch.float64)


def likeness_oracle(params, vectors, scores):
    u = oracle.unit(vectors)
    cosines = np.array([u[n] @ u[n + 1] for n in range(len(scores))])
    return np.array([len(scores), 1, oracle.rank_correlation(cosines, scores)])


def draw(rng):
    return rng.normal(size=(30, 5)), np.stack([rng.permutation(30)[:4] for _ in range(6)])


CASES = ()
FUNCTIONS = (
    Case(
        name="embedding_unit_rows",
        build=None,
        call=unit_rows,
        inputs=lambda rng: (rng.normal(size=(6, 3)),),
        oracle=lambda params, v: oracle.unit(v),
    ),
    Case(
        name="embedding_cosine_neighbours",
        build=None,
        call=lambda v, q: tuple(cosine_neighbours(unit_rows(v), q, 7)),
        inputs=lambda rng: (rng.normal(size=(30, 5)), rng.normal(size=(4, 5))),
        oracle=lambda params, v, q: oracle.neighbours(v, q, 7),
        gradcheck=False,
    ),
    *(
        Case(
            name=f"embedding_{method}",
            build=None,
            call=lambda v, q, method=method: (
                *analogies(unit_rows(v), q[:, :3], 5, method),
                torch.tensor(score_analogies(unit_rows(v), q, method), dtype=torch.float64),
            ),
            inputs=draw,
            oracle=lambda params, v, q, method=method: (
                *oracle.analogies(v, q[:, :3], 5, method),
                np.array(oracle.score(v, q.tolist(), method), float),
            ),
            gradcheck=False,
        )
        for method in ("3cosadd", "3cosmul")
    ),
    Case(
        name="embedding_queries",
        build=None,
        call=ask,
        inputs=lambda rng: (rng.normal(size=(20, 4)),),
        oracle=asked,
        covers=("EmbeddingQueries",),
        gradcheck=False,
    ),
    Case(
        name="embedding_similarity",
        build=None,
        call=likeness,
        inputs=lambda rng: (rng.normal(size=(9, 4)), rng.integers(0, 4, 8).astype(float)),
        oracle=likeness_oracle,
        gradcheck=False,
    ),
    Case(
        name="rank_correlation",
        build=None,
        call=lambda x, y: torch.tensor(rank_correlation(x, y), dtype=torch.float64),
        inputs=lambda rng: (rng.integers(0, 9, 30).astype(float), rng.normal(size=30)),
        oracle=lambda params, x, y: np.array(oracle.rank_correlation(x, y)),
        gradcheck=False,
    ),
)
