import pytest
import torch

from deepcanon.techniques.calibration import temperature


def test_the_temperature_by_which_logits_were_multiplied_is_marked():
    """Labels drawn from softmax(a): of 3 a, T = 3 gives the probabilities that drew them, and calibrates."""
    random = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(40_000, 5, generator=random, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=random)[:, 0]
    curves, reliability = temperature(3 * logits, labels).figures
    (best,) = curves.marks.values()
    assert best == pytest.approx(3, rel=0.03)
    errors = [float(line.label.rsplit(" ", 1)[1]) for line in reliability.lines[1:]]
    assert errors[0] > 0.08 and errors[1] < 0.01
