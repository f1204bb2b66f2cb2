import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from oracles import word2vec as oracle

from deepcanon.recipes import word2vec as recipe
from deepcanon.representation import (
    EmbeddingQueries,
    Word2Vec,
    cbow_windows,
    cooccurrences,
    draw_noise,
    keep_probabilities,
    negative_sampling_loss,
    noise_distribution,
    rank_correlation,
    shifted_pmi,
    skip_gram_pairs,
)
from deepcanon.representation.word2vec import CooccurrenceCounts


def random_model(words=9, dimensions=5, seed=0):
    torch.manual_seed(seed)
    model = Word2Vec(words, dimensions, dtype=torch.float64)
    torch.nn.init.normal_(model.input_vectors)
    torch.nn.init.normal_(model.output_vectors)
    return model


def test_the_optimum_is_the_shifted_pmi():
    """Full batch on 50 words, every two of them near each other: the scores of equation (8) to 1e-2."""
    rng, size, negatives = np.random.default_rng(0), 50, 5.0
    factors, frequency = rng.normal(size=(size, 3)), rng.uniform(0.5, 1.5, size)
    table = torch.from_numpy(np.exp(0.2 * factors @ factors.T) * np.outer(frequency, frequency))
    p_word, p_near = table.sum(1) / table.sum(), table.sum(0) / table.sum()
    pairs = torch.cartesian_prod(torch.arange(size), torch.arange(size))
    centres, near = pairs[:, :1], pairs[:, 1:]
    # The noise of each pair in expectation: #(w, c) times the first term of (5), k #(w) P(c) times the second.
    weights = torch.stack([table.flatten(), negatives * torch.outer(p_word, p_near).flatten() * table.sum()], 1)
    model = Word2Vec(size, size, dtype=torch.float64)
    with torch.no_grad():  # a start from which the descent is short
        model.input_vectors.add_(2 * torch.eye(size))
    optimizer = torch.optim.LBFGS(
        model.parameters(), 1.0, max_iter=600, history_size=50, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        scores = (model.input_vectors @ model.output_vectors.T).flatten()
        loss = negative_sampling_loss(scores[:, None].expand(-1, 2), weights).sum() / table.sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    scores = model(centres, near)[:, 0].detach()
    pmi = (table / table.sum() / torch.outer(p_word, p_near)).log().flatten()
    assert float((scores - (pmi - math.log(negatives))).abs().max()) < 1e-2
    counts = CooccurrenceCounts(*pairs.T, table.flatten())
    torch.testing.assert_close(shifted_pmi(counts, p_near, negatives), pmi - math.log(negatives))
    before = model.output_vectors.detach().clone()
    model.update(centres, near.expand(-1, 2), 1e-3, weights=weights / table.sum())
    assert float((model.output_vectors - before).detach().abs().max()) < 1e-6, "the minimum of (7) is none of `update`"


@pytest.mark.parametrize("near", [1, 4])
def test_update_is_the_gradient(near):
    """Words that stand several times in a batch, and as noise of themselves, move by the sum of their gradients."""
    rng = torch.Generator().manual_seed(1)
    inputs, targets = torch.randint(6, (20, near), generator=rng), torch.randint(6, (20, 5), generator=rng)
    shares = torch.rand(20, near, generator=rng, dtype=torch.float64)
    model = random_model()
    weights = (targets != targets[:, :1]).double()
    weights[:, 0] = 1
    losses = negative_sampling_loss(model(inputs, targets, shares), weights)
    slopes = torch.autograd.grad(losses.sum(), list(model.parameters()))
    before = [p.detach().clone() for p in model.parameters()]
    mean = model.update(inputs, targets, 0.1, shares=shares)
    torch.testing.assert_close(mean, losses.mean().detach())
    for old, new, slope in zip(before, model.parameters(), slopes, strict=True):
        torch.testing.assert_close(new.detach(), old - 0.1 * slope, rtol=1e-12, atol=1e-12)
    assert float(model.update(inputs[:0], targets[:0], 0.1)) == 0


def test_limit_slows_frequent_words_only():
    inputs, targets = torch.tensor([[0], [0], [0], [0], [1]]), torch.tensor([[2, 3], [2, 4], [2, 5], [2, 6], [7, 8]])
    steps = []
    for limit in (math.inf, 2.0):
        model = random_model()
        before = model.output_vectors.detach().clone()
        model.update(inputs, targets, 0.1, limit=limit)
        steps.append(model.output_vectors.detach() - before)
    torch.testing.assert_close(steps[1][2], steps[0][2] / 2)
    torch.testing.assert_close(steps[1][3:], steps[0][3:])


def test_windows_of_any_size_and_their_ends():
    rng = np.random.default_rng(3)
    words, sentences = rng.integers(0, 9, 40), np.repeat(np.arange(8), 5)
    for reach in (np.full(40, 1), np.full(40, 99), rng.integers(1, 7, 40)):
        tensors = [torch.from_numpy(x) for x in (words, sentences, reach)]
        found = sorted(zip(*(x.tolist() for x in skip_gram_pairs(*tensors)), strict=True))
        assert found == sorted(oracle.pairs(words, sentences, reach))
        centres, near, shares = cbow_windows(*tensors)
        expected = oracle.cbow(words, sentences, reach)
        assert centres.tolist() == [centre for centre, _ in expected]
        for row, share, (_, others) in zip(near, shares, expected, strict=True):
            assert sorted(row[share > 0].tolist()) == sorted(others)
            assert share[share > 0].tolist() == pytest.approx([1 / len(others)] * len(others))
    nothing = torch.zeros(0, dtype=torch.long)
    assert not len(skip_gram_pairs(nothing, nothing, nothing)[0])
    alone = torch.zeros(1, dtype=torch.long)
    assert not len(cbow_windows(alone, alone, alone + 3)[0])
    assert not len(cooccurrences(alone, alone, 3, 1).counts)


def test_drawn_windows_have_the_expected_counts():
    words, sentences = torch.arange(30) % 7, torch.arange(30) // 10
    expected = cooccurrences(words, sentences, 4, 7)
    table = torch.zeros(7, 7, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2000):
        pairs = skip_gram_pairs(words, sentences, torch.randint(1, 5, (30,), generator=generator))
        table += torch.bincount(pairs[0] * 7 + pairs[1], minlength=49).view(7, 7)
    torch.testing.assert_close(table[expected.words, expected.near] / 2000, expected.counts, rtol=0.1, atol=0.03)


def test_noise_and_subsampling():
    counts = torch.tensor([0, 1, 16, 81, 0])
    noise = noise_distribution(counts)
    torch.testing.assert_close(noise, torch.tensor([0, 1, 8, 27, 0]).double() / 36)
    drawn = draw_noise(noise, (90_000,), torch.Generator().manual_seed(0)).bincount(minlength=5) / 90_000
    torch.testing.assert_close(drawn.double(), noise, atol=0.006, rtol=0)
    kept = keep_probabilities(torch.tensor([1, 99]), 0.0099)
    assert kept.tolist() == pytest.approx([0.99499, 0.1], abs=1e-4)
    assert keep_probabilities(counts, 0.0).tolist() == [1.0] * 5


def test_noise_words_that_are_the_true_one_are_left_out():
    model = random_model()
    before = model.output_vectors.detach().clone()
    model.update(torch.tensor([[0]]), torch.tensor([[3, 3, 3]]), 0.1)
    own = before.clone().requires_grad_()
    torch.nn.functional.logsigmoid(own[3] @ random_model().input_vectors[0].detach()).backward()
    torch.testing.assert_close(model.output_vectors.detach(), before + 0.1 * own.grad)


def test_ranks():
    x = torch.tensor([1.0, 2.0, 2.0, 5.0])
    assert rank_correlation(x, x.exp()) == pytest.approx(1)
    assert rank_correlation(x, -x) == pytest.approx(-1)
    assert rank_correlation(x, torch.ones(4)) == 0


def grammar(architecture, steps):
    """The recipe's planted grammar, learned by hand."""
    config = recipe.Config(architecture=architecture, dimensions=30, batch=2_000, learning_rate=0.1)
    corpus = torch.from_numpy(recipe.draw_grammar(8_000, np.random.default_rng(0)))
    size, generator = len(recipe.grammar_words()), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model, noise = Word2Vec(size, config.dimensions), noise_distribution(corpus.flatten().bincount())
    sentences = torch.arange(400).repeat_interleave(5)
    scores = []
    for step in range(steps + 1):
        if step in (0, steps):
            queries = EmbeddingQueries(recipe.grammar_words(), model.input_vectors.detach())
            scores.append(queries.score(recipe.grammar_questions()))
        words = corpus[torch.randint(len(corpus), (400,), generator=generator)].flatten()
        reach = torch.randint(1, 6, words.shape, generator=generator)
        if architecture == "cbow":
            true, inputs, shares = cbow_windows(words, sentences, reach)
        else:
            centres, true = skip_gram_pairs(words, sentences, reach)
            inputs, shares = centres[:, None], None
        targets = torch.cat([true[:, None], draw_noise(noise, (len(true), 5), generator)], 1)
        model.update(inputs, targets, 0.1 * (1 - step / (steps + 1)), shares=shares, limit=8.0)
    return scores


@pytest.mark.parametrize("architecture", ["skip-gram", "cbow"])
def test_a_planted_grammar_answers_its_analogies(architecture):
    before, after = grammar(architecture, 150 if architecture == "skip-gram" else 300)
    assert after.known == 90 * 16 and after.skipped == 0
    assert before.accuracy < 0.2
    assert after.accuracy >= 0.95


REFUSED = (ValueError, TypeCheckError)  # the second where the tests' check of shapes is first


def test_refusals():
    one = torch.zeros(3, dtype=torch.long)
    for function in (skip_gram_pairs, cbow_windows):
        with pytest.raises(REFUSED):
            function(one, one[:2], one)
    with pytest.raises(REFUSED):
        cooccurrences(one, one[:2], 3, 4)
    for function in (noise_distribution, lambda x: keep_probabilities(x, 0.1)):
        for bad in (torch.zeros(3), torch.tensor([1.0, -1.0]), torch.ones(2, 2)):
            with pytest.raises(REFUSED):
                function(bad)
    with pytest.raises(REFUSED):
        negative_sampling_loss(torch.zeros(3))
    with pytest.raises(REFUSED):
        negative_sampling_loss(torch.zeros(3, 2), torch.zeros(3, 1))
    with pytest.raises(REFUSED):
        rank_correlation(torch.zeros(3), torch.zeros(4))
    with pytest.raises(ValueError, match="1 at least"):
        Word2Vec(0, 3)
    model = random_model()
    with pytest.raises(REFUSED):
        model(one, one[:, None])
    with pytest.raises(REFUSED):
        model.update(one[:, None], one[:, None], 0.1, shares=torch.ones(3, 2))
