"""L-BFGS: directions are those of the dense inverse Hessian, lengths obey Wolfe, a map changes the way, not the end."""

import math

import pytest
import torch
from oracles import lbfgs as oracle

from deepcanon.parts.lbfgs import LBFGS, AffineRows, _direction, _keep, strong_wolfe


def normal(*shape):
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize(("history", "count"), [(1, 1), (3, 2), (4, 4), (3, 8)])
def test_directions_are_those_of_the_dense_inverse(history, count):
    half = normal(7, 7)
    hessian, pairs, known = half @ half.T + torch.eye(7, dtype=torch.float64), {}, []
    for _ in range(count):
        step = normal(7)
        _keep(pairs, step, hessian @ step, history)
        known.append((step.numpy(), (hessian @ step).numpy()))
        gradient = normal(7)
        expected = oracle.direction(gradient.numpy(), known, history)
        torch.testing.assert_close(_direction(gradient, pairs), torch.from_numpy(expected), rtol=1e-9, atol=1e-11)
    assert torch.equal(_direction(gradient, {}), -gradient)


def test_a_pair_without_curvature_is_left_out():
    pairs, step = {}, normal(5)
    for change in (-step, torch.zeros(5, dtype=torch.float64)):
        _keep(pairs, step, change, 3)
    assert not pairs


LINES = {
    "quadratic": (lambda t: (t - 3) ** 2, lambda t: 2 * (t - 3)),
    "steep": (lambda t: 50 * t**4 - 20 * t, lambda t: 200 * t**3 - 20),
    "far": (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),  # More and Thuente 1994, (5.1)
    "waves": (lambda t: 0.2 * t * t - 3 * t + 0.3 * math.sin(5 * t), lambda t: 0.4 * t - 3 + 1.5 * math.cos(5 * t)),
}


@pytest.mark.parametrize("trial", [1e-3, 0.1, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("name", LINES)
def test_lengths_obey_the_strong_wolfe_conditions(name, trial):
    value, slope = LINES[name]
    length = strong_wolfe(lambda t: (value(t), slope(t)), (value(0.0), slope(0.0)), trial, evaluations=40)
    assert oracle.holds(value, slope, length)


def test_a_search_backs_off_from_what_is_not_a_number():
    def along(t):
        return (-math.log1p(-t) - 2 * t, 1 / (1 - t) - 2) if t < 1 else (math.nan, math.nan)

    assert oracle.holds(lambda t: along(t)[0], lambda t: along(t)[1], strong_wolfe(along, (0.0, -1.0), 64.0))


def test_a_search_that_finds_nothing_lower_says_so():
    assert strong_wolfe(lambda t: (t, -1.0), (0.0, -1.0)) == 0
    # Rounding hides the decrease, the slope shows it: equation (3).
    assert strong_wolfe(lambda t: (1.0, -0.5), (1.0, -1.0), rounding=1e-7) == 1.0


def problem(dtype=torch.float64):
    """Least squares whose columns have means far from 0."""
    draw = torch.Generator().manual_seed(4)
    x = torch.randn(60, 5, generator=draw, dtype=torch.float64).to(dtype) + 6
    y = torch.randn(60, 2, generator=draw, dtype=torch.float64).to(dtype)
    model = torch.nn.Linear(5, 2, dtype=dtype)
    torch.nn.init.zeros_(model.weight), torch.nn.init.zeros_(model.bias)
    calls = []

    def closure():
        calls.append(1)
        model.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        return loss.detach()

    solution = torch.linalg.lstsq(torch.cat([x, torch.ones(60, 1, dtype=dtype)], 1), y).solution
    return x, model, closure, calls, solution


def test_it_ends_at_the_minimum_sooner_with_centred_steps():
    took = []
    for centred in (False, True):
        x, model, closure, calls, solution = problem()
        descent = LBFGS(
            model.parameters(), iterations=200, tolerance=1e-9, basis=AffineRows(x.mean(0)) if centred else None
        )
        first = descent.step(closure)
        found = torch.cat([model.weight, model.bias[:, None]], 1).T
        torch.testing.assert_close(found, solution, rtol=1e-7, atol=1e-7)
        assert first > closure()
        took.append(len(calls))
    assert took[1] < 0.6 * took[0], took


def test_gradients_and_parameters_are_those_of_the_point_it_arrives_at():
    _, model, closure, _, _ = problem()
    descent = LBFGS(model.parameters())
    for _ in range(12):
        descent.step(closure)
        here = [parameter.grad.clone() for parameter in model.parameters()]
        closure()
        assert all(torch.equal(a, b.grad) for a, b in zip(here, model.parameters(), strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_many_short_calls_are_one_long_call_and_the_pairs_are_all_that_is_kept(dtype):
    ends = []
    for calls in (1, 4, 12):
        x, model, closure, _, _ = problem(dtype)
        descent = LBFGS(model.parameters(), history=3, iterations=12 // calls, basis=AffineRows(x.mean(0)))
        for _ in range(calls):
            saved, descent = (
                descent.state_dict(),
                LBFGS(model.parameters(), history=3, iterations=12 // calls, basis=AffineRows(x.mean(0))),
            )
            descent.load_state_dict(saved)
            descent.step(closure)
        ends.append(model.weight.detach().clone())
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[0], ends[2])


def test_in_float32_it_goes_to_where_rounding_ends_the_way():
    _, model, closure, _, solution = problem(torch.float32)
    descent = LBFGS(model.parameters(), iterations=300)
    descent.step(closure)
    torch.testing.assert_close(model.weight.detach(), solution[:-1].T, rtol=1e-2, atol=1e-3)


def test_a_map_takes_slopes_by_its_transpose():
    basis, step, slope = AffineRows(normal(5)), normal(12), normal(12)
    torch.testing.assert_close(basis.steps(step) @ slope, step @ basis.slopes(slope))
    with pytest.raises(ValueError, match="a vector of 11 is not a weight and a bias for 5 features"):
        basis.steps(normal(11))


def test_what_it_cannot_do_is_refused():
    place = torch.nn.Parameter(torch.zeros(2))
    with pytest.raises(ValueError, match="at least 1 each"):
        LBFGS([place], history=0)
    with pytest.raises(ValueError, match="one group"):
        LBFGS([{"params": [place]}, {"params": [torch.nn.Parameter(torch.zeros(1))]}])
