"""Convex models: shares of processes add up to the whole, SGD and L-BFGS by options, factors of all processes."""

import importlib
from types import SimpleNamespace

import pytest
import torch

from deepcanon.data.splits import Split
from deepcanon.foundations.linear_regression import linear_both, linear_objective, merge_triangles, triangle
from deepcanon.techniques import convex

X, Y = torch.randn(7, 3, dtype=torch.float64), torch.randn(7, 1, dtype=torch.float64)
ALONE = SimpleNamespace(sum=lambda value: value)


def test_shares_of_several_processes_add_up_to_gradient_and_objective():
    found = []
    for world in (1, 3):
        total = torch.zeros(())
        model = torch.nn.Linear(3, 1, dtype=torch.float64)
        torch.nn.init.constant_(model.weight, 0.5), torch.nn.init.zeros_(model.bias)
        slopes = [torch.zeros_like(p) for p in model.parameters()]
        for rank in range(world):
            mine = slice(rank, None, world)
            total = total + convex.Objective(ALONE, model, linear_both, ridge=0.3).closure(X[mine], Y[mine], len(X))()
            slopes = [s + p.grad for s, p in zip(slopes, model.parameters(), strict=True)]
        found.append([total, *slopes])
    model.zero_grad()
    auto = linear_objective(model.weight, model.bias, X, Y, ridge=0.3)
    auto.backward()
    for one, three, own in zip(*found, [auto.detach(), model.weight.grad, model.bias.grad], strict=True):
        torch.testing.assert_close(one, own)
        torch.testing.assert_close(three, own)


def test_options_choose_the_optimizer_its_rows_and_its_steps():
    split = Split(X, Y)
    batch = SimpleNamespace(x=X[:2], y=Y[:2])
    run = SimpleNamespace(
        rank=1, world=2, steps=10, to=lambda value: value, batch=lambda split, size: batch,
        steps_of=lambda epochs, batch, examples: epochs * (examples // batch),
    )  # fmt: skip
    options = SimpleNamespace(
        optimizer="lbfgs", history=4, iterations=9, batch=2, epochs=5, learning_rate=0.5, momentum=0.9
    )
    parameters = [torch.nn.Parameter(torch.zeros(3))]
    descent = convex.convex_optimizer(options, parameters)
    assert descent.param_groups[0]["history_size"] == 4 and descent.param_groups[0]["max_iter"] == 1
    prepared = []
    rows = convex.Rows(run, options, lambda x: prepared.append(len(x)) or 2 * x)
    for step in range(3):
        x, y, count = rows.of_step(split, descent, step)
        assert torch.equal(x, 2 * X[1::2]) and torch.equal(y, Y[1::2]) and count == 7
    assert prepared == [3] and convex.steps_of(run, options, 7) == 9
    options.optimizer = "sgd"
    descent = convex.convex_optimizer(options, parameters)
    x, _, count = convex.Rows(run, options, lambda x: 2 * x).of_step(split, descent, 5)
    assert torch.equal(x, 2 * X[:2]) and count == 2 and convex.steps_of(run, options, 7) == 15
    assert descent.param_groups[0]["lr"] == pytest.approx(0.25), "half a cosine, half way"


def test_an_iteration_of_lbfgs_can_stop_between_any_two():
    ends = []
    for calls in (1, 2):
        model = torch.nn.Linear(3, 1, dtype=torch.float64)
        torch.nn.init.zeros_(model.weight), torch.nn.init.zeros_(model.bias)
        descent = convex.lbfgs(model.parameters(), 4)
        for call in range(calls):
            objective = convex.Objective(ALONE, model, linear_both, ridge=0.1)  # nothing is known of earlier points
            if call:
                saved, descent = descent.state_dict(), convex.lbfgs(model.parameters(), 4)
                descent.load_state_dict(saved)
            for _ in range(20 // calls):
                descent.step(objective.closure(X, Y, len(X)))
        ends.append(model.weight.detach().clone())
    assert torch.equal(*ends)
    assert convex.steepest(model) < 1e-3


@pytest.mark.parametrize("count", [1, 7, 1024, 2500])
@pytest.mark.parametrize("name", ["softmax", "logistic", "linear"])
def test_objective_and_gradient_together_are_those_of_each(name, count):
    module = importlib.import_module(f"deepcanon.foundations.{name}_regression")
    draw = torch.Generator().manual_seed(count)

    def normal(*shape):
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    inputs, shape = normal(count, 5), () if name == "logistic" else (3,)
    weight, bias = normal(*shape, 5), normal(*shape)
    targets = normal(count, 3) if name == "linear" else torch.arange(count) % (2 if name == "logistic" else 3)
    point, penalty = (weight, bias, inputs, targets), {"ridge" if name == "linear" else "decay": 0.3}
    objective, *slopes = getattr(module, f"{name}_both")(*point, **penalty)
    assert objective.item() == pytest.approx(getattr(module, f"{name}_objective")(*point, **penalty).item(), rel=1e-13)
    for ours, theirs in zip(slopes, getattr(module, f"{name}_gradient")(*point, **penalty), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


def test_no_point_is_computed_twice():
    asked = []

    def both(weight, bias, *rows, **penalty):
        asked.append((*weight.flatten().tolist(), bias.item()))
        return linear_both(weight, bias, *rows, **penalty)

    model = torch.nn.Linear(3, 1, dtype=torch.float64)
    descent, objective = convex.lbfgs(model.parameters(), 4), convex.Objective(ALONE, model, both, ridge=0.1)
    for _ in range(8):
        descent.step(objective.closure(X, Y, len(X)))
        slope = model.weight.grad.clone()
    assert len(asked) == len(set(asked)) and 8 <= len(asked) <= 16
    other = X.clone()
    objective.closure(other, Y, len(X))()
    assert len(asked) == len(set(asked)) + 1, "other rows are computed again"
    assert torch.equal(model.weight.grad, linear_both(model.weight.detach(), model.bias.detach(), X, Y, ridge=0.1)[1])
    assert slope.shape == model.weight.shape


def test_factors_of_processes_count_every_row_once():
    seen, parts = triangle(X[:2], Y[:2]), [triangle(X[2:5], Y[2:5]), triangle(X[5:], Y[5:])]
    whole = merge_triangles(seen, *parts)
    for rank, part in enumerate(parts):
        other = parts[1 - rank]

        def added(value, rank=rank, other=other):
            if value.ndim == 0:
                return value + other.examples
            value = value.clone()
            value[1 - rank] = other.factor
            return value

        found = convex.add_triangle(SimpleNamespace(rank=rank, world=2, sum=added), seen, part)
        assert int(found.examples) == 7
        torch.testing.assert_close(found.factor, whole.factor)


def test_largest_weights_have_names():
    weight = torch.tensor([[0.5, -3.0], [2.0, 0.0]])
    assert convex.largest_weights(weight[0], ["a", "b"], count=1) == {"b": -3.0}
    both = convex.largest_weights(weight, ["a", "b"], ["x", "y"], count=3)
    assert list(both.items()) == [("x: b", -3.0), ("y: a", 2.0), ("x: a", 0.5)]
