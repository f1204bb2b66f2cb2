"""Convex models: shares of processes add up to the whole, SGD and L-BFGS by options, factors of all processes."""

import importlib
from types import SimpleNamespace

import pytest
import torch

from deepcanon.data.splits import Split
from deepcanon.engine.preprocess import Prepared
from deepcanon.foundations.linear_regression import linear_both, linear_objective, merge_triangles, triangle
from deepcanon.parts.standardize import Standardize
from deepcanon.techniques import convex

X, Y = torch.randn(7, 3, dtype=torch.float64), torch.randn(7, 1, dtype=torch.float64)
ALONE = SimpleNamespace(sum=lambda value: value, world=1)


def test_shares_of_several_processes_add_up_to_gradient_and_objective():
    found = []
    for world in (1, 3):
        total = torch.zeros(())
        model = torch.nn.Linear(3, 1, dtype=torch.float64)
        torch.nn.init.constant_(model.weight, 0.5), torch.nn.init.zeros_(model.bias)
        slopes = [torch.zeros_like(p) for p in model.parameters()]
        for rank in range(world):
            mine = slice(rank, None, world)
            run, rows = SimpleNamespace(sum=lambda value: value, world=world), convex.Rows(X[mine], Y[mine], len(X))
            total = total + convex.Objective(run, model, linear_both, ridge=0.3).closure(rows)()
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
        rank=1, world=2, steps=10, device=X.device, to=lambda value: value, batch=lambda split, size: batch,
        sum=lambda value: value,
        steps_of=lambda epochs, batch, examples: epochs * (examples // batch),
    )  # fmt: skip
    options = SimpleNamespace(
        optimizer="lbfgs", history=4, iterations=9, batch=2, epochs=5, learning_rate=0.5, momentum=0.9, centre=False
    )
    parameters = [torch.nn.Parameter(torch.zeros(3))]
    descent = convex.convex_optimizer(options, parameters)
    assert descent.param_groups[0]["history"] == 4 and descent.param_groups[0]["iterations"] == 1
    seen = []

    class Twice(torch.nn.Module):
        def forward(self, x):
            return seen.append(len(x)) or 2 * x

    prepared = Prepared(run, Twice())
    for step in range(3):
        rows = convex.rows_of_step(run, options, prepared, split, descent, step)
        assert torch.equal(rows.inputs, 2 * X[1::2]) and torch.equal(rows.targets, Y[1::2])
        assert (rows.total, rows.unit) == (7, 1.0)
    assert seen == [3] and convex.steps_of(run, options, 7) == 9 and descent.basis is None
    options.centre = True
    convex.rows_of_step(run, options, prepared, split, descent, 3)
    torch.testing.assert_close(descent.basis.mean, 2 * X[1::2].float().sum(0) / 7)
    options.optimizer = "sgd"
    descent = convex.convex_optimizer(options, parameters)
    rows = convex.rows_of_step(run, options, prepared, split, descent, 5)
    assert rows.total == 2 and convex.steps_of(run, options, 7) == 15
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
                descent.step(objective.closure(convex.Rows(X, Y, len(X))))
        ends.append(model.weight.detach().clone())
    assert torch.equal(*ends)
    assert convex.steepest(*model.parameters()) < 1e-3


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
        descent.step(objective.closure(convex.Rows(X, Y, len(X))))
        slope = model.weight.grad.clone()
    assert len(asked) == len(set(asked)) and 8 <= len(asked) <= 16
    other = X.clone()
    objective.closure(convex.Rows(other, Y, len(X)))()
    assert len(asked) == len(set(asked)) + 1, "nothing is kept of other rows"
    assert torch.equal(model.weight.grad, linear_both(model.weight.detach(), model.bias.detach(), X, Y, ridge=0.1)[1])
    assert slope.shape == model.weight.shape


@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_bytes_give_what_prepared_rows_give(name):
    module = importlib.import_module(f"deepcanon.foundations.{name}_regression")
    pixels = torch.randint(0, 256, (2500, 6), dtype=torch.uint8)
    model = torch.nn.Linear(6, 3, dtype=torch.float64)
    if name == "logistic":
        model.weight, model.bias = (torch.nn.Parameter(p[0].detach()) for p in (model.weight, model.bias))
    both, labels = getattr(module, f"{name}_both"), torch.arange(2500) % 2
    found = []
    for rows in (convex.Rows(pixels, labels, 2500, 255.0), convex.Rows(pixels.double() / 255, labels, 2500)):
        value = convex.Objective(ALONE, model, both, decay=0.3).closure(rows)()
        found.append([value, model.weight.grad, model.bias.grad])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


def test_every_process_counts_its_own_of_the_rows_that_give_the_mean():
    rows = torch.randint(0, 256, (5003, 4), dtype=torch.uint8)
    parts = []
    for rank in range(3):
        run = SimpleNamespace(rank=rank, world=3, sum=lambda value: value)
        parts.append(convex._mean(run, convex.Rows(rows[rank::3], rows[rank::3, 0], len(rows), 255.0), torch.float64))
    torch.testing.assert_close(sum(parts), rows[::5].double().mean(0) / 255)


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_of_raw_rows_are_those_of_standardised_ones(dtype):
    rows = 3 + 2 * torch.randn(50, 3, dtype=torch.float64)
    weight, bias = torch.randn(4, 3), torch.randn(4)

    def both(rows):
        preprocess = torch.nn.Sequential(Standardize(rows.mean(0).to(dtype), rows.std(0)), torch.nn.Flatten())
        expected = preprocess(rows.to(dtype)).double() @ weight.double().T + bias
        return convex.raw_logits(rows.to(dtype), weight, bias, preprocess), expected

    found, expected = both(rows)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, atol=2e-5, rtol=0)
    found, expected = both(rows + 1e5)  # float32 cannot tell these rows apart well enough to multiply them first
    assert (found is None) == (dtype == torch.float32)
    assert found is None or (found - expected).abs().max() < 2e-5
    pictures = torch.zeros(2, 1, 2, 2, dtype=torch.uint8)
    scaled = torch.nn.Sequential(Standardize([0.0], [255.0]), torch.nn.Flatten())
    assert convex.raw_logits(pictures, weight, bias, scaled) is None
