"""Boltzmann machines small enough for sums over all states: likelihood, gradients, samplers, annealing."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from oracles import rbm as oracle

from deepcanon.parts.progress import listening
from deepcanon.representation import RBM, annealed_log_partition
from deepcanon.representation.rbm import free_energy, log_partition, nll_estimates


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def machine(visible=8, hidden=6, **options):
    """Weights large enough that the layers depend on each other."""
    torch.manual_seed(0)
    model = RBM(visible, hidden, scale=0.8, dtype=torch.float64, **options)
    with torch.no_grad():
        model.visible_bias.normal_()
        model.hidden_bias.normal_()
    return model


def arrays(model):
    return [x.detach().numpy() for x in (model.weight, model.visible_bias, model.hidden_bias)]


def data(count=40, visible=8):
    return (torch.rand(count, visible, generator=generator(1), dtype=torch.float64) < 0.3).double()


def gradient(model, value):
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))])


def cosine(a, b):
    return float(torch.nn.functional.cosine_similarity(a, b, 0))


def test_probabilities_of_all_states_sum_to_one():
    model = machine()
    every = torch.from_numpy(oracle.states(8))
    assert (-model.free_energy(every) - model.log_partition()).exp().sum().item() == pytest.approx(1, abs=1e-12)
    wide = machine(4, 30)  # the visible layer is the smaller one
    every = torch.from_numpy(oracle.states(4))
    assert (-wide.free_energy(every) - wide.log_partition()).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_the_exact_gradient_is_that_of_sums_over_states():
    model, v = machine(6, 4), data(20, 6)
    nll = model.free_energy(v).mean() + model.log_partition()
    ours = torch.autograd.grad(nll, [model.weight, model.visible_bias, model.hidden_bias])
    for mine, theirs in zip(ours, oracle.nll_gradient(v.numpy(), *arrays(model)), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)


def test_contrastive_gradient_holds_probabilities_not_samples():
    model, v = machine(6, 4), data(20, 6)
    samples = model.gibbs(v, 3, generator())
    assert set(samples.unique().tolist()) <= {0.0, 1.0}, "states drive the chain"
    (slope,) = torch.autograd.grad(model.contrast(v, samples), [model.weight])
    first, last = (oracle.hidden_probabilities(x.numpy(), *arrays(model)) for x in (v, samples))
    np.testing.assert_allclose(slope, (samples.numpy().T @ last - v.numpy().T @ first) / 20, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"units": "gaussian", "sigma": 0.7}])
def test_the_closed_form_of_the_gradient_is_that_of_autograd(options):
    model, random = machine(6, 4, **options), generator()
    v, samples = data(20, 6) + (0.1 if options else 0), data(15, 6).flip(0)
    ours = model.slope(v, samples)
    parameters = [model.weight, model.visible_bias, model.hidden_bias]
    for mine, theirs in zip(ours, torch.autograd.grad(model.contrast(v, samples), parameters), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)
    chain = model.chain(v, 3, random)
    torch.testing.assert_close(chain.hidden, model(v))
    assert torch.equal(chain.visible, model.gibbs(v, 3, generator()))
    for mine, known in zip(model.slope(v, samples), model.slope(v, samples, chain.hidden), strict=True):
        torch.testing.assert_close(mine, known)


def test_long_chains_give_the_exact_gradient_and_one_step_does_not():
    model, v = machine(8, 6), data(8000)[:, torch.tensor([0, 0, 0, 1, 2, 3, 4, 4])]  # 1,000s of chains, little noise
    exact = gradient(model, model.free_energy(v).mean() + model.log_partition())
    chains, random = torch.zeros(4000, 8, dtype=torch.float64), generator()
    for _ in range(10):  # kept from one update to the next
        chains = model.gibbs(chains, 10, random)
    assert cosine(gradient(model, model.contrast(v, chains)), exact) >= 0.99
    one, many = (gradient(model, model.contrast(v, model.gibbs(v, k, random))) for k in (1, 50))
    assert cosine(many, exact) >= 0.99 and 0 < cosine(one, exact) < cosine(many, exact)


@pytest.mark.parametrize("units", ["bernoulli", "gaussian"])
def test_annealing_agrees_with_enumeration(units):
    model = machine(8, 6, units=units)
    found = annealed_log_partition(*model.parts(), temperatures=400, chains=200, generator=generator())
    exact = model.log_partition()
    assert abs(found.log_z - exact) < 0.1 and found.low <= exact <= found.high and found.high - found.low < 0.5
    with_base = annealed_log_partition(*model.parts(), base=torch.zeros(8), temperatures=400, generator=generator())
    assert abs(with_base.log_z - exact) < 0.1, "the base leaves no trace"


def test_annealing_of_a_machine_without_weights_is_exact_in_one_step():
    model = machine(5, 3)
    with torch.no_grad():
        model.weight.zero_()
        model.hidden_bias.zero_()
    found = annealed_log_partition(*model.parts(), temperatures=1, chains=2)
    assert found.log_z.item() == pytest.approx(model.log_partition().item(), abs=1e-12)
    assert found.low.item() == pytest.approx(found.high.item(), abs=1e-12)


def test_gaussian_density_integrates_to_one():
    model = machine(2, 3, units="gaussian", sigma=0.7)
    with torch.no_grad():
        model.log_sigma[1] = 0.3
    line = torch.linspace(-12, 12, 401, dtype=torch.float64)
    log_p = -model.free_energy(torch.cartesian_prod(line, line)) - model.log_partition()
    assert (log_p.exp().sum() * (line[1] - line[0]) ** 2).item() == pytest.approx(1, abs=1e-6)


def test_gaussian_samples_have_the_moments_of_the_density():
    model = machine(2, 3, units="gaussian", sigma=0.7)
    samples = model.gibbs(torch.zeros(20_000, 2, dtype=torch.float64), 30, generator())
    line = torch.linspace(-10, 10, 301, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    p = (-model.free_energy(grid) - model.log_partition()).exp()
    p = p / p.sum()
    mean = p @ grid
    torch.testing.assert_close(samples.mean(0), mean, atol=0.05, rtol=0)
    torch.testing.assert_close(samples.var(0), p @ (grid - mean).square(), atol=0, rtol=0.05)


def test_gaussian_reconstruction_of_cd_is_a_mean():
    model = machine(4, 3, units="gaussian", sigma=0.5)
    with torch.no_grad():
        model.hidden_bias.fill_(1000.0)  # every hidden unit is on: nothing else is random
    v = torch.randn(6, 4, dtype=torch.float64)
    expected = model.visible_bias + 0.5 * model.weight.sum(1)
    torch.testing.assert_close(model.gibbs(v, 1, generator(), mean=True), expected.expand(6, 4))
    assert not torch.allclose(model.gibbs(v, 1, generator()), expected.expand(6, 4))


def test_processes_that_share_the_chains_run_those_of_one():
    for units in ("bernoulli", "gaussian"):
        model, v = machine(8, 6, units=units), data(10)
        whole = model.gibbs(v, 4, generator())
        for rank in (0, 1):
            torch.testing.assert_close(whole[rank::2], model.gibbs(v[rank::2], 4, generator(), share=(rank, 2)))


def test_errors_name_the_shapes():
    w, b, c, shapes = torch.zeros(3, 2), torch.zeros(3), torch.zeros(2), (ValueError, TypeCheckError)
    with pytest.raises(shapes, match="visible"):
        free_energy(torch.zeros(4, 2), w, b, c)
    with pytest.raises(shapes, match="bias"):
        log_partition(w, c, b)
    with pytest.raises(shapes, match="sigma"):
        log_partition(w, b, c, c)
    with pytest.raises(shapes, match="visible"):
        RBM(3, 2)(torch.zeros(3))
    with pytest.raises(ValueError, match="2\\^21"):
        log_partition(torch.zeros(30, 21), torch.zeros(30), torch.zeros(21))
    with pytest.raises(ValueError, match="1 chains"):
        annealed_log_partition(w, b, c, chains=1)
    for wrong in ({"units": "poisson"}, {"sigma": 0.0}, {"learn_sigma": True}):
        with pytest.raises(ValueError, match=next(iter(wrong)).removeprefix("learn_")):
            RBM(3, 2, **wrong)
    with pytest.raises(ValueError, match="at least 1"):
        RBM(0, 2)


def test_estimates_of_the_likelihood_agree_and_are_named():
    model, v = machine(8, 6), data()
    energy = model.free_energy(v).mean()
    found = nll_estimates(model, energy, temperatures=400, generator=generator())
    assert found.keys() == {"nll", "nll_ais", "nll_ais_low", "nll_ais_high", "ais_gap"}
    assert found["nll"] == energy + model.log_partition() and found["ais_gap"] < 0.1
    assert found["nll_ais_low"] <= found["nll"] <= found["nll_ais_high"]
    assert nll_estimates(model, energy, temperatures=0).keys() == {"nll"}
    wide = machine(30, 21)
    assert not wide.enumerable and nll_estimates(wide, torch.tensor(0.0), temperatures=0) == {}
    assert machine(4, 30).enumerable and not machine(4, 30, units="gaussian").enumerable


def test_a_gaussian_machine_is_compared_with_the_best_single_gaussian():
    model = machine(2, 3, units="gaussian")
    with torch.no_grad():
        model.weight.zero_()  # a standard Gaussian around its bias
    v = model.visible_bias.detach() + torch.randn(50_000, 2, generator=generator(), dtype=torch.float64)
    found = nll_estimates(model, model.free_energy(v).mean(), temperatures=0, compared=v)
    assert found["nll_gaussian"].item() == pytest.approx(1 + np.log(2 * np.pi), abs=0.01)
    assert found["gain"].item() == pytest.approx(0, abs=1e-3) and found["gain"] <= 0


def test_samples_to_be_looked_at_are_probabilities_or_gaussian_states():
    model, v = machine(), data()
    drawn = model.gibbs(v, 3, generator())
    torch.testing.assert_close(model.samples(v, 3, generator()), model.visible_mean(model(drawn)))
    torch.testing.assert_close(model.reconstruct(v), model.visible_mean(model(v)))
    gaussian = machine(4, 3, units="gaussian")
    start = torch.zeros(5, 4)  # of another precision than the weights
    states = gaussian.gibbs(start.double(), 3, generator())
    torch.testing.assert_close(gaussian.samples(start, 3, generator()), states)
    said = []
    with listening(lambda done, of: said.append((done, of))):
        gaussian.samples(start, 3, generator())
    assert said == [(1, 3), (2, 3), (3, 3)]


def test_free_energies_do_not_depend_on_how_many_are_computed_at_a_time():
    model, v = machine(), data(11)
    torch.testing.assert_close(model.free_energy(v, rows=3), model.free_energy(v))
