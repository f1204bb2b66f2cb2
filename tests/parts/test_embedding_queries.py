import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from oracles import embedding_queries as oracle

from deepcanon.parts import embedding_queries as system_file
from deepcanon.parts.embedding_queries import (
    EmbeddingQueries,
    analogies,
    cosine_neighbours,
    rank_correlation,
    score_analogies,
    unit_rows,
)


@pytest.mark.parametrize("rows", [1 << 15, 7, 1])
@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
def test_equals_brute_force_however_the_vocabulary_is_cut(rows, method, monkeypatch):
    monkeypatch.setattr(system_file, "ROWS", rows)
    random = np.random.default_rng(rows)
    vectors = random.integers(-2, 3, size=(60, 3)).astype(float)  # many ties
    vectors[vectors.any(1) == 0] = 1.0
    questions = np.stack([random.permutation(60)[:3] for _ in range(40)])
    u = unit_rows(torch.from_numpy(vectors))
    exact = torch.from_numpy(oracle.unit(vectors))
    torch.testing.assert_close(u, exact)
    found = analogies(u, torch.from_numpy(questions), 6, method)
    _, scores = oracle.analogies(vectors, questions, 6, method)
    np.testing.assert_allclose(found.scores, scores, atol=1e-12)
    assert not (found.words[:, :, None] == torch.from_numpy(questions)[:, None, :]).any()
    near = cosine_neighbours(u, u[:20], 5)
    np.testing.assert_allclose(near.scores, oracle.neighbours(vectors, vectors[:20], 5)[1], atol=1e-12)


@pytest.mark.parametrize("rows", [1 << 15, 3])
def test_ties_go_to_the_smaller_index(rows, monkeypatch):
    monkeypatch.setattr(system_file, "ROWS", rows)
    u = unit_rows(torch.tensor([[0.0, 1.0], [2, 0], [1, 0], [1, 1], [3, 0], [5, 0], [1, 0]]))
    assert cosine_neighbours(u, torch.tensor([[1.0, 0.0]]), 4).words.tolist() == [[1, 2, 4, 5]]
    left_out = torch.tensor([[2, 5]])
    assert cosine_neighbours(u, torch.tensor([[9.0, 0.0]]), 4, left_out).words.tolist() == [[1, 4, 6, 3]]


def test_distance_and_cosine_rank_unit_vectors_alike():
    u = unit_rows(torch.randn(200, 10, dtype=torch.float64))
    q = unit_rows(torch.randn(20, 10, dtype=torch.float64))
    near = cosine_neighbours(u, q, 200).words
    assert torch.equal(near, torch.cdist(q, u).argsort(dim=1))
    long = u * torch.rand(200, 1, dtype=torch.float64).add(0.1)  # not normalised: the two differ
    assert not torch.equal(near, torch.cdist(q, long).argsort(dim=1))


def test_query_words_are_left_out_and_rows_are_normalised_first():
    """b itself is nearest to b - a + c more often than not: the classic slip."""
    random = torch.Generator().manual_seed(0)
    base, gender = torch.randn(6, 8, generator=random), 0.5 * torch.randn(8, generator=random)
    vectors = torch.cat([base, base + gender]) * (0.2 + 5 * torch.rand(12, 1, generator=random))
    noise = 0.1 * torch.randn(6, 8, generator=random)
    exact = torch.cat([unit_rows(base), unit_rows(base) + 0.2 * unit_rows(gender[None]) + noise])
    pairs = [(i, i + 6, j, j + 6) for i in range(6) for j in range(6) if i != j]
    questions = torch.tensor(pairs)
    right = score_analogies(unit_rows(exact), questions).accuracy
    u = unit_rows(exact)
    kept_in = (u[questions[:, 1]] - u[questions[:, 0]] + u[questions[:, 2]]) @ u.T
    assert right >= (kept_in.argmax(1) == questions[:, 3]).float().mean() + 0.3
    assert torch.allclose(unit_rows(vectors).norm(dim=1), torch.ones(12))


def test_unknown_words_are_counted():
    words = EmbeddingQueries(["a", "b", "c", "d"], torch.eye(4) + 0.1)
    score = words.score([("a", "b", "c", "d"), ("a", "b", "c", "x"), ("y", "b", "c", "d")])
    assert tuple(score) == (1, 1, 2)
    assert score.accuracy == 1 and score.accuracy_of_all == pytest.approx(1 / 3) == score.coverage
    empty = words.score([])
    assert tuple(empty) == (0, 0, 0) and empty.accuracy == 0 == empty.accuracy_of_all
    with pytest.raises(ValueError, match="does not hold 'x'"):
        words.neighbours("x")


def test_two_methods_differ_where_one_term_dominates():
    """Levy and Goldberg: a large term wins a sum; a product wants all to be large."""
    u = torch.tensor([[0.0, 0, 1], [0.9, 0, 0.4], [0, 0.9, 0.4], [0.1, 1.0, 0.0], [0.7, 0.7, 0.0]], dtype=torch.float64)
    u = unit_rows(u)
    question = torch.tensor([[0, 1, 2]])
    by_sum, by_product = (analogies(u, question, 2, method).scores[0] for method in ("3cosadd", "3cosmul"))
    assert not torch.allclose(by_sum, by_product)
    assert analogies(u, question, 1, "3cosmul").words.item() == 4


def test_likeness_counts_pairs_with_unknown_words():
    words = EmbeddingQueries(["a", "b", "c"], torch.tensor([[1.0, 0], [1, 1], [0, 1]]))
    score = words.similarity([("a", "b", 7.0), ("a", "c", 1.0), ("a", "x", 3.0), ("y", "z", 2.0)])
    assert tuple(score) == (2, 2, pytest.approx(1.0)) and score.coverage == 0.5
    few = words.similarity([("a", "b", 7.0), ("a", "x", 3.0)])
    assert tuple(few) == (1, 1, 0.0)
    assert words.similarity([]).coverage == 0


def test_measures_leave_out_what_nothing_is_asked_of():
    words = EmbeddingQueries(["a", "b", "c", "d"], torch.eye(4) + 0.1)
    pairs, questions = [("a", "b", 7.0), ("a", "x", 3.0)], [("a", "b", "c", "d"), ("a", "b", "c", "x")]
    assert words.measures([], []) == {}
    assert words.measures(pairs, []) == {"similarity": 0.0, "similarity_coverage": 0.5}
    both = words.measures(pairs, questions)
    assert both["analogies"] == 1 and both["analogies_coverage"] == 0.5 and len(both) == 4


def test_a_question_mark_after_three_words_asks_for_an_analogy():
    vectors = torch.tensor([[1.0, 0, 1], [1, 0, -1], [0.2, 1, 1], [0.2, 1, -1], [-1, 0.1, 0]])
    words = EmbeddingQueries(["king", "queen", "man", "woman", "tree"], vectors)
    near = vectors[4]
    assert words.answers(["man", "woman", "king", "?"], near) == words.analogy("man", "woman", "king", 2)
    assert words.answers(["man", "woman", "horse", "?"], near) == words.nearest(near, 8, ["man", "woman"])
    assert [word for word, _ in words.answers(["man"], near, 2)] == [w for w, _ in words.nearest(near, 2, ["man"])]


def test_ranks():
    x = torch.tensor([1.0, 2.0, 2.0, 5.0])
    assert rank_correlation(x, x.exp()) == pytest.approx(1)
    assert rank_correlation(x, -x) == pytest.approx(-1)
    assert rank_correlation(x, torch.ones(4)) == 0
    with pytest.raises((ValueError, TypeCheckError)):
        rank_correlation(torch.zeros(3), torch.zeros(4))


def test_the_words_nearest_to_a_vector():
    words = EmbeddingQueries(["a", "b", "c"], torch.tensor([[1.0, 0], [1, 1], [0, 1]]))
    near = torch.tensor([2.0, 0.1])
    assert [word for word, _ in words.nearest(near, 5)] == ["a", "b", "c"]
    assert [word for word, _ in words.nearest(near, 1, ["a", "a", "unknown"])] == ["b"]
    assert words.nearest(near, 5, ["a", "b", "c"]) == [] == words.nearest(torch.zeros(2))


def test_bad_input():
    u = unit_rows(torch.randn(5, 3))
    for bad in (torch.zeros(0, 3), torch.full((2, 3), torch.nan)):
        with pytest.raises(ValueError):
            unit_rows(bad)
    with pytest.raises(ValueError, match="give 1 to 5"):
        cosine_neighbours(u, u[:1], 6)
    with pytest.raises(ValueError, match="outside"):
        analogies(u, torch.tensor([[0, 1, 5]]))
    with pytest.raises(ValueError, match="different words"):
        EmbeddingQueries(["a", "a"], torch.eye(2))
