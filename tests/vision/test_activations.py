"""The family of rectifiers: gradients and values of torch, slopes that do not decay, means over draws, toy versions."""

import pytest
import torch
import torch.nn.functional as F
from contract.trainees import start, trainee
from jaxtyping import TypeCheckError
from torch import nn

from deepcanon.engine.instances import make
from deepcanon.engine.run import Run
from deepcanon.errors import UsageError
from deepcanon.foundations.weight_decay import decay_groups
from deepcanon.settings import Settings
from deepcanon.techniques.activations import ACTIVATIONS
from deepcanon.techniques.hidden_layers import parameters_of
from deepcanon.vision import ELU, LeakyReLU, Maxout, PReLU, RReLU
from deepcanon.vision.activations import elu, elu_backward, maxout, maxout_widths, rectifier, rectifier_backward


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def autograd(function, *inputs):
    """Value, and gradients of a fixed weighting of it."""
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    value = function(*inputs)
    return value, *torch.autograd.grad(value, inputs, drawn(*value.shape, seed=9))


PAIRS = {
    "leaky": (lambda z: rectifier(z, 0.01), F.leaky_relu),
    "leaky, module": (LeakyReLU(0.2), lambda z: F.leaky_relu(z, 0.2)),
    "elu": (lambda z: elu(z, 0.7), lambda z: F.elu(z, 0.7)),
    "elu, module": (ELU(0.7), lambda z: F.elu(z, 0.7)),
    "rrelu in evaluation": (RReLU().eval(), lambda z: F.rrelu(z, training=False)),
    "prelu": (PReLU().double(), lambda z: F.prelu(z, torch.tensor([0.25]).double())),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_values_and_gradients_are_those_of_torch(pair):
    ours, theirs = PAIRS[pair]
    z = torch.cat([drawn(5, 4), torch.tensor([[0.0, -60.0, 60.0, -1e-9]]).double()])
    torch.testing.assert_close(autograd(ours, z), autograd(theirs, z), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
def test_learned_slopes_have_the_gradient_of_torch(channels):
    z, slope = drawn(4, 3, 5), torch.full((channels,), 0.3).double()
    value, dz, da = autograd(F.prelu, z, slope)
    grad = drawn(*value.shape, seed=9)
    mine, each = rectifier_backward(z, 0.3, grad)
    torch.testing.assert_close(mine, dz)
    torch.testing.assert_close(each.sum((0, 2)) if channels > 1 else each.sum()[None], da)
    layer = PReLU(channels).double()
    assert layer.slope.tolist() == [0.25] * channels


def test_the_gradient_of_elu_comes_from_its_value():
    z, grad = drawn(6, 5), drawn(6, 5, seed=1)
    (expected,) = autograd(lambda v: (F.elu(v, 1.3) * grad).sum().view(1) / drawn(1, seed=9), z)[1:]
    torch.testing.assert_close(elu_backward(F.elu(z, 1.3), grad, 1.3), expected)


def test_slopes_never_decay():
    """Decay would draw them to 0, which is ReLU."""
    decayed, free = decay_groups(nn.Sequential(nn.Linear(3, 4), PReLU(4), PReLU()), 0.1)
    shapes = [tuple(p.shape) for p in free["params"]]
    assert free["weight_decay"] == 0 and shapes.count((4,)) == 2 and (1,) in shapes
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 3)]


def test_randomised_slopes_are_uniform_each_value_its_own_and_evaluation_takes_their_mean():
    layer, z = RReLU(), torch.full((400, 500), -1.0)
    slopes = -layer(z, torch.Generator().manual_seed(0))
    assert 1 / 8 <= slopes.min() < 0.126 and 0.332 < slopes.max() <= 1 / 3
    middle, width = (1 / 8 + 1 / 3) / 2, 1 / 3 - 1 / 8
    assert abs(slopes.mean() - middle) < 5e-4 and abs(slopes.std() - width / 12**0.5) < 5e-4
    assert slopes.mean(0).std() < 0.01 and slopes.mean(1).std() < 0.01, "slopes are shared by a row or a column"
    torch.testing.assert_close(-layer.eval()(z), torch.full_like(z, middle))
    assert abs(middle - 1 / 5.5) > 0.04, "the paper's convention divides, and its test slope is not the mean"
    positive = torch.rand(3, 4) + 0.1
    assert torch.equal(layer.train()(positive), positive)


def test_several_processes_draw_the_slopes_of_one():
    z = -torch.ones(6, 5)
    whole = RReLU()(z, torch.Generator().manual_seed(3))
    for rank in range(3):
        layer = RReLU()
        layer.rank, layer.world = rank, 3
        assert torch.equal(layer(z[rank::3], torch.Generator().manual_seed(3)), whole[rank::3])


def test_the_engine_tells_noisy_modules_which_rows_are_theirs():
    case = trainee("mlp").with_({"activation": "rrelu"})
    data = case.open_data(case.config, case.settings)
    facts = {**case.recipe.learn(case.config, data), "reader": data.describe()}
    run = Run(Settings(device="cpu", threads=1, steps=1), None, lambda: data)
    run.rank, run.world = 1, 2
    recipe = make(case.recipe, case.config, facts, run)
    found = [(m.rank, m.world) for m in recipe.model.modules() if isinstance(m, RReLU)]
    assert found == [(1, 2)] * len(case.config.hidden)


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_maxout_is_the_largest_piece_and_the_gradient_goes_there(pieces):
    z = drawn(4, 3 * pieces)
    value, dz = autograd(lambda v: maxout(v, pieces), z)
    largest, places = z.view(4, pieces, 3).max(1)
    torch.testing.assert_close(value, largest)
    expected = torch.zeros(4, pieces, 3).double().scatter_(1, places[:, None], drawn(4, 3, seed=9)[:, None])
    torch.testing.assert_close(dz, expected.view(4, -1))


def test_maxout_keeps_the_second_moment():
    torch.manual_seed(0)
    x = torch.randn(2000, 400)
    for _ in range(4):
        x = Maxout(400, 400)(x).detach()
    assert 0.8 < x.square().mean() < 1.25


@pytest.mark.parametrize(("hidden", "pieces"), [((256, 256), 2), ((100,), 3), ((64, 32, 16), 4)])
def test_maxout_layers_of_equal_size(hidden, pieces):
    """Without: twice the parameters, and not a fair comparison."""
    narrow = maxout_widths(784, 10, hidden, pieces)
    plain = parameters_of({"hidden": hidden}, 784, 10)
    ours = parameters_of({"hidden": narrow, "layer": "maxout", "pieces": pieces}, 784, 10)
    assert abs(ours / plain - 1) < 0.03
    assert parameters_of({"hidden": hidden, "layer": "maxout", "pieces": pieces}, 784, 10) > 1.9 * plain


TOYS = {
    "the slope on both sides": lambda z: 0.25 * z,
    "the slope of the positive side": lambda z: torch.where(z > 0, 0.25 * z, z),
    "an absolute value": lambda z: torch.where(z > 0, z, -0.25 * z),
    "ReLU": torch.relu,
}


@pytest.mark.parametrize("name", TOYS)
def test_toy_versions_differ(name):
    z = drawn(20, 5)
    value, dz = autograd(lambda v: rectifier(v, 0.25), z)
    wrong = autograd(TOYS[name], z)
    assert (value - wrong[0]).abs().max() > 0.1 and (dz - wrong[1]).abs().max() > 0.1


def test_a_gradient_of_elu_without_alpha_is_caught():
    z, grad = drawn(20, 5), torch.ones(20, 5).double()
    y = elu(z, 0.7)
    right = elu_backward(y, grad, 0.7)
    assert (right - grad * torch.where(y > 0, 1.0, y + 1)).abs().max() > 0.1


def test_refusals():
    for call in (
        lambda: maxout(torch.zeros(2, 5), 2),
        lambda: RReLU(0.4, 0.3),
        lambda: PReLU(3)(torch.zeros(2, 4)),
        lambda: rectifier_backward(torch.zeros(2, 3), 0.1, torch.zeros(2, 2)),
        lambda: elu_backward(torch.zeros(2, 3), torch.zeros(2, 2)),
    ):
        with pytest.raises((ValueError, TypeCheckError), match=r"\d"):
            call()


@pytest.mark.parametrize("name", [*ACTIVATIONS, "maxout"])
def test_a_perceptron_takes_each_of_them(name):
    options = {"layer": "maxout"} if name == "maxout" else {"activation": name}
    recipe, step = start(trainee("mlp").with_(options), 5)
    losses = [step()["loss"] for _ in range(5)]
    assert all(loss < 20 for loss in losses) and recipe.by_hand == (name in ("relu", "tanh", "sigmoid"))


@pytest.mark.parametrize("units", [("relu",), ("relu", "elu", "relu")])
def test_units_to_compare_are_different(units):
    with pytest.raises(UsageError, match="at least two different units"):
        start(trainee("activations").with_({"units": units}), 1)
