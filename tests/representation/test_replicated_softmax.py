"""Documents few and short enough for sums over all of them: probabilities, gradients, drawing, annealing."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from oracles import replicated_softmax as oracle

from deepcanon.parts.bag_of_words import draw_words
from deepcanon.representation import ReplicatedSoftmax
from deepcanon.representation.replicated_softmax import (
    allocation_nats,
    annealed_log_z,
    exact_log_z,
    left_to_right,
    perplexities,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def machine(words=5, hidden=3):
    torch.manual_seed(0)
    model = ReplicatedSoftmax(words, hidden, scale=1.0, dtype=torch.float64)
    with torch.no_grad():
        model.word_bias.normal_()
        model.hidden_bias.normal_()
    return model


def arrays(model):
    return [x.detach().numpy() for x in model.parts()]


def log_z(model, lengths):
    return exact_log_z(torch.as_tensor(lengths), *model.parts())


@pytest.mark.parametrize("length", [1, 3])
def test_probabilities_of_all_documents_of_a_length_sum_to_one(length):
    model = machine()
    every = torch.from_numpy(oracle.documents(5, length))
    total = (-model.free_energy(every) - log_z(model, [length])).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-12)
    other = (-model.free_energy(every) - log_z(model, [length + 1])).exp().sum()
    assert abs(other.item() - 1) > 0.1, "Z belongs to one length"


def test_the_gradient_scales_the_hidden_bias_by_the_length():
    model = machine()
    counts = torch.tensor([[1.0, 0, 2, 0, 0], [0, 1.0, 0, 0, 0], [0, 0, 0, 2.0, 2]], dtype=torch.float64)
    nll = (model.free_energy(counts) + log_z(model, counts.sum(1).long())).mean()
    ours = torch.autograd.grad(nll, list(model.parts()))
    for mine, theirs in zip(ours, oracle.nll_gradient(counts.numpy(), *arrays(model)), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)


def test_two_copies_of_a_document_have_the_energy_of_doubled_parameters():
    model, counts = machine(), torch.tensor([[1.0, 0, 2, 0, 1]], dtype=torch.float64)
    twice = model.free_energy(2 * counts)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    torch.testing.assert_close(twice, model.free_energy(counts))


def test_the_negative_phase_draws_as_many_words():
    model, lengths = machine(), torch.tensor([1.0, 7.0, 3.0], dtype=torch.float64)
    counts = draw_words(torch.full((3, 5), 0.2, dtype=torch.float64), lengths, torch.rand(3, 7, generator=generator()))
    assert torch.equal(counts.sum(1), lengths)
    assert torch.equal(model.gibbs(counts, 4, generator()).sum(1), lengths)
    p = torch.tensor([[0.1, 0.0, 0.6, 0.3, 0.0]], dtype=torch.float64).expand(2000, -1)
    shares = draw_words(p, torch.full((2000,), 10.0), torch.rand(2000, 10, generator=generator())).mean(0) / 10
    torch.testing.assert_close(shares, p[0], atol=0.01, rtol=0)


def test_chains_reach_the_exact_distribution_of_documents():
    model = machine()
    start = torch.zeros(20_000, 5, dtype=torch.float64)
    start[:, 0] = 3
    found = model.gibbs(start, 20, generator()).mean(0)
    every = torch.from_numpy(oracle.documents(5, 3))
    p = (-model.free_energy(every) - log_z(model, [3])).exp()
    torch.testing.assert_close(found, p @ every, atol=0.04, rtol=0)


def test_annealing_agrees_with_enumeration_at_every_length():
    model, lengths = machine(), torch.tensor([1, 3, 6])
    found, error = annealed_log_z(lengths, *model.parts(), temperatures=400, chains=400, generator=generator())
    torch.testing.assert_close(found, exact_log_z(lengths, *model.parts()), atol=1e-2, rtol=0)
    assert bool((error < 0.01).all())


def test_processes_that_share_the_chains_run_those_of_one():
    model, counts = machine(), torch.from_numpy(oracle.documents(5, 2)[:6])
    whole = model.gibbs(counts, 3, generator(), longest=4)
    for rank in (0, 1):
        part = model.gibbs(counts[rank::2], 3, generator(), longest=4, share=(rank, 2))
        assert torch.equal(whole[rank::2], part)


def test_weighting_by_length_divides_each_document():
    model, counts = machine(), torch.from_numpy(oracle.documents(5, 2)[:4])
    counts[0] *= 3
    samples = model.gibbs(counts, 1, generator())
    gap = model.free_energy(counts) - model.free_energy(samples)
    torch.testing.assert_close(model.contrast(counts, samples), gap.mean())
    torch.testing.assert_close(model.contrast(counts, samples, by_length=True), (gap / counts.sum(1)).mean())


TOPICS = np.array([[0.7, 0.2, 0.1, 0.0], [0.1, 0.3, 0.2, 0.4]])
COUNTS = np.array([[3.0, 1, 0, 0], [0, 1, 2, 4], [1, 0, 0, 0], [0, 0, 0, 0], [2, 2, 2, 2]])


def by_integration(counts, concentration, points=200_001):
    """Equation (9) with two topics: theta = (x, 1 - x), and x = sin^2 u takes the infinite ends out of the density."""
    u = np.linspace(0, np.pi / 2, points)
    x = np.sin(u) ** 2
    density = (x * (1 - x)) ** (concentration - 0.5)  # Beta(a, a) dx/du, up to a factor
    words = x[:, None] * TOPICS[0] + (1 - x[:, None]) * TOPICS[1]
    return np.array([np.log((density * np.prod(words**v, 1)).sum() / density.sum()) for v in counts])


@pytest.mark.parametrize("concentration", [0.7, 2.0])
def test_left_to_right_agrees_with_integration_and_with_a_sum_over_all_topics(concentration):
    exact = oracle.dirichlet_log_likelihood(COUNTS, TOPICS, concentration)
    np.testing.assert_allclose(by_integration(COUNTS, concentration), exact, atol=1e-4)
    tensors = torch.from_numpy(COUNTS), torch.from_numpy(TOPICS)
    found = left_to_right(*tensors, concentration, particles=4000, generator=generator())
    np.testing.assert_allclose(found, exact, atol=0.02)
    assert found[3] == 0, "an empty document"
    few = left_to_right(tensors[0][4].expand(8000, -1), tensors[1], concentration, particles=2, generator=generator())
    assert few.exp().mean().log().item() == pytest.approx(exact[4], abs=0.02), "unbiased with few particles too"
    assert np.abs(left_to_right(*tensors, 20.0, particles=4000, generator=generator()) - exact).max() > 0.2


def test_left_to_right_of_one_topic_is_that_of_single_words():
    topic, counts = torch.tensor([[0.5, 0.3, 0.2]]), torch.tensor([[2.0, 0, 1], [0, 3, 0]])
    found = left_to_right(counts, topic, 0.1, particles=1)
    torch.testing.assert_close(found, (counts @ topic[0].log()).double())


def test_errors_name_the_shapes():
    w, b, c = torch.zeros(5, 17), torch.zeros(5), torch.zeros(17)
    with pytest.raises(ValueError, match="2\\^17"):
        exact_log_z(torch.tensor([1]), w, b, c)
    with pytest.raises(ValueError, match="1 chains"):
        annealed_log_z(torch.tensor([1]), w, b, c, chains=1)
    with pytest.raises(ValueError, match="documents of 3 words"):
        draw_words(torch.full((1, 5), 0.2), torch.tensor([3.0]), torch.rand(1, 2))
    with pytest.raises(ValueError, match="at least 1"):
        ReplicatedSoftmax(0, 2)
    with pytest.raises((ValueError, TypeCheckError), match=r"do not fit|topics"):
        left_to_right(torch.ones(2, 3), torch.ones(2, 4), 1.0)
    with pytest.raises(ValueError, match="concentration 0"):
        left_to_right(torch.ones(2, 3), torch.ones(2, 3), 0.0)
    with pytest.raises((ValueError, TypeCheckError), match=r"words|counts"):
        ReplicatedSoftmax(5, 2)(torch.zeros(2))


def test_perplexities_are_those_of_every_document_with_a_word():
    model, log_shares = machine(), torch.tensor([0.1, 0.2, 0.3, 0.15, 0.25], dtype=torch.float64).log()
    counts = torch.cat([torch.from_numpy(oracle.documents(5, 3)[:7]), torch.zeros(2, 5), 2 * torch.eye(5)]).double()
    source = lambda rows: -2.0 * rows.sum(1)  # noqa: E731
    options = {"temperatures": 400, "chains": 300, "generator": generator(), "source": source}
    found = perplexities(model, counts.split(4), log_shares, **options)
    some = counts[counts.sum(1) > 0]
    lengths = some.sum(1)
    nats = ((model.free_energy(some) + log_z(model, lengths.long())) / lengths).mean()
    single = -((some @ log_shares) / lengths).mean()
    torch.testing.assert_close(found["perplexity"], nats.exp())
    torch.testing.assert_close(found["perplexity_unigram"], single.exp())
    torch.testing.assert_close(found["gain"], single - nats)
    torch.testing.assert_close(found["gain_ais"], single - nats, atol=0.01, rtol=0)
    torch.testing.assert_close(found["perplexity_ais"].log(), single - found["gain_ais"])
    torch.testing.assert_close(found["free_energy"], (model.free_energy(some) / lengths).mean())
    assert found["empty"] == 2 and found["perplexity_source"].item() == pytest.approx(np.exp(2))
    assert found["ais_gap"] < 0.05 and 0 < found["ais_error"] < 0.05
    few = perplexities(model, [counts], log_shares)
    assert few.keys() == {"free_energy", "empty", "perplexity_unigram", "perplexity", "gain"}
    assert "perplexity" not in perplexities(machine(5, 17), [counts], log_shares), "2^17 states are too many"


def test_an_allocation_is_measured_on_documents_with_a_word():
    tensors = torch.from_numpy(COUNTS), torch.from_numpy(TOPICS)
    exact = oracle.dirichlet_log_likelihood(COUNTS, TOPICS, 0.7)
    some = COUNTS.sum(1) > 0
    found = allocation_nats(*tensors, 0.7, particles=4000, generator=generator())
    assert found.item() == pytest.approx(-(exact[some] / COUNTS[some].sum(1)).mean(), abs=0.01)


def test_documents_that_are_drawn_have_the_exact_distribution():
    model = machine()
    drawn = model.documents(torch.full((5,), 0.2), 3, 20_000, steps=20, generator=generator())
    every = torch.from_numpy(oracle.documents(5, 3))
    p = (-model.free_energy(every) - log_z(model, [3])).exp()
    torch.testing.assert_close(drawn.mean(0), p @ every, atol=0.04, rtol=0)
