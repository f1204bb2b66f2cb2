"""Tents: exactly 2^D pieces from 2 D units, what few pieces cannot do, and networks of equal size."""

import math
from itertools import pairwise

import pytest
import torch
from contract import recipes
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from oracles import depth_versus_width as oracle
from torch import nn

from deepcanon.foundations import TentNetwork, mlp
from deepcanon.foundations.depth_versus_width import (
    breakpoints,
    equal_width,
    fit_one_layer,
    least_squared_error,
    linear_pieces,
    most_pieces,
    multiplications,
    parameters,
    tent_bends,
)


def relu_network(*sizes, seed=0):
    torch.manual_seed(seed)
    layers = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after, dtype=torch.float64), nn.ReLU()]
    for layer in layers[::2]:
        nn.init.normal_(layer.bias)
    return nn.Sequential(*layers[:-1])


def shallow_tents(depth, units=None):
    """f_depth by one hidden layer: a unit that is always on for the first piece, one more for each further bend."""
    pieces = 2**depth
    units = pieces if units is None else units
    net = nn.Sequential(nn.Linear(1, units, dtype=torch.float64), nn.ReLU(), nn.Linear(units, 1, dtype=torch.float64))
    places = torch.arange(units, dtype=torch.float64) / pieces
    jumps = torch.tensor([pieces if i == 0 else 2 * pieces * (-1) ** i for i in range(units)], dtype=torch.float64)
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[0].bias.copy_(-places)
        net[2].weight.copy_(jumps[None])
        net[2].bias.zero_()
    return net


@pytest.mark.parametrize("depth", [1, 2, 6, 10])
def test_tents_have_exactly_two_to_the_depth_pieces(depth):
    net = TentNetwork(depth)
    assert sum(net.hidden) == 2 * depth and linear_pieces(net.layers) == 2**depth
    x, values = breakpoints(net.layers)
    assert torch.equal(x, torch.arange(2**depth + 1) / 2**depth)
    assert torch.equal(values[:, 0], torch.arange(2**depth + 1) % 2.0)


def test_one_hidden_layer_of_64_units_does_it_and_of_40_does_not():
    deep, shallow = TentNetwork(6, dtype=torch.float64), shallow_tents(6)
    x = torch.linspace(0, 1, 5001, dtype=torch.float64)[:, None]
    torch.testing.assert_close(shallow(x), deep(x), atol=1e-9, rtol=0)
    assert linear_pieces(shallow) == 64 > most_pieces((40,))
    assert parameters((1, *deep.hidden, 1)) == 37 < parameters((1, 64, 1))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), hidden=st.lists(st.integers(1, 7), min_size=1, max_size=3))
def test_pieces_never_exceed_the_bound_and_agree_with_the_network(seed, hidden):
    net = relu_network(1, *hidden, 1, seed=seed)
    x, values = breakpoints(net, -3.0, 3.0)
    assert 1 <= len(x) - 1 <= most_pieces(hidden)
    assert x[0] == -3 and x[-1] == 3 and (x[1:] > x[:-1]).all()
    torch.testing.assert_close(values, net(x[:, None]).detach(), atol=1e-9, rtol=1e-9)
    middles = (x[1:] + x[:-1]) / 2
    expected = (values[1:] + values[:-1]) / 2
    torch.testing.assert_close(net(middles[:, None]).detach(), expected, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("units", [1, 5, 20])
def test_one_layer_bends_once_per_unit(units):
    net = relu_network(1, units, 1, seed=units)
    bends = oracle.shallow_bends(net[0].weight[:, 0].tolist(), net[0].bias.tolist(), -100, 100)
    assert linear_pieces(net, -100.0, 100.0) == len(bends) + 1 <= units + 1


def test_bends_that_cancel_are_no_bends():
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[0].bias.fill_(-0.5)
        net[2].weight.copy_(torch.tensor([[1.0, -1.0]]))
    assert linear_pieces(net) == 1


def test_a_count_on_a_grid_would_miss_pieces():
    """The 2^10 pieces of ten tents, seen on 1,000 places: what exact counting is for."""
    net = TentNetwork(10)
    values = net(torch.linspace(0, 1, 1000)[:, None])[:, 0]
    slopes = (values[1:] - values[:-1]).sign()
    assert (slopes[1:] != slopes[:-1]).sum() + 1 != 2**10 == linear_pieces(net.layers)


# What few pieces cannot do


def test_no_line_is_closer_to_a_tent():
    assert oracle.line_against_tent(0.5) == pytest.approx(1 / 48, abs=1e-12)
    assert least_squared_error(6, 41) == pytest.approx(23 / 64 / 48) == pytest.approx(0.0074870, abs=1e-6)
    assert least_squared_error(6, 63) > 0 == least_squared_error(6, 64)


@pytest.mark.parametrize("pieces", [1, 2, 5, 8, 11, 15])
def test_the_bound_holds_for_the_best_function_of_so_many_pieces(pieces):
    """Four tents against the best of ALL functions of p pieces, continuous or not, by dynamic programming on a grid."""
    count = 512
    x = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    y = torch.from_numpy(oracle.tents(x.numpy(), 4))
    sums = [torch.cat([torch.zeros(1), term.cumsum(0)]) for term in (torch.ones(count), x, y, x * x, x * y, y * y)]
    n, sx, sy, sxx, sxy, syy = (s[None, :] - s[:, None] for s in sums)  # from place i up to place j
    variance = (sxx - sx**2 / n.clamp_min(1)).clamp_min(1e-12)
    cost = syy - sy**2 / n.clamp_min(1) - (sxy - sx * sy / n.clamp_min(1)) ** 2 / variance
    cost = torch.where(n > 0, cost.clamp_min(0), math.inf)
    best = cost[0]
    for _ in range(pieces - 1):
        best = torch.minimum(best, (best[:, None] + cost).amin(0))
    assert best[-1].item() / count >= least_squared_error(4, pieces) * (1 - 1e-3)


def test_forty_units_stay_half_away_somewhere():
    """Equation (4) on the function that is right up to its 40th bend, and on others."""
    deep = TentNetwork(6, dtype=torch.float64)
    x = torch.arange(65, dtype=torch.float64)[:, None] / 64
    for net in (shallow_tents(6, 40), *(relu_network(1, 40, 1, seed=seed) for seed in range(5))):
        assert (net(x) - deep(x)).abs().max() >= 0.5


# Equal size


def test_equal_parameters_are_equal_multiplications():
    wide, deep = (784, 126, 10), (784, 100, 100, 100, 10)
    assert equal_width(784, 10, 1, 100_000) == 126 and equal_width(784, 10, 3, 100_000) == 100
    assert abs(parameters(wide) / parameters(deep) - 1) < 0.01
    assert abs(multiplications(wide) / multiplications(deep) - 1) < 0.01
    for hidden in ((126,), (100, 100, 100)):
        net = mlp.MLP(784, 10, hidden=hidden)
        assert sum(p.numel() for p in net.parameters()) == parameters((784, *hidden, 10))


@settings(max_examples=40, deadline=None)
@given(inputs=st.integers(1, 900), outputs=st.integers(1, 20), depth=st.integers(1, 6), budget=st.integers(50, 10**5))
def test_no_other_width_is_nearer_to_the_budget(inputs, outputs, depth, budget):
    width = equal_width(inputs, outputs, depth, budget)

    def gap(width):
        return abs(parameters((inputs, *[width] * depth, outputs)) - budget)

    assert gap(width) <= gap(width + 1) and (width == 1 or gap(width) <= gap(width - 1))


@pytest.mark.parametrize("seed", [0, 1])
def test_forty_units_are_fitted_as_well_as_can_be_and_no_better(seed):
    bends = tent_bends(6, 40, generator=torch.Generator().manual_seed(seed))
    x = torch.linspace(0, 1, 32 * 64 + 1, dtype=torch.float64)[:, None]
    net, error = fit_one_layer(x, TentNetwork(6, dtype=torch.float64)(x), bends)
    assert linear_pieces(net) <= 41 and error == pytest.approx(
        (net(x)[:, 0] - torch.from_numpy(oracle.tents(x.numpy(), 6))[:, 0]).square().mean().item()
    )
    # A run of 40 right pieces and 1/2 elsewhere has 24 / 64 / 12 = 0.03125; a line alone 1/12.
    assert least_squared_error(6, 41) <= error < 0.04


@pytest.mark.parametrize(("depth", "units"), [(6, 40), (2, 9), (3, 8), (1, 1)])
def test_bends_begin_at_a_run_of_turning_points(depth, units):
    bends = tent_bends(depth, units, generator=torch.Generator().manual_seed(0))
    turns = torch.arange(1, 2**depth) / 2**depth
    right = bends[1:][torch.isin(bends[1:], turns)]
    assert bends[0] == 0 and len(bends) == units and len(right) == min(units - 1, 2**depth - 1)
    assert torch.equal(right.diff(), torch.full_like(right[1:], 0.5**depth))


def test_enough_units_are_fitted_exactly():
    x = torch.linspace(0, 1, 129, dtype=torch.float64)[:, None]
    assert fit_one_layer(x, TentNetwork(3, dtype=torch.float64)(x), tent_bends(3, 8))[1] < 1e-20


def test_the_recipe_compares_networks_of_equal_size():
    trained, _ = recipes.start(recipes.trainee("depth_versus_width"), 1)
    sizes = {arm: parameters(sizes) for arm, sizes in trained.sizes.items()}
    assert set(sizes) == {"layers1", "layers3"} and max(sizes.values()) < 1.01 * min(sizes.values())


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="not Tanh"):
        linear_pieces(nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1)))
    with pytest.raises(ValueError, match="a layer of 3 inputs after 1 values"):
        linear_pieces(nn.Sequential(nn.Linear(3, 2)))
    with pytest.raises(ValueError, match=r"\[1.0, 0.0\] is not an interval"):
        linear_pieces(TentNetwork(2).layers, 1.0, 0.0)
    with pytest.raises(ValueError, match="at least one tent"):
        TentNetwork(0)
    with pytest.raises(ValueError, match="not 0"):
        equal_width(3, 2, 0, 100)
    for count in (least_squared_error, tent_bends):
        with pytest.raises(ValueError, match="at least 1 each"):
            count(3, 0)
    with pytest.raises((ValueError, TypeCheckError), match="points"):
        fit_one_layer(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(4))
