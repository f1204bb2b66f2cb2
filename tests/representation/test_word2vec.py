import itertools
import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from oracles import word2vec as oracle

from deepcanon.data.tasks import planted_grammar as grammar
from deepcanon.parts.embedding_queries import EmbeddingQueries
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.representation import Word2Vec, negative_sampling_loss, shifted_pmi
from deepcanon.representation.mutual_information import CooccurrenceCounts
from deepcanon.representation.word2vec import (
    cbow_windows,
    draw_noise,
    keep_probabilities,
    noise_distribution,
    shared_noise_loss,
    shared_rows,
    skip_gram_pairs,
)


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


def shared_pairs(rows):
    """The pairs of a text as `update` takes them: the same weights, and the same noise of each row."""
    where = rows.right.nonzero()
    row, place = where[:, 0], where[:, 1]
    weight = rows.right[where.unbind(1)]
    true = rows.near[row, where[:, 2]]
    targets = torch.cat([true[:, None], rows.noise[row]], 1)
    weights = torch.cat([weight[:, None], (rows.noise[row] != true[:, None]) * weight[:, None]], 1)
    return rows.words[row, place][:, None], targets, weights


@pytest.mark.parametrize(("size", "many"), [(30, 4), (7, 7), (3, 5), (1, 1), (0, 2)])
def test_shared_noise_gives_the_gradient_of_its_pairs(size, many):
    """The fast path against the plain formula of the same pairs and noise, word by word, AdaGrad or not."""
    random, negatives = torch.Generator().manual_seed(2), 5
    words = torch.randint(6, (size,), generator=random)
    sentences = torch.randint(4, (size,), generator=random).sort().values
    noise = torch.randint(9, (many, 3), generator=random)
    rows = shared_rows(words, sentences, noise, 4, negatives, dtype=torch.float64)
    inputs, targets, weights = shared_pairs(rows)
    assert len(inputs) == len(skip_gram_pairs(words, sentences, torch.full((size,), 4))[0])
    weights[:, 1:] *= negatives / noise.shape[1]
    for power in (0.0, 0.5):
        fast, plain = random_model(), random_model()
        fast.update_shared(rows, 0.1, power=power)
        plain.update(inputs, targets, 0.1, weights=weights, power=power)
        for name, tensor in plain.state_dict().items():
            torch.testing.assert_close(fast.state_dict()[name], tensor, rtol=1e-12, atol=1e-13)
        assert bool((fast.input_vectors == random_model().input_vectors).all()) == (len(inputs) == 0)


def test_shared_noise_has_the_expectation_of_noise_of_its_own():
    """Every window and every noise word with its probability: both losses and their gradients in mean."""
    words, sentences, window, negatives = torch.tensor([0, 3, 1, 0, 2]), torch.tensor([0, 0, 0, 0, 1]), 2, 5
    probabilities = noise_distribution(torch.tensor([3.0, 1, 4, 1, 5]))
    model = random_model(5, 3)

    def gradients(loss):
        return [loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))]

    plain = torch.zeros((), dtype=torch.float64)
    every = torch.arange(5)
    for reach in itertools.product((1, 2), repeat=len(words)):
        centres, near = skip_gram_pairs(words, sentences, torch.tensor(reach))
        targets = torch.cat([near[:, None], every.expand(len(near), 5)], 1)
        weights = torch.cat([torch.ones(len(near), 1), negatives * probabilities * (every != near[:, None])], 1)
        plain = plain + negative_sampling_loss(model(centres[:, None], targets), weights).sum() / 2 ** len(words)
    shared = torch.zeros((), dtype=torch.float64)
    for word, probability in enumerate(probabilities):
        rows = shared_rows(words, sentences, torch.full((2, 1), word), window, negatives, dtype=torch.float64)
        outputs = model.output_vectors[torch.cat([rows.near, rows.noise], 1)]
        scores = model.input_vectors[rows.words] @ outputs.mT
        shared = shared + probability * shared_noise_loss(scores, rows.right, rows.wrong).sum()
    for one, other in zip(gradients(plain), gradients(shared), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_the_loss_that_an_update_returns_is_that_of_some_rows():
    words, sentences = torch.arange(40) % 9, torch.zeros(40, dtype=torch.long)
    rows = shared_rows(words, sentences, torch.arange(40).view(20, 2) % 9, 2, 3, dtype=torch.float64)
    model = random_model()
    outputs = model.output_vectors[torch.cat([rows.near, rows.noise], 1)]
    losses = shared_noise_loss(model.input_vectors[rows.words] @ outputs.mT, rows.right, rows.wrong)
    expected = (losses[0].sum() + losses[16].sum()) / (rows.right[0].sum() + rows.right[16].sum())
    torch.testing.assert_close(model.update_shared(rows, 0.1), expected.detach())


def test_adagrad_slows_each_word_by_its_own_gradients():
    """Equal gradients at every step: the k-th step of AdaGrad is 1 / sqrt(k) of the first; plain descent keeps on."""
    inputs, targets = torch.tensor([[0]]), torch.tensor([[1]])
    for power, ratio in ((0.5, 0.5), (0.0, 1.0)):
        model = random_model()
        moves = []
        for _ in range(4):
            model.load_state_dict(random_model().state_dict() | {"output_squares": model.output_squares})
            start = model.output_vectors[1].detach().clone()
            model.update(inputs, targets, 0.1, power=power)
            moves.append(model.output_vectors[1].detach() - start)
        torch.testing.assert_close(moves[3], moves[0] * ratio)
        assert int((model.output_squares > 0).sum()) == (1 if power else 0)


def planted(architecture, shared, steps):
    """The scores of the planted grammar's analogies before and after learning by hand."""
    text = grammar.text(0, 8_000)
    vocabulary = Vocabulary.build(text, "words")
    tokens = vocabulary.encode(text)
    corpus, size, generator = tokens.view(-1, 6)[:, :5], len(vocabulary), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model, noise = Word2Vec(size, 30), noise_distribution(corpus.flatten().bincount(minlength=size))
    sentences, scores = torch.arange(400).repeat_interleave(5), []
    for step in range(steps + 1):
        if step in (0, steps):
            scores.append(EmbeddingQueries(vocabulary.symbols, model.input_vectors.detach()).score(grammar.questions()))
        words, rate = corpus[torch.randint(len(corpus), (400,), generator=generator)].flatten(), 1 - step / (steps + 1)
        reach = torch.randint(1, 6, words.shape, generator=generator)
        if shared:
            rows = shared_rows(words, sentences, draw_noise(noise, (63, 32), generator), 5, 5)
            model.update_shared(rows, 0.5 * rate, power=0.5)
            continue
        if architecture == "cbow":
            true, inputs, shares = cbow_windows(words, sentences, reach)
        else:
            centres, true = skip_gram_pairs(words, sentences, reach)
            inputs, shares = centres[:, None], None
        targets = torch.cat([true[:, None], draw_noise(noise, (len(true), 5), generator)], 1)
        model.update(inputs, targets, 0.5 * rate, shares=shares, power=0.5)
    return scores


@pytest.mark.parametrize(("architecture", "shared"), [("skip-gram", False), ("skip-gram", True), ("cbow", False)])
def test_a_planted_grammar_answers_its_analogies(architecture, shared):
    before, after = planted(architecture, shared, 60)
    assert after.known == 90 * 16 and after.skipped == 0
    assert before.accuracy < 0.2
    assert after.accuracy >= 0.95


REFUSED = (ValueError, TypeCheckError)  # the second where the tests' check of shapes is first


def test_refusals():
    one = torch.zeros(3, dtype=torch.long)
    for function in (skip_gram_pairs, cbow_windows):
        with pytest.raises(REFUSED):
            function(one, one[:2], one)
    for function in (noise_distribution, lambda x: keep_probabilities(x, 0.1)):
        for bad in (torch.zeros(3), torch.tensor([1.0, -1.0]), torch.ones(2, 2)):
            with pytest.raises(REFUSED):
                function(bad)
    with pytest.raises(REFUSED):
        negative_sampling_loss(torch.zeros(3))
    with pytest.raises(REFUSED):
        negative_sampling_loss(torch.zeros(3, 2), torch.zeros(3, 1))
    with pytest.raises(ValueError, match="at least 1"):
        Word2Vec(0, 3)
    with pytest.raises(REFUSED):
        shared_rows(one, one[:2], one[:, None], 2, 5)
    for noise, window in ((one[:0, None], 2), (one[:, None], 0)):
        with pytest.raises(ValueError, match="noise"):
            shared_rows(one, one, noise, window, 5)
    with pytest.raises(REFUSED):
        shared_noise_loss(torch.zeros(1, 2, 5), torch.zeros(1, 2, 3), torch.zeros(1, 2, 3))
    model = random_model()
    with pytest.raises(REFUSED):
        model(one, one[:, None])
    with pytest.raises(REFUSED):
        model.update(one[:, None], one[:, None], 0.1, shares=torch.ones(3, 2))
