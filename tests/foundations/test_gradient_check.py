"""The gradient checker: bugs are caught and the right passes, kinks are skipped, randomness and buffers are frozen."""

import copy

import jaxtyping
import pytest
import torch
from torch import nn

from deepcanon.foundations.gradient_check import central_differences, check_gradients, check_module
from deepcanon.foundations.planted_bugs import PAIRS, explicit, judge


def draw(*shapes, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_every_planted_bug_is_caught_and_the_right_version_passes(pair):
    right, wrong = judge(pair, draw(*pair.inputs))
    assert right.passed and right.worst <= 1e-7, str(right)
    assert not wrong.passed and wrong.worst > 0.05, str(wrong)


@pytest.mark.parametrize("name", ["transposed weight", "dropout mask drawn again", "softmax without its Jacobian"])
def test_an_explicit_backward_pass_is_checked_without_autograd(name):
    pair = next(pair for pair in PAIRS if pair.name == name)
    inputs = draw(*pair.inputs)
    for half, passes in ((pair.right, True), (pair.wrong, False)):
        torch.manual_seed(5)
        kept = {}

        def function(*x, kept=kept):
            out, kept["last"] = pair.forward(*x)
            return out

        found = check_gradients(function, inputs, backward=lambda g, *x, half=half, kept=kept: half(g, *kept["last"]))
        assert found.passed == passes, str(found)


def test_inputs_drawn_from_the_checker_s_own_seed_hide_nothing():
    """Weights equal to the inputs would make the mask of the gradient that of the input."""
    pair = next(pair for pair in PAIRS if pair.name == "relu masked by the gradient")
    for seed in range(5):
        inputs = draw(*pair.inputs, seed=seed)
        assert not check_gradients(lambda *x: explicit(pair, *x, planted=True), inputs, seed=seed).passed


def test_the_worst_coordinate_is_named():
    class OneWrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sin()

        @staticmethod
        def backward(ctx, g):
            slope = ctx.saved_tensors[0].cos()
            slope[2, 1] *= 1.001
            return g * slope

    found = check_gradients(lambda a, b: OneWrong.apply(a) + b, {"a": draw((4, 3))[0], "b": draw((4, 3))[0]})
    assert (found.name, found.place) == ("a", (2, 1)) and found.worst == pytest.approx(0.001 / 1.001, rel=1e-5)
    assert found.errors["b"] < 1e-9 and "FAILED" in str(found) and "a[2, 1]" in str(found)


def test_a_wrong_parameter_of_a_module_is_named():
    class Halved(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.scale = nn.Linear(4, 5), nn.Parameter(torch.ones(5))

        def forward(self, x):
            return self.first(x).tanh() * (0.5 * self.scale + 0.5 * self.scale.detach())

    found = check_module(Halved(), *draw((3, 4)))
    assert found.name == "scale" and found.worst == pytest.approx(0.5, rel=1e-6) and not found.passed


@pytest.mark.parametrize("at", [0.0, 3e-6, -3e-6, 8e-6, 9.9e-6])
def test_a_point_near_a_kink_is_skipped_and_counted(at):
    x = torch.tensor([1.0, at, -2.0, 0.5, 0.7], dtype=torch.float64)
    for function in (torch.relu, torch.abs, lambda x: torch.maximum(x, 3 * x)):
        found = check_gradients(function, [x])
        agrees = at == 0 and function is not torch.relu  # autograd's slope is the mean of both sides, as (1) is
        assert found.passed and (found.checked, found.skipped) == (5 - (not agrees), 1 - agrees), str(found)


def test_a_tie_of_max_pooling_is_skipped():
    x = torch.tensor([[1.0, 1.0, 0.0, 2.0, 3.0, -1.0]], dtype=torch.float64)
    found = check_gradients(lambda x: torch.nn.functional.max_pool1d(x, 2), [x])
    assert found.passed and (found.checked, found.skipped) == (4, 2)


def test_a_kink_excuses_no_more_than_itself():
    """|x| / 1000 at 0 has a kink, but not one that explains a slope that is wrong by 1."""
    x = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    found = check_gradients(lambda x: x + x.abs() / 1000, [x], backward=lambda g, x: g * (x > 0))
    assert not found.passed and found.place == (0,)


def test_where_nothing_can_be_compared_nothing_passes():
    assert not check_gradients(torch.relu, [torch.zeros(5)]).passed


def test_a_smooth_function_with_a_large_curvature_is_no_kink():
    found = check_gradients(lambda x: (50 * x).sin() + (3 * x).exp(), draw((20,)))
    assert found.passed and found.skipped == 0, str(found)


def test_dropout_and_batch_norm_are_frozen_and_the_module_is_not_touched():
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 2))
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    found = check_module(net, torch.randn(5, 4, generator=torch.Generator().manual_seed(1)))
    assert found.passed, str(found)
    assert torch.equal(state, torch.get_rng_state()), "the caller's random state moved"
    for name, value in net.state_dict().items():
        assert value.dtype == before[name].dtype and torch.equal(value, before[name]), name
    assert all(p.grad is None for p in net.parameters()) and net.training


def test_running_statistics_do_not_drift_between_evaluations():
    class Drifting(nn.Module):  # its output depends on what earlier evaluations left
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.zeros(3))

        def forward(self, x):
            self.mean += 0.1
            return (x - self.mean).square()

    assert check_module(Drifting(), *draw((4, 3))).passed


def test_a_bias_before_batch_normalisation_has_gradient_zero_and_passes():
    assert check_module(nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh()), *draw((8, 4))).passed


def test_tied_weights_a_loss_and_integer_inputs():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.mixed = nn.Embedding(5, 3), nn.Linear(3, 3)
            self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)

        def forward(self, words):
            return self.mixed(self.table(words) * self.frozen) @ self.table.weight.T

    words = torch.tensor([0, 2, 2, 4])
    loss = nn.functional.cross_entropy
    found = check_module(Tied(), words, loss=lambda z: loss(z, torch.tensor([1, 0, 3, 4])))
    assert found.passed and found.checked == 15 + 9 + 3, str(found)


def test_a_gradient_that_does_not_reach_a_parameter_is_zero_and_caught():
    class Detached(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def forward(self, x):
            return self.inner(x).detach() + x

    assert not check_module(Detached(), *draw((2, 3))).passed


def test_outputs_in_nests_and_a_constant_function():
    found = check_gradients(lambda x: {"a": (x.sin(), [x.exp()]), "labels": x > 0}, draw((3,)))
    assert found.passed
    assert check_gradients(lambda x: 0 * x + 1, draw((3,))).passed


def test_rounding_alone_is_no_mistake():
    """Sums that are constant but for rounding: the gradient is 0, and differences see noise only."""
    for function in (lambda x: x.softmax(0).sum(), lambda x: (x.sin().square() + x.cos().square()).sum()):
        found = check_gradients(lambda x, function=function: 1e3 * function(x), draw((7,)))
        assert found.passed and found.skipped == 0, str(found)


def test_the_report_does_not_depend_on_the_caller_s_random_state():
    net, (x,) = nn.Sequential(nn.Linear(4, 9), nn.Dropout(0.5), nn.Linear(9, 2)), draw((3, 4))
    torch.manual_seed(1)
    first = check_module(net, x)
    torch.manual_seed(2)
    assert check_module(net, x) == first


def test_some_coordinates_only():
    found = check_gradients(lambda a, b: a.sin() @ b, draw((30, 20), (20, 2)), coordinates=7)
    assert found.passed and found.checked == 14


def test_central_differences_err_by_the_square_of_the_step():
    x = torch.tensor([0.3, 1.2], dtype=torch.float64)
    errors = [(central_differences(lambda v: v.exp().sum(), x, h) - x.exp()).abs().max().item() for h in (1e-2, 1e-3)]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.01)


def test_the_check_works_where_gradients_are_switched_off():
    with torch.no_grad():
        assert check_module(nn.Linear(3, 2), *draw((4, 3))).passed


def test_refusals(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    numbers = iter(range(1000))
    (x,) = draw((3,))
    for work, words in (
        (lambda: check_gradients(lambda x: x + next(numbers), [x]), "two values at one point"),
        (lambda: check_gradients(lambda x: x.float().sin(), [x]), "an output is torch.float32"),
        (lambda: check_gradients(lambda x: x > 0, [x]), "returns no float tensor"),
        (lambda: check_gradients(lambda x: x.log(), [-x.abs()]), "is nan at this point"),
        (lambda: check_gradients(torch.sin, [torch.tensor([1.0, float("nan")])]), "input 0 holds NaN"),
        (lambda: check_gradients(torch.sqrt, [torch.zeros(2)]), "not finite|is nan"),
        (lambda: check_gradients(lambda n: torch.ones(2).double(), [torch.tensor([1])]), "nothing to check"),
        (lambda: check_gradients(torch.sin, [torch.zeros(0)]), "nothing to check"),
        (
            lambda: check_gradients(torch.sin, [x], backward=lambda g, x: g[:2]),
            r"gradients \(2,\); the inputs are input 0",
        ),
        (lambda: check_gradients(torch.sin, [x], step=0.0), "above 0"),
        (lambda: check_gradients(torch.sin, [x], coordinates=0), "above 0"),
    ):
        with pytest.raises(ValueError, match=words):
            work()
