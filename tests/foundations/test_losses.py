"""Losses from logits: the gradient ratio of the two on a saturated unit, torch parity, limits, refusals."""

import math

import jaxtyping
import pytest
import torch
import torch.nn.functional as F

from deepcanon.foundations import losses

PAIRS = ("sigmoid_cross_entropy", "sigmoid_squared_error", "softmax_cross_entropy", "softmax_squared_error",
         "least_squares")  # fmt: skip


def material(name, count=6, scale=3.0):
    generator = torch.Generator().manual_seed(0)
    if name.startswith("sigmoid"):
        z = scale * torch.randn(count, 3, generator=generator, dtype=torch.float64)
        return z, torch.rand(count, 3, generator=generator, dtype=torch.float64)
    z = scale * torch.randn(count, 4, generator=generator, dtype=torch.float64)
    return z, torch.randint(4, (count,), generator=generator)


def ratio(z, t):
    z, t = (torch.tensor(v, dtype=torch.float64) for v in (z, t))
    return (losses.sigmoid_squared_error_gradient(z, t) / losses.sigmoid_cross_entropy_gradient(z, t)).item()


@pytest.mark.parametrize("t", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("z", [-10.0, -1.5, 0.0, 3.0, 10.0])
def test_the_ratio_of_the_gradients_is_the_slope_of_the_sigmoid(z, t):
    """(6), exact; with the wrong label at logit 10 it is 4.5396e-5."""
    assert ratio(z, t) == pytest.approx(1 / (2 + 2 * math.cosh(z)), rel=1e-12)


def test_the_ratio_keeps_its_digits_where_one_minus_y_rounds_to_nothing():
    assert ratio(40.0, 0.0) == pytest.approx(math.exp(-40), rel=1e-12)
    y = torch.sigmoid(torch.tensor(40.0, dtype=torch.float64))
    assert (y * (1 - y)).item() == 0.0  # the naive product


def test_a_surely_wrong_row_learns_from_cross_entropy_only():
    """Softmax at a logit gap of 20 and the wrong label: the gradients' norms are sqrt 2 and 2 sqrt 2 exp(-20)."""
    z, label = torch.tensor([[20.0, 0.0]], dtype=torch.float64), torch.tensor([1])
    strong = losses.softmax_cross_entropy_gradient(z, label).norm().item()
    weak = losses.softmax_squared_error_gradient(z, label).norm().item()
    assert strong == pytest.approx(math.sqrt(2), rel=1e-8)
    assert weak == pytest.approx(2 * math.sqrt(2) * math.exp(-20), rel=1e-7)


def test_squared_error_on_a_sigmoid_never_has_a_gradient_above_4_27ths():
    z = torch.linspace(-30, 30, 60_001, dtype=torch.float64)
    steepest = losses.sigmoid_squared_error_gradient(z, torch.zeros_like(z), reduction="sum").max().item()
    assert steepest == pytest.approx(4 / 27, rel=1e-6)  # at y = 2/3


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_closed_form_gradient_equals_autograd(name, reduction):
    z, target = material(name)
    z.requires_grad_()
    (auto,) = torch.autograd.grad(getattr(losses, name)(z, target, reduction=reduction), z)
    ours = getattr(losses, f"{name}_gradient")(z.detach(), target, reduction=reduction)
    torch.testing.assert_close(ours, auto, atol=1e-14, rtol=1e-12)


@pytest.mark.parametrize("name", PAIRS)
def test_reductions(name):
    z, target = material(name)
    loss, gradient = getattr(losses, name), getattr(losses, f"{name}_gradient")
    each, count = loss(z, target, reduction="none"), target.numel()
    assert each.shape == target.shape
    torch.testing.assert_close(loss(z, target), each.sum() / count)
    torch.testing.assert_close(loss(z, target, reduction="sum"), each.sum())
    torch.testing.assert_close(gradient(z, target) * count, gradient(z, target, reduction="none"))


def test_equal_to_torch():
    z, t = material("sigmoid_cross_entropy")
    torch.testing.assert_close(losses.sigmoid_cross_entropy(z, t), F.binary_cross_entropy_with_logits(z, t))
    torch.testing.assert_close(losses.sigmoid_squared_error(z, t), 0.5 * F.mse_loss(z.sigmoid(), t))
    z, label = material("softmax_cross_entropy")
    torch.testing.assert_close(losses.softmax_cross_entropy(z, label), F.cross_entropy(z, label))
    wanted = F.one_hot(label, 4).double()
    torch.testing.assert_close(losses.softmax_squared_error(z, label), 2 * F.mse_loss(z.softmax(1), wanted))
    torch.testing.assert_close(losses.least_squares(z, label), 2 * F.mse_loss(z, wanted))


@pytest.mark.parametrize("name", PAIRS[:4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_logits_neither_overflow_nor_give_nan(name, dtype):
    z, target = material(name)
    z = (1e4 * z.sign() * z.abs().clamp_min(0.5)).to(dtype)
    target = target.round().to(dtype) if target.is_floating_point() else target
    assert torch.isfinite(getattr(losses, name)(z, target, reduction="none")).all()
    assert torch.isfinite(getattr(losses, f"{name}_gradient")(z, target)).all()


def test_what_does_not_fit_is_named(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the user has no run-time check of shapes
    column, row = torch.zeros(4, 1), torch.zeros(4)
    for name in ("sigmoid_cross_entropy", "sigmoid_squared_error"):
        for function in (getattr(losses, name), getattr(losses, f"{name}_gradient")):
            with pytest.raises(ValueError, match=r"\(4, 1\).*\(4,\)"):  # torch would broadcast to 4 x 4
                function(column, row)
            with pytest.raises(ValueError, match=r"-1 to 1; labels -1 and 1 become"):
                function(torch.zeros(2), torch.tensor([-1.0, 1.0]))
            with pytest.raises(ValueError, match="empty"):
                function(torch.zeros(0), torch.zeros(0))
    for name in PAIRS[2:]:
        for function in (getattr(losses, name), getattr(losses, f"{name}_gradient")):
            with pytest.raises(ValueError, match=r"logits \(4, 3\) and labels \(3,\)"):
                function(torch.zeros(4, 3), torch.zeros(3, dtype=torch.int64))
            with pytest.raises(ValueError, match=r"3 classes are 0 to 2.*from 0 to 3"):
                function(torch.zeros(2, 3), torch.tensor([0, 3]))
            with pytest.raises(ValueError, match="reduction"):
                function(torch.zeros(2, 3), torch.tensor([0, 1]), reduction="average")


# The recipe


def finished(curves, threshold=0.95):
    """The recipe with trials that were never trained: (arm, seed) -> validation errors at steps 10, 20, ..."""
    from deepcanon.engine.run import Run
    from deepcanon.recipes import losses as recipe
    from deepcanon.settings import Settings

    config = recipe.Config(train_steps=40, every=10, threshold=threshold, seeds=2)
    made = recipe.Recipe(config, {}, Run(Settings(data="digits", steps=1, device="cpu")))
    made.comparison.results = [
        {"arm": arm, "phase": "seeds", "seed": seed, "options": {"learning_rate": 0.1}, "valid": errors[-1],
         "test": errors[-1], "curve": [[10 * i + 10, e] for i, e in enumerate(errors)], "loss": [], "failed": None}
        for (arm, seed), errors in curves.items()
    ]  # fmt: skip
    return made


def test_steps_to_the_threshold_are_read_from_the_curves():
    curves = {
        ("cross_entropy", 0): [0.2, 0.04, 0.06, 0.03],
        ("squared", 0): [0.3, 0.2, 0.05, 0.04],
        ("cross_entropy", 1): [0.05, 0.04, 0.03, 0.02],
        ("squared", 1): [0.3, 0.2, 0.1, 0.06],
    }
    found = finished(curves).evaluate("test")
    assert found["steps_cross_entropy"] == 15 and found["reached_cross_entropy"] == 1
    assert found["steps_squared"] == 40 and found["reached_squared"] == 0.5  # 30, and never: 40 and one look
    assert found["steps_difference"] == -25  # -10 and -40
    assert found["ratio_at_10"] == pytest.approx(1 / (2 + 2 * math.cosh(10)), rel=1e-13)


def test_the_table_says_never():
    made = finished({("cross_entropy", 0): [0.2, 0.04, 0.06, 0.03], ("squared", 0): [0.9, 0.9, 0.9, 0.9]})
    table = made.table()
    assert "     20  cross-entropy, rate 0.1, seed 0" in table and "  never  squared" in table


@pytest.mark.parametrize(
    ("options", "words"),
    [({"threshold": 1.5}, "threshold"), ({"every": 1700}, "every"), ({"valid_share": 0.0}, "valid-share")],
)
def test_options_that_do_not_fit_are_named(options, words):
    from deepcanon.data import open_data
    from deepcanon.errors import UsageError
    from deepcanon.recipes import losses as recipe
    from deepcanon.settings import build_config

    with pytest.raises(UsageError, match=words):
        recipe.Recipe.learn(build_config(recipe.Config, options), open_data(("images",), "digits"))
