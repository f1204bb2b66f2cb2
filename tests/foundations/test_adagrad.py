"""AdaGrad: torch's own steps, dense and sparse, Duchi's regret bound, what it must not have, and refusals."""

import copy
import math

import numpy as np
import pytest
import torch
from oracles import adagrad as oracle

from deepcanon.foundations import Adagrad, GradientDescent
from deepcanon.foundations.adagrad import adagrad_rates


def parameters(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    shapes = [(5, 3), (7,), (2, 2, 2), ()]
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def train(optimizer, given, steps=200):
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.2 / (1 + step / 100)
        optimizer.zero_grad()
        sum((p.square().mean() + (3 * p).sin().sum() + p.sum() ** 2 / 10) for p in given).backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in given])


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("first", [0.0, 0.1])
def test_equals_torch_over_many_steps(first, decay):
    ours, theirs = parameters(), parameters()
    mine = train(Adagrad(ours, 0.2, initial_accumulator=first, weight_decay=decay), ours)
    other = train(torch.optim.Adagrad(theirs, 0.2, initial_accumulator_value=first, weight_decay=decay), theirs)
    torch.testing.assert_close(mine, other, atol=1e-12, rtol=0)
    assert (mine - torch.cat([p.detach().flatten() for p in parameters()])).abs().max() > 0.1


def use_table(table, optimizer, steps=40):
    generator = torch.Generator().manual_seed(3)
    for _ in range(steps):
        rows = torch.randint(0, 5, (4,), generator=generator)  # with repetitions; rows 5 to 7 are never seen
        optimizer.zero_grad()
        (table(rows) - rows[:, None]).square().sum().backward()
        optimizer.step()
    return table.weight.detach()


@pytest.mark.parametrize("first", [0.0, 0.1])
def test_sparse_rows_equal_torch_and_the_dense_path(first):
    tables = [torch.nn.Embedding(8, 3, sparse=True).double()]
    tables += [copy.deepcopy(tables[0]) for _ in range(2)]
    tables[2].sparse = False
    before = tables[0].weight.detach().clone()
    optimizers = [
        Adagrad(tables[0].parameters(), 0.3, initial_accumulator=first),
        torch.optim.Adagrad(tables[1].parameters(), 0.3, initial_accumulator_value=first),
        Adagrad(tables[2].parameters(), 0.3, initial_accumulator=first),
    ]
    ends = [use_table(table, optimizer) for table, optimizer in zip(tables, optimizers, strict=True)]
    torch.testing.assert_close(ends[0], ends[1], atol=1e-12, rtol=0)
    torch.testing.assert_close(ends[0], ends[2], atol=1e-12, rtol=0)
    assert torch.equal(ends[0][5:], before[5:]) and (ends[0][:5] != before[:5]).all()
    accumulator = optimizers[0].state[tables[0].weight]["sum"]
    assert (accumulator[5:] == first).all() and (accumulator[:5] > first).all()


def test_one_optimizer_takes_sparse_and_dense_gradients():
    net = torch.nn.ModuleList([torch.nn.Embedding(4, 3, sparse=True), torch.nn.Linear(3, 1)]).double()
    twin = copy.deepcopy(net)
    for model, optimizer in (
        (net, Adagrad(net.parameters(), 0.1)),
        (twin, torch.optim.Adagrad(twin.parameters(), 0.1)),
    ):
        for row in (0, 1, 1, 2):
            optimizer.zero_grad()
            model[1](model[0](torch.tensor([row]))).square().sum().backward()
            optimizer.step()
    for mine, other in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-13, rtol=0)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_constant_gradient_moves_by_the_sum_of_inverse_roots(size):
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = Adagrad([x], 0.1, eps=1e-30)
    for _ in range(500):
        x.grad = torch.full((1,), size, dtype=torch.float64)
        optimizer.step()
    assert -x.item() == pytest.approx(oracle.movement(500, 0.1), rel=1e-12)


def test_it_has_no_momentum_and_forgets_nothing():
    """After the gradients end nothing moves; and the rate stays what the largest gradients made of it."""
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer, rates = Adagrad([x], 0.1), []
    for gradient in (5.0, 5.0, -5.0, 0.0, 0.0):
        before = x.item()
        x.grad = torch.full((1,), gradient, dtype=torch.float64)
        optimizer.step()
        rates.append(adagrad_rates(optimizer.state[x]["sum"], 0.1).item())
    assert x.item() == before
    assert rates == sorted(rates, reverse=True) and rates[-1] == pytest.approx(0.1 / math.sqrt(75))
    assert set(optimizer.state[x]) == {"sum"}


def test_where_eps_stands_and_where_the_sum_begins():
    """The first step for gradient 0.01: torch's moves by the rate, TensorFlow's by a thirtieth of it."""
    moved = {}
    for name, options in {
        "torch": {},
        "tensorflow": {"initial_accumulator": 0.1, "eps": 0.0},
        "keras": {"initial_accumulator": 0.1, "eps": 1e-7, "eps_place": "inside"},
        "inside": {"eps": 1e-4, "eps_place": "inside"},
        "outside": {"eps": 1e-4},
    }.items():
        x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        x.grad = torch.full((1,), 0.01, dtype=torch.float64)
        Adagrad([x], 1.0, **options).step()
        moved[name] = -x.item()
    assert moved["torch"] == pytest.approx(1.0, abs=1e-7)
    assert moved["tensorflow"] == pytest.approx(0.01 / math.sqrt(0.1001), rel=1e-12)
    assert moved["keras"] == pytest.approx(0.01 / math.sqrt(0.1001001), rel=1e-12)
    assert moved["inside"] == pytest.approx(0.01 / math.sqrt(2e-4), rel=1e-12)
    assert moved["outside"] == pytest.approx(0.01 / 0.0101, rel=1e-12)


def online_regression(make, rounds, rare=0.05):
    """Regret of online least absolute regression with one rare feature, and the terms of Duchi's bound."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(rounds, 4))
    features[:, 3] *= (rng.random(rounds) < rare) / rare
    goal = np.array([0.5, -1.0, 0.3, 1.0])
    targets = features @ goal
    x = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer, losses, seen, far = make([x]), [], np.zeros(4), 0.0
    for feature, target in zip(features, targets, strict=True):
        far = max(far, float(np.abs(x.detach().numpy() - goal).max()))
        residual = float(feature @ x.detach().numpy() - target)
        gradient = np.sign(residual) * feature
        seen += gradient**2
        losses.append(abs(residual))  # the best fixed predictor has loss 0: regret is the sum
        x.grad = torch.from_numpy(gradient)
        optimizer.step()
    return np.cumsum(losses), np.sqrt(seen).sum(), far


def test_regret_is_sublinear_and_within_the_bound():
    """Duchi et al., theorem 5: regret <= (far^2 / (2 eta) + eta) sum_i |g_{1:T,i}|."""
    regret, roots, far = online_regression(lambda given: Adagrad(given, 0.3), 4000)
    assert regret[-1] <= (far**2 / (2 * 0.3) + 0.3) * roots
    late = math.log(regret[3999] / regret[999]) / math.log(4)
    assert late < 0.75, f"regret grows as T^{late:.2f}"
    linear = online_regression(lambda given: GradientDescent(given, 0.3), 4000)[0]
    assert math.log(linear[3999] / linear[999]) / math.log(4) > 0.9  # a constant rate never settles


def test_saved_and_loaded_goes_on_with_the_same_bits():
    given = parameters(torch.float32)
    optimizer = Adagrad(given, 0.2, initial_accumulator=0.1, eps_place="inside")
    train(optimizer, given, steps=7)
    twins = [p.detach().clone().requires_grad_() for p in given]
    other = Adagrad(twins, 1.0)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert torch.equal(train(optimizer, given, steps=10), train(other, twins, steps=10))


def test_closure_and_parameters_without_gradient():
    x, idle = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = Adagrad([x, idle], 0.1)

    def closure():
        optimizer.zero_grad()
        loss = x.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0
    assert x.tolist() == pytest.approx([0.9, 0.9]) and idle.tolist() == [1.0, 1.0]
    assert idle not in optimizer.state


def test_refusals():
    x = torch.zeros(3, requires_grad=True)
    for options in ({"lr": -0.1}, {"eps": math.nan}, {"initial_accumulator": -1.0}, {"weight_decay": math.inf}):
        with pytest.raises(ValueError, match="must be finite and not negative"):
            Adagrad([x], **options)
    with pytest.raises(ValueError, match="divides 0 by 0"):
        Adagrad([x], eps=0.0)
    with pytest.raises(ValueError, match="outside or inside"):
        adagrad_rates(torch.ones(1), 0.1, eps_place="under")
    x.grad = torch.ones(3).to_sparse()
    with pytest.raises(ValueError, match="dense gradients"):
        Adagrad([x], weight_decay=0.1).step()
    z = torch.zeros(2, dtype=torch.complex64, requires_grad=True)
    z.grad = torch.ones_like(z)
    with pytest.raises(ValueError, match="real parameters"):
        Adagrad([z]).step()
