"""Gradient descent: torch's own steps, what a batch and an epoch are, the best rate, and refusals."""

import copy
import math

import pytest
import torch

from deepcanon.foundations import GradientDescent
from deepcanon.foundations.gradient_descent import best_descent_rate, epoch_batches, epoch_mean
from deepcanon.foundations.softmax_regression import softmax_gradient, softmax_objective


def parameters(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    shapes = [(5, 3), (7,), (2, 2, 2), ()]
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def train(optimizer, given, steps=200):
    """Steps on a smooth function of all parameters that is not convex."""
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.05 / (1 + step / 100)
        optimizer.zero_grad()
        sum((p.square().mean() + (3 * p).sin().sum() + p.sum() ** 2 / 10) for p in given).backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in given])


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_equals_torch_over_many_steps(decay):
    ours, theirs = parameters(), parameters()
    mine = train(GradientDescent(ours, 0.05, weight_decay=decay), ours)
    other = train(torch.optim.SGD(theirs, 0.05, weight_decay=decay), theirs)
    torch.testing.assert_close(mine, other, atol=1e-12, rtol=0)
    assert (mine - torch.cat([p.detach().flatten() for p in parameters()])).abs().max() > 0.1


def softmax_problem():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(37, 5, generator=generator, dtype=torch.float64)
    return x, torch.randint(3, (37,), generator=generator)


def train_softmax(x, y, batch, epochs, shuffle):
    weight = torch.zeros(3, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer, generator = GradientDescent([weight, bias], 0.5), torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for rows in epoch_batches(len(x), batch, shuffle=shuffle, generator=generator):
            gradients = softmax_gradient(weight.detach(), bias.detach(), x[rows], y[rows])
            weight.grad, bias.grad = gradients
            optimizer.step()
    return torch.cat([weight.detach(), bias.detach()[:, None]], 1)


def test_batch_descent_is_sgd_with_one_batch():
    """Bit for bit in file order; to rounding when the one batch is shuffled; small batches go elsewhere."""
    x, y = softmax_problem()
    weight, bias = torch.zeros(3, 5, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for _ in range(20):
        grad_weight, grad_bias = softmax_gradient(weight, bias, x, y)
        weight, bias = weight - 0.5 * grad_weight, bias - 0.5 * grad_bias
    whole = torch.cat([weight, bias[:, None]], 1)
    assert torch.equal(train_softmax(x, y, 37, 20, False), whole)
    torch.testing.assert_close(train_softmax(x, y, 37, 20, True), whole, atol=1e-13, rtol=0)
    assert (train_softmax(x, y, 10, 20, True) - whole).abs().max() > 0.01


def test_an_epoch_uses_each_example_once_in_a_new_order():
    generator = torch.Generator().manual_seed(0)
    first, second = (epoch_batches(23, 5, generator=generator) for _ in range(2))
    assert [len(rows) for rows in first] == [5, 5, 5, 5, 3]
    for batches in (first, second):
        assert sorted(torch.cat(batches).tolist()) == list(range(23))
    assert torch.cat(first).tolist() != torch.cat(second).tolist()
    again = epoch_batches(23, 5, generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(torch.cat(epoch_batches(23, 5, shuffle=False)), torch.arange(23))
    assert [len(rows) for rows in epoch_batches(4, 9)] == [4]


def test_the_epoch_mean_weights_the_short_batch():
    x, y = softmax_problem()
    weight = torch.randn(3, 5, dtype=torch.float64)
    nll = softmax_objective(weight, torch.zeros(3, dtype=torch.float64), x, y, reduction="none")
    batches = epoch_batches(37, 10)
    means = [nll[rows].mean().item() for rows in batches]
    assert epoch_mean(means, [len(rows) for rows in batches]) == pytest.approx(nll.mean().item(), abs=1e-14)
    assert abs(sum(means) / len(means) - nll.mean().item()) > 1e-4  # the usual mistake is seen


def test_the_rate_of_the_mean_is_that_of_the_sum_times_the_batch():
    x, y = softmax_problem()
    ends = []
    for reduction, rate in (("mean", 0.5), ("sum", 0.5 / 37)):
        weight = torch.zeros(3, 5, dtype=torch.float64, requires_grad=True)
        optimizer = GradientDescent([weight], rate)
        for _ in range(20):
            optimizer.zero_grad()
            softmax_objective(weight, torch.zeros(3, dtype=torch.float64), x, y, reduction=reduction).backward()
            optimizer.step()
        ends.append(weight.detach())
    torch.testing.assert_close(*ends, atol=1e-14, rtol=0)


def contraction(rate, curvatures, steps=400):
    x = torch.ones(len(curvatures), dtype=torch.float64, requires_grad=True)
    optimizer, sizes = GradientDescent([x], rate), []
    for _ in range(steps):
        x.grad = curvatures * x.detach()
        optimizer.step()
        sizes.append(x.detach().abs().max().item())
    return (sizes[-1] / sizes[steps // 2 - 1]) ** (2 / steps)


def test_the_best_rate_contracts_by_99_over_101():
    curvatures = torch.logspace(0, 2, 7, dtype=torch.float64)
    best = best_descent_rate(1.0, 100.0)
    assert best.contraction == pytest.approx(99 / 101, abs=1e-15)
    assert contraction(best.rate, curvatures) == pytest.approx(99 / 101, rel=1e-10)
    for other in (0.9, 0.99, 1.005):
        assert contraction(other * best.rate, curvatures) > 99 / 101 + 1e-5


def test_sparse_gradients_touch_their_rows_only():
    table = torch.nn.Embedding(6, 3, sparse=True).double()
    dense = copy.deepcopy(table)
    dense.sparse = False
    before = table.weight.detach().clone()
    for net in (table, dense):
        net(torch.tensor([1, 4, 4])).square().sum().backward()
        GradientDescent(net.parameters(), 0.1).step()
    torch.testing.assert_close(table.weight, dense.weight, atol=1e-15, rtol=0)
    assert (table.weight != before).any(1).tolist() == [False, True, False, False, True, False]
    with pytest.raises(ValueError, match="weight decay needs dense"):
        GradientDescent(table.parameters(), 0.1, weight_decay=0.1).step()


def test_closure_groups_and_missing_gradients():
    one, other, idle = (torch.ones(2, requires_grad=True) for _ in range(3))
    optimizer = GradientDescent([{"params": [one, idle]}, {"params": [other], "lr": 0.5, "weight_decay": 1.0}], 0.1)

    def closure():
        optimizer.zero_grad()
        loss = (one + 2 * other).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 6.0
    assert one.tolist() == pytest.approx([0.9, 0.9]) and other.tolist() == pytest.approx([-0.5, -0.5])
    assert idle.tolist() == [1.0, 1.0]
    assert optimizer.state_dict()["state"] == {}
    twin = GradientDescent([{"params": [one, idle]}, {"params": [other]}], 9.0)
    twin.load_state_dict(optimizer.state_dict())
    assert [group["lr"] for group in twin.param_groups] == [0.1, 0.5]


@pytest.mark.parametrize(
    "options", [{"lr": -1.0}, {"lr": math.nan}, {"lr": math.inf}, {"lr": 0.1, "weight_decay": -0.1}]
)
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match=r"lr is|weight_decay is"):
        GradientDescent([torch.zeros(1, requires_grad=True)], **options)


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="0 examples"):
        epoch_batches(0, 4)
    with pytest.raises(ValueError, match=r"means \(2,\) and counts \(3,\)"):
        epoch_mean([1.0, 2.0], [1, 2, 3])
    with pytest.raises(ValueError, match="without examples"):
        epoch_mean([1.0, 2.0], [1, 0])
    for ends in ((0.0, 1.0), (2.0, 1.0), (1.0, math.nan)):
        with pytest.raises(ValueError, match="curvatures"):
            best_descent_rate(*ends)
