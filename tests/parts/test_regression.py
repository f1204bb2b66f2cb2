"""Measures of predicted numbers: scikit-learn's R^2 over all outputs, normal densities, what does not vary."""

import jaxtyping
import pytest
import torch

from deepcanon.parts.regression import regression_measures


def test_measures_equal_torch_and_scikit_learn():
    from sklearn.metrics import mean_squared_error, r2_score

    targets = torch.randn(30, 2, dtype=torch.float64) * torch.tensor([1.0, 5.0])
    means = targets + 0.3 * torch.randn(30, 2, dtype=torch.float64)
    variance = torch.tensor([0.1, 0.2], dtype=torch.float64)
    found = regression_measures(means, targets, variance)
    assert found["mse"].item() == pytest.approx(mean_squared_error(targets, means))
    weighted = r2_score(targets, means, multioutput="variance_weighted")
    assert found["r2"].item() == pytest.approx(weighted)
    density = torch.distributions.Normal(means, variance.sqrt()).log_prob(targets)
    torch.testing.assert_close(found["nll"], -density.mean())


def test_without_variance_nothing_is_infinite_or_explained(monkeypatch):
    same = torch.ones(3, 1, dtype=torch.float64)
    found = regression_measures(same, same, torch.zeros(1, dtype=torch.float64))
    assert "r2" not in found and torch.isfinite(found["nll"])
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match="do not fit"):  # else it would broadcast
        regression_measures(same, same[:, 0], torch.zeros(1))
