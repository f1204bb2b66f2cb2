"""The table of gradient checks: it names the files it covers, draws from torch's generator, sees a broken layer."""

import pytest
import torch

from deepcanon.techniques import gradient_checks
from deepcanon.techniques.gradient_checks import CHECKS, draw


def test_every_file_with_layers_or_losses_is_there():
    names = {name.split(".")[0] for name in CHECKS}
    assert {"mlp", "softmax_regression", "losses", "convnet", "lstm", "rnn_lm", "gan", "dqn", "batch_norm"} <= names


@pytest.mark.parametrize("name", CHECKS)
def test_each_passes_on_a_few_entries(name):
    torch.manual_seed(1)
    report = CHECKS[name](coordinates=2)
    assert report.passed and report.worst <= 1e-7, str(report)


def test_points_are_drawn_from_the_default_generator():
    torch.manual_seed(3)
    first = draw((2, 3), ())
    torch.manual_seed(3)
    again = draw((2, 3), ())
    assert all(torch.equal(a, b) and a.dtype == torch.float64 for a, b in zip(first, again, strict=True))


def test_a_layer_that_breaks_is_seen(monkeypatch):
    """A planted bug in the package itself: the gradient of cross-entropy without its 1/m."""
    losses = gradient_checks.losses
    broken = losses.softmax_cross_entropy_gradient
    monkeypatch.setattr(losses, "softmax_cross_entropy_gradient", lambda z, y: broken(z, y) * len(y))
    found = gradient_checks.pair_of("softmax_cross_entropy", gradient_checks.LABELS)()
    assert not found.passed and found.worst == pytest.approx(0.75, rel=1e-6)
